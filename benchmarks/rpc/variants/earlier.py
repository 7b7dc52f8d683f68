"""The earlier ``aster-rpc`` 0.1.2, on a Python that has it: its package is called ``aster`` like ours."""

import asyncio
import dataclasses
from collections.abc import AsyncIterator
from typing import Any

from measuring import TEXT, announce, run  # type: ignore[import-not-found]  # beside this file, where it runs

from aster import AsterClient, AsterConfig, AsterServer, rpc, server_stream, service, wire_type


@wire_type("bench/Ping")
@dataclasses.dataclass
class Ping:
    number: int = 0
    text: str = ""


@service(name="Echo", version=1)
class Echo:
    @rpc
    async def ping(self, ping: Ping) -> Ping:
        return ping

    @server_stream
    async def down(self, ping: Ping) -> AsyncIterator[Ping]:
        for number in range(ping.number):
            yield Ping(number, ping.text)


async def serve() -> None:
    config = AsterConfig(relay_mode="disabled", allow_all_consumers=True)
    server = AsterServer(services=[Echo()], config=config)
    await server.start()
    server.serve()  # type: ignore[unused-coroutine]  # a task, in that package
    announce(server.address)
    await asyncio.Event().wait()


class Client:
    def __init__(self, connection: Any, echo: Any) -> None:
        self._connection, self._echo = connection, echo
        self._ping = Ping(1234567, TEXT)

    async def unary(self) -> None:
        await self._echo.ping(self._ping)

    async def down(self, messages: int) -> None:
        count = 0
        async for _ in self._echo.down(Ping(messages, TEXT)):
            count += 1
        assert count == messages

    async def close(self) -> None:
        await self._connection.close()


async def client(address: str) -> Client:
    connection = AsterClient(address=address, config=AsterConfig(relay_mode="disabled"))
    await connection.connect()
    return Client(connection, await connection.client(Echo))


if __name__ == "__main__":
    run(serve, client)
