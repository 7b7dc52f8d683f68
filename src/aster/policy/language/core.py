"""The checked tree: names resolved to slots, rules and types, operators to the variant their operands allow.

The compiler and the reference interpreter both read this tree and nothing else. ``start`` and ``end`` are offsets
into the source; ``type`` is certain (see `types`). ``secret`` says that the value carries PII.
"""

from typing import Any

import msgspec

from aster.policy.language.tree import Annotation, Constraint
from aster.policy.language.types import Type


class Expr(msgspec.Struct, frozen=True, gc=False):
    start: int
    end: int
    type: Type
    secret: bool


class Const(Expr, frozen=True, gc=False):
    value: Any


class Local(Expr, frozen=True, gc=False):
    slot: int
    name: str


class RuleValue(Expr, frozen=True, gc=False):
    """A rule used as a function value."""

    rule: int


class LibraryValue(Expr, frozen=True, gc=False):
    """A library function used as a function value."""

    function: str


class Variant(Expr, frozen=True, gc=False):
    enum: int
    name: str


class FieldOf(Expr, frozen=True, gc=False):
    """A field; ``index`` is its place in the record when the record is certain, else -1."""

    base: Expr
    name: str
    index: int


class ArithmeticStep(msgspec.Struct, frozen=True, gc=False):
    """``variant``: "int", "float" (bare operators, guarded), "exact" (Decimal), "text" or "any"."""

    operator: str
    operand: Expr
    variant: str
    type: Type


class Arith(Expr, frozen=True, gc=False):
    first: Expr
    steps: tuple[ArithmeticStep, ...]


class Compare(Expr, frozen=True, gc=False):
    """``bare`` when Python's own operator is right for the operands' types."""

    operator: str
    left: Expr
    right: Expr
    bare: bool


class Logical(Expr, frozen=True, gc=False):
    operator: str
    operands: tuple[Expr, ...]


class Invert(Expr, frozen=True, gc=False):
    operand: Expr


class Choose(Expr, frozen=True, gc=False):
    branches: tuple[tuple[Expr, Expr], ...]
    otherwise: Expr


class MakeList(Expr, frozen=True, gc=False):
    items: tuple[Expr, ...]


class Make(Expr, frozen=True, gc=False):
    """A record of a declared type whose every field is given (by ``record``), values in declaration order."""

    record: int
    values: tuple[Expr, ...]


class MakeLoose(Expr, frozen=True, gc=False):
    """A record of which less is certain: its name and the fields as written."""

    name: str
    fields: tuple[tuple[str, Expr], ...]


class Wrap(Expr, frozen=True, gc=False):
    kind: str
    operand: Expr


class Widen(Expr, frozen=True, gc=False):
    """An Int where a Float is declared."""

    operand: Expr


class CallRule(Expr, frozen=True, gc=False):
    rule: int
    arguments: tuple[Expr, ...]


class CallLibrary(Expr, frozen=True, gc=False):
    function: str
    arguments: tuple[Expr, ...]


class CallValue(Expr, frozen=True, gc=False):
    callee: Expr
    arguments: tuple[Expr, ...]


class Function(Expr, frozen=True, gc=False):
    """A function value. ``captured`` are the slots of the surrounding rule it reads, as they are when it is made."""

    parameters: tuple[int, ...]
    captured: tuple[int, ...]
    body: "tuple[Stmt, ...]"


class Fail(Expr, frozen=True, gc=False):
    """An expression that can only fail, such as a name nobody defines. Its operands are evaluated first."""

    code: str
    values: tuple[tuple[str, str], ...]
    operands: tuple[Expr, ...] = ()


class Stmt(msgspec.Struct, frozen=True, gc=False):
    start: int
    end: int


class Bind(Stmt, frozen=True, gc=False):
    slot: int
    name: str
    value: Expr


class Return(Stmt, frozen=True, gc=False):
    value: Expr


class If(Stmt, frozen=True, gc=False):
    branches: "tuple[tuple[Expr, tuple[Stmt, ...]], ...]"
    otherwise: "tuple[Stmt, ...]"


class Arm(msgspec.Struct, frozen=True, gc=False):
    start: int
    end: int
    pattern: "Test"
    body: tuple[Stmt, ...]


class Match(Stmt, frozen=True, gc=False):
    subject: Expr
    arms: tuple[Arm, ...]


class Discard(Stmt, frozen=True, gc=False):
    value: Expr


class Test(msgspec.Struct, frozen=True, gc=False):
    """What a pattern asks of a value."""

    start: int
    end: int


class TestNull(Test, frozen=True, gc=False):
    pass


class TestAny(Test, frozen=True, gc=False):
    pass


class TestBind(Test, frozen=True, gc=False):
    """Anything, bound to a slot; null only if ``nullable``."""

    slot: int
    name: str
    nullable: bool


class TestValue(Test, frozen=True, gc=False):
    value: Any


class TestVariant(Test, frozen=True, gc=False):
    """A variant of an enum; ``certain`` when the value is known to be of that enum."""

    enum: int
    name: str
    certain: bool


class TestName(Test, frozen=True, gc=False):
    """A record's or an undeclared name: the value's type, or a Text that says the name."""

    name: str


class TestParts(Test, frozen=True, gc=False):
    """A constructor and its parts; ``fields`` are the declared names, or empty for the order of the value itself."""

    name: str
    fields: tuple[str, ...]
    parts: tuple[Test, ...]


class FieldInfo(msgspec.Struct, frozen=True):
    """A field or parameter: ``declared`` is what was written, ``type`` what it promises at run time."""

    name: str
    declared: Type | None
    type: Type
    constraints: tuple[Constraint, ...]
    secret: bool
    guessed: Type


class RecordInfo(msgspec.Struct, frozen=True):
    name: str
    index: int
    fields: tuple[FieldInfo, ...]


class EnumInfo(msgspec.Struct, frozen=True):
    """An enum; ``places`` are its variants again, for look-up."""

    name: str
    index: int
    variants: tuple[str, ...]
    places: frozenset[str]


class RuleInfo(msgspec.Struct, frozen=True):
    """A checked rule. ``slots`` counts its variables, parameters first; ``name`` is whole (`risk.core.score`)."""

    name: str
    index: int
    start: int
    parameters: tuple[FieldInfo, ...]
    trusted: tuple[bool, ...]
    returns: Type
    declared_returns: Type | None
    body: tuple[Stmt, ...]
    slots: int
    annotations: tuple[Annotation, ...]
    effects: tuple[str, ...]


class CheckedModule(msgspec.Struct, frozen=True):
    """A program. The first ``own`` rules are the module's; the others are those of the modules it uses."""

    name: str | None
    records: tuple[RecordInfo, ...]
    enums: tuple[EnumInfo, ...]
    rules: tuple[RuleInfo, ...]
    own: int
