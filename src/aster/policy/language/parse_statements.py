"""Statements, blocks and patterns (specification §5.1, §5.2), with recovery at line ends."""

from collections.abc import Callable
from decimal import Decimal

from aster.policy.language.cursor import ParseFailure
from aster.policy.language.parse_expressions import MAX_BRANCHES, ExpressionParser
from aster.policy.language.parse_primaries import LITERAL_WORDS
from aster.policy.language.terms import Term
from aster.policy.language.tokens import DEDENT, END, INDENT, NEWLINE, NUMBER, TEXT, WORD
from aster.policy.language.tree import (
    AnyPattern,
    Arm,
    Await,
    Block,
    Call,
    ConstructorPattern,
    Discard,
    Expression,
    If,
    Let,
    Match,
    NamePattern,
    NullPattern,
    Pattern,
    Return,
    Scope,
    Set,
    Start,
    Statement,
    Step,
    ValuePattern,
    Wait,
    Workflow,
)


class StatementParser(ExpressionParser):
    """Productions for statements."""

    def block(self) -> Block:
        """An indented block after a line end."""
        self.accept(NEWLINE)
        if not self.accept(INDENT):
            raise self.failure("P010")
        self.deeper()
        try:
            return self._statements()
        finally:
            self.depth -= 1

    def _statements(self) -> Block:
        statements: list[Statement] = []
        while (kind := self.token.kind) is not DEDENT and kind is not END:
            if kind is NEWLINE:
                self.advance()
                continue
            try:
                if self.at(INDENT):
                    raise self.failure("P011")
                statements.append(self.statement())
            except ParseFailure:
                self.recover()
        self.accept(DEDENT)
        return tuple(statements)

    def recover(self) -> None:
        """Skip the rest of the line, and the block below it."""
        self.constructing = 0
        while not self.at(NEWLINE) and not self.at(DEDENT) and not self.at(END) and not self.at(INDENT):
            self.advance()
        self.accept(NEWLINE)
        depth = 0
        while self.at(INDENT) or depth:
            if self.at(END):
                return
            depth += 1 if self.at(INDENT) else -1 if self.at(DEDENT) else 0
            self.advance()

    def end_statement(self) -> None:
        """The full stop, which may be left out at the end of a line."""
        if self.accept_sign("."):
            if self.token.phrases and self.accept_keyword("FUNC_PERFORMS"):
                while not self.at(NEWLINE) and not self.at(END) and not self.at(DEDENT):
                    self.advance()
            self.accept(NEWLINE)
        elif self.at(NEWLINE) or self.at(DEDENT) or self.at(END):
            self.leave_out_stop()
            self.accept(NEWLINE)
        else:
            raise self.missing(".")

    def statement(self) -> Statement:
        start = self.token.start
        for kind, length in self.token.phrases:
            production = _STATEMENTS.get(kind)
            if production is not None and (kind in _BEFORE_BRACKET or self.peek(length).value != "("):
                self.take(kind, length)
                return production(self, start)
        if self.token.phrases and self.at_keyword("FOR_EACH"):
            raise self.failure("P005", help_text=Term("there are no loops; use List.map, List.filter or List.reduce"))
        value = self.expression()
        if not isinstance(value, Call | Await):
            raise self.failure("P005")
        self.end_statement()
        return Discard(start, self.last_end, value)

    def _let(self, start: int) -> Statement:
        name = self.expect_name()
        name_end = self.last_end
        self.expect_keyword("BE")
        if self.at_article() and self.at_keyword("FUNCTION", 1):
            self.skip_article()
        value = self.expression()
        if self.tokens[self.index - 1].kind is not DEDENT:
            self.end_statement()
        return Let(start, value.end, name, value, name_end)

    def _set(self, start: int) -> Statement:
        name = self.expect_name()
        if not self.accept_keyword("TO_WORD"):
            self.expect_keyword("FUNC_TO")
        value = self.expression()
        if self.tokens[self.index - 1].kind is not DEDENT:
            self.end_statement()
        return Set(start, value.end, name, value)

    def _return(self, start: int) -> Statement:
        value = self.expression()
        if self.tokens[self.index - 1].kind is not DEDENT:
            self.end_statement()
        return Return(start, value.end, value)

    def _if(self, start: int) -> Statement:
        branches: list[tuple[Expression, Block]] = []
        otherwise: Block | None = None
        self.deeper()
        try:
            while True:
                condition = self.expression()
                end = condition.end
                branches.append((condition, self._branch()))
                if len(branches) > MAX_BRANCHES:
                    raise self.failure("P017", limit=MAX_BRANCHES, what=Term("branches"))
                if not self._accept_otherwise():
                    break
                if not self.accept_keyword("IF"):
                    otherwise = self._branch()
                    break
        finally:
            self.depth -= 1
        return If(start, end, tuple(branches), otherwise)

    def _accept_otherwise(self) -> bool:
        if self.token.kind is NEWLINE and self.at_keyword("OTHERWISE", 1):
            self.advance()
        return bool(self.token.phrases) and self.accept_keyword("OTHERWISE")

    def _branch(self) -> Block:
        """The body of a branch: a block, or one statement on the same line (after `then`, a comma or a colon)."""
        inline = False
        if self.token.kind is not NEWLINE:
            inline = self.accept_keyword("THEN") or self.accept_sign(":") or self.accept_sign(",")
        if self.token.kind is NEWLINE and self.peek().kind is INDENT:
            return self.block()
        if not inline and not self.at_keyword("RETURN"):
            raise self.failure("P010")
        return (self._inline_statement(),)

    def _inline_statement(self) -> Statement:
        """One statement in a line; its end is left open when `else` follows."""
        start = self.token.start
        for kind, length in self.token.phrases:
            if kind in _RETURNS:
                self.take(kind, length)
                value = self.expression()
                if not self.at_keyword("OTHERWISE"):
                    self.end_statement()
                return Return(start, value.end, value)
        return self.statement()

    def _match(self, start: int) -> Statement:
        subject = self.expression()
        end = self.last_end
        self.accept_sign(":")
        self.accept(NEWLINE)
        if not self.accept(INDENT):
            raise self.failure("P010")
        arms: list[Arm] = []
        with self.nested():
            while not self.at(DEDENT) and not self.at(END):
                if self.accept(NEWLINE):
                    continue
                try:
                    arms.append(self._arm())
                except ParseFailure:
                    self.recover()
        self.accept(DEDENT)
        return Match(start, end, subject, tuple(arms))

    def _arm(self) -> Arm:
        start = self.token.start
        if self.accept_keyword("OTHERWISE"):
            pattern: Pattern = AnyPattern(start, self.last_end)
        else:
            self.expect_keyword("WHEN")
            pattern = self.pattern()
        end = self.last_end
        if not self.accept_sign(",") and not self.accept_sign(":"):
            raise self.missing(",")
        if self.at(NEWLINE):
            return Arm(start, end, pattern, self.block())
        return Arm(start, end, pattern, (self._inline_statement(),))

    def pattern(self) -> Pattern:
        token = self.token
        if token.kind is NUMBER and not isinstance(token.value, float | Decimal):
            self.advance()
            return ValuePattern(token.start, token.end, int(token.value))
        if self.at_sign("-") and self.peek().kind is NUMBER and isinstance(self.peek().value, int):
            self.advance(2)
            return ValuePattern(token.start, self.last_end, -int(self.tokens[self.index - 1].value))
        if token.kind is TEXT:
            self.advance()
            return ValuePattern(token.start, token.end, token.value)
        if token.kind is not WORD:
            raise self.failure("P009")
        if token.value == "_":
            self.advance()
            return AnyPattern(token.start, token.end)
        for kind, length in token.phrases:
            if kind in LITERAL_WORDS and self.peek(length).value in {",", ":", ")", "("}:
                self.take(kind, length)
                if self.at_sign("(") and self.peek().value == ")":
                    self.advance(2)
                value = LITERAL_WORDS[kind]
                if value is None:
                    return NullPattern(token.start, self.last_end)
                return ValuePattern(token.start, self.last_end, value)
        self.advance()
        return self._named_pattern(token.start, str(token.value))

    def _named_pattern(self, start: int, name: str) -> Pattern:
        qualifier = ""
        while self.name_adjacent():
            self.advance()
            qualifier, name = f"{qualifier}.{name}" if qualifier else name, str(self.advance().value)
        if not self.at_sign("("):
            return NamePattern(start, self.last_end, name, qualifier or None)
        if qualifier:
            name = f"{qualifier}.{name}"
        if not self.accept_sign("("):
            return NamePattern(start, self.last_end, name)
        parts: list[Pattern] = []
        with self.nested():
            while not self.accept_sign(")"):
                parts.append(self.pattern())
                if not self.accept_sign(","):
                    self.expect_sign(")")
                    break
        return ConstructorPattern(start, self.last_end, name, tuple(parts))

    # scopes, concurrency and workflows

    def _within(self, start: int) -> Statement:
        self.expect_keyword("SCOPE")
        self.accept_sign(":")
        end = self.last_end
        return Scope(start, end, self.block())

    def _start(self, start: int) -> Statement:
        name = self.expect_name()
        self.expect_keyword("IMPORT_ALIAS")
        self.expect_keyword("ASYNC")
        value = self.expression()
        self.end_statement()
        return Start(start, value.end, name, value)

    def _wait(self, start: int) -> Statement:
        names = [self.expect_name()]
        while self.accept_keyword("AND") or self.accept_sign(","):
            names.append(self.expect_name())
        end = self.last_end
        self.end_statement()
        return Wait(start, end, tuple(names))

    def _workflow(self, start: int) -> Statement:
        self.expect_sign(":")
        end = self.last_end
        self.accept(NEWLINE)
        if not self.accept(INDENT):
            raise self.failure("P010")
        steps: list[Step] = []
        attempts: int | None = None
        backoff: str | None = None
        timeout: int | None = None
        with self.nested():
            while not self.at(DEDENT) and not self.at(END):
                if self.accept(NEWLINE):
                    continue
                if self.accept_keyword("RETRY"):
                    attempts, backoff = self._retry()
                elif self.accept_keyword("TIMEOUT"):
                    timeout = self._timeout()
                else:
                    steps.append(self._step())
        self.accept(DEDENT)
        if self.accept_sign("."):
            self.accept(NEWLINE)
        return Workflow(start, end, tuple(steps), attempts, backoff, timeout)

    def _step(self) -> Step:
        start = self.token.start
        self.expect_keyword("STEP")
        name = self.expect_name()
        dependencies: list[str] = []
        if self.accept_keyword("DEPENDS_ON") or self.accept_keywords("DEPENDS", "ON"):
            self.expect_sign("[")
            while not self.accept_sign("]"):
                if not self.at(TEXT):
                    raise self.failure("P003", expected=Term("the name of a step, as text"))
                dependencies.append(str(self.advance().value))
                self.accept_sign(",")
        self.expect_sign(":")
        end = self.last_end
        body = self.block()
        compensate = None
        if self.accept_keyword("COMPENSATE"):
            self.expect_sign(":")
            compensate = self.block()
        return Step(start, end, name, body, compensate, tuple(dependencies))

    def _retry(self) -> tuple[int | None, str | None]:
        attempts: int | None = None
        backoff: str | None = None
        self.expect_sign(":")
        self.accept(NEWLINE)
        if not self.accept(INDENT):
            raise self.failure("P010")
        while not self.accept(DEDENT) and not self.at(END):
            if self.accept_keyword("MAX_ATTEMPTS"):
                self.expect_sign(":")
                attempts = self._whole_number()
            else:
                self.expect_keyword("BACKOFF")
                self.expect_sign(":")
                exponential = self.accept_keyword("EXPONENTIAL")
                if not exponential:
                    self.expect_keyword("LINEAR")
                backoff = "exponential" if exponential else "linear"
            self.end_statement()
        return attempts, backoff

    def _timeout(self) -> int:
        self.expect_sign(":")
        seconds = self._whole_number()
        self.accept_keyword("SECONDS")
        self.end_statement()
        return seconds

    def _whole_number(self) -> int:
        negative = self.accept_sign("-")
        if not self.at(NUMBER) or not isinstance(self.token.value, int):
            raise self.failure("P003", expected=Term("a whole number"))
        value = int(self.advance().value)
        return -value if negative else value


_STATEMENTS: dict[str, Callable[[StatementParser, int], Statement]] = {
    "LET": StatementParser._let,
    "SET": StatementParser._set,
    "RETURN": StatementParser._return,
    "FUNC_PRODUCE": StatementParser._return,
    "RESULT_IS": StatementParser._return,
    "IF": StatementParser._if,
    "MATCH": StatementParser._match,
    "WITHIN": StatementParser._within,
    "START": StatementParser._start,
    "WAIT_FOR": StatementParser._wait,
    "WORKFLOW": StatementParser._workflow,
}
_RETURNS = frozenset({"RETURN", "FUNC_PRODUCE", "RESULT_IS"})
_BEFORE_BRACKET = _RETURNS | {"IF", "MATCH"}
