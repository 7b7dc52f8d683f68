import enum
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Literal, NamedTuple, TypedDict

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from msgspec.structs import replace
from tests.rpc.contract import generated

from aster.rpc import CallContext, rpc, service
from aster.rpc.contract.canonical import contract_id, policy_id
from aster.rpc.contract.changes import Weight, changes_between
from aster.rpc.contract.describe import TypeDescriber
from aster.rpc.contract.description import (
    MethodDescription,
    Record,
    Ref,
    Requirement,
    ServiceDescription,
    Type,
    Union,
)
from aster.rpc.contract.service import describe_service
from aster.rpc.definition import definition_of


def service_of(request: Any, reply: Any = None) -> ServiceDescription:
    describer = TypeDescriber()
    method = MethodDescription("m", "unary", describer.describe(request), describer.describe(reply))
    return ServiceDescription("S", 1, "", "", (method,), describer.types)


def same_wire(one: Any, other: Any) -> bool:
    return contract_id(service_of(one)) == contract_id(service_of(other))


class Point(msgspec.Struct):
    x: int
    y: int = 0


class Reordered(msgspec.Struct, kw_only=True):
    """A point, told about."""

    y: int = 7
    x: int


@dataclass
class PointData:
    x: int
    y: int = 1


class Colour(enum.Enum):
    RED = "r"
    BLUE = "b"


class Color(enum.StrEnum):
    AZURE = "b"
    CRIMSON = "r"


class Chain(msgspec.Struct):
    next: "Chain | None" = None


class LinkA(msgspec.Struct):
    next: "LinkB | None" = None


class LinkB(msgspec.Struct):
    next: "LinkA | None" = None


class Row(NamedTuple):
    x: int
    y: int


class Column(msgspec.Struct, array_like=True):
    a: int
    b: int


class Loose(TypedDict):
    x: int


class Cat(msgspec.Struct, tag="cat"):
    x: int


class Dog(msgspec.Struct, tag="dog"):
    x: int


class Hound(msgspec.Struct, tag="dog"):
    x: int


class Quiet(msgspec.Struct, omit_defaults=True):
    level: int = 1


class Loud(msgspec.Struct, omit_defaults=True):
    level: int = 2


@pytest.mark.parametrize(
    ("one", "other"),
    [
        (Point, Reordered),
        (Point, PointData),
        (Colour, Color),
        (Colour, Literal["b", "r"]),
        (int | str | None, None | str | int),
        (Literal["a", None], Literal["a"] | None),
        (list[int], set[int]),
        (list[int], tuple[int, ...]),
        (Chain, LinkA),
        (Row, Column),
        (Cat | Dog, Hound | Cat),
        (bytes, bytearray),
    ],
)
def test_what_is_the_same_on_the_wire_has_the_same_id(one: Any, other: Any) -> None:
    assert same_wire(one, other)


class PointWithoutDefault(msgspec.Struct):
    x: int
    y: int


class StrictPoint(msgspec.Struct, forbid_unknown_fields=True):
    x: int
    y: int = 0


class WirePoint(msgspec.Struct, rename={"x": "X"}):
    x: int
    y: int = 0


@pytest.mark.parametrize(
    ("one", "other"),
    [
        (Point, PointWithoutDefault),
        (Point, StrictPoint),
        (Point, WirePoint),
        (Point, Column),
        (Colour, Literal["b"]),
        (int, float),
        (int, int | None),
        (list[int], list[str]),
        (list[int], tuple[int, int]),
        (dict[str, int], dict[int, int]),
        (Cat | Dog, Cat),
        (Cat, Dog),
        (Chain, Point),
        (Quiet, Loud),
        (Loose, Point),
    ],
)
def test_what_differs_on_the_wire_has_another_id(one: Any, other: Any) -> None:
    assert not same_wire(one, other)


def test_an_id_is_the_same_in_every_process_and_version() -> None:
    """A golden: if this changes, every contract in the world does."""
    assert contract_id(service_of(Point, list[Chain])) == GOLDEN


GOLDEN = "e145e4eb53c4653beccbbe300e94d5547b57976ebdcd78d43b7e46fb0f1b1145"

