"""Random described types, and random values that fit them."""

import datetime
import decimal
import uuid
from collections.abc import Callable
from typing import Any

from hypothesis import strategies as st
from msgspec.structs import replace

from aster.rpc.contract.description import (
    Array,
    Enumeration,
    Field,
    Map,
    MethodDescription,
    OneOf,
    Record,
    Ref,
    Scalar,
    ScalarName,
    ServiceDescription,
    Tuple,
    Type,
    Union,
)

NAMES = ("Alpha", "Beta", "Gamma")
FIELDS = ("a", "b", "c", "d")

SCALARS: tuple[ScalarName, ...] = ("bool", "int", "float", "str", "bytes", "date", "timedelta", "uuid", "decimal")

scalars = st.sampled_from(SCALARS).map(Scalar)
bounded = st.one_of(
    st.builds(lambda n: Scalar("int", {"ge": n}), st.integers(-3, 3)),
    st.builds(lambda n: Scalar("str", {"max_length": n}), st.integers(1, 4)),
)
literals = st.lists(st.sampled_from(["x", "y", "z"]), min_size=1, unique=True).map(lambda found: OneOf(tuple(found)))
references = st.sampled_from(NAMES).map(Ref)
leaves = st.one_of(scalars, bounded, literals)


def optional(described: Type) -> Type:
    return Union((described, Scalar("null")))


def mixed(number: Type, text: Type) -> Type:
    return Union((number, text, Scalar("null")))


containers = st.recursive(
    st.one_of(leaves, references.map(optional)),
    lambda inner: st.one_of(
        inner.map(Array),
        st.tuples(inner, inner).map(Tuple),
        inner.map(lambda value: Map(Scalar("str"), value)),
        leaves.map(optional),
        st.builds(mixed, st.just(Scalar("int")), st.one_of(literals, st.just(Scalar("str")))),
    ),
    max_leaves=4,
)


@st.composite
def fields(draw: st.DrawFn, name: str) -> Field:
    described = draw(containers)
    return Field(name, described, required=draw(st.booleans()))


@st.composite
def records(draw: st.DrawFn) -> Record:
    names = draw(st.lists(st.sampled_from(FIELDS), unique=True, max_size=3))
    return Record(tuple(draw(fields(name)) for name in names), strict=draw(st.booleans()))


@st.composite
def services(draw: st.DrawFn) -> ServiceDescription:
    types: dict[str, Record | Enumeration] = {name: draw(records()) for name in NAMES}
    method = MethodDescription("m", "unary", draw(st.one_of(references, containers)), draw(containers))
    return ServiceDescription("S", 1, "", "", (method,), types)


def _change_one(record: Record, change: Callable[[Field], Field]) -> Record:
    return replace(record, fields=(*record.fields[:-1], change(record.fields[-1]))) if record.fields else record


@st.composite
def edited(draw: st.DrawFn, service: ServiceDescription) -> tuple[Ref, ServiceDescription]:
    """The next version of a service, where one thing about one record is another; and that record."""
    name = draw(st.sampled_from(NAMES))
    record = service.types[name]
    assert isinstance(record, Record)
    described = draw(containers)
    edits = [
        replace(record, fields=record.fields[:-1]),
        replace(record, fields=(*record.fields, Field("e", described, required=False))),
        replace(record, fields=(*record.fields, Field("e", described))),
        _change_one(record, lambda field: replace(field, required=not field.required)),
        _change_one(record, lambda field: replace(field, type=optional(field.type))),
        _change_one(record, lambda field: replace(field, type=described)),
        replace(record, strict=not record.strict),
    ]
    return Ref(name), replace(service, types={**service.types, name: draw(st.sampled_from(edits))})


VALUES: dict[str, st.SearchStrategy[Any]] = {
    "null": st.none(),
    "bool": st.booleans(),
    "int": st.integers(-5, 5),
    "float": st.floats(-5, 5),
    "str": st.text("xyz", max_size=3),
    "bytes": st.binary(max_size=3),
    "date": st.dates(datetime.date(2000, 1, 1)),
    "timedelta": st.timedeltas(datetime.timedelta(0), datetime.timedelta(5)),
    "uuid": st.just(uuid.UUID(int=7)),
    "decimal": st.decimals(-5, 5).map(decimal.Decimal),
}


@st.composite
def values(draw: st.DrawFn, described: Type, service: ServiceDescription, depth: int = 0) -> Any:
    """A plain value of a described type."""
    match described:
        case Scalar(type=name, limits=limits):
            if "ge" in limits:
                return draw(st.integers(int(limits["ge"]), int(limits["ge"]) + 9))
            if "max_length" in limits:
                return draw(st.text("xyz", max_size=int(limits["max_length"])))
            return draw(VALUES[name])
        case Array(of=item):
            return draw(st.lists(values(item, service, depth + 1), max_size=2))
        case Tuple(of=items):
            return [draw(values(item, service, depth + 1)) for item in items]
        case Map(value=value):
            return draw(st.dictionaries(st.text("xy", max_size=1), values(value, service, depth + 1), max_size=2))
        case OneOf(values=known):
            return draw(st.sampled_from(known))
        case Union(of=items):
            usable = [item for item in items if depth < 4 or not isinstance(item, Ref)]
            return draw(values(draw(st.sampled_from(usable)), service, depth + 1))
    named = service.types[described.name]
    assert isinstance(named, Record)
    present = [field for field in named.fields if field.required or draw(st.booleans())]
    return {field.name: draw(values(field.type, service, depth + 1)) for field in present}
