"""The syntax tree: what the source says, before names mean anything.

Every node has ``start`` and ``end``, offsets into the user's text. Chains of operators are flat, so that the depth of
the tree is bounded by the parser's nesting limit and not by the length of an expression.
"""

from typing import Any

import msgspec


class Node(msgspec.Struct, frozen=True, gc=False):
    start: int
    end: int


# --- types -----------------------------------------------------------------------------------------------------------


class TypeNode(Node, frozen=True, gc=False):
    pass


class NamedType(TypeNode, frozen=True, gc=False):
    """A base type (``builtin``: its English name) or a declared name, perhaps applied to arguments."""

    name: str
    arguments: tuple[TypeNode, ...] = ()
    builtin: bool = False


class WrappedType(TypeNode, frozen=True, gc=False):
    """`maybe T`, `option of T`, `result of T or E`, `list of T`, `map K to V`; ``kind`` is the first word, capital."""

    kind: str
    arguments: tuple[TypeNode, ...]


class PiiType(TypeNode, frozen=True, gc=False):
    level: int
    category: str
    base: TypeNode


# --- expressions -----------------------------------------------------------------------------------------------------


class Expression(Node, frozen=True, gc=False):
    pass


class Literal(Expression, frozen=True, gc=False):
    """Int, `LongLiteral`, float, Decimal, text, bool or None."""

    value: Any


class Name(Expression, frozen=True, gc=False):
    name: str


class Field(Expression, frozen=True, gc=False):
    """`base.a.b`: a path of names from an expression."""

    base: Expression
    names: tuple[str, ...]


class Call(Expression, frozen=True, gc=False):
    """A call of a dotted name or of the value of an expression."""

    callee: Expression
    arguments: tuple[Expression, ...]


class Arithmetic(Expression, frozen=True, gc=False):
    """`first op operand op operand …` of one precedence, left associative. Operators: + - * / // %."""

    first: Expression
    rest: tuple[tuple[str, Expression], ...]


class Comparison(Expression, frozen=True, gc=False):
    operator: str
    left: Expression
    right: Expression


class Logic(Expression, frozen=True, gc=False):
    """`and` or `or` over two operands or more."""

    operator: str
    operands: tuple[Expression, ...]


class Not(Expression, frozen=True, gc=False):
    operand: Expression


class Negative(Expression, frozen=True, gc=False):
    operand: Expression


class Choice(Expression, frozen=True, gc=False):
    """`if c then a else if d then b else e`."""

    branches: tuple[tuple[Expression, Expression], ...]
    otherwise: Expression


class ListOf(Expression, frozen=True, gc=False):
    items: tuple[Expression, ...]


class Construction(Expression, frozen=True, gc=False):
    name: str
    fields: tuple[tuple[str, Expression], ...]


class Wrapped(Expression, frozen=True, gc=False):
    """`ok of e`, `err of e`, `some of e`; ``kind`` is Ok, Err or Some."""

    kind: str
    operand: Expression


class Await(Expression, frozen=True, gc=False):
    operand: Expression


class Lambda(Expression, frozen=True, gc=False):
    """A function value; ``body`` is an expression or a block."""

    parameters: tuple["Parameter", ...]
    body: "Expression | tuple[Statement, ...]"
    returns: TypeNode | None = None


# --- patterns --------------------------------------------------------------------------------------------------------


class Pattern(Node, frozen=True, gc=False):
    pass


class NullPattern(Pattern, frozen=True, gc=False):
    """`null`, `none`."""


class AnyPattern(Pattern, frozen=True, gc=False):
    """`_`."""


class ValuePattern(Pattern, frozen=True, gc=False):
    """An Int, Text or Bool literal."""

    value: Any


class NamePattern(Pattern, frozen=True, gc=False):
    """A bare (or qualified) name: a variant, a record or a variable; the checker decides."""

    name: str
    enum: str | None = None


class ConstructorPattern(Pattern, frozen=True, gc=False):
    name: str
    parts: tuple[Pattern, ...]


# --- statements ------------------------------------------------------------------------------------------------------


class Statement(Node, frozen=True, gc=False):
    pass


Block = tuple[Statement, ...]


class Let(Statement, frozen=True, gc=False):
    name: str
    value: Expression
    name_end: int = 0


class Set(Statement, frozen=True, gc=False):
    name: str
    value: Expression


class Return(Statement, frozen=True, gc=False):
    value: Expression


class If(Statement, frozen=True, gc=False):
    branches: tuple[tuple[Expression, Block], ...]
    otherwise: Block | None


class Arm(Node, frozen=True, gc=False):
    pattern: Pattern
    body: Block


class Match(Statement, frozen=True, gc=False):
    subject: Expression
    arms: tuple[Arm, ...]


class Discard(Statement, frozen=True, gc=False):
    """A call whose value nobody uses."""

    value: Expression


class Scope(Statement, frozen=True, gc=False):
    body: Block


class Start(Statement, frozen=True, gc=False):
    name: str
    value: Expression


class Wait(Statement, frozen=True, gc=False):
    names: tuple[str, ...]


class Step(Node, frozen=True, gc=False):
    name: str
    body: Block
    compensate: Block | None
    dependencies: tuple[str, ...]


class Workflow(Statement, frozen=True, gc=False):
    steps: tuple[Step, ...]
    attempts: int | None
    backoff: str | None
    timeout: int | None


# --- declarations ----------------------------------------------------------------------------------------------------


class Constraint(Node, frozen=True, gc=False):
    """`required`, `between a and b`, `at least a`, `at most b` or `matching pattern "…"`."""

    kind: str
    low: Any = None
    high: Any = None
    pattern: str | None = None


class Parameter(Node, frozen=True, gc=False):
    """A parameter of a rule or a field of a record."""

    name: str
    type: TypeNode | None
    constraints: tuple[Constraint, ...] = ()


class Annotation(Node, frozen=True, gc=False):
    name: str
    arguments: tuple[tuple[str, Any], ...]


class Import(Node, frozen=True, gc=False):
    name: str
    version: int | None
    alias: str | None


class Alias(Node, frozen=True, gc=False):
    name: str
    type: TypeNode


class Record(Node, frozen=True, gc=False):
    name: str
    fields: tuple[Parameter, ...]


class Enum(Node, frozen=True, gc=False):
    name: str
    variants: tuple[str, ...]


class Rule(Node, frozen=True, gc=False):
    """``effects`` is None when nothing is declared; ``body`` None for a declaration without one."""

    name: str
    type_parameters: tuple[str, ...]
    parameters: tuple[Parameter, ...]
    returns: TypeNode | None
    body: Block | None
    effects: tuple[str, ...] | None
    capabilities: tuple[str, ...] | None
    annotations: tuple[Annotation, ...]
    name_end: int
    effect_parameters: tuple[str, ...] = ()


class Module(msgspec.Struct, frozen=True):
    name: str | None
    imports: tuple[Import, ...]
    aliases: tuple[Alias, ...]
    records: tuple[Record, ...]
    enums: tuple[Enum, ...]
    rules: tuple[Rule, ...]
