"""Documents between real endpoints on loopback."""

import asyncio
import os
from collections.abc import AsyncIterator

import pytest
from tests.rpc.messages import Greeter

from aster.config import AsterConfig
from aster.rpc import AsterClient, AsterServer, DataLossError, NotFoundError, ResourceExhaustedError
from aster.rpc.storage.doc_service import DocService, Exchange, ValuePiece
from aster.rpc.storage.docs import Doc
from aster.storage.docs.reconciling import Entries
from aster.storage.errors import DocReadOnly, QuotaExceeded
from aster.storage.limits import StorageLimits
from aster.storage.tickets import parse_doc_ticket

LOOPBACK = AsterConfig(bind_addr="127.0.0.1:0")
LARGE = os.urandom(700_000)


@pytest.fixture
async def server() -> AsyncIterator[AsterServer]:
    async with AsterServer([Greeter()], config=LOOPBACK) as server:
        yield server


@pytest.fixture
async def client(server: AsterServer) -> AsyncIterator[AsterClient]:
    async with AsterClient(address=server.address) as client:
        yield client


async def test_a_ticket_brings_the_document_with_its_large_values(server: AsterServer, client: AsterClient) -> None:
    theirs = await server.docs.create("settings")
    await theirs.set("port", b"80")
    await theirs.set("image", LARGE)
    mine = await client.docs.join(await theirs.share())
    assert await mine.get("port") == b"80"
    assert await mine.get("image") == LARGE
    with pytest.raises(DocReadOnly):
        await mine.set("port", b"81")


async def test_both_sides_write_and_agree(server: AsterServer, client: AsterClient) -> None:
    theirs = await server.docs.create()
    mine = await client.docs.join(await theirs.share(write=True))
    for number in range(40):
        await (mine if number % 2 else theirs).set(f"{number:02}", b"%d" % number)
    await mine.set("image", LARGE)
    await theirs.set("00", b"changed")
    await mine.delete("01")
    synced = await mine.sync()
    assert synced.rounds <= 4
    assert (synced.values_sent, synced.values_fetched) == (1, 0)
    assert await theirs.get("image") == LARGE
    assert await mine.get("00") == b"changed"
    assert await theirs.get("01") is None
    assert await _state(mine) == await _state(theirs)


