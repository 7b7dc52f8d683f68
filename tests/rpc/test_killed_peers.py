"""Peers that are killed amid admission, calls and streams: nobody waits for ever, and nothing is left behind."""

import asyncio
import contextlib
import sys
import time
from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import pytest
from tests.rpc.messages import Ask, Greeter
from tests.rpc.processes import program
from tests.rpc.test_faults import Load

from aster.config import AsterConfig
from aster.rpc import AsterClient, AsterServer, RpcLimits, UnavailableError, bidi_stream, rpc, server_stream, service
from aster.trust.credential import credential_json, issue
from aster.trust.keys import SigningKey
from aster.trust.nonces import CHAIN, StoredJournal

pytestmark = pytest.mark.skipif(sys.platform == "win32", reason="needs SIGKILL")

ROOT = SigningKey.generate()
LOOPBACK = "127.0.0.1:0"

SERVER_THAT_HESITATES = """
import asyncio, sys
from aster.config import AsterConfig
from aster.rpc import AsterServer
from tests.rpc.messages import Greeter

async def hesitate(attempt):
    print("asked", flush=True)
    await asyncio.Event().wait()

async def main():
    root = bytes.fromhex(sys.argv[1])
    config = AsterConfig(root_pubkey=root, storage_path=sys.argv[2], bind_addr="127.0.0.1:0", hook_timeout_ms=600_000)
    async with AsterServer([Greeter()], config=config, hook=hesitate) as server:
        print(server.address, flush=True)
        await server.serve()

asyncio.run(main())
"""


async def test_a_server_killed_amid_admission_leaves_the_credential_unused(tmp_path: Path) -> None:
    file, storage = tmp_path / "once.json", tmp_path / "storage"
    file.write_bytes(credential_json(issue(ROOT, role="consumer", expires_at=int(time.time()) + 3600, one_time=True)))
    config = AsterConfig(enrollment_credential_file=file, bind_addr=LOOPBACK)
    async with program(SERVER_THAT_HESITATES, ROOT.public.hex(), str(storage)) as server:
        address = await server.line()
        client = AsterClient(address=address, config=config, limits=RpcLimits(handshake_seconds=2), reconnect=None)
        connecting = asyncio.create_task(client.connect())
        assert await server.line() == "asked"
        server.kill()
        with pytest.raises(UnavailableError):
            await connecting
        await client.close()
    again = AsterConfig(root_pubkey=ROOT.public, storage_path=storage, bind_addr=LOOPBACK)
    async with (
        AsterServer([Greeter()], config=again) as successor,
        AsterClient(address=successor.address, config=config) as client,
    ):
        assert (await (await client.client(Greeter)).hello(Ask("ann"))).text == "hello ann"
    journal = StoredJournal.open(str(storage))
    assert [record.event["event"] for record in journal.audit.records(CHAIN)] == ["admitted"]
    assert journal.audit.verify(CHAIN).valid
    await journal.close()


CLIENT_AT_THE_DOOR = """
import asyncio, sys
from aster.rpc.admission import ADMISSION_ALPN, PRESENT
from aster.transport.address import parse_address
from aster.transport.endpoint import Endpoint, EndpointSettings
from aster.transport.framing import frame

async def main():
    endpoint = await Endpoint.bind(EndpointSettings(bind_addr="127.0.0.1:0"))
    connection = await endpoint.connect(parse_address(sys.argv[1]), ADMISSION_ALPN, 10)
    pipe = await connection.open_pipe()
    pipe.start(print, print)
    pipe.write(frame(PRESENT, 0, bytes(1000))[:500])
    while pipe.waiting:
        await asyncio.sleep(0)
    print("half of it is written", flush=True)
    await asyncio.Event().wait()

asyncio.run(main())
"""


