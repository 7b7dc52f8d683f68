"""Blobs between real endpoints on loopback."""

import asyncio
import os
import time
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from tests.rpc.messages import Greeter

from aster.config import AsterConfig
from aster.rpc import (
    AsterClient,
    AsterServer,
    FailedPreconditionError,
    InvalidArgumentError,
    NotFoundError,
    OutOfRangeError,
    UnavailableError,
)
from aster.rpc.storage.blob_service import AskBlob, AskChunks, BlobDescribed, BlobService
from aster.rpc.storage.download import Download
from aster.rpc.storage.sources import Source
from aster.storage.blobs.chunks import CHUNK_BYTES, hash_of
from aster.storage.blobs.reading import BlobReader
from aster.storage.blobs.sharing import Sharing, blob_target, tag_target
from aster.storage.blobs.store import BlobStore
from aster.storage.errors import DownloadFailed, QuotaExceeded, TicketInvalid
from aster.storage.limits import StorageLimits
from aster.storage.tickets import BlobTicket, parse_blob_ticket

LARGE = os.urandom(9 * CHUNK_BYTES + 11)
LOOPBACK = AsterConfig(bind_addr="127.0.0.1:0")


@pytest.fixture
async def server() -> AsyncIterator[AsterServer]:
    async with AsterServer([Greeter()], config=LOOPBACK) as server:
        yield server


@pytest.fixture
async def client(server: AsterServer) -> AsyncIterator[AsterClient]:
    async with AsterClient(address=server.address) as client:
        yield client


class TestTickets:
    async def test_whoever_has_the_ticket_gets_the_blob(self, server: AsterServer, client: AsterClient) -> None:
        ref = await server.blobs.add_bytes(LARGE)
        ticket = await server.blobs.share(ref)
        told: list[tuple[int, int]] = []
        assert await client.blobs.download(ticket, tag="mine", progress=lambda *at: told.append(at)) == ref
        assert await client.blobs.read_bytes(ref) == LARGE
        assert told[0] == (0, len(LARGE))
        assert told[-1] == (len(LARGE), len(LARGE))
        assert [tag.name for tag in await client.blobs.tags()] == ["mine"]

    async def test_the_hash_alone_is_not_enough(self, server: AsterServer, client: AsterClient) -> None:
        ref = await server.blobs.add_bytes(LARGE)
        await server.blobs.share(ref)
        with pytest.raises(DownloadFailed, match="no blob"):
            await client.blobs.download(ref.hash)

    async def test_a_wrong_secret_is_not_enough(self, server: AsterServer, client: AsterClient) -> None:
        ref = await server.blobs.add_bytes(LARGE)
        ticket = parse_blob_ticket(await server.blobs.share(ref))
        forged = BlobTicket(ticket.digest, ticket.size, False, bytes(16), ticket.addresses)
        with pytest.raises(DownloadFailed):
            await client.blobs.download(forged)

    async def test_a_share_can_be_taken_back(self, server: AsterServer, client: AsterClient) -> None:
        ref = await server.blobs.add_bytes(LARGE)
        ticket = await server.blobs.share(ref)
        assert await server.blobs.unshare(ref) == 1
        with pytest.raises(DownloadFailed):
            await client.blobs.download(ticket)

    async def test_a_collection_comes_with_its_members(self, server: AsterServer, client: AsterClient) -> None:
        one, two = await server.blobs.add_bytes(b"one"), await server.blobs.add_bytes(LARGE)
        folder = await server.blobs.add_collection({"a": one, "b/c": two}, tag="folder")
        ref = await client.blobs.download(await server.blobs.share("folder"))
        assert ref == folder
        assert await client.blobs.read_bytes((await client.blobs.members(ref))[1].hash) == LARGE

    @pytest.mark.parametrize(
        "text", ["", "asterblob1", "asterdoc1aaaa", "asterblob1aaaaaaaa", "asterblob1" + "a" * 9000]
    )
    def test_what_is_no_ticket_says_so(self, text: str) -> None:
        with pytest.raises(TicketInvalid):
            parse_blob_ticket(text)

    def test_one_wrong_letter_is_seen(self) -> None:
        text = str(BlobTicket(bytes(32), 5, False, b"s" * 16, ("aster1xyz",)))
        assert parse_blob_ticket(text) == BlobTicket(bytes(32), 5, False, b"s" * 16, ("aster1xyz",))
        for at in range(10, len(text)):
            changed = text[:at] + ("a" if text[at] != "a" else "b") + text[at + 1 :]
            with pytest.raises(TicketInvalid):
                parse_blob_ticket(changed)

    async def test_a_client_has_no_address_to_share(self, client: AsterClient) -> None:
        with pytest.raises(FailedPreconditionError):
            await client.blobs.share(await client.blobs.add_bytes(b"1"))


