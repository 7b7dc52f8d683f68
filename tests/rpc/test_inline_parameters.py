"""Methods with parameters of their own, and every type that can travel."""

import asyncio
import enum
from collections.abc import AsyncIterator
from dataclasses import dataclass
from datetime import UTC, datetime
from decimal import Decimal
from typing import Annotated, Any, Literal, NamedTuple, TypedDict
from uuid import UUID

import msgspec
import pytest

from aster.rpc import (
    CallContext,
    ContractViolationError,
    Description,
    InternalError,
    InvalidArgumentError,
    LocalClient,
    bidi_stream,
    client_stream,
    rpc,
    server_stream,
    service,
)
from aster.rpc.definition import Parameter, Style, definition_of


class Colour(enum.Enum):
    RED = "red"
    BLUE = "blue"


class Circle(msgspec.Struct, tag=True):
    radius: float


class Square(msgspec.Struct, tag=True):
    side: float


@dataclass
class Box:
    shapes: list[Circle | Square]
    colour: Colour | None = None


class Place(NamedTuple):
    x: int
    y: int


class Options(TypedDict):
    loud: bool


MOMENT = datetime(2026, 3, 1, 12, 30, tzinfo=UTC)
NUMBER = UUID("12345678-1234-5678-1234-567812345678")

Level = Annotated[int, msgspec.Meta(ge=0, le=9), Description("how loud, from 0 to 9")]


@service
class Everything:
    """Takes and gives all kinds of values."""

    def __init__(self) -> None:
        self.context: CallContext | None = None

    @rpc
    async def nothing(self) -> None:
        """Take nothing, give nothing."""

    @rpc
    async def add(self, a: int, b: int = 2, *, c: int = 3) -> int:
        return a * 100 + b * 10 + c

    @rpc
    async def with_context(self, context: CallContext, name: str, tags: list[str] = ["new"]) -> list[str]:  # noqa: B006  # under test
        self.context = context
        tags.append(name)
        return tags

    @rpc
    async def with_context_last(self, name: str, level: Level = 5, context: CallContext | None = None) -> str:
        assert context is CallContext.current()
        return f"{name}{level}"

    @rpc
    async def context_only(self, context: CallContext) -> int:
        return context.call_id

    @rpc
    async def context_before_message(self, context: CallContext, box: Box) -> int:
        assert context.method == "context_before_message"
        return len(box.shapes)

    @rpc
    async def message_by_name(self, context: CallContext, *, box: Box) -> Box:
        return box

    @rpc
    async def named_only(self, a: int = 1, *, b: int) -> int:
        return a * 10 + b

    @rpc
    async def by_position(self, a: int, /, b: int) -> int:
        return a * 10 + b

    @rpc
    async def shape(self, shape: Circle | Square) -> Circle | Square:
        return shape

    @rpc
    async def real(self, value: float) -> float:
        return int(value)

    @rpc
    async def lie(self) -> list[int]:
        return {"not": "a list"}  # type: ignore[return-value]  # a handler that breaks its contract

    @rpc
    async def values(
        self,
        moment: datetime,
        number: UUID,
        amount: Decimal,
        data: bytes,
        colour: Colour,
        mode: Literal["a", "b"],
        maybe: str | None,
        nested: dict[str, list[tuple[int, Box]]],
        place: Place,
        options: Options,
        anything: Any,
    ) -> list[Any]:
        assert isinstance(nested["x"][0][1].shapes[0], Circle)
        return [moment, number, amount, data, colour, mode, maybe, nested, place, options, anything]

    @server_stream
    async def count(self, to: int, step: int = 1) -> AsyncIterator[int]:
        for value in range(0, to, step):
            yield value

    @client_stream
    async def total(self, amounts: AsyncIterator[Decimal]) -> Decimal:
        return sum([amount async for amount in amounts], Decimal(0))

    @bidi_stream
    async def colours(self, names: AsyncIterator[str]) -> AsyncIterator[Colour | None]:
        async for name in names:
            yield Colour(name) if name else None


async def _items(*values: Any) -> AsyncIterator[Any]:
    for value in values:
        yield value


async def test_parameters_are_given_as_to_the_handler_itself() -> None:
    async with LocalClient([Everything()]) as client:
        stub = await client.client(Everything)
        await stub.nothing()
        assert await stub.add(1) == 123
        assert await stub.add(4, 5, c=6) == 456
        assert await stub.add(b=8, a=7) == 783
        assert await stub.named_only(b=4) == 14
        assert await stub.by_position(2, b=3) == 23
        assert await stub.with_context_last("x") == "x5"
        assert await stub.context_only() > 0
        assert [value async for value in stub.count(6, step=2)] == [0, 2, 4]


