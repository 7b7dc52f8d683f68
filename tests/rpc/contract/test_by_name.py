"""Records that travel as arrays, written and read by field names."""

from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec.structs import replace
from tests.rpc.contract.generated import services, values

from aster.rpc.contract.by_name import by_name, has_places, with_places, without_places
from aster.rpc.contract.description import (
    Array,
    Enumeration,
    Field,
    Map,
    Record,
    Ref,
    Scalar,
    ServiceDescription,
    Type,
    Union,
)
from aster.rpc.contract.synthesize import PLAIN_TYPES, TypeMaker

INT, TEXT = Scalar("int"), Scalar("str")
POINT = Record((Field("x", INT), Field("y", INT, required=False, default=0)), layout="array")
TYPES: dict[str, Record | Enumeration] = {
    "Point": POINT,
    "Circle": replace(POINT, tag="circle", tag_field="type"),
    "Square": replace(POINT, tag="square", tag_field="type"),
    "Named": Record((Field("at", Ref("Point")), Field("name", TEXT, required=False, default="-"))),
    "Secret": Record((Field("a", INT), Field("b", INT, required=False)), layout="array"),
}
SHAPE = Union((Ref("Circle"), Ref("Square"), Scalar("null")))


@pytest.mark.parametrize(
    ("described", "value", "placed"),
    [
        (Ref("Point"), {"y": 2, "x": 1}, [1, 2]),
        (Ref("Point"), {"x": 1}, [1, 0]),
        (Ref("Point"), [1], [1]),
        (Ref("Named"), {"at": {"x": 1}}, {"at": [1, 0]}),
        (Array(Ref("Named")), [{"at": {"x": 1}}, {"at": [2, 3]}], [{"at": [1, 0]}, {"at": [2, 3]}]),
        (Map(TEXT, Ref("Point")), {"a": {"x": 1}}, {"a": [1, 0]}),
        (SHAPE, {"type": "square", "x": 1}, ["square", 1, 0]),
        (SHAPE, None, None),
        (Union((Ref("Point"), Scalar("null"))), {"x": 1}, [1, 0]),
        (Union((Ref("Point"), Map(TEXT, INT))), {"x": 1}, {"x": 1}),
    ],
)
def test_fields_go_to_their_places(described: Type, value: Any, placed: Any) -> None:
    assert with_places(value, described, TYPES) == placed


@pytest.mark.parametrize(
    ("described", "value", "words"),
    [
        (Ref("Point"), {"y": 1}, "Object missing required field `x`"),
        (Ref("Point"), {"x": 1, "z": 1}, "Object contains unknown field `z`"),
        (Array(Ref("Named")), [{"at": {"y": 1}}], r"`x` - at `\$\[0\].at`"),
        (Ref("Secret"), {"a": 1}, "`b` has to be given"),
    ],
)
def test_what_has_no_place_is_named(described: Type, value: Any, words: str) -> None:
    with pytest.raises(msgspec.ValidationError, match=words):
        with_places(value, described, TYPES)


def test_schemas_are_of_what_callers_write() -> None:
    written = TypeMaker(without_places(TYPES)).make(Ref("Secret"))
    schema = msgspec.json.schema(written)
    [made] = schema["$defs"].values()
    assert made["required"] == ["a", "b"]


def required(record: Record | Enumeration, layout: Any) -> Record:
    assert isinstance(record, Record)
    return replace(record, layout=layout, fields=tuple(replace(field, required=True) for field in record.fields))


@given(data=st.data())
def test_a_value_by_name_means_the_same_however_its_records_travel(data: st.DataObject) -> None:
    service: ServiceDescription = data.draw(services())
    request = service.methods[0].request
    mapped, placed = (
        replace(service, types={name: required(each, layout) for name, each in service.types.items()})
        for layout in ("map", "array")
    )
    assert not has_places(mapped.types)
    assert has_places(placed.types)
    value = data.draw(values(request, mapped))
    plain = by_name(msgspec.convert(value, TypeMaker(mapped.types).make(request)), PLAIN_TYPES)
    sent = msgspec.convert(with_places(value, request, placed.types), TypeMaker(placed.types).make(request))
    wire = msgspec.msgpack.encode(sent)
    read = msgspec.msgpack.decode(wire, type=TypeMaker(placed.types, for_reading=True).make(request))
    assert by_name(read, PLAIN_TYPES) == plain