class TestAccess:
    async def test_a_public_blob_is_for_everybody_who_is_admitted(
        self, server: AsterServer, client: AsterClient
    ) -> None:
        ref = await server.blobs.add_bytes(LARGE)
        await server.blobs.share(ref, public=True)
        assert await client.blobs.download(ref.hash) == ref

    def test_shares_open_what_they_say_and_nothing_else(self) -> None:
        store = BlobStore.in_memory()
        sharing = Sharing(store)
        one, two = (bytes.fromhex(store.add_bytes(data).hash) for data in (b"one", b"two"))

        def may_read(digest: bytes, *roles: str, secret: bytes = b"") -> bool:
            return sharing.may_read(digest, roles=frozenset(roles), secret=secret)

        assert not may_read(one, "reader")
        sharing.share(blob_target(one), role="reader", expires_at=None)
        assert may_read(one, "reader")
        assert not may_read(one, "other")
        assert not may_read(one)
        assert not may_read(two, "reader")
        store.tag("latest", two.hex())
        secret = sharing.share(tag_target("latest"), expires_at=None)
        assert may_read(two, secret=secret)
        assert not may_read(one, secret=secret)
        store.tag("latest", one.hex())
        assert may_read(one, secret=secret)
        assert not may_read(two, secret=secret)
        sharing.share(blob_target(two), public=True, expires_at=time.time() - 1)
        assert not may_read(two)
        assert {(share.target, share.kind, share.role) for share in sharing.shares()} == {
            (one.hex(), "role", "reader"),
            ("latest", "secret", ""),
        }
        store.close()

    async def test_a_stranger_can_not_tell_a_private_blob_from_none(
        self, server: AsterServer, client: AsterClient
    ) -> None:
        ref, messages = await server.blobs.add_bytes(b"private"), []
        stub = await client.client(BlobService)
        for digest in (bytes.fromhex(ref.hash), bytes(32)):
            with pytest.raises(NotFoundError) as caught:
                await stub.describe(AskBlob(digest))
            messages.append(str(caught.value).replace(digest.hex(), ""))
        assert messages[0] == messages[1]


