"""Expressions (specification §5.3, §5.4): precedence by one method a level, both spellings of every operator."""

from abc import ABC
from decimal import Decimal

from aster.policy.language.parse_primaries import PrimaryParser
from aster.policy.language.repairs import Repair
from aster.policy.language.terms import Term
from aster.policy.language.tokens import NEWLINE, NUMBER, SIGN, TEXT, WORD, LongLiteral
from aster.policy.language.tree import (
    Arithmetic,
    Call,
    Choice,
    Comparison,
    Expression,
    Field,
    Literal,
    Logic,
    Name,
    Negative,
    Not,
)

COMPARISONS = {
    "LESS_THAN": "<",
    "UNDER": "<",
    "GREATER_THAN": ">",
    "MORE_THAN": ">",
    "OVER": ">",
    "AT_MOST": "<=",
    "AT_LEAST": ">=",
    "EQUALS_TO": "==",
    "NOT_EQUAL_TO": "!=",
}
IS_PREFIX = "IS_PREFIX"
"""What `Cursor.take` calls an `is` that only leads to a comparison: `is at least`."""

MEMBERSHIPS = {"IS_ONE_OF": "in", "IS_NOT_ONE_OF": "not in"}
COMPARISON_SIGNS = {"<": "<", ">": ">", "<=": "<=", ">=": ">=", "=": "==", "==": "==", "!=": "!="}
SUMS = {"PLUS": "+", "MINUS_WORD": "-"}
PRODUCTS = {"TIMES": "*", "DIVIDED_BY": "/", "INTEGER_DIVIDED_BY": "//", "MODULO": "%"}

MAX_CHAIN = 512
MAX_BRANCHES = 256