async def test_call_options_reach_a_method_with_parameters() -> None:
    everything = Everything()
    async with LocalClient([everything]) as client:
        stub = await client.client(Everything)
        assert await stub.with_context.with_options(timeout=30, metadata={"a": "b"})("ann") == ["new", "ann"]
        assert everything.context is not None
        assert everything.context.remaining_seconds is not None
        assert everything.context.metadata == {"a": "b"}
        untyped: Any = stub
        assert await untyped.with_context("bob", timeout=60, metadata={"c": "d"}) == ["new", "bob"]
        assert everything.context.metadata == {"c": "d"}
        assert [value async for value in stub.count.with_options(timeout=30)(2)] == [0, 1]


async def test_a_mutable_default_is_not_shared_between_calls() -> None:
    async with LocalClient([Everything()]) as client:
        stub = await client.client(Everything)
        assert await stub.with_context("ann") == ["new", "ann"]
        assert await stub.with_context("ann") == ["new", "ann"]


async def test_every_kind_of_value_travels() -> None:
    box = Box([Circle(1.5), Square(2)], Colour.BLUE)
    async with LocalClient([Everything()]) as client:
        stub = await client.client(Everything)
        answer = await stub.values(
            MOMENT, NUMBER, Decimal("1.50"), b"\x00\xff", Colour.RED, "b", None, {"x": [(1, box)]}, Place(1, 2),
            {"loud": True}, {"free": [1]},
        )  # fmt: skip
        assert answer[:2] == [MOMENT, str(NUMBER)]
        shapes = [{"type": "Circle", "radius": 1.5}, {"type": "Square", "side": 2.0}]
        assert answer[2:] == [
            "1.50",
            b"\x00\xff",
            "red",
            "b",
            None,
            {"x": [[1, {"shapes": shapes, "colour": "blue"}]]},
            [1, 2],
            {"loud": True},
            {"free": [1]},
        ]
        assert await stub.shape(Square(3)) == Square(3)
        assert await stub.context_before_message(box) == 2
        assert await stub.message_by_name(box=box) == box
        assert await stub.real(7) == 7.0
        assert await stub.total(_items(Decimal("0.1"), Decimal("0.2"))) == Decimal("0.3")
        assert [colour async for colour in stub.colours(_items("red", ""))] == [Colour.RED, None]


@pytest.mark.parametrize(
    ("arguments", "named", "words"),
    [
        ((), {}, "Missing required argument 'a'"),
        ((1, 2, 3), {}, "Extra positional"),
        ((1,), {"d": 1}, "Unexpected keyword argument 'd'"),
        ((1,), {"a": 1}, "given by name and position"),
    ],
)
async def test_arguments_that_do_not_fit_do_not_leave_the_caller(
    arguments: tuple[int, ...], named: dict[str, int], words: str
) -> None:
    async with LocalClient([Everything()]) as client:
        stub: Any = await client.client(Everything)
        with pytest.raises(InvalidArgumentError, match=words) as caught:
            await stub.add(*arguments, **named)
        assert "Everything.add" in caught.value.message
        assert caught.value.hint == "it takes a, b, c"


async def test_an_argument_of_the_wrong_type_is_refused_with_its_name() -> None:
    async with LocalClient([Everything()]) as client:
        stub: Any = await client.client(Everything)
        with pytest.raises(InvalidArgumentError, match=r"\$\.b"):
            await stub.add(1, "two")
        with pytest.raises(InvalidArgumentError, match=r"<= 9.*\$\.level"):
            await stub.with_context_last("x", 10)


async def test_an_answer_of_another_class_is_the_servers_fault() -> None:
    async with LocalClient([Everything()], debug_errors=True) as client:
        with pytest.raises(InternalError, match=r"Everything\.lie returned a dict"):
            await (await client.client(Everything)).lie()


async def test_a_parameter_the_server_does_not_know_is_a_violation_only_when_it_is_given() -> None:
    @service("Everything")
    class Newer:
        @rpc
        async def add(self, a: int, b: int = 2, *, c: int = 3, d: int = 4) -> int:
            return 0

    async with LocalClient([Everything()]) as client:
        stub = await client.client(Newer)
        assert await stub.add(1) == 123
        with pytest.raises(ContractViolationError, match="unknown field `d`"):
            await stub.add(1, d=5)


def test_a_definition_lists_the_parameters() -> None:
    methods = definition_of(Everything).methods
    add = methods["add"]
    assert add.style is Style.INLINE
    assert add.request.name == "AddRequest"
    assert add.parameters == (
        Parameter("a", int, required=True),
        Parameter("b", int, required=False, default=2),
        Parameter("c", int, required=False, default=3),
    )
    assert methods["with_context_last"].parameters[1].description == "how loud, from 0 to 9"
    assert methods["shape"].style is Style.EXPLICIT
    assert methods["context_before_message"].style is Style.EXPLICIT
    assert methods["nothing"].parameters == ()
    assert methods["nothing"].reply.annotation in (None, type(None))


async def test_the_context_is_the_callers_own_also_for_many_calls_at_once() -> None:
    async with LocalClient([Everything()]) as client:
        stub = await client.client(Everything)
        ids = await asyncio.gather(*(stub.context_only() for _ in range(50)))
    assert len(set(ids)) == 50
