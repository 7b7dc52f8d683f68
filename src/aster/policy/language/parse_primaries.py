"""What operators join (specification §5.3): literals, names, calls, lists, constructions, function values."""

from abc import ABC, abstractmethod

from aster.policy.language.parse_types import TypeParser
from aster.policy.language.terms import Term
from aster.policy.language.tokens import INDENT, NUMBER, SIGN, TEXT, WORD, Token
from aster.policy.language.tree import (
    Await,
    Call,
    Construction,
    Expression,
    Field,
    Lambda,
    ListOf,
    Literal,
    Name,
    Parameter,
    Statement,
    Wrapped,
)

WRAPPERS = {"OK_OF": "Ok", "ERR_OF": "Err", "SOME_OF": "Some"}
LITERAL_WORDS = {"TRUE": True, "FALSE": False, "NULL": None, "NONE": None}

MAX_ITEMS = 10_000
MAX_PATH = 32


class PrimaryParser(TypeParser, ABC):
    """Productions for the operands of expressions."""

    constructing = 0
    """How many constructions we are inside of: there, `and name set to` begins the next field."""

    @abstractmethod
    def expression(self) -> Expression:
        """Any expression; the next stage of this parser knows operators."""

    @abstractmethod
    def choice(self) -> Expression:
        """`if … then … else …`."""

    @abstractmethod
    def block(self) -> tuple[Statement, ...]:
        """The statements of an indented block; the next stage of this parser knows them."""

    def _word_is_name(self) -> bool:
        """Whether the keyword-like word here stands alone, as a name: an operator, sign or line end follows it."""
        after = self.peek()
        if after.kind is WORD:
            return False
        return not (after.kind is SIGN and after.value in {"(", "[", "-"}) and after.kind not in {NUMBER, TEXT}

    def _field_at(self, ahead: int) -> bool:
        if self.peek(ahead).kind is not WORD:
            return False
        for name in (1, 2):
            length = self.at_keyword("SET", ahead + name)
            if length and self.at_keyword("TO_WORD", ahead + name + length):
                return True
        return False

    def _postfix(self) -> Expression:
        parsed = self._primary()
        if self.token.kind is not SIGN and not self.possessives:
            return parsed
        for _ in range(MAX_PATH):
            if self.at_field():
                parsed = self._fields(parsed)
                if self.token.phrases and self.at_keyword("TYPE_WITH") and self._begins_fields():
                    name = _dotted_name(parsed)
                    return parsed if name is None else self._construction(parsed.start, name)
            elif self.at_sign("(") and self.token.start == self.last_end and _callable(parsed):
                arguments = self._arguments()
                parsed = Call(parsed.start, self.last_end, parsed, arguments)
            else:
                return parsed
        raise self.failure("P017", limit=MAX_PATH, what=Term("calls or fields"))

    def _fields(self, base: Expression) -> Expression:
        names: list[str] = []
        while self.at_field():
            names.append(self.take_field())
            if len(names) > MAX_PATH:
                raise self.failure("P017", limit=MAX_PATH, what=Term("fields"))
        return Field(base.start, self.last_end, base, tuple(names)) if names else base

    def _arguments(self) -> tuple[Expression, ...]:
        self.expect_sign("(")
        return self._items(")")

    def _items(self, closer: str) -> tuple[Expression, ...]:
        items: list[Expression] = []
        outer, self.constructing = self.constructing, 0
        while not self.accept_sign(closer):
            items.append(self.expression())
            if len(items) > MAX_ITEMS:
                raise self.failure("P017", limit=MAX_ITEMS, what=Term("items"))
            if not self.accept_sign(","):
                self.expect_sign(closer)
                break
        self.constructing = outer
        return tuple(items)

    def _primary(self) -> Expression:
        token = self.token
        if token.kind is NUMBER or token.kind is TEXT:
            self.advance()
            return Literal(token.start, token.end, token.value)
        if token.kind is SIGN:
            return self._signed_primary(token)
        if token.kind is not WORD or token.value == "_":
            raise self.failure("P007")
        if token.phrases:
            parsed = self._keyword_primary(token)
            if parsed is not None:
                return parsed
        if self.at_article():
            self.skip_article()
            return self._primary()
        self.advance()
        if self.token.phrases and self.at_keyword("TYPE_WITH") and self._begins_fields():
            return self._construction(token.start, str(token.value))
        return Name(token.start, token.end, token.value)

    def _signed_primary(self, token: Token) -> Expression:
        if token.value == "[":
            self.advance()
            items = self._items("]")
            return ListOf(token.start, self.last_end, items)
        if token.value != "(":
            raise self.failure("P007")
        if self._at_lambda():
            return self._lambda()
        self.advance()
        outer, self.constructing = self.constructing, 0
        inner = self.expression()
        self.constructing = outer
        self.expect_sign(")")
        return inner

    def _keyword_primary(self, token: Token) -> Expression | None:
        for kind, length in token.phrases:
            if kind in LITERAL_WORDS:
                return self._literal_word(token, kind, length)
            if kind in WRAPPERS and not (length == 1 and self._word_is_name()):
                self.take(kind, length)
                operand = self.expression()
                return Wrapped(token.start, self.last_end, WRAPPERS[kind], operand)
            if kind == "AWAIT" and self.peek(length).value == "(":
                self.take(kind, length)
                waited = self._arguments()
                if len(waited) != 1:
                    raise self.failure("E105", name="await", expected=1, actual=len(waited))
                return Await(token.start, self.last_end, waited[0])
            if kind == "FUNCTION" and (self.at_keyword("FUNC_GIVEN", length) or self.at_keyword("TYPE_WITH", length)):
                return self._function(token, length)
        if self.at_keyword("IF") and not self._word_is_name():
            return self.choice()
        return None

    def _literal_word(self, token: Token, kind: str, length: int) -> Expression:
        self.take(kind, length)
        if kind == "NONE" and self.at_sign("(") and self.peek().value == ")":
            self.advance(2)
        return Literal(token.start, self.last_end, LITERAL_WORDS[kind])

    # constructions

    def _begins_fields(self) -> bool:
        ahead = self.at_keyword("TYPE_WITH")
        return self._field_at(ahead) or (self.peek(ahead).kind is WORD and self.peek(ahead + 1).value == "=")

    def _construction(self, start: int, name: str) -> Expression:
        self.accept_keyword("TYPE_WITH")
        self.constructing += 1
        fields = [self._field_set()]
        while self._next_field():
            fields.append(self._field_set())
        self.constructing -= 1
        return Construction(start, self.last_end, name, tuple(fields))

    def _next_field(self) -> bool:
        ahead = 1 if self.at_sign(",") else 0
        ahead += self.at_keyword("AND", ahead)
        if not ahead:
            return False
        equals = self.peek(ahead).kind is WORD and self.peek(ahead + 1).value == "=" and self.at_sign(",")
        if not (self._field_at(ahead) or equals):
            return False
        self.take_separator(ahead)
        return True

    def _field_set(self) -> tuple[str, Expression]:
        name = self.expect_name()
        if not self.accept_sign("=") and not self.accept_keywords("SET", "TO_WORD"):
            raise self.failure("P004", expected=Term("set to"))
        return name, self.expression()

    # function values

    def _at_lambda(self) -> bool:
        ahead = 1
        while self.peek(ahead).kind is WORD or self.peek(ahead).value in {",", "?"}:
            ahead += 1
        return bool(self.peek(ahead).value == ")" and self.peek(ahead + 1).value == "=>")

    def _lambda(self) -> Expression:
        start = self.expect_sign("(").start
        parameters: list[Parameter] = []
        while not self.accept_sign(")"):
            parameters.append(self.parameter())
            if not self.accept_sign(","):
                self.expect_sign(")")
                break
        self.expect_sign("=>")
        body = self.expression()
        return Lambda(start, self.last_end, tuple(parameters), body)

    def _function(self, token: Token, length: int) -> Expression:
        self.take("FUNCTION", length)
        if not self.accept_keyword("FUNC_GIVEN"):
            self.accept_keyword("TYPE_WITH")
        parameters = self.parameters()
        returns = None
        if self.accept_keyword("FUNC_PRODUCE") and not self.at_sign(":"):
            returns = self.type()
        self.expect_sign(":")
        if not self.tokens[self.index + 1].kind == INDENT and not self.at(INDENT):
            raise self.failure("P010")
        body = self.block()
        return Lambda(token.start, self.last_end, parameters, body, returns)

    def parameters(self) -> tuple[Parameter, ...]:
        """Parameters up to `produce`, a colon or a full stop; a comma before those belongs to the rule."""
        found = [self.parameter()]
        while True:
            ahead = 1 if self.at_sign(",") else 0
            ahead += self.at_keyword("AND", ahead)
            if not ahead:
                return tuple(found)
            after = self.peek(ahead)
            if after.kind is not WORD or self._at_produce(ahead):
                self.accept_sign(",")
                return tuple(found)
            self.take_separator(ahead)
            found.append(self.parameter())

    def _at_produce(self, ahead: int) -> bool:
        length = self.at_keyword("FUNC_PRODUCE", ahead)
        after = self.peek(ahead + length)
        return (
            bool(length)
            and (after.kind is WORD or after.value in {":", ".", "@"})
            and not self.at_keyword("IMPORT_ALIAS", ahead + length)
        )


def _dotted_name(parsed: Expression) -> str | None:
    """`Risk.Applicant`: the name of a used module's type."""
    if isinstance(parsed, Field) and isinstance(parsed.base, Name):
        return ".".join((parsed.base.name, *parsed.names))
    return None


def _callable(parsed: Expression) -> bool:
    return isinstance(parsed, Name | Field | Call)
