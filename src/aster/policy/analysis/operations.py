"""The language's operators on symbolic values (specification §11.1); see `language.operations` for the real ones."""

from decimal import Decimal
from fractions import Fraction
from typing import TYPE_CHECKING, Any

from aster.policy.analysis.arithmetic import calculate, to_float
from aster.policy.analysis.equality import equal
from aster.policy.analysis.logic import Condition, Term, compare, is_term, negated, number, z3
from aster.policy.analysis.values import (
    NEVER,
    NULL,
    Constant,
    Null,
    Number,
    Opaque,
    Record,
    Text,
    Truth,
    Value,
    Wrapped,
    identity,
)
from aster.policy.language.encoding import text_of

if TYPE_CHECKING:
    from aster.policy.analysis.execution import Execution


def literal(value: Any) -> Value:
    """A constant of a program as a value."""
    kind = type(value)
    if value is None:
        return NULL
    if kind is bool:
        return Truth(value)
    if kind is str:
        return Text(value)
    if kind is float:
        return Number("float", Fraction(value))
    return Number("decimal", Fraction(value)) if kind is Decimal else Number("int", int(value))


def field(run: "Execution", value: Value, name: str) -> Value:
    """A field; a missing one is null."""
    if isinstance(value, Record):
        return value.fields.get(name, NULL)
    if isinstance(value, Null):
        run.fault("NULL_ACCESS")
        return NEVER
    if isinstance(value, Wrapped) and name == "value":
        return value.value
    if isinstance(value, Opaque) and not value.kind:
        run.skip(f"the field '{name}' of a value of no declared type")
        run.may_fail(("field", value.key, name))
        return Opaque(("field", value.key, name))
    run.fault("NOT_A_RECORD")
    return NEVER


def widened(run: "Execution", value: Value) -> Value:
    """A whole number as a Float; what is one already stays."""
    if isinstance(value, Number) and value.kind == "int":
        return Number("float", to_float(run.world, value.term))
    return value


def arith(run: "Execution", operator: str, left: Value, right: Value) -> Value:
    """The result of an arithmetic operator on two values of one kind each."""
    if isinstance(left, Number) and isinstance(right, Number):
        return calculate(run, operator, left, right)
    if operator == "+" and (isinstance(left, Text) or isinstance(right, Text)):
        return Text(joined(run, [written(run, left), written(run, right)]))
    if isinstance(left, Opaque) or isinstance(right, Opaque):
        run.skip(f"'{operator}' of a value of no declared type")
        key = ("arith", operator, identity(run.world, left), identity(run.world, right))
        run.may_fail(key)
        return Opaque(key)
    run.fault("TYPE_MISMATCH")
    return NEVER


def order(run: "Execution", operator: str, left: Value, right: Value) -> Value:
    """Whether one value is before another."""
    if isinstance(left, Number) and isinstance(right, Number):
        for one, other in ((left, right), (right, left)):
            if one.kind == "float" and other.kind == "decimal":
                run.fault("TYPE_MISMATCH", negated(_is_integral(one.term)))
        return Truth(compare(operator, left.term, right.term))
    if isinstance(left, Opaque) or isinstance(right, Opaque):
        run.skip(f"'{operator}' of a value of no declared type")
        key = ("order", operator, identity(run.world, left), identity(run.world, right))
        run.may_fail(key)
        return Truth(run.world.variable("Bool", key))
    run.fault("TYPE_MISMATCH")
    return NEVER


def _is_integral(term: Term) -> Condition:
    return z3.IsInt(number(term)) if is_term(term) else Fraction(term).denominator == 1


def equals(run: "Execution", left: Value, right: Value) -> Condition:
    """Where two values are equal; a new name for it, as it is often long."""
    return run.world.named(equal(run.world, left, right))


def written(run: "Execution", value: Value) -> Term:
    """The text a value has in a concatenation."""
    if isinstance(value, Text):
        return value.term
    if isinstance(value, Null):
        return "null"
    if isinstance(value, Truth):
        return run.world.chosen_text(value.term, "true", "false")
    if isinstance(value, Constant) and not is_term(value.term):
        return value.term
    if isinstance(value, Constant) and not run.world.strings:
        return value.term
    if isinstance(value, Number):
        return _digits(run, value)
    run.skip("the text of a value with parts")
    return run.world.variable("Text", ("written", identity(run.world, value)))


def _digits(run: "Execution", value: Number) -> Term:
    if not is_term(value.term):
        if value.kind == "decimal":
            return text_of(Decimal(value.term.numerator) / Decimal(value.term.denominator))
        return text_of(int(value.term) if value.kind == "int" else float(value.term))
    if value.kind == "int" and run.world.strings:
        return z3.If(value.term >= 0, z3.IntToStr(value.term), z3.Concat(z3.StringVal("-"), z3.IntToStr(-value.term)))
    if value.kind != "int":
        run.skip("the digits of a number in a text")
    return run.world.variable("Text", ("written", identity(run.world, value)))


def joined(run: "Execution", parts: list[Term]) -> Term:
    """Texts one after the other."""
    known = [part for part in parts if not is_term(part)]
    if len(known) == len(parts):
        return "".join(known)
    world = run.world
    if world.strings:
        return z3.Concat(*[world.text(part) for part in parts])
    return world.variable("Text", ("joined", *(world.key(part) for part in _flattened(parts))))


def _flattened(parts: list[Term]) -> list[Term]:
    return [part for part in parts if is_term(part) or part]
