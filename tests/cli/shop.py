"""Services that commands call."""

import asyncio
import datetime
import enum
from collections.abc import AsyncIterator
from typing import Annotated

import msgspec

from aster.rpc import Description, NotFoundError, bidi_stream, client_stream, rpc, server_stream, service


class Kind(enum.Enum):
    SMALL = "small"
    LARGE = "large"


class Item(msgspec.Struct):
    """Something to buy."""

    name: Annotated[str, Description("what it is called")]
    count: int = 1
    kind: Kind = Kind.SMALL
    due: datetime.date | None = None


class Receipt(msgspec.Struct):
    text: str
    items: list[Item] = []


@service("Shop", version=2)
class Shop:
    """Sells things."""

    @rpc(idempotent=True)
    async def buy(self, item: Item) -> Receipt:
        """Buy one kind of thing."""
        if item.name == "unicorn":
            raise NotFoundError("no unicorns left")
        return Receipt(f"{item.count} {item.kind.value} {item.name}", [item])

    @rpc
    async def ping(self) -> None: ...

    @server_stream
    async def count(self, upto: int) -> AsyncIterator[int]:
        """Count, from 0."""
        for value in range(upto):
            yield value

    @server_stream
    async def forever(self) -> AsyncIterator[int]:
        """Never ends."""
        value = 0
        while True:
            yield value
            value += 1
            if value >= 3:
                await asyncio.Event().wait()

    @client_stream
    async def order(self, items: AsyncIterator[Item]) -> Receipt:
        """Buy many things."""
        found = [item async for item in items]
        return Receipt(f"{len(found)} items", found)

    @bidi_stream
    async def price(self, items: AsyncIterator[Item]) -> AsyncIterator[int]:
        async for item in items:
            yield item.count * 10


@service("Vault", requires="keeper")
class Vault:
    @rpc
    async def look(self) -> str:
        return "gold"


@service("Cart", scoped="session")
class Cart:
    def __init__(self) -> None:
        self.names: list[str] = []

    @rpc
    async def add(self, name: str) -> list[str]:
        self.names.append(name)
        return self.names


SERVICES = [Shop(), Vault(), Cart]