class ExpressionParser(PrimaryParser, ABC):
    """Productions for operators."""

    def expression(self) -> Expression:
        self.deeper()
        parsed = self.choice() if self.token.phrases and self._at_choice() else self._or()
        self.depth -= 1
        return parsed

    def _at_choice(self) -> bool:
        return bool(self.at_keyword("IF")) and not self._word_is_name()

    def choice(self) -> Expression:
        start = self.token.start
        branches = []
        while self.accept_keyword("IF"):
            condition = self.expression()
            self.expect_keyword("THEN")
            branches.append((condition, self.expression_in_choice()))
            self.expect_keyword("OTHERWISE")
            if len(branches) > MAX_BRANCHES:
                raise self.failure("P017", limit=MAX_BRANCHES, what=Term("branches"))
        otherwise = self.expression_in_choice()
        return Choice(start, self.last_end, tuple(branches), otherwise)

    def expression_in_choice(self) -> Expression:
        self.deeper()
        parsed = self._or()
        self.depth -= 1
        return parsed

    def _or(self) -> Expression:
        first = self._and()
        if not self.token.phrases or not self.at_keyword("OR"):
            return first
        operands = [first]
        while self.accept_keyword("OR"):
            operands.append(self._and())
        return Logic(first.start, self.last_end, "or", tuple(operands))

    def _and(self) -> Expression:
        first = self._not()
        if not self.token.phrases or not self.at_keyword("AND") or self._at_next_field():
            return first
        operands = [first]
        while self.at_keyword("AND") and not self._at_next_field():
            self.accept_keyword("AND")
            operands.append(self._not())
        return Logic(first.start, self.last_end, "and", tuple(operands))

    def _at_next_field(self) -> bool:
        if not self.constructing:
            return False
        length = self.at_keyword("AND")
        return self._field_at(length)

    def _not(self) -> Expression:
        if self.token.phrases and self.at_keyword("NOT") and not self._word_is_name():
            start = self.token.start
            self.deeper()
            self.accept_keyword("NOT")
            operand = self._not()
            self.depth -= 1
            return Not(start, self.last_end, operand)
        return self._comparison()

    def _comparison(self) -> Expression:
        left = self._sum()
        if self.token.kind is not SIGN and not self.token.phrases:
            return left
        operator = self._comparison_operator()
        if operator is None:
            return left
        right = self._sum()
        end = self.last_end
        negated, _, positive = operator.rpartition(" ")
        if positive == "in":
            contains = Field(left.start, left.start, Name(left.start, left.start, "List"), ("contains",))
            compared: Expression = Call(left.start, end, contains, (right, left))
        else:
            compared = Comparison(left.start, end, positive, left, right)
        if negated:
            compared = Not(left.start, end, compared)
        second = self.index
        if self._comparison_operator() is not None:
            self.index, self.token = second, self.tokens[second]
            words = self.source.lexicon.keywords["AND"], self.source.text[right.start : end]
            raise self.failure(
                "P016", repair=Repair(end, end, f" {' '.join(words)}", isinstance(right, Literal | Name))
            )
        return compared

    def _comparison_operator(self) -> str | None:
        token = self.token
        if token.kind is SIGN:
            operator = COMPARISON_SIGNS.get(token.value)
            if operator is not None:
                self.advance()
            return operator
        for kind, length in token.phrases:
            if kind in COMPARISONS:
                self.take(kind, length)
                return COMPARISONS[kind]
            if kind in MEMBERSHIPS:
                self.take(kind, length)
                return MEMBERSHIPS[kind]
            if kind in {"IS", "IS_NOT"}:
                is_prefix = kind == "IS" and any(self.at_keyword(found, length) for found in COMPARISONS)
                self.take(IS_PREFIX if is_prefix else kind, length)
                negated = kind == "IS_NOT" or (kind == "IS" and self._accept_not())
                inner = self._prefixed_comparison()
                if inner is None:
                    return "!=" if negated else "=="
                return f"not {inner}" if negated else inner
        return None

    def _accept_not(self) -> bool:
        """`is not x`: here `not` belongs to the comparison (EXT of specification §5.4)."""
        return self.accept_keyword("NOT")

    def _prefixed_comparison(self) -> str | None:
        for kind, length in self.token.phrases:
            if kind in COMPARISONS:
                self.take(kind, length)
                return COMPARISONS[kind]
        return None

    def _sum(self) -> Expression:
        token = self.token
        if token.kind is NUMBER or token.kind is TEXT:
            after = self.tokens[self.index + 1]  # there is one: the last token is neither a literal nor a sign
            ends = after.kind is SIGN and after.value == "." and self.tokens[self.index + 2].kind is NEWLINE
            if ends or (after.kind is not SIGN and not after.phrases):
                self.advance()
                return Literal(token.start, token.end, token.value)
        first = self._product()
        if self.token.kind is not SIGN and not self.token.phrases:
            return first
        operator = self._operator(SUMS, "+", "-")
        if operator is None:
            return first
        rest = []
        while operator is not None:
            rest.append((operator, self._product()))
            self._limit_chain(rest)
            operator = self._operator(SUMS, "+", "-")
        return Arithmetic(first.start, self.last_end, first, tuple(rest))

    def _product(self) -> Expression:
        first = self._unary()
        if self.token.kind is not SIGN and not self.token.phrases:
            return first
        operator = self._operator(PRODUCTS, "*", "/")
        if operator is None:
            return first
        rest = []
        while operator is not None:
            rest.append((operator, self._unary()))
            self._limit_chain(rest)
            operator = self._operator(PRODUCTS, "*", "/")
        return Arithmetic(first.start, self.last_end, first, tuple(rest))

    def _limit_chain(self, rest: list[tuple[str, Expression]]) -> None:
        if len(rest) > MAX_CHAIN:
            raise self.failure("P017", limit=MAX_CHAIN, what=Term("operands"))

    def _operator(self, words: dict[str, str], *signs: str) -> str | None:
        token = self.token
        if token.kind is SIGN:
            if token.value in signs:
                self.advance()
                return str(token.value)
            return None
        for kind, length in token.phrases:
            if kind in words:
                self.take(kind, length)
                return words[kind]
        return None

    def _unary(self) -> Expression:
        token = self.token
        if token.kind is SIGN and token.value == "-":
            self.advance()
            return self._negative(token.start)
        if token.phrases:
            for kind, length in token.phrases:
                if kind == "MINUS_WORD" and not self._word_is_name():
                    self.take(kind, length)
                    return self._negative(token.start)
                if kind == "APPLY" and self.peek().kind is WORD:
                    return self._apply()
        return self._postfix()

    def _negative(self, start: int) -> Expression:
        self.deeper()
        operand = self._unary()
        self.depth -= 1
        if isinstance(operand, Literal) and type(operand.value) in {int, LongLiteral, float, Decimal}:
            return Literal(start, operand.end, _negated(operand.value))
        return Negative(start, operand.end, operand)

    def _apply(self) -> Expression:
        start = self.token.start
        self.accept_keyword("APPLY")
        name_start = self.token.start
        name = Name(name_start, self.token.end, str(self.advance().value))
        callee = self._fields(name)
        if not self.accept_keyword("TO_WORD"):
            self.expect_keyword("FUNC_TO")
        argument = self.expression()
        return Call(start, self.last_end, callee, (argument,))


def _negated(value: int | float | Decimal) -> int | float | Decimal:
    return type(value)(-value)
