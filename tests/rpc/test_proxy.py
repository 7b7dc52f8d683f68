import datetime
import decimal
import enum
import uuid
from collections.abc import AsyncIterator, Callable
from functools import partial
from typing import Any

import msgspec
import pytest
from tests.rpc.builtin.test_reflection import Vault
from tests.rpc.messages import Greeter

from aster.config import AsterConfig
from aster.rpc import (
    AsterClient,
    AsterServer,
    InvalidArgumentError,
    LocalClient,
    NotFoundError,
    RpcError,
    UnimplementedError,
    bidi_stream,
    client_stream,
    rpc,
    server_stream,
    service,
)
from aster.rpc.codec import EncodingName
from aster.transport.memory import MemoryPipe


class Kind(enum.Enum):
    SMALL = "s"
    LARGE = "l"


class Circle(msgspec.Struct, tag="circle"):
    radius: float


class Square(msgspec.Struct, tag="square"):
    side: float


class Node(msgspec.Struct, omit_defaults=True):
    name: str
    children: list["Node"] = []


class Everything(msgspec.Struct):
    kind: Kind
    shape: Circle | Square
    tree: Node
    when: datetime.datetime
    id: uuid.UUID
    price: decimal.Decimal
    raw: bytes
    counts: dict[str, tuple[int, ...]]
    note: str | None = None


class Number(msgspec.Struct):
    value: int


@service("Shop")
class Shop:
    @rpc
    async def echo(self, request: Everything) -> Everything:
        assert isinstance(request.kind, Kind)
        return request

    @rpc
    async def price(self, item: str, count: int = 1) -> decimal.Decimal:
        return decimal.Decimal(count * len(item))

    @rpc
    async def ping(self) -> None: ...

    @server_stream
    async def count(self, upto: int) -> AsyncIterator[Number]:
        for value in range(upto):
            yield Number(value)

    @client_stream
    async def total(self, numbers: AsyncIterator[Number]) -> int:
        return sum([number.value async for number in numbers])

    @bidi_stream
    async def double(self, numbers: AsyncIterator[Number]) -> AsyncIterator[int]:
        async for number in numbers:
            yield number.value * 2


def ones() -> list[int]:
    return [1]


class Row(msgspec.Struct, array_like=True):
    id: int
    name: str = "-"
    inside: "Row | None" = None


class Opaque(msgspec.Struct, array_like=True):
    id: int
    numbers: list[int] = msgspec.field(default_factory=ones)


@service("Table")
class Table:
    @rpc
    async def put(self, row: Row) -> Row:
        assert isinstance(row, Row)
        return row

    @rpc
    async def fill(self, row: Opaque) -> Opaque:
        return row

    @server_stream
    async def repeat(self, row: Row, times: int) -> AsyncIterator[Row]:
        for _ in range(times):
            yield row

    @client_stream
    async def sum(self, rows: AsyncIterator[Row]) -> int:
        return sum([row.id async for row in rows])

    @bidi_stream
    async def mirror(self, rows: AsyncIterator[Row]) -> AsyncIterator[Row]:
        async for row in rows:
            yield row


@service("Cart", scoped="session")
class Cart:
    def __init__(self) -> None:
        self.items: list[str] = []

    @rpc
    async def add(self, item: str) -> list[str]:
        self.items.append(item)
        return self.items


EVERYTHING: dict[str, Any] = {
    "kind": "l",
    "shape": {"type": "circle", "radius": 2.0},
    "tree": {"name": "a", "children": [{"name": "b"}]},
    "when": datetime.datetime(2026, 1, 2, tzinfo=datetime.UTC),
    "id": uuid.UUID(int=5),
    "price": decimal.Decimal("1.50"),
    "raw": b"\x00\xff",
    "counts": {"a": [1, 2]},
}


@pytest.mark.parametrize("encoding", ["msgpack", "json"])
async def test_plain_values_go_in_and_come_out_over_quic(encoding: EncodingName) -> None:
    config = AsterConfig(bind_addr="127.0.0.1:0")
    async with AsterServer([Shop()], config=config) as server, AsterClient(address=server.address) as client:
        shop = client.proxy("Shop", encoding=encoding)
        answer = await shop.echo(EVERYTHING)
        tree = {"name": "a", "children": [{"name": "b", "children": []}]}
        assert answer == {**EVERYTHING, "tree": tree, "note": None}
        assert await shop.price(item="abc", count=2) == decimal.Decimal(6)
        assert await shop.price({"item": "abc"}) == decimal.Decimal(3)
        assert await shop.ping() is None
        assert [item async for item in shop.count(upto=3)] == [{"value": 0}, {"value": 1}, {"value": 2}]
        assert await shop.total([{"value": 1}, {"value": 2}]) == 3
        assert [item async for item in shop.double(numbers())] == [2, 4]
        large = {**EVERYTHING, "raw": bytes(200_000)}
        assert (await shop.echo(large))["raw"] == large["raw"]


class Recorded(LocalClient):
    """A client whose bytes on the wire are kept."""

    def _pipes(self) -> tuple[MemoryPipe, MemoryPipe]:
        near, far = super()._pipes()
        self.sent: list[bytes] = []
        self.answered: list[bytes] = []
        for pipe, written in ((near, self.sent), (far, self.answered)):
            pipe.write = partial(self._keep, written, pipe.write)  # type: ignore[method-assign]
        return near, far

    @staticmethod
    def _keep(written: list[bytes], write: Callable[..., None], data: bytes, **options: Any) -> None:
        written.append(data)
        write(data, **options)


