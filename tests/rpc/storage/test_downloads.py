"""Downloads that meet each other, peers that have only a part, and blobs that are mended."""

import asyncio
import os
import resource
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from aster.config import AsterConfig
from aster.foundation.errors import StorageBusy, StorageFull
from aster.rpc import AsterClient, AsterServer
from aster.rpc.storage.blob_service import BlobDescribed
from aster.rpc.storage.sources import Run, Source
from aster.storage.blobs.chunks import CHUNK_BYTES, chunk_count
from aster.storage.blobs.model import BlobRef, BlobState
from aster.storage.blobs.store import BlobStore
from aster.storage.errors import BlobDamaged, BlobNotFound, DownloadFailed, QuotaExceeded
from aster.testing.pairs import gated_pair

CHUNKS = 40
LARGE = os.urandom((CHUNKS - 1) * CHUNK_BYTES + 11)
LOOPBACK = AsterConfig(bind_addr="127.0.0.1:0")


class Gate:
    """Chunks from ``stop_at`` on are answered once it is opened; notes who was asked for which."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch, stop_at: int = CHUNKS) -> None:
        self.asked: list[tuple[str, Run]] = []
        self.stop_at = stop_at
        self.reached, self.opened = asyncio.Event(), asyncio.Event()
        original = Source.chunks

        async def gated(source: Source, digest: bytes, run: Run) -> bytes:
            self.asked.append((source.name, run))
            if run[0] >= self.stop_at:
                self.reached.set()
                await self.opened.wait()
            return await original(source, digest, run)

        monkeypatch.setattr(Source, "chunks", gated)

    def asked_of(self, name: str) -> int:
        return sum(run[1] for asked, run in self.asked if asked == name)


@pytest.fixture
async def server() -> AsyncIterator[AsterServer]:
    async with AsterServer([], config=LOOPBACK) as server:
        yield server


@pytest.fixture
async def client(server: AsterServer) -> AsyncIterator[AsterClient]:
    async with AsterClient(address=server.address) as client:
        yield client


async def _public(server: AsterServer) -> BlobRef:
    ref = await server.blobs.add_bytes(LARGE)
    await server.blobs.share(ref, public=True)
    return ref


class TestTwoAtOnce:
    async def test_the_second_joins_the_first(
        self, server: AsterServer, client: AsterClient, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        ref, gate, told = await _public(server), Gate(monkeypatch, stop_at=20), [0]
        first = asyncio.ensure_future(client.blobs.download(ref.hash))
        await gate.reached.wait()
        second = asyncio.ensure_future(client.blobs.download(ref.hash, progress=lambda here, size: told.append(here)))
        gate.opened.set()
        assert await first == ref
        assert await second == ref
        assert sum(run[1] for _, run in gate.asked) == CHUNKS
        assert told[-1] == len(LARGE)

    async def test_one_that_is_cancelled_leaves_it_to_the_other(
        self, server: AsterServer, client: AsterClient, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        ref, gate = await _public(server), Gate(monkeypatch, stop_at=20)
        first, second = (asyncio.ensure_future(client.blobs.download(ref.hash)) for _ in range(2))
        await gate.reached.wait()
        first.cancel()
        with pytest.raises(asyncio.CancelledError):
            await first
        gate.opened.set()
        assert await second == ref

    async def test_one_with_better_peers_goes_on_where_the_other_failed(
        self, server: AsterServer, client: AsterClient, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        ref, asked, answered, original = await _public(server), asyncio.Event(), asyncio.Event(), Source.describe

        async def gated(source: Source, digest: bytes) -> BlobDescribed:
            asked.set()
            await answered.wait()
            return await original(source, digest)

        monkeypatch.setattr(Source, "describe", gated)
        async with AsterServer([], config=LOOPBACK) as empty:
            first = asyncio.ensure_future(client.blobs.download(ref.hash, peers=[empty.address]))
            await asked.wait()
            second = asyncio.ensure_future(client.blobs.download(ref.hash, peers=[server.address]))
            answered.set()
            with pytest.raises(DownloadFailed):
                await first
            assert await second == ref

    async def test_another_process_that_fetches_it_is_told(
        self, server: AsterServer, client: AsterClient, tmp_path: Path
    ) -> None:
        ref, other = await _public(server), BlobStore.at(tmp_path)
        taken = other.partial(ref)
        async with AsterClient(address=server.address, config=AsterConfig(storage_path=str(tmp_path))) as here:
            with pytest.raises(StorageBusy, match=f"blob {ref.hash} is being fetched") as caught:
                await here.blobs.download(ref.hash)
            assert caught.value.hint is not None
            taken.leave()
            assert await here.blobs.download(ref.hash) == ref
        other.close()


class TestAPeerWithAPart:
    async def test_it_gives_what_it_has(
        self, server: AsterServer, client: AsterClient, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        ref, gate = await _public(server), Gate(monkeypatch, stop_at=20)
        async with AsterServer([], config=LOOPBACK) as part:
            fetching = asyncio.ensure_future(part.blobs.download(ref.hash, peers=[server.address]))
            await gate.reached.wait()
            ticket = await part.blobs.share(ref.hash)
            gate.stop_at = CHUNKS
            with pytest.raises(DownloadFailed, match="only a part"):
                await client.blobs.download(ticket)
            status = await client.blobs.status(ref)
            assert status.state is BlobState.PARTIAL
            missing = chunk_count(status.size) - chunk_count(status.bytes_present)
            assert 0 < missing <= CHUNKS - 8
            gate.asked.clear()
            assert await client.blobs.download(ticket, peers=[server.address]) == ref
            assert gate.asked_of(server.endpoint_id) == missing
            assert await client.blobs.read_bytes(ref) == LARGE
            gate.opened.set()
            assert await fetching == ref

    async def test_what_comes_there_meanwhile_is_asked_for_too(
        self, server: AsterServer, client: AsterClient, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        ref, gate = await _public(server), Gate(monkeypatch, stop_at=20)
        async with AsterServer([], config=LOOPBACK) as part:
            fetching = asyncio.ensure_future(part.blobs.download(ref.hash, peers=[server.address]))
            await gate.reached.wait()
            ticket = await part.blobs.share(ref.hash)
            original = Source.has_more

            async def after_it_is_whole(source: Source, digest: bytes) -> bool:
                gate.opened.set()
                await fetching
                return await original(source, digest)

            monkeypatch.setattr(Source, "has_more", after_it_is_whole)
            gate.stop_at = CHUNKS
            assert await client.blobs.download(ticket) == ref

    async def test_one_that_only_says_that_it_has_a_chunk_is_given_up_on(
        self, server: AsterServer, client: AsterClient, tmp_path: Path
    ) -> None:
        ref = await _public(server)
        config = AsterConfig(bind_addr="127.0.0.1:0", storage_path=str(tmp_path))
        async with AsterServer([], config=config) as part:
            store = part._storage.opened().blobs
            partial, whole = store.partial(ref), server._storage.opened().blobs.open(ref)
            partial.take_list(ref.size, iter([whole.hashes(0, CHUNKS)]))
            for index in (0, 1, 2):
                partial.put(index, whole.chunk(index))
            partial.leave()
            whole.close()
            with (tmp_path / "blobs" / "drafts" / f"keep-{ref.hash}.data").open("r+b") as file:
                file.write(b"spoilt")
            await part.blobs.share(ref.hash, public=True)
            assert await client.blobs.download(ref.hash, peers=[part.address, server.address]) == ref

    async def test_nothing_of_a_blob_is_not_shared(self, server: AsterServer) -> None:
        with pytest.raises(BlobNotFound):
            await server.blobs.share("ab" * 32)


class TestAPeerThatDoesNotAnswer:
    @pytest.mark.parametrize("has_begun", [False, True])
    async def test_it_holds_nobody_up(
        self, server: AsterServer, client: AsterClient, monkeypatch: pytest.MonkeyPatch, has_begun: bool
    ) -> None:
        ref, original = await _public(server), Source.describe
        async with AsterServer([], config=LOOPBACK) as dead:
            address, name = dead.address, dead.endpoint_id
        if has_begun:
            gate = Gate(monkeypatch, stop_at=20)
            begun = asyncio.ensure_future(client.blobs.download(ref.hash))
            await gate.reached.wait()
            begun.cancel()
            await asyncio.wait([begun])
            gate.stop_at = CHUNKS

        async def silent(source: Source, digest: bytes) -> BlobDescribed:
            if source.name == name:
                await asyncio.Event().wait()
            return await original(source, digest)

        monkeypatch.setattr(Source, "describe", silent)
        assert await client.blobs.download(ref.hash, peers=[address, server.address]) == ref


class TestRepair:
    async def test_only_what_is_damaged_is_fetched(
        self, server: AsterServer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        ref = await _public(server)
        config = AsterConfig(storage_path=str(tmp_path))
        async with AsterClient(address=server.address, config=config) as client:
            await client.blobs.download(ref.hash, tag="mine")
            file = next((tmp_path / "blobs").glob(f"??/{ref.hash}.data"))
            with file.open("r+b") as stream:
                for index in (3, 30):
                    stream.seek(index * CHUNK_BYTES)
                    stream.write(b"spoilt")
            with pytest.raises(BlobDamaged, match="chunk 3") as caught:
                await client.blobs.read_bytes(ref)
            assert caught.value.hint is not None
            assert "aster blob repair" in caught.value.hint
            gate = Gate(monkeypatch)
            mended = await client.blobs.repair(ref)
            assert mended is not None
            assert mended.chunks == (3, 30)
            assert sorted(run for _, run in gate.asked) == [(3, 1), (30, 1)]
            assert await client.blobs.read_bytes(ref) == LARGE
            assert [tag.name for tag in await client.blobs.tags()] == ["mine"]
            assert await client.blobs.repair(ref) is None

    async def test_without_a_peer_that_has_it_the_sound_part_stays(
        self, server: AsterServer, client: AsterClient, tmp_path: Path
    ) -> None:
        config = AsterConfig(bind_addr="127.0.0.1:0", storage_path=str(tmp_path))
        async with AsterServer([], config=config) as damaged:
            ref = await damaged.blobs.add_bytes(LARGE, tag="kept")
            os.truncate(next((tmp_path / "blobs").glob(f"??/{ref.hash}.data")), 7 * CHUNK_BYTES)
            with pytest.raises(DownloadFailed):
                await damaged.blobs.repair(ref, peers=[server.address])
            await _public(server)
            assert await damaged.blobs.repair(ref, peers=[server.address]) is not None
            assert await damaged.blobs.read_bytes(ref) == LARGE
            assert await damaged.blobs.verify() == []

    async def test_a_blob_that_is_not_here_is_not_repaired(self, client: AsterClient) -> None:
        assert await client.blobs.repair("ab" * 32) is None


class TestNoRoom:
    async def test_a_full_disk_is_told_as_such_and_the_download_goes_on_later(
        self, server: AsterServer, tmp_path: Path
    ) -> None:
        ref = await _public(server)
        soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
        async with AsterClient(address=server.address, config=AsterConfig(storage_path=str(tmp_path))) as client:
            await client.blobs.usage()
            try:
                resource.setrlimit(resource.RLIMIT_FSIZE, (20 * CHUNK_BYTES, hard))
                with pytest.raises(StorageFull):
                    await client.blobs.download(ref.hash)
            finally:
                resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
            assert await client.blobs.download(ref.hash) == ref

    async def test_the_settings_bound_what_is_taken(self, server: AsterServer) -> None:
        ref, config = await _public(server), AsterConfig(storage_max_total_bytes="1 MiB")
        async with AsterClient(address=server.address, config=config) as client:
            with pytest.raises(QuotaExceeded, match="1048576 bytes"):
                await client.blobs.download(ref.hash)


async def test_a_share_by_role_opens_a_blob_to_those_whose_credential_has_it() -> None:
    async with gated_pair() as pair:
        ref = await pair.server.blobs.add_bytes(LARGE)
        await pair.server.blobs.share(ref, role="reader")
        reader, writer, nobody = [await pair.enroll(*roles) for roles in (("ops", "reader"), ("writer",), ())]
        assert await reader.blobs.download(ref.hash) == ref
        for other in (writer, nobody):
            with pytest.raises(DownloadFailed, match="no blob"):
                await other.blobs.download(ref.hash)
        assert await pair.server.blobs.unshare(ref) == 1
        with pytest.raises(DownloadFailed):
            await (await pair.enroll("reader")).blobs.download(ref.hash)
