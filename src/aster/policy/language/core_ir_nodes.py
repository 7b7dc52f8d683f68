"""The nodes of Core IR as types (specification §14): what decodes into them is a document, and nothing else is.

A node's ``kind`` is its class's tag; fields that no node has are refused. `core_ir` writes these documents,
`core_ir_read` makes programs of them.
"""

from decimal import Decimal as Exact
from typing import Annotated, Any, Literal

import msgspec
from msgspec import Meta

from aster.policy.language.parse_primaries import MAX_ITEMS

Word = Annotated[str, Meta(pattern=r"^(?:[^\W\d_]\w*|_)\Z", max_length=256)]
Dotted = Annotated[str, Meta(pattern=r"^[^\W\d_]\w*(?:\.[^\W\d_]\w*){0,32}\Z", max_length=1024)]
Line = Annotated[int, Meta(ge=1, le=100_000)]
Int64 = Annotated[int, Meta(ge=-(2**63), le=2**63 - 1)]
Digits = Annotated[str, Meta(pattern=r"^-?[0-9]{1,19}\Z")]
ExactDigits = Annotated[str, Meta(pattern=r"^-?[0-9]{1,38}(?:\.[0-9]{1,38})?\Z")]
Bound = int | float | ExactDigits


class Place(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    line: Line
    col: Line


class Origin(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    start: Place
    end: Place
    file: str | None = None


class Node(msgspec.Struct, frozen=True, forbid_unknown_fields=True, tag_field="kind", kw_only=True, rename="camel"):
    origin: Origin | None = None


# --- types -----------------------------------------------------------------------------------------------------------


class TypeName(Node, frozen=True, tag="TypeName"):
    name: Dotted


class TypeVar(Node, frozen=True, tag="TypeVar"):
    name: Dotted


class TypeApp(Node, frozen=True, tag="TypeApp"):
    base: Dotted
    args: "list[TypeNode]"


class MaybeType(Node, frozen=True, tag="Maybe"):
    type: "TypeNode"


class OptionType(Node, frozen=True, tag="Option"):
    type: "TypeNode"


class ListType(Node, frozen=True, tag="List"):
    type: "TypeNode"


class ResultType(Node, frozen=True, tag="Result"):
    ok: "TypeNode"
    err: "TypeNode"


class MapType(Node, frozen=True, tag="Map"):
    key: "TypeNode"
    val: "TypeNode"


class PiiType(Node, frozen=True, tag="PiiType"):
    base_type: "TypeNode"
    sensitivity: Literal["L1", "L2", "L3"]
    category: Annotated[str, Meta(max_length=256)]


TypeNode = TypeName | TypeVar | TypeApp | MaybeType | OptionType | ListType | ResultType | MapType | PiiType

# --- expressions -----------------------------------------------------------------------------------------------------


class Name(Node, frozen=True, tag="Name"):
    """A name, or a path of fields from one; as the target of a call also an operator's sign."""

    name: str


class Bool(Node, frozen=True, tag="Bool"):
    value: bool


class Int(Node, frozen=True, tag="Int"):
    value: Int64


class Long(Node, frozen=True, tag="Long"):
    value: Digits


class Double(Node, frozen=True, tag="Double"):
    value: float


class Decimal(Node, frozen=True, tag="Decimal"):
    value: ExactDigits

    @property
    def exact(self) -> Exact:
        return Exact(self.value)


class String(Node, frozen=True, tag="String"):
    value: str


class Null(Node, frozen=True, tag="Null"):
    pass


class Nothing(Node, frozen=True, tag="None"):
    pass


class Field(Node, frozen=True, tag="Field"):
    base: "Expression"
    names: Annotated[list[Word], Meta(min_length=1, max_length=32)]


class Call(Node, frozen=True, tag="Call"):
    target: "Expression"
    args: "Annotated[list[Expression], Meta(max_length=MAX_ITEMS)]"


class Given(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    name: Word
    expr: "Expression"


class Construct(Node, frozen=True, tag="Construct"):
    type_name: Dotted
    fields: list[Given]


class Ok(Node, frozen=True, tag="Ok"):
    expr: "Expression"


class Err(Node, frozen=True, tag="Err"):
    expr: "Expression"


class Some(Node, frozen=True, tag="Some"):
    expr: "Expression"


class Await(Node, frozen=True, tag="Await"):
    expr: "Expression"


class IfExpr(Node, frozen=True, tag="IfExpr"):
    cond: "Expression"
    then: "Expression" = msgspec.field(name="thenE")
    otherwise: "Expression" = msgspec.field(name="elseE")


class ListLit(Node, frozen=True, tag="ListLit"):
    elements: "Annotated[list[Expression], Meta(max_length=MAX_ITEMS)]"


class Lambda(Node, frozen=True, tag="Lambda"):
    params: "list[Param]"
    body: "Block"
    ret: "TypeNode | None" = None
    captures: list[str] = []


Expression = (
    Name
    | Bool
    | Int
    | Long
    | Double
    | Decimal
    | String
    | Null
    | Nothing
    | Field
    | Call
    | Construct
    | Ok
    | Err
    | Some
    | Await
    | IfExpr
    | ListLit
    | Lambda
)

# --- patterns --------------------------------------------------------------------------------------------------------


class PatNull(Node, frozen=True, tag="PatNull"):
    pass


class PatBool(Node, frozen=True, tag="PatBool"):
    value: bool


class PatInt(Node, frozen=True, tag="PatInt"):
    value: Int64


class PatString(Node, frozen=True, tag="PatString"):
    value: str


class PatName(Node, frozen=True, tag="PatName"):
    name: Annotated[str, Meta(pattern=r"^(?:_|[^\W\d_]\w*(?:\.[^\W\d_]\w*){0,32})\Z", max_length=1024)]


class PatCtor(Node, frozen=True, tag="PatCtor"):
    type_name: Dotted
    names: list[Word]
    args: "list[Pattern] | None" = None


Pattern = PatNull | PatBool | PatInt | PatString | PatName | PatCtor

# --- statements ------------------------------------------------------------------------------------------------------


class Let(Node, frozen=True, tag="Let"):
    name: Word
    expr: Expression


class Set(Node, frozen=True, tag="Set"):
    name: Word
    expr: Expression


class Start(Node, frozen=True, tag="Start"):
    name: Word
    expr: Expression


class Return(Node, frozen=True, tag="Return"):
    expr: Expression


class If(Node, frozen=True, tag="If"):
    cond: Expression
    then_block: "Block"
    else_block: "Block | None" = None


class Case(Node, frozen=True, tag="Case"):
    pattern: Pattern
    body: "Return | Block"


class Match(Node, frozen=True, tag="Match"):
    expr: Expression
    cases: list[Case]


class Scope(Node, frozen=True, tag="Scope"):
    statements: "list[Statement]"


class Wait(Node, frozen=True, tag="Wait"):
    names: list[Word]


class Step(Node, frozen=True, tag="step"):
    name: Word
    body: "Block"
    dependencies: list[Word] = []
    effect_caps: list[str] = []
    compensate: "Block | None" = None


class Retry(msgspec.Struct, frozen=True, forbid_unknown_fields=True, rename="camel"):
    max_attempts: int | None = None
    backoff: Literal["linear", "exponential"] | None = None


class Timeout(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    milliseconds: Annotated[int, Meta(ge=0, le=2**53)]


class Workflow(Node, frozen=True, tag="workflow"):
    steps: list[Step]
    effect_caps: list[str] = []
    retry: Retry | None = None
    timeout: Timeout | None = None


Statement = Let | Set | Start | Return | If | Match | Scope | Wait | Workflow


class Block(Node, frozen=True, tag="Block"):
    statements: list[Statement]


# --- declarations ----------------------------------------------------------------------------------------------------


class Required(Node, frozen=True, tag="Required"):
    pass


class Range(Node, frozen=True, tag="Range"):
    min: Bound | None = None
    max: Bound | None = None


class Matching(Node, frozen=True, tag="Pattern"):
    regexp: Annotated[str, Meta(max_length=4096)]


class Param(msgspec.Struct, frozen=True, forbid_unknown_fields=True, rename="camel"):
    """A parameter of a rule or a field of a record; an inferred type is only a hint."""

    name: Word
    type: TypeNode
    constraints: list[Required | Range | Matching] = []
    type_inferred: bool = False


class Import(Node, frozen=True, tag="Import"):
    name: Dotted
    as_name: Word
    version: Annotated[int, Meta(ge=1, le=2**31 - 1)] | None = None


class Data(Node, frozen=True, tag="Data"):
    name: Word
    fields: list[Param]


class Enum(Node, frozen=True, tag="Enum"):
    name: Word
    variants: Annotated[list[Word], Meta(min_length=1)]


class Annotation(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    name: Word
    args: dict[str, str | int | float | bool | None] = {}


class Func(Node, frozen=True, tag="Func"):
    name: Word
    params: list[Param]
    ret: TypeNode | None
    body: Block | None
    type_params: list[Word] = []
    effects: list[str] = []
    effect_caps: list[str] = []
    effect_caps_explicit: bool = False
    ret_type_inferred: bool = False
    effect_params: list[Word] = []
    declared_effects: list[str] = []
    annotations: list[Annotation] = []
    pii_level: Literal["L1", "L2", "L3"] | None = None
    pii_categories: list[str] = []


class Module(msgspec.Struct, frozen=True, forbid_unknown_fields=True, tag_field="kind", tag="Module"):
    name: Dotted | None
    decls: list[Import | Data | Enum | Func]


class Document(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """The envelope; its metadata is anybody's."""

    version: Literal["1.0"]
    module: Module
    metadata: dict[str, Any] = {}