async def test_a_client_killed_amid_admission_keeps_nobody_out_and_is_forgotten(tmp_path: Path) -> None:
    file = tmp_path / "credential.json"
    file.write_bytes(credential_json(issue(ROOT, role="consumer", expires_at=int(time.time()) + 3600)))
    config = AsterConfig(root_pubkey=ROOT.public, storage_path=tmp_path, bind_addr=LOOPBACK)
    limits = RpcLimits(handshake_seconds=2)
    async with (
        AsterServer([Greeter()], config=config, limits=limits) as server,
        program(CLIENT_AT_THE_DOOR, server.address) as killed,
    ):
        assert await killed.line() == "half of it is written"
        acceptor = server._acceptor
        assert acceptor is not None
        [arriving] = acceptor._arriving
        killed.kill()
        enrolled = AsterConfig(enrollment_credential_file=file, bind_addr=LOOPBACK)
        async with AsterClient(address=server.address, config=enrolled) as client:
            assert (await (await client.client(Greeter)).hello(Ask("ann"))).text == "hello ann"
        await asyncio.wait({arriving})
        while acceptor._arriving:
            await asyncio.sleep(0)
        assert not acceptor._arriving_from
    journal = StoredJournal.open(str(tmp_path))
    events = [(record.event["event"], record.event.get("reason")) for record in journal.audit.records(CHAIN)]
    assert events == [("admitted", None), ("refused", "no credential was presented and judged within 2 s")]
    await journal.close()


@service
class Watched:
    """Handlers that tell how they end."""

    def __init__(self) -> None:
        self.running: set[str] = set()
        self.changed = asyncio.Event()

    @contextlib.contextmanager
    def watch(self, name: str) -> Iterator[None]:
        self.running.add(name)
        self.changed.set()
        try:
            yield
        finally:
            self.running.discard(name)
            self.changed.set()

    async def until(self, running: set[str]) -> None:
        while self.running != running:
            self.changed.clear()
            await self.changed.wait()

    @rpc
    async def call(self, load: Load) -> Load:
        with self.watch("call"):
            await asyncio.Event().wait()
        return load

    @server_stream
    async def stream(self, load: Load) -> AsyncIterator[Load]:
        with self.watch("stream"):
            while True:
                yield load
                await asyncio.sleep(0)

    @bidi_stream
    async def both(self, loads: AsyncIterator[Load]) -> AsyncIterator[Load]:
        with self.watch("both"):
            async for load in loads:
                yield load


CLIENT_WITH_ALL_KINDS = """
import asyncio, sys
from aster.config import AsterConfig
from aster.rpc import AsterClient
from tests.rpc.test_faults import Load, endless, last
from tests.rpc.test_killed_peers import Watched

async def main():
    async with AsterClient(address=sys.argv[1], config=AsterConfig(bind_addr="127.0.0.1:0")) as client:
        stub = await client.client(Watched)
        await asyncio.gather(
            stub.call(Load(1)),
            stub.call(Load(2, bytes(500_000))),
            last(stub.stream(Load(3, bytes(100_000)))),
            last(stub.both(endless())),
        )

asyncio.run(main())
"""


async def test_the_handlers_of_a_client_that_was_killed_are_cancelled_and_nothing_of_it_stays() -> None:
    watched = Watched()
    limits = RpcLimits(ping_seconds=0.2, dead_after_seconds=1)
    async with AsterServer([watched], config=AsterConfig(bind_addr=LOOPBACK), limits=limits) as server:
        async with program(CLIENT_WITH_ALL_KINDS, server.address) as client:
            await watched.until({"call", "stream", "both"})
            acceptor = server._acceptor
            assert acceptor is not None
            [lane] = acceptor.connections
            client.kill()
            await watched.until(set())
        await lane.settled()
        assert lane.is_over
        assert acceptor.connections == []
        assert (lane._tasks, lane._inboxes, lane._windows, lane._requests) == ({}, {}, {}, {})
        assert (lane._held.used, lane._unsent.used) == (0, 0)
