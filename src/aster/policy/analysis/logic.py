"""Terms: what Python knows is a Python value, what depends on the input a term of the solver (z3, extra `analysis`).

A number is an int or a Fraction, or an Int or Real term; a condition a bool or a Bool term; a text a str, or a term: of
sort String in worlds that look into texts, else of sort Int, the number of the text, where only equality matters.

Everything not modelled is a free variable, the same one for the same operation on the same operands. So there are only
more behaviours than the program's, never fewer: "impossible" is a proof, "possible" has to be replayed.
"""

from collections.abc import Hashable, Iterable
from fractions import Fraction
from typing import Any

from aster.foundation.errors import AsterError
from aster.foundation.extras import load_extra

z3: Any = load_extra("z3", extra="analysis")

Term = Any
Condition = Any
MAX_DEFINITIONS = 200_000
MAX_CHARACTER = 0x2FFFF
"""The last character the solver knows; it also reads backslashes as escapes."""


class AnalysisTooLarge(AsterError):
    """A program whose model would not fit the bounds of an analysis."""

    code = "ANALYSIS_TOO_LARGE"


def both(*conditions: Condition) -> Condition:
    """All of the conditions."""
    open_ones = [condition for condition in conditions if condition is not True]
    if any(condition is False for condition in open_ones):
        return False
    if not open_ones:
        return True
    return open_ones[0] if len(open_ones) == 1 else z3.And(open_ones)


def either(conditions: Iterable[Condition]) -> Condition:
    """Any of the conditions."""
    open_ones = []
    for condition in conditions:
        if condition is True:
            return True
        if condition is not False:
            open_ones.append(condition)
    if not open_ones:
        return False
    return open_ones[0] if len(open_ones) == 1 else z3.Or(open_ones)


def negated(condition: Condition) -> Condition:
    return not condition if isinstance(condition, bool) else z3.Not(condition)


def implies(condition: Condition, then: Condition) -> Condition:
    return either((negated(condition), then))


def chosen(condition: Condition, yes: Term, no: Term) -> Term:
    """``yes`` where the condition holds, else ``no``; both numbers of one kind."""
    if condition is True or yes is no:
        return yes
    if condition is False:
        return no
    if not is_term(yes) and not is_term(no) and yes == no:
        return yes
    return z3.If(condition, number(yes), number(no))


def is_term(value: Any) -> bool:
    return isinstance(value, z3.ExprRef)


def number(value: Term) -> Any:
    """A number as a term."""
    if is_term(value):
        return value
    return z3.IntVal(value) if isinstance(value, int) else z3.RealVal(str(value))


def real(value: Term) -> Term:
    """A number as a fraction or a Real term."""
    if is_term(value):
        return z3.ToReal(value) if value.is_int() else value
    return Fraction(value)


def compare(operator: str, left: Term, right: Term) -> Condition:
    """Two numbers compared exactly."""
    if is_term(left) or is_term(right):
        left, right = number(left), number(right)
        if left.eq(right):
            return operator in {"==", "<=", ">="}
        if left.is_int() != right.is_int():
            left, right = number(real(left)), number(real(right))
    return _COMPARE[operator](left, right)


_COMPARE: dict[str, Any] = {
    "<": lambda left, right: left < right,
    "<=": lambda left, right: left <= right,
    ">": lambda left, right: left > right,
    ">=": lambda left, right: left >= right,
    "==": lambda left, right: left == right,
    "!=": lambda left, right: left != right,
}


class World:
    """The variables, definitions and texts of one question.

    ``strings`` says whether texts are looked into. ``exact`` is a literal under which Float and Decimal arithmetic
    does not round: what holds only then is found first, and trusted only when replayed. ``landmarks`` are numbers that
    programs compare with; ``roundings`` the results so far that may have been rounded, with the exact ones;
    ``sizes`` the most digits before and after the point of Decimal terms, by their ids.
    """

    def __init__(self, *, strings: bool, landmarks: Iterable[Fraction] = ()) -> None:
        self.strings = strings
        self.landmarks = (Fraction(0), *landmarks)
        self.roundings: dict[str, list[tuple[Any, Any]]] = {}
        self.definitions: list[Any] = []
        self.exact = z3.Bool("exact")
        self.names: dict[str, int] = {}
        self.variants: set[str] = set()
        self.sizes: dict[int, tuple[int, int]] = {}
        self.inputs: dict[tuple[str, str], Any] = {}
        self._variables: dict[Hashable, Any] = {}
        self._literals: dict[int, Any] = {}
        self._kept: list[Any] = []
        self._count = 0

    def define(self, condition: Condition) -> None:
        """Something that always holds."""
        if condition is not True:
            if len(self.definitions) >= MAX_DEFINITIONS:
                raise AnalysisTooLarge("the rule is too large to analyse", hint="name a smaller rule, or split it")
            self.definitions.append(z3.BoolVal(False) if condition is False else condition)

    def named(self, condition: Condition) -> Condition:
        """A condition as a literal, so that what is built on it stays small; the same one for the same condition."""
        if isinstance(condition, bool) or z3.is_const(condition):
            return condition
        known = self._literals.get(condition.get_id())
        if known is None:
            self._count += 1
            known = self._literals[condition.get_id()] = z3.Bool(f"c{self._count}")
            self.define(known == condition)
        return known

    def variable(self, sort: str, key: Hashable) -> Any:
        """The variable of a sort (Bool, Int, Real, Text) for a key; the same key is the same variable."""
        found = self._variables.get((sort, key))
        if found is None:
            self._count += 1
            make = {"Bool": z3.Bool, "Int": z3.Int, "Real": z3.Real}.get(sort)
            if make is None:
                make = z3.String if self.strings else z3.Int
            found = self._variables[sort, key] = make(f"v{self._count}")
        return found

    def is_known(self, sort: str, key: Hashable) -> bool:
        """Whether the variable for a key exists."""
        return (sort, key) in self._variables

    def given(self, sort: str, path: str, kind: str) -> Any:
        """The variable of an input: of what stands at a path, as one of a kind."""
        found = self.inputs.get((path, kind))
        if found is None:
            found = self.inputs[path, kind] = self.variable(sort, ("input", path, kind))
        return found

    def key(self, term: Term) -> Hashable:
        """What identifies a Python value or a term."""
        if is_term(term):
            self._kept.append(term)
            return "term", term.get_id()
        return type(term).__name__, term

    # texts

    def name_of(self, text: str) -> int:
        """The number of a text, in worlds that don't look into texts, and of every variant; from 1, 0 is any other."""
        return self.names.setdefault(text, len(self.names) + 1)

    def text_of(self, number: int) -> str | None:
        """The text of a number, None for one that has no text of its own."""
        names = list(self.names)
        return names[number - 1] if 0 < number <= len(names) else None

    def text(self, value: Term) -> Any:
        """A text as a term."""
        if is_term(value):
            return value
        if not self.strings:
            return z3.IntVal(self.name_of(value))
        if "\\" in value or any(ord(char) > MAX_CHARACTER for char in value):
            return self.variable("Text", ("literal", value))
        return z3.StringVal(value)

    def same_text(self, left: Term, right: Term) -> Condition:
        if is_term(left) or is_term(right):
            mine, other = self.text(left), self.text(right)
            return True if mine.eq(other) else mine == other
        return bool(left == right)

    def chosen_text(self, condition: Condition, yes: Term, no: Term) -> Term:
        if condition is True or (not is_term(yes) and not is_term(no) and yes == no) or yes is no:
            return yes
        return no if condition is False else z3.If(condition, self.text(yes), self.text(no))
