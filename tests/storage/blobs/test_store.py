import asyncio
import os
from collections.abc import Iterator
from pathlib import Path

import pytest
from blake3 import blake3
from hypothesis import given, settings
from hypothesis import strategies as st

from aster.foundation.errors import StorageCorrupt
from aster.storage.blobs.chunks import CHUNK_BYTES, hash_of
from aster.storage.blobs.collections import Member, collection_bytes, member_of, parse_collection
from aster.storage.blobs.model import BlobState
from aster.storage.blobs.store import BlobStore
from aster.storage.errors import (
    BlobDamaged,
    BlobNotFound,
    ChunkRefused,
    NameInvalid,
    QuotaExceeded,
    RangeInvalid,
)
from aster.storage.limits import StorageLimits

LARGE = os.urandom(3 * CHUNK_BYTES + 17)


@pytest.fixture(params=["memory", "files"])
def store(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[BlobStore]:
    made = BlobStore.in_memory() if request.param == "memory" else BlobStore.at(tmp_path / "store")
    yield made
    made.close()


@pytest.mark.parametrize("size", [0, 1, 16_384, 16_385, CHUNK_BYTES, CHUNK_BYTES + 1, 2 * CHUNK_BYTES, len(LARGE)])
def test_what_was_added_is_read_again(store: BlobStore, size: int) -> None:
    data = LARGE[:size]
    ref = store.add_bytes(data)
    assert ref.size == size
    assert ref.hash == hash_of(data).hex()
    assert store.read_bytes(ref) == data == store.read_bytes(ref.hash)


def test_a_blob_of_one_chunk_has_the_blake3_hash_of_its_bytes(store: BlobStore) -> None:
    data = LARGE[:CHUNK_BYTES]
    assert store.add_bytes(data).hash == blake3(data).hexdigest()


def test_a_chunk_list_can_not_pass_for_content() -> None:
    hashes = b"".join(blake3(LARGE[at : at + CHUNK_BYTES]).digest() for at in range(0, len(LARGE), CHUNK_BYTES)) + len(
        LARGE
    ).to_bytes(8, "little")
    assert hash_of(hashes) != hash_of(LARGE)


@settings(deadline=None, max_examples=60)
@given(start=st.integers(0, len(LARGE)), length=st.integers(0, len(LARGE)))
def test_any_range_is_the_slice_of_the_content(start: int, length: int) -> None:
    end = min(len(LARGE), start + length)
    assert SHARED.read_bytes(SHARED_REF, start, end) == LARGE[start:end]


SHARED = BlobStore.in_memory()
SHARED_REF = SHARED.add_bytes(LARGE)


def test_a_range_outside_of_the_blob_is_refused(store: BlobStore) -> None:
    ref = store.add_bytes(b"twelve bytes")
    for start, end in ((-1, 3), (0, 13), (5, 4)):
        with pytest.raises(RangeInvalid):
            store.read_bytes(ref, start, end)


def test_pieces_of_any_size_make_the_same_blob(store: BlobStore) -> None:
    with store.writer() as writer:
        for at in range(0, len(LARGE), 100_003):
            writer.write(LARGE[at : at + 100_003])
        assert writer.finish().hash == hash_of(LARGE).hex()
    assert store.read_bytes(hash_of(LARGE).hex()) == LARGE


def test_an_addition_that_is_left_leaves_nothing(tmp_path: Path) -> None:
    store = BlobStore.at(tmp_path)
    with store.writer() as writer:
        writer.write(LARGE)
    assert not [file for file in (tmp_path / "blobs").rglob("*") if file.is_file()]
    assert store.usage().blobs == 0
    store.close()


def test_blobs_and_tags_survive_a_restart(tmp_path: Path) -> None:
    store = BlobStore.at(tmp_path)
    ref = store.add_bytes(LARGE, tag="large")
    small = store.add_bytes(b"small", tag="small")
    store.close()
    again = BlobStore.at(tmp_path)
    assert [(tag.name, tag.hash, tag.size) for tag in again.tags()] == [
        ("large", ref.hash, len(LARGE)),
        ("small", small.hash, 5),
    ]
    assert again.read_bytes(ref) == LARGE
    assert again.read_bytes(small) == b"small"
    again.close()


def test_the_same_content_is_one_blob(store: BlobStore) -> None:
    assert store.add_bytes(LARGE) == store.add_bytes(LARGE)
    assert store.usage().bytes == len(LARGE)


def test_a_file_is_copied_in_and_out(store: BlobStore, tmp_path: Path) -> None:
    (tmp_path / "in").write_bytes(LARGE)
    ref = store.add_file(tmp_path / "in", tag="file")
    store.export_file(ref, tmp_path / "out")
    assert (tmp_path / "out").read_bytes() == LARGE
    assert sorted(file.name for file in tmp_path.iterdir() if file.is_file()) == ["in", "out"]


def test_a_file_that_is_not_there_is_named(store: BlobStore, tmp_path: Path) -> None:
    with pytest.raises(BlobNotFound, match="nothing-here"):
        store.add_file(tmp_path / "nothing-here")


def test_the_holes_of_a_sparse_file_stay_holes(tmp_path: Path) -> None:
    size = 64 * 1024 * 1024 + 5
    with (tmp_path / "sparse").open("wb") as file:
        file.truncate(size)
        file.seek(33 * CHUNK_BYTES)
        file.write(b"here is something")
    store, other = BlobStore.at(tmp_path / "store"), BlobStore.at(tmp_path / "other")
    ref = store.add_file(tmp_path / "sparse")
    partial = other.partial(ref)
    with store.open(ref) as reader:
        partial.take_list(ref.size, iter([reader.hashes(0, reader.chunks)]))
        for index in range(reader.chunks):
            partial.put(index, reader.chunk(index))
    partial.finish()
    exported = other.export_file(ref, tmp_path / "out")
    assert exported.read_bytes() == (tmp_path / "sparse").read_bytes()
    stored = [next((tmp_path / name / "blobs").glob(f"??/{ref.hash}.data")) for name in ("store", "other")]
    for file_of_it in (*stored, exported):
        assert file_of_it.stat().st_size == size
        assert file_of_it.stat().st_blocks * 512 < 1024 * 1024
    store.close()
    other.close()


def test_a_chunk_of_zeros_takes_the_place_of_what_a_crash_has_left(tmp_path: Path) -> None:
    content, store = bytes(3 * CHUNK_BYTES), BlobStore.at(tmp_path)
    digest = hash_of(content).hex()
    partial = store.partial(digest)
    partial.take_list(len(content), iter([_hashes(content)]))
    partial.leave()
    _flip(tmp_path / "blobs" / "drafts" / f"keep-{digest}.data", CHUNK_BYTES)
    partial = store.partial(digest)
    for index in range(3):
        partial.put(index, bytes(CHUNK_BYTES))
    partial.finish()
    assert store.read_bytes(digest) == content
    store.close()


class TestTags:
    def test_a_tag_moves_and_goes(self, store: BlobStore) -> None:
        first, second = store.add_bytes(b"1"), store.add_bytes(b"2")
        store.tag("it", first)
        store.tag("it", second)
        assert store.tagged("it") == second.hash
        assert store.untag("it")
        assert not store.untag("it")
        assert store.tagged("it") is None

    def test_they_are_listed_by_prefix(self, store: BlobStore) -> None:
        ref = store.add_bytes(b"1")
        for name in ("a/1", "a/2", "b", "a%"):
            store.tag(name, ref)
        assert [tag.name for tag in store.tags("a/")] == ["a/1", "a/2"]

    def test_what_is_not_here_can_not_be_tagged(self, store: BlobStore) -> None:
        with pytest.raises(BlobNotFound):
            store.tag("it", hash_of(b"other").hex())

    @pytest.mark.parametrize("name", ["", "two\nlines", "x" * 513])
    def test_some_texts_are_no_tags(self, store: BlobStore, name: str) -> None:
        with pytest.raises(NameInvalid):
            store.tag(name, store.add_bytes(b"1"))


class TestGarbage:
    def test_only_what_nothing_keeps_is_taken(self, store: BlobStore) -> None:
        kept, member = store.add_bytes(LARGE, tag="kept"), store.add_bytes(b"member" * 5000)
        store.add_collection([member_of("a/b", member)], tag="folder")
        store.add_bytes(LARGE[1:])
        store.add_bytes(b"small")
        with store.open(store.add_bytes(LARGE[2:])) as reader:
            assert store.collect_garbage(grace_seconds=-1).blobs == 2
            assert reader.read() == LARGE[2:]
        assert store.has(kept)
        assert store.has(member)
        assert store.collect_garbage(grace_seconds=-1).blobs == 1
        assert store.read_bytes(kept) == LARGE

    def test_what_was_added_just_now_stays(self, store: BlobStore) -> None:
        ref = store.add_bytes(b"new")
        assert store.collect_garbage().blobs == 0
        assert store.has(ref)

    def test_a_held_blob_stays_until_it_is_let_go(self, store: BlobStore) -> None:
        from aster.storage.blobs import index

        digest = bytes.fromhex(store.add_bytes(LARGE).hash)
        store.database.write_now(lambda connection: index.hold(connection, "doc", digest))
        assert store.collect_garbage(grace_seconds=-1).blobs == 0
        store.database.write_now(lambda connection: index.let_go(connection, "doc", digest))
        assert store.collect_garbage(grace_seconds=-1).blobs == 1

    def test_files_without_a_row_go(self, tmp_path: Path) -> None:
        store = BlobStore.at(tmp_path)
        stray = tmp_path / "blobs" / "ab" / ("ab" * 32 + ".data")
        stray.parent.mkdir()
        stray.write_bytes(b"left by a crash between two steps")
        store.collect_garbage()
        assert not stray.exists()
        store.close()

    def test_it_goes_through_more_than_a_page(self, store: BlobStore, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr("aster.storage.blobs.store.PAGE", 8)
        for number in range(20):
            store.add_bytes(b"%d" % number)
        with store.open(hash_of(b"3").hex()):
            assert store.collect_garbage(grace_seconds=-1).blobs == 19
        assert store.collect_garbage(grace_seconds=-1).blobs == 1
        assert store.usage().blobs == 0


class TestDamage:
    @pytest.fixture
    def files(self, tmp_path: Path) -> Iterator[tuple[BlobStore, str, Path]]:
        store = BlobStore.at(tmp_path)
        ref = store.add_bytes(LARGE, tag="it")
        yield store, ref.hash, next((tmp_path / "blobs").glob(f"??/{ref.hash}.data"))
        store.close()

    def test_a_flipped_bit_is_named_and_never_answered(self, files: tuple[BlobStore, str, Path]) -> None:
        store, digest, file = files
        _flip(file, CHUNK_BYTES + 5)
        assert [(damage.hash, damage.chunks) for damage in store.verify()] == [(digest, (1,))]
        assert store.read_bytes(digest, 0, 10) == LARGE[:10]
        with pytest.raises(BlobDamaged, match="chunk 1 is damaged"):
            store.read_bytes(digest)

    def test_a_torn_file_is_named(self, files: tuple[BlobStore, str, Path]) -> None:
        store, digest, file = files
        os.truncate(file, 100)
        assert [damage.hash for damage in store.verify()] == [digest]
        with pytest.raises(StorageCorrupt, match="100 bytes instead of"):
            store.read_bytes(digest)

    def test_a_changed_chunk_list_is_named(self, files: tuple[BlobStore, str, Path]) -> None:
        store, _, file = files
        _flip(file.with_suffix(".chunks"), 3)
        assert "chunk list" in next(iter(store.verify())).problem

    @pytest.mark.parametrize("suffix", [".data", ".chunks"])
    def test_a_file_that_is_gone_is_named(self, files: tuple[BlobStore, str, Path], suffix: str) -> None:
        store, _, file = files
        file.with_suffix(suffix).unlink()
        assert "gone" in next(iter(store.verify())).problem

    def test_adding_it_again_mends_it(self, files: tuple[BlobStore, str, Path]) -> None:
        store, digest, file = files
        _flip(file, 5)
        store.add_bytes(LARGE)
        assert not list(store.verify())
        assert store.read_bytes(digest) == LARGE
        assert store.tagged("it") == digest

    def test_a_repair_asks_only_for_what_is_damaged(self, files: tuple[BlobStore, str, Path]) -> None:
        store, digest, file = files
        _flip(file, 2 * CHUNK_BYTES)
        partial = store.repair(digest)
        assert partial.missing() == [2]
        partial.put(2, LARGE[2 * CHUNK_BYTES : 3 * CHUNK_BYTES])
        partial.finish()
        assert not list(store.verify())


class TestDownloads:
    def test_chunks_in_any_order_make_the_blob(self, store: BlobStore) -> None:
        digest, hashes = hash_of(LARGE), _hashes(LARGE)
        partial = store.partial(digest.hex())
        partial.take_list(len(LARGE), iter([hashes[:64], hashes[64:]]))
        for index in (3, 0, 2, 1):
            partial.put(index, _chunk(index))
        assert partial.finish().hash == digest.hex()
        assert store.read_bytes(digest.hex()) == LARGE

    def test_a_wrong_chunk_is_refused_before_it_is_written(self, store: BlobStore) -> None:
        partial = store.partial(hash_of(LARGE).hex())
        partial.take_list(len(LARGE), iter([_hashes(LARGE)]))
        for bad in (_chunk(1), _chunk(0)[:-1], b"", bytes(CHUNK_BYTES)):
            with pytest.raises(ChunkRefused):
                partial.put(0, bad)
        assert partial.present == 0

    @pytest.mark.parametrize("size", [len(LARGE) - 1, len(LARGE) + CHUNK_BYTES, 0])
    def test_a_list_that_does_not_fit_is_refused(self, store: BlobStore, size: int) -> None:
        with pytest.raises(ChunkRefused):
            store.partial(hash_of(LARGE).hex()).take_list(size, iter([_hashes(LARGE)]))

    def test_it_goes_on_where_it_was(self, tmp_path: Path) -> None:
        digest = hash_of(LARGE).hex()
        store = BlobStore.at(tmp_path)
        partial = store.partial(digest)
        partial.take_list(len(LARGE), iter([_hashes(LARGE)]))
        partial.put(1, _chunk(1))
        partial.put(2, _chunk(2))
        partial.leave()
        store.close()
        _flip(tmp_path / "blobs" / "drafts" / f"keep-{digest}.data", CHUNK_BYTES)  # what a crash may do to chunk 1
        store = BlobStore.at(tmp_path)
        assert store.status(digest).state is BlobState.PARTIAL
        assert store.status(digest).bytes_present == 2 * CHUNK_BYTES  # what was noted; a download looks again
        again = store.partial(digest)
        assert again.missing() == [0, 1, 3]
        for index in again.missing():
            again.put(index, _chunk(index))
        again.finish()
        assert store.read_bytes(digest) == LARGE
        store.close()


class TestLimits:
    def test_a_blob_above_its_limit_is_refused_while_it_comes(self, tmp_path: Path) -> None:
        store = BlobStore.at(tmp_path, StorageLimits(max_blob_bytes=CHUNK_BYTES))
        with pytest.raises(QuotaExceeded):
            store.add_bytes(LARGE)
        assert not [file for file in (tmp_path / "blobs").rglob("*") if file.is_file()]
        store.close()

    def test_the_total_is_bounded(self) -> None:
        store = BlobStore.in_memory(StorageLimits(max_total_bytes=1000))
        store.add_bytes(bytes(600))
        with pytest.raises(QuotaExceeded):
            store.add_bytes(bytes(401))
        store.add_bytes(bytes(400))
        store.close()

    def test_the_count_is_bounded(self) -> None:
        store = BlobStore.in_memory(StorageLimits(max_blobs=1))
        store.add_bytes(b"1")
        store.add_bytes(b"1")
        with pytest.raises(QuotaExceeded):
            store.add_bytes(b"2")
        store.close()


class TestCollections:
    def test_members_are_named_blobs(self, store: BlobStore) -> None:
        one, two = store.add_bytes(b"1"), store.add_bytes(LARGE)
        ref = store.add_collection([member_of("z", two), member_of("a/b", one)])
        assert ref.is_collection
        assert [(member.name, member.hash) for member in store.members(ref)] == [("a/b", one.hash), ("z", two.hash)]
        assert store.add_collection([member_of("a/b", one), member_of("z", two)]) == ref

    @pytest.mark.parametrize("name", ["", "/etc", "a//b", "..", "a/../b", "a\\b", "a\x00"])
    def test_no_name_can_leave_a_folder(self, name: str) -> None:
        with pytest.raises(NameInvalid):
            collection_bytes([Member(name, "00" * 32, 0)])

    def test_anything_else_is_no_collection(self) -> None:
        for data in (b"", b"text", b"aster collection 1\n{", b'aster collection 1\n[["..","00",0]]'):
            with pytest.raises(NameInvalid):
                parse_collection(data)

    def test_a_collection_of_what_is_not_here_is_refused(self, store: BlobStore) -> None:
        with pytest.raises(BlobNotFound):
            store.add_collection([Member("a", "00" * 32, 1)])


@pytest.mark.parametrize("text", ["", "zz" * 32, "00" * 31, "00" * 33, " " + "00" * 32])
def test_what_is_no_hash_is_refused(store: BlobStore, text: str) -> None:
    with pytest.raises(NameInvalid):
        store.read_bytes(text)


async def test_threads_may_share_a_store(store: BlobStore) -> None:
    async def add(number: int) -> str:
        ref = await asyncio.to_thread(store.add_bytes, b"%d" % number * 20_000)
        return ref.hash

    hashes = await asyncio.gather(*(add(number) for number in range(40)))
    assert len(set(hashes)) == 40
    assert store.usage().blobs == 40


def _chunk(index: int) -> bytes:
    return LARGE[index * CHUNK_BYTES : (index + 1) * CHUNK_BYTES]


def _hashes(data: bytes) -> bytes:
    return b"".join(blake3(data[at : at + CHUNK_BYTES]).digest() for at in range(0, len(data), CHUNK_BYTES))


def _flip(file: Path, at: int) -> None:
    with file.open("r+b") as stream:
        stream.seek(at)
        byte = stream.read(1)
        stream.seek(at)
        stream.write(bytes([byte[0] ^ 1]))