async def test_more_large_values_than_are_asked_for_at_once_all_come(
    server: AsterServer, client: AsterClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    for module in ("docs", "doc_service"):
        monkeypatch.setattr(f"aster.rpc.storage.{module}.MISSING_AT_ONCE", 2)
    theirs = await server.docs.create()
    mine = await client.docs.join(await theirs.share(write=True))
    for number in range(5):
        await theirs.set(f"theirs{number}", b"%d" % number * 2000)
        await mine.set(f"mine{number}", b"m%d" % number * 2000)
    synced = await mine.sync()
    assert (synced.values_fetched, synced.values_sent) == (5, 5)
    assert await theirs.get("mine4") == b"m4" * 2000
    assert await mine.get("theirs4") == b"4" * 2000


async def test_a_document_that_was_not_shared_is_not_there(server: AsterServer, client: AsterClient) -> None:
    theirs = await server.docs.create()
    ticket = parse_doc_ticket(await theirs.share())
    await theirs.unshare()
    with pytest.raises(NotFoundError):
        await client.docs.join(ticket)


async def test_changes_come_as_they_happen_both_ways(server: AsterServer, client: AsterClient) -> None:
    theirs = await server.docs.create()
    await theirs.set("before", b"1")
    mine = await client.docs.join(await theirs.share(write=True), sync=False)
    here, there = mine.subscribe(), theirs.subscribe()
    coming, going = asyncio.ensure_future(anext(here)), asyncio.ensure_future(anext(there))
    following = asyncio.ensure_future(mine.follow())
    assert (await coming).key == "before"
    await theirs.set("now", LARGE)
    change = await anext(here)
    assert (change.key, change.is_local, change.size) == ("now", False, len(LARGE))
    assert (await going).key == "now"
    await mine.set("back", b"2")
    answer = await anext(there)
    assert (answer.key, answer.is_local) == ("back", False)
    assert await theirs.get("back") == b"2"
    following.cancel()
    with pytest.raises(asyncio.CancelledError):
        await following
    await here.aclose()  # type: ignore[attr-defined]
    await there.aclose()  # type: ignore[attr-defined]


async def test_a_value_that_no_entry_asks_for_is_not_taken(server: AsterServer, client: AsterClient) -> None:
    theirs = await server.docs.create()
    mine = await client.docs.join(await theirs.share(write=True))
    stub = await client.client(DocService)
    namespace = bytes.fromhex(theirs.id)

    async def pieces(digest: bytes, data: bytes) -> AsyncIterator[ValuePiece]:
        yield ValuePiece(namespace, digest, data)

    with pytest.raises(NotFoundError):
        await stub.upload(pieces(bytes(32), b"anything"))
    mine._replica.set("file", b"large" * 1000)
    entry = mine._replica.entry(b"file")
    assert entry is not None
    await stub.exchange(Exchange(namespace, (Entries((entry,)),)))
    with pytest.raises(DataLossError):
        await stub.upload(pieces(entry.hash, b"wrong" * 1000))
    assert not await server.blobs.has(entry.hash.hex())
    await stub.upload(pieces(entry.hash, b"large" * 1000))
    assert await theirs.get("file") == b"large" * 1000


async def test_three_nodes_agree_through_one_of_them(server: AsterServer, client: AsterClient) -> None:
    middle = await server.docs.create()
    ticket = await middle.share(write=True)
    async with AsterClient(address=server.address) as third:
        one, two = await client.docs.join(ticket), await third.docs.join(ticket)
        await one.set("key", b"one")
        await one.sync()
        await two.set("key", b"two")  # does not know of the first, and is later
        await two.sync()
        await one.sync()
        assert await _state(one) == await _state(two) == await _state(middle)
        assert await one.get("key") == b"two"


async def _state(doc: Doc) -> list[tuple[str, str, str]]:
    return [(entry.key, entry.author, entry.hash) for entry in await doc.entries()]


class TestQuotas:
    """What a peer may bring is bounded, and it is told so; nothing of what passed the bound is kept."""

    async def test_too_many_keys(self) -> None:
        limits = StorageLimits(max_doc_entries=10)
        async with AsterServer([], config=LOOPBACK, storage_limits=limits) as small:
            theirs = await small.docs.create()
            ticket = await theirs.share(write=True)
            async with AsterClient(address=small.address) as client:
                mine = await client.docs.join(ticket)
                for number in range(11):
                    await mine.set(f"{number}", b"")
                with pytest.raises(ResourceExhaustedError, match="10 keys, its limit"):
                    await mine.sync()
                assert await theirs.entries() == []

    async def test_too_large_a_value(self) -> None:
        config = AsterConfig(bind_addr="127.0.0.1:0", storage_max_total_bytes="512 KiB")
        async with AsterServer([], config=config) as small:
            theirs = await small.docs.create()
            ticket = await theirs.share(write=True)
            async with AsterClient(address=small.address) as client:
                mine = await client.docs.join(ticket)
                await mine.set("image", LARGE)
                with pytest.raises(ResourceExhaustedError, match="room"):
                    await mine.sync()
            assert (await small.blobs.usage()).bytes == 0

    async def test_a_reader_with_less_room_keeps_its_state(self, server: AsterServer) -> None:
        theirs = await server.docs.create()
        for number in range(5):
            await theirs.set(f"{number}", b"")
        async with AsterClient(address=server.address, storage_limits=StorageLimits(max_doc_entries=3)) as client:
            with pytest.raises(QuotaExceeded):
                await client.docs.join(await theirs.share())
            (info,) = await client.docs.infos()
            assert info.entries == 0


async def test_nodes_with_other_ideas_of_a_small_value_agree(server: AsterServer) -> None:
    theirs = await server.docs.create()
    async with AsterClient(address=server.address, config=AsterConfig(storage_doc_inline_bytes="32 KiB")) as client:
        mine = await client.docs.join(await theirs.share(write=True))
        await mine.set("inline", b"i" * 20_000)
        await theirs.set("blob", b"b" * 20_000)
        await mine.sync()
        for doc in (mine, theirs):
            assert await doc.get("inline") == b"i" * 20_000
            assert await doc.get("blob") == b"b" * 20_000


async def test_deletions_are_forgotten_when_that_is_asked_for(server: AsterServer) -> None:
    doc = await server.docs.create()
    await doc.set("gone", b"")
    await doc.delete("gone")
    assert await server.docs.collect_garbage() == 0
    assert await server.docs.collect_garbage(older_than=-1) == 1