async def test_json_is_what_travels_where_it_is_asked_for() -> None:
    async with Recorded([Shop()]) as client:
        assert await client.proxy("Shop", encoding="json").price(item="abc", count=2) == decimal.Decimal(6)
        assert [item async for item in client.proxy("Shop", encoding="json").double([{"value": 1}])] == [2]
        sent, answered = b"".join(client.sent), b"".join(client.answered)
        assert b'{"item":"abc","count":2}' in sent
        assert b'"6"' in answered
        assert b'{"value":1}' in sent
        with pytest.raises(InvalidArgumentError, match="'xml' is no encoding"):
            client.proxy("Shop", encoding="xml")  # type: ignore[arg-type]


async def numbers() -> AsyncIterator[dict[str, int]]:
    yield {"value": 1}
    yield {"value": 2}


@pytest.mark.parametrize(
    ("fields", "words"),
    [
        ({"item": 3}, r"Shop\.price: Expected `str`, got `int` - at `\$\.item`"),
        ({"itme": "a"}, r"Shop\.price: .*`itme`"),
        ({}, r"missing required field `item`"),
        ({"item": "a", "count": "many"}, r"at `\$\.count`"),
    ],
)
async def test_what_does_not_fit_is_refused_before_it_is_sent_with_the_field(
    fields: dict[str, Any], words: str
) -> None:
    async with LocalClient([Shop()]) as client:
        with pytest.raises(InvalidArgumentError, match=words) as refused:
            await client.proxy("Shop").price(fields)
        assert refused.value.hint == "it takes item, count"


async def test_an_item_that_does_not_fit_ends_the_stream_with_the_field() -> None:
    async with LocalClient([Shop()]) as client:
        with pytest.raises(InvalidArgumentError, match=r"at `\$\.value`"):
            await client.proxy("Shop").total([{"value": 1}, {"value": "x"}])


async def test_records_that_travel_as_arrays_are_written_and_read_by_name_in_all_patterns() -> None:
    def row(number: int, inside: Any = None) -> dict[str, Any]:
        return {"id": number, "name": "-", "inside": inside}

    async with LocalClient([Table()]) as client:
        table = client.proxy("Table")
        assert await table.put(id=1, inside={"id": 2}) == row(1, row(2))
        assert await table.put([1, "-", [2]]) == row(1, row(2))
        assert [each async for each in table.repeat(row={"id": 3}, times=2)] == [row(3), row(3)]
        assert await table.sum([{"id": 1}, [2]]) == 3
        assert [each async for each in table.mirror([{"id": 1}, {"id": 2}])] == [row(1), row(2)]
        with pytest.raises(
            InvalidArgumentError, match=r"Table\.put: Object missing required field `id` - at `\$\.inside`"
        ):
            await table.put(id=1, inside={"name": "x"})
        with pytest.raises(InvalidArgumentError, match="unknown field `nmae`"):
            await table.put(id=1, nmae="x")


async def test_a_place_whose_default_the_server_keeps_to_itself_has_to_be_filled() -> None:
    async with LocalClient([Table()]) as client:
        table = client.proxy("Table")
        assert await table.fill(id=1, numbers=[2]) == {"id": 1, "numbers": [2]}
        for message in ({"id": 1}, [1]):
            with pytest.raises(InvalidArgumentError, match="`numbers` has to be given"):
                await table.fill(message)


async def test_unknown_names_list_the_known_ones() -> None:
    async with LocalClient([Shop(), Greeter(), Vault()], attributes={}) as client:
        with pytest.raises(UnimplementedError) as method:
            await client.proxy("Shop").prize()
        assert method.value.hint == "it has: count, double, echo, ping, price, total"
        with pytest.raises(NotFoundError) as unknown:
            await client.proxy("Shpo")
        assert unknown.value.hint == "it offers: Greeter, Shop"


async def test_a_call_in_the_wrong_shape_says_the_right_one() -> None:
    async with LocalClient([Shop()]) as client:
        shop = await client.proxy("Shop")
        with pytest.raises(InvalidArgumentError, match="answers many times"):
            await shop.count(upto=1)
        with pytest.raises(InvalidArgumentError, match="answers once"):
            [item async for item in shop.ping()]
        with pytest.raises(InvalidArgumentError, match="takes many messages"):
            await shop.total({"value": 1})
        with pytest.raises(InvalidArgumentError, match="not both"):
            shop.price({"item": "a"}, count=1)


async def test_a_session_scoped_service_keeps_its_state_for_a_proxy() -> None:
    async with LocalClient([Cart]) as client:
        cart = client.proxy("Cart")
        await cart.add(item="a")
        assert await cart.add(item="b") == ["a", "b"]
        async with await client.open_session() as session:
            assert await session.proxy("Cart").add(item="c") == ["c"]


async def test_errors_of_the_handler_reach_the_caller() -> None:
    async with LocalClient([Greeter()]) as client:
        with pytest.raises(NotFoundError, match="nobody called bob"):
            await client.proxy("Greeter")["refuse"](name="bob")
        with pytest.raises(RpcError):
            await client.proxy("Greeter").break_down(name="x")