class TestSeveralPeers:
    async def test_all_of_them_give_a_part(self, server: AsterServer, client: AsterClient) -> None:
        async with AsterServer([Greeter()], config=LOOPBACK) as second:
            for each in (server, second):
                ref = await each.blobs.add_bytes(LARGE)
                await each.blobs.share(ref, public=True)
            assert await client.blobs.download(ref.hash, peers=[server.address, second.address]) == ref

    async def test_one_that_lies_is_named_and_another_is_used(self, server: AsterServer, client: AsterClient) -> None:
        async with AsterServer([Greeter()], config=LOOPBACK) as liar:
            for each in (server, liar):
                ref = await each.blobs.add_bytes(LARGE)
                await each.blobs.share(ref, public=True)
            _lie(liar)
            with pytest.raises(DownloadFailed, match="not what its hash says") as caught:
                await client.blobs.download(ref.hash, peers=[liar.address])
            assert liar.endpoint_id in str(caught.value)
            assert await client.blobs.download(ref.hash, peers=[liar.address, server.address]) == ref
            assert await client.blobs.read_bytes(ref) == LARGE

    async def test_one_whose_copy_is_damaged_is_left(
        self, server: AsterServer, client: AsterClient, tmp_path: Path
    ) -> None:
        config = AsterConfig(bind_addr="127.0.0.1:0", storage_path=str(tmp_path))
        async with AsterServer([Greeter()], config=config) as damaged:
            for each in (server, damaged):
                ref = await each.blobs.add_bytes(LARGE)
                await each.blobs.share(ref, public=True)
            os.truncate(next((tmp_path / "blobs").glob(f"??/{ref.hash}.data")), 3 * CHUNK_BYTES)
            assert await client.blobs.download(ref.hash, peers=[damaged.address, server.address]) == ref

    async def test_a_download_goes_on_with_another_peer_after_one_is_gone(
        self, client: AsterClient, server: AsterServer, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        ref = await server.blobs.add_bytes(LARGE)
        await server.blobs.share(ref, public=True)
        async with AsterServer([Greeter()], config=LOOPBACK) as going:
            await going.blobs.share(await going.blobs.add_bytes(LARGE), public=True)
            reads = _stop_after(monkeypatch, 1)
            with pytest.raises(DownloadFailed):
                await client.blobs.download(ref.hash, peers=[going.address])
        status = await client.blobs.status(ref)
        assert 0 < status.bytes_present < len(LARGE)
        reads.clear()
        monkeypatch.undo()
        asked = _count_chunks(monkeypatch)
        assert await client.blobs.download(ref.hash) == ref
        assert sum(asked) == 10 - status.bytes_present // CHUNK_BYTES

    async def test_a_cancelled_download_goes_on(
        self, server: AsterServer, client: AsterClient, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        ref = await server.blobs.add_bytes(LARGE)
        await server.blobs.share(ref, public=True)
        some, release = asyncio.Event(), asyncio.Event()

        def progress(here: int, size: int) -> None:
            if here:
                some.set()

        original = Source.chunks

        async def slow(self: Source, digest: bytes, run: tuple[int, int]) -> bytes:
            if run[0] >= 4:
                await release.wait()
            return await original(self, digest, run)

        monkeypatch.setattr(Source, "chunks", slow)
        running = asyncio.ensure_future(client.blobs.download(ref.hash, progress=progress))
        await some.wait()
        running.cancel()
        with pytest.raises(asyncio.CancelledError):
            await running
        release.set()
        assert (await client.blobs.status(ref)).bytes_present >= CHUNK_BYTES
        assert await client.blobs.download(ref.hash) == ref


class TestWhatAPeerSays:
    async def test_a_blob_above_the_limits_is_not_begun(self, server: AsterServer, tmp_path: Path) -> None:
        ref = await server.blobs.add_bytes(LARGE)
        await server.blobs.share(ref, public=True)
        store = BlobStore.at(tmp_path, StorageLimits(max_blob_bytes=len(LARGE) - 1))
        async with AsterClient(address=server.address) as client:
            with pytest.raises(QuotaExceeded):
                await Download(store, bytes.fromhex(ref.hash), [Source("peer", client)]).run()
        store.close()

    async def test_a_wrong_size_of_a_small_blob_does_no_harm(
        self, server: AsterServer, client: AsterClient, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        ref = await server.blobs.add_bytes(b"small")
        await server.blobs.share(ref, public=True)
        original = Source.describe

        async def wrong(self: Source, digest: bytes) -> BlobDescribed:
            return BlobDescribed((await original(self, digest)).size + 7, False)

        monkeypatch.setattr(Source, "describe", wrong)
        assert await client.blobs.download(ref.hash) == ref
        assert await client.blobs.read_bytes(ref) == b"small"


async def test_the_storage_path_keeps_what_was_shared(tmp_path: Path) -> None:
    config = AsterConfig(bind_addr="127.0.0.1:0", storage_path=str(tmp_path / "server"), secret_key=b"k" * 32)
    async with AsterServer([Greeter()], config=config) as server:
        ref = await server.blobs.add_bytes(LARGE, tag="kept")
        ticket = parse_blob_ticket(await server.blobs.share(ref))
    async with (
        AsterServer([Greeter()], config=config) as server,
        AsterClient(address=server.address, config=AsterConfig(storage_path=str(tmp_path / "client"))) as client,
    ):
        moved = BlobTicket(ticket.digest, ticket.size, ticket.is_collection, ticket.secret, (server.address,))
        assert await client.blobs.download(moved) == ref
    store = BlobStore.at(tmp_path / "client")
    assert store.read_bytes(ref) == LARGE
    store.close()


async def test_the_limits_of_a_nodes_storage_can_be_set(server: AsterServer) -> None:
    limits = StorageLimits(max_blob_bytes=1000, doc_inline_bytes=10)
    ref = await server.blobs.add_bytes(LARGE)
    async with AsterClient(address=server.address, storage_limits=limits) as client:
        with pytest.raises(QuotaExceeded):
            await client.blobs.download(await server.blobs.share(ref))
    async with AsterServer([], config=LOOPBACK, storage_limits=limits) as small:
        with pytest.raises(QuotaExceeded):
            await small.blobs.add_bytes(LARGE)


async def test_a_stream_is_added(server: AsterServer) -> None:
    async def pieces() -> AsyncIterator[bytes]:
        for at in range(0, len(LARGE), 70_000):
            yield LARGE[at : at + 70_000]

    ref = await server.blobs.add_stream(pieces())
    assert ref.hash == hash_of(LARGE).hex()
    async with await server.blobs.open(ref) as blob:
        assert await blob.read(5, 10) == LARGE[5:10]
        assert b"".join([piece async for piece in blob]) == LARGE


async def test_no_read_asks_for_too_much(server: AsterServer, client: AsterClient) -> None:
    ref = await server.blobs.add_bytes(LARGE)
    await server.blobs.share(ref, public=True)
    stub = await client.client(BlobService)
    with pytest.raises(InvalidArgumentError):
        await stub.read(AskChunks(bytes.fromhex(ref.hash), b"", 0, 5))
    with pytest.raises(OutOfRangeError):
        await stub.read(AskChunks(bytes.fromhex(ref.hash), b"", 10, 1))
    with pytest.raises(InvalidArgumentError):
        await stub.describe(AskBlob(b"short"))


def _lie(server: AsterServer) -> None:
    """From now on this server's chunks have one wrong byte."""
    store = server._storage.opened().blobs
    original = store.open

    class Liar:
        def __init__(self, reader: BlobReader) -> None:
            self._reader = reader

        def __getattr__(self, name: str) -> object:
            return getattr(self._reader, name)

        def chunk(self, index: int) -> bytes:
            data = bytearray(self._reader.chunk(index))
            data[7] ^= 1
            return bytes(data)

        def __enter__(self) -> "Liar":
            return self

        def __exit__(self, *_: object) -> None:
            self._reader.close()

    store.open = lambda reference: Liar(original(reference))  # type: ignore[assignment, method-assign, return-value]


def _stop_after(monkeypatch: pytest.MonkeyPatch, count: int) -> list[int]:
    """Peers answer so many reads, then none."""
    reads: list[int] = []
    original = Source.chunks

    async def some(self: Source, digest: bytes, run: tuple[int, int]) -> bytes:
        reads.append(run[0])
        if len(reads) > count:
            raise UnavailableError("gone")
        return await original(self, digest, run)

    monkeypatch.setattr(Source, "chunks", some)
    return reads


def _count_chunks(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    asked: list[int] = []
    original = Source.chunks

    async def counted(self: Source, digest: bytes, run: tuple[int, int]) -> bytes:
        asked.append(run[1])
        return await original(self, digest, run)

    monkeypatch.setattr(Source, "chunks", counted)
    return asked
