"""A service described as data: its methods, and every type they use, in full.

This is what a manifest holds, what reflection answers, and what ids, comparisons, dynamic clients, generated clients
and tool schemas are made from. Records and enums have names and are referred to by them, so types may be recursive.
"""

from collections.abc import Iterable, Iterator, Mapping
from typing import Any, Literal

from msgspec import UNSET, Struct, UnsetType

Limit = bool | int | float | str
Limits = Mapping[str, Limit]
"""Bounds by msgspec's own names: ``ge gt le lt multiple_of min_length max_length pattern tz``."""

NO_LIMITS: Limits = {}

ScalarName = Literal[
    "any",
    "null",
    "bool",
    "int",
    "float",
    "str",
    "bytes",
    "datetime",
    "date",
    "time",
    "timedelta",
    "uuid",
    "decimal",
]


class Scalar(Struct, frozen=True, tag_field="kind", tag="scalar", omit_defaults=True):
    """One value without parts; ``any`` stands for whatever can be encoded."""

    type: ScalarName
    limits: dict[str, Limit] = {}


class Array(Struct, frozen=True, tag_field="kind", tag="array", omit_defaults=True):
    """Any number of one type; ``form`` is how Python holds it and is not on the wire."""

    of: "Type"
    form: Literal["list", "set", "frozenset", "tuple"] = "list"
    limits: dict[str, Limit] = {}


class Tuple(Struct, frozen=True, tag_field="kind", tag="tuple"):
    """A fixed number of values, each with its type."""

    of: tuple["Type", ...]


class Map(Struct, frozen=True, tag_field="kind", tag="map", omit_defaults=True):
    """Values by key."""

    key: "Type"
    value: "Type"
    limits: dict[str, Limit] = {}


class OneOf(Struct, frozen=True, tag_field="kind", tag="literal"):
    """One of these values."""

    values: tuple[int | str | None, ...]


class Union(Struct, frozen=True, tag_field="kind", tag="union"):
    """One of these types; an optional value is a union with ``null``."""

    of: tuple["Type", ...]


class Ref(Struct, frozen=True, tag_field="kind", tag="ref"):
    """A record or enum, by its name among the types."""

    name: str


Type = Scalar | Array | Tuple | Map | OneOf | Union | Ref


class Field(Struct, frozen=True, omit_defaults=True):
    """A named part of a record. ``default`` is its JSON form, where it has one."""

    name: str
    type: Type
    required: bool = True
    default: Any = UNSET
    description: str = ""


class Record(Struct, frozen=True, tag_field="kind", tag="record", omit_defaults=True):
    """A message with fields: a map on the wire, or an array in the order of the fields.

    ``tag`` tells it from others of a union; a ``strict`` one refuses fields it does not know; one that
    ``omits_defaults`` leaves them out when it is written, so they are part of what is on the wire.
    """

    fields: tuple[Field, ...]
    layout: Literal["map", "array"] = "map"
    tag_field: str | None = None
    tag: str | int | None = None
    strict: bool = False
    omits_defaults: bool = False
    description: str = ""


class Enumeration(Struct, frozen=True, tag_field="kind", tag="enum", omit_defaults=True):
    """Named values; the values are on the wire."""

    members: dict[str, int | str]
    description: str = ""


class Requirement(Struct, frozen=True):
    """Which roles a caller needs: one, ``any_of`` some, or ``all_of`` them."""

    kind: Literal["role", "any_of", "all_of"]
    roles: tuple[str, ...]

    def __str__(self) -> str:
        word = {"role": "", "any_of": "any of ", "all_of": "all of "}[self.kind]
        return word + ", ".join(f"'{role}'" for role in self.roles)


class MethodDescription(Struct, frozen=True, omit_defaults=True):
    """One method. ``inline`` says that the request's fields are the handler's parameters."""

    name: str
    pattern: Literal["unary", "server_stream", "client_stream", "bidi_stream"]
    request: Type
    reply: Type
    inline: bool = False
    timeout: float | None = None
    idempotent: bool = False
    requires: Requirement | None = None
    description: str = ""
    tags: tuple[str, ...] = ()
    deprecated: str | None = None


class ServiceDescription(Struct, frozen=True, omit_defaults=True):
    """One service. ``partial`` says that its caller is not shown every method."""

    name: str
    version: int
    contract_id: str
    policy_id: str
    methods: tuple[MethodDescription, ...]
    types: dict[str, Record | Enumeration] = {}
    scoped: Literal["shared", "session"] = "shared"
    requires: Requirement | None = None
    partial: bool = False
    description: str = ""
    tags: tuple[str, ...] = ()
    deprecated: str | None = None

    def method(self, name: str) -> MethodDescription | None:
        """The method of that name, if there is one."""
        return next((method for method in self.methods if method.name == name), None)


def parts(described: Type | Record | Enumeration) -> Iterator[Type]:
    """The types directly inside one."""
    match described:
        case Array(of=item):
            yield item
        case Tuple(of=items) | Union(of=items):
            yield from items
        case Map(key=key, value=value):
            yield key
            yield value
        case Record(fields=fields):
            yield from (field.type for field in fields)


def reachable(roots: Iterable[Type], types: Mapping[str, Record | Enumeration]) -> dict[str, Record | Enumeration]:
    """The named types that ``roots`` lead to, in the order they are met."""
    found: dict[str, Record | Enumeration] = {}
    waiting: list[Type | Record | Enumeration] = []
    waiting.extend(roots)
    waiting.reverse()
    while waiting:
        current = waiting.pop()
        if isinstance(current, Ref):
            if current.name not in found:
                found[current.name] = types[current.name]
                waiting.append(types[current.name])
        else:
            waiting.extend(list(parts(current))[::-1])
    return found


def has_default(field: Field) -> bool:
    """Does the description say what a field is when it is left out?"""
    return not isinstance(field.default, UnsetType)
