"""Aster RPC, everything on: admission's gate, contracts, deadlines, cancellation, flow control."""

from collections.abc import AsyncIterator
from typing import Any

import msgspec
from measuring import MIB, TEXT, announce, run  # type: ignore[import-not-found]  # beside this file, where it runs

from aster.config import AsterConfig
from aster.rpc import AsterClient, AsterServer, client_stream, rpc, server_stream, service
from aster.trust.keys import SigningKey

LOOPBACK = "127.0.0.1:0"
ITEM_BYTES = 256 * 1024


class Ping(msgspec.Struct, array_like=True):
    number: int
    text: str


class Blob(msgspec.Struct, array_like=True):
    data: bytes


LARGE = Blob(bytes(MIB))


@service
class Echo:
    @rpc
    async def ping(self, ping: Ping) -> Ping:
        return ping

    @rpc
    async def blob(self, blob: Blob) -> Blob:
        return blob

    @server_stream
    async def down(self, ping: Ping) -> AsyncIterator[Ping]:
        for number in range(ping.number):
            yield Ping(number, ping.text)

    @client_stream
    async def up(self, pings: AsyncIterator[Ping]) -> Ping:
        count = 0
        async for _ in pings:
            count += 1
        return Ping(count, "")

    @client_stream
    async def take(self, blobs: AsyncIterator[Blob]) -> Ping:
        size = 0
        async for blob in blobs:
            size += len(blob.data)
        return Ping(size, "")


async def serve() -> None:
    config = AsterConfig(bind_addr=LOOPBACK, allow_all_consumers=True)
    async with AsterServer([Echo()], config=config) as server:
        announce(server.address)
        await server.serve()


class Client:
    def __init__(self, address: str, connection: AsterClient, echo: Any, config: AsterConfig) -> None:
        self._address, self._connection, self._echo, self._config = address, connection, echo, config
        self._ping = Ping(1234567, TEXT)

    async def unary(self) -> None:
        await self._echo.ping(self._ping)

    async def large(self) -> None:
        assert len((await self._echo.blob(LARGE)).data) == MIB

    async def down(self, messages: int) -> None:
        count = 0
        async for _ in self._echo.down(Ping(messages, TEXT)):
            count += 1
        assert count == messages

    async def up(self, messages: int) -> None:
        async def pings() -> AsyncIterator[Ping]:
            for number in range(messages):
                yield Ping(number, TEXT)

        assert (await self._echo.up(pings())).number == messages

    async def bulk(self, mib: int) -> None:
        async def blobs() -> AsyncIterator[Blob]:
            for _ in range(mib):
                yield LARGE

        assert (await self._echo.take(blobs())).number == mib * MIB

    async def another(self) -> "Client":
        return await connected(self._address, self._config)

    async def close(self) -> None:
        await self._connection.close()


async def connected(address: str, config: AsterConfig) -> Client:
    connection = AsterClient(address=address, config=config)
    return Client(address, connection, await connection.client(Echo), config)


async def client(address: str) -> Client:
    # A key of its own, as a node with an identity has it: its clients share one endpoint.
    return await connected(address, AsterConfig(bind_addr=LOOPBACK, secret_key=SigningKey.generate().seed))


if __name__ == "__main__":
    run(serve, client)