FACTS: dict[str, Callable[[ServiceDescription], ServiceDescription]] = {
    "timeout": lambda s: replace(s, methods=(replace(s.methods[0], timeout=3.0),)),
    "idempotent": lambda s: replace(s, methods=(replace(s.methods[0], idempotent=True),)),
    "requires": lambda s: replace(s, requires=Requirement("role", ("admin",))),
    "default": lambda s: replace(s, types={"Point": service_of(Reordered).types["Reordered"]}),
}


@pytest.mark.parametrize("fact", FACTS)
def test_policy_has_an_id_of_its_own(fact: str) -> None:
    before = service_of(Point)
    after = FACTS[fact](before)
    assert contract_id(after) == contract_id(before)
    assert policy_id(after) != policy_id(before)
    assert {change.weight for change in changes_between(before, after)} == {Weight.POLICY}


@pytest.mark.parametrize(
    "change",
    [{"name": "T"}, {"version": 2}, {"scoped": "session"}, {"methods": ()}],
    ids=["name", "version", "scope", "methods"],
)
def test_what_names_a_service_is_part_of_its_contract(change: dict[str, Any]) -> None:
    before = service_of(Point)
    after = replace(before, **change)
    assert contract_id(after) != contract_id(before)
    assert any(change.weight is Weight.BREAKING for change in changes_between(before, after))


def test_descriptions_are_in_no_id() -> None:
    before = service_of(Point)
    point = before.types["Point"]
    assert isinstance(point, Record)
    fields = tuple(replace(field, description="words") for field in point.fields)
    after = replace(before, description="words", types={"Point": replace(point, fields=fields, description="words")})
    assert (contract_id(after), policy_id(after)) == (contract_id(before), policy_id(before))
    assert changes_between(before, after) == []


def test_a_service_s_ids_are_those_of_its_description() -> None:
    @service("Shape", version=3)
    class Shape:
        """Points."""

        @rpc(timeout=2.0)
        async def move(self, point: Point, context: CallContext) -> Point:
            """Move it."""
            return point

    described = describe_service(definition_of(Shape))
    assert (described.name, described.version, described.description) == ("Shape", 3, "Points.")
    assert described.contract_id == contract_id(described)
    assert described.policy_id == policy_id(described)
    assert described.methods[0].description == "Move it."


@settings(deadline=None, max_examples=60)
@given(generated.services(), generated.services())
def test_ids_are_equal_exactly_when_nothing_on_the_wire_changed(
    old: ServiceDescription, new: ServiceDescription
) -> None:
    on_the_wire = [change for change in changes_between(old, new) if change.weight is not Weight.POLICY]
    assert (contract_id(old) == contract_id(new)) == (not on_the_wire)


@settings(deadline=None, max_examples=60)
@given(generated.services(), st.randoms())
def test_an_id_does_not_depend_on_how_a_contract_is_written_down(service: ServiceDescription, random: Any) -> None:
    """Names, order and sharing of types are changed at random: each use of a record gets a copy of it at random."""
    copies = {name: [f"{name}_{number}" for number in range(3)] for name in service.types}

    def rewritten(described: Type) -> Type:
        if isinstance(described, Ref):
            return Ref(random.choice(copies[described.name]))
        if isinstance(described, Union):
            items = [rewritten(item) for item in described.of]
            random.shuffle(items)
            return Union(tuple(items))
        if hasattr(described, "of") and not isinstance(described.of, tuple):
            return replace(described, of=rewritten(described.of))
        if hasattr(described, "of"):
            return replace(described, of=tuple(rewritten(item) for item in described.of))
        if hasattr(described, "value"):
            return replace(described, value=rewritten(described.value))
        return described

    types: dict[str, Any] = {}
    for name, record in service.types.items():
        assert isinstance(record, Record)
        for copy in copies[name]:
            fields = [replace(field, type=rewritten(field.type)) for field in record.fields]
            random.shuffle(fields)
            types[copy] = replace(record, fields=tuple(fields))
    (method,) = service.methods
    method = replace(method, request=rewritten(method.request), reply=rewritten(method.reply))
    assert contract_id(replace(service, methods=(method,), types=types)) == contract_id(service)
