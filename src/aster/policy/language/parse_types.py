"""Types and constraints as written (specification §6)."""

from decimal import Decimal
from typing import Any

from aster.policy.language.cursor import Cursor
from aster.policy.language.terms import Term
from aster.policy.language.tokens import NUMBER, TEXT, WORD
from aster.policy.language.tree import Constraint, NamedType, Parameter, PiiType, TypeNode, WrappedType

BUILTIN_TYPES = {
    "TEXT": "Text",
    "INT_TYPE": "Int",
    "FLOAT_TYPE": "Float",
    "BOOL_TYPE": "Bool",
    "LONG_TYPE": "Long",
    "DECIMAL_TYPE": "Decimal",
    "DATETIME_TYPE": "DateTime",
    "NUMBER_TYPE": "Number",
}
_CONSTRAINTS = frozenset({"REQUIRED", "BETWEEN", "AT_LEAST", "AT_MOST", "MATCHING"})
_PII_LEVELS = {"l1": 1, "l2": 2, "l3": 3}


class TypeParser(Cursor):
    """Productions for types, constraints and parameters."""

    def type(self) -> TypeNode:
        self.deeper()
        self.skip_article()
        start = self.token.start
        parsed = self._type_head()
        while self.accept_sign("?"):
            parsed = WrappedType(start, self.last_end, "Maybe", (parsed,))
        self.depth -= 1
        return parsed

    def _type_head(self) -> TypeNode:
        start = self.token.start
        if self.at_sign("@"):
            return self._pii_type()
        if self.token.kind is not WORD:
            raise self.failure("P008")
        for kind, length in self.token.phrases:
            if kind in BUILTIN_TYPES:
                self.take(kind, length)
                return NamedType(start, self.last_end, BUILTIN_TYPES[kind], (), True)
        if self.accept_keyword("MAYBE"):
            return self._wrapped(start, "Maybe", self.type())
        if self.accept_keyword("OPTION_OF"):
            return self._wrapped(start, "Option", self.type())
        if self.accept_keyword("LIST_OF"):
            return self._wrapped(start, "List", self.type())
        if self.accept_keyword("RESULT_OF"):
            return self._result_type(start)
        if self.at_keyword("MAP_OF") and self._is_type_start(self.at_keyword("MAP_OF")):
            self.accept_keyword("MAP_OF")
            key = self.type()
            if not self.accept_keyword("TO_WORD"):
                self.expect_keyword("FUNC_TO")
            return self._wrapped(start, "Map", key, self.type())
        name = self.dotted()
        arguments = self._type_arguments()
        return NamedType(start, self.last_end, name, arguments)

    def _wrapped(self, start: int, kind: str, *arguments: TypeNode) -> TypeNode:
        """A wrapped type that ends where its last argument did."""
        return WrappedType(start, self.last_end, kind, arguments)

    def _is_type_start(self, ahead: int) -> bool:
        return self.peek(ahead).kind is WORD

    def _type_arguments(self) -> tuple[TypeNode, ...]:
        if not self.accept_keyword("OF"):
            return ()
        arguments = [self.type()]
        while self.at_sign(",") and self.peek().kind is WORD and self._type_goes_on():
            self.advance()
            arguments.append(self.type())
        return tuple(arguments)

    def _type_goes_on(self) -> bool:
        return not self.at_keyword("IMPORT_ALIAS", 2) and not self.at_keyword("FUNC_PRODUCE", 1)

    def _result_type(self, start: int) -> TypeNode:
        value = self.type()
        if self.accept_keyword("OR"):
            return self._wrapped(start, "Result", value, self.type())
        length = self.at_keyword("AND")
        if length and not self.at_keyword("IMPORT_ALIAS", length + 1) and self.peek(length).kind is WORD:
            self.take("AND", length)
            return self._wrapped(start, "Result", value, self.type())
        return self._wrapped(start, "Result", value, NamedType(start, start, "Text", (), True))

    def _pii_type(self) -> TypeNode:
        start = self.expect_sign("@").start
        name = self.expect_name()
        if name.lower() != "pii":
            raise self.failure("P003", expected="@pii")
        self.expect_sign("(")
        level = _PII_LEVELS.get(self.expect_name().lower(), 0)
        if not level:
            raise self.failure("P003", expected=Term("L1, L2 or L3"))
        category = ""
        if self.accept_sign(","):
            category = str(self.advance().value) if self.at(TEXT) else self.expect_name()
        self.expect_sign(")")
        base = self.type()
        return PiiType(start, self.last_end, level, category, base)

    # parameters and fields

    def parameter(self) -> Parameter:
        start = self.token.start
        name = self.expect_name()
        declared = self.type() if self.accept_keyword("IMPORT_ALIAS") else None
        constraints = self.constraints()
        return Parameter(start, self.last_end, name, declared, constraints)

    def constraints(self) -> tuple[Constraint, ...]:
        found: list[Constraint] = []
        while True:
            constraint = self._constraint(0)
            if constraint is None and found and self.at_keyword("AND"):
                constraint = self._constraint(self.at_keyword("AND"))
            if constraint is None and self.at_sign(","):
                constraint = self._constraint(1)
            if constraint is None:
                return tuple(found)
            found.append(constraint)

    def _constraint(self, ahead: int) -> Constraint | None:
        """The constraint that begins some tokens ahead, if one does and its operand follows."""
        start = self.peek(ahead).start if ahead else self.token.start
        after = self._constraint_operand(ahead)
        if after is None:
            return None
        kind, length = after
        self.take_separator(ahead)
        self.take(kind, length)
        if kind == "REQUIRED":
            return Constraint(start, self.last_end, "required")
        if kind == "MATCHING":
            self.accept_keyword("PATTERN")
            return Constraint(start, self.token.end, "pattern", pattern=str(self.advance().value))
        low = self._bound()
        if kind == "AT_LEAST":
            return Constraint(start, self.last_end, "range", low=low)
        if kind == "AT_MOST":
            return Constraint(start, self.last_end, "range", high=low)
        self.expect_keyword("AND")
        return Constraint(start, self.last_end, "range", low=low, high=self._bound())

    def _constraint_operand(self, ahead: int) -> tuple[str, int] | None:
        for kind, length in self.peek(ahead).phrases:
            if kind not in _CONSTRAINTS:
                continue
            after = self.peek(ahead + length)
            if kind == "REQUIRED":
                named = self.at_keyword("IMPORT_ALIAS", ahead + length)
                return None if named else (kind, length)
            if kind == "MATCHING" and (after.kind is TEXT or self.at_keyword("PATTERN", ahead + length)):
                return kind, length
            if after.kind is NUMBER or after.value == "-":
                return kind, length
        return None

    def _bound(self) -> int | float | Decimal:
        negative = self.accept_sign("-")
        if not self.at(NUMBER):
            raise self.failure("P003", expected=Term("a number"))
        value: Any = self.advance().value
        number: int | float | Decimal = int(value) if isinstance(value, int) else value
        return -number if negative else number
