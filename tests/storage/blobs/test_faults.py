"""What a killed process, a full disk and little memory leave of a store."""

import os
import resource
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from aster.foundation.errors import StorageFull
from aster.storage.blobs.chunks import CHUNK_BYTES
from aster.storage.blobs.store import BlobStore

ADDING = """
import os, sys
from aster.storage.blobs.store import BlobStore
store = BlobStore.at(sys.argv[1])
number = 0
while True:
    data = (b"%d" % number) * (200_000 if number % 2 else 10)
    print(store.add_bytes(data, tag=f"t{number}").hash, len(data), flush=True)
    number += 1
"""

HALF = """
import sys
from aster.storage.blobs.store import BlobStore
store = BlobStore.at(sys.argv[1])
writer = store.writer()
writer.write(bytes(range(256)) * 8192)
print("half", flush=True)
sys.stdin.read()
"""

DOWNLOADING = """
import sys
from blake3 import blake3
from aster.storage.blobs.chunks import CHUNK_BYTES, hash_of
from aster.storage.blobs.store import BlobStore
data = b"".join(b"%7d" % number for number in range(300_000))
chunks = [data[at:at + CHUNK_BYTES] for at in range(0, len(data), CHUNK_BYTES)]
partial = BlobStore.at(sys.argv[1]).partial(hash_of(data).hex())
partial.take_list(len(data), iter([b"".join(blake3(chunk).digest() for chunk in chunks)]))
for index in range(5):
    partial.put(index, chunks[index])
print(hash_of(data).hex(), flush=True)
sys.stdin.read()
"""

SPARSE = """
import resource, sys
from aster.storage.blobs.store import BlobStore
store = BlobStore.at(sys.argv[1])
resource.setrlimit(resource.RLIMIT_DATA, (int(sys.argv[3]), int(sys.argv[3])))
ref = store.add_file(sys.argv[2])
with store.open(ref) as reader:
    print(ref.size, sum(len(piece) for piece in reader.pieces()), flush=True)
"""

FULL = """
import resource, sys
from aster.foundation.errors import StorageFull
from aster.storage.blobs.store import BlobStore
store = BlobStore.at(sys.argv[1])
kept = store.add_bytes(b"kept" * 10_000, tag="kept")
resource.setrlimit(resource.RLIMIT_FSIZE, (2_000_000, 2_000_000))
try:
    store.add_bytes(bytes(range(256)) * 20_000, tag="too large")
except StorageFull as error:
    print(type(error).__name__, store.usage().blobs, flush=True)
"""


def _run(program: str, *arguments: str, **options: object) -> "subprocess.Popen[str]":
    return subprocess.Popen(
        [sys.executable, "-c", program, *arguments],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )


def _lines(process: "subprocess.Popen[str]", count: int) -> list[str]:
    assert process.stdout is not None
    return [process.stdout.readline().strip() for _ in range(count)]


def _kill(process: "subprocess.Popen[str]") -> str:
    process.send_signal(signal.SIGKILL)
    rest, _ = process.communicate()
    return rest


@pytest.mark.parametrize("additions", [1, 7, 30])
def test_what_was_acknowledged_survives_a_kill(tmp_path: Path, additions: int) -> None:
    process = _run(ADDING, str(tmp_path))
    told = _lines(process, additions)
    told += [line for line in _kill(process).splitlines(keepends=True) if line.endswith("\n")]
    store = BlobStore.at(tmp_path)
    for number, line in enumerate(told):
        digest, size = line.split()
        assert store.tagged(f"t{number}") == digest
        assert len(store.read_bytes(digest)) == int(size)
    assert not list(store.verify())
    store.close()


def test_half_a_blob_is_swept_by_the_next_start(tmp_path: Path) -> None:
    process = _run(HALF, str(tmp_path))
    _lines(process, 1)
    other = BlobStore.at(tmp_path)  # while it is being written, nobody takes it away
    assert list((tmp_path / "blobs" / "drafts").iterdir())
    other.close()
    _kill(process)
    store = BlobStore.at(tmp_path)
    assert not list((tmp_path / "blobs" / "drafts").iterdir())
    assert store.usage().blobs == 0
    store.close()


def test_a_killed_download_goes_on(tmp_path: Path) -> None:
    process = _run(DOWNLOADING, str(tmp_path))
    (digest,) = _lines(process, 1)
    _kill(process)
    store = BlobStore.at(tmp_path)
    partial = store.partial(digest)
    assert partial.present == 5
    assert partial.missing()[0] == 5
    partial.leave()
    store.close()


def test_a_full_disk_is_told_and_nothing_is_half_added(tmp_path: Path) -> None:
    process = _run(FULL, str(tmp_path))
    output, _ = process.communicate()
    assert output.split() == ["StorageFull", "1"]
    store = BlobStore.at(tmp_path)
    assert [tag.name for tag in store.tags()] == ["kept"]
    assert not list((tmp_path / "blobs" / "drafts").iterdir())
    assert not list(store.verify())
    store.close()


def test_a_full_disk_ends_a_download_that_can_go_on_later(tmp_path: Path) -> None:
    store = BlobStore.at(tmp_path)
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    content = os.urandom(8 * CHUNK_BYTES)
    source = BlobStore.in_memory()
    ref = source.add_bytes(content)
    partial = store.partial(ref)
    with source.open(ref) as reader:
        try:
            resource.setrlimit(resource.RLIMIT_FSIZE, (5 * CHUNK_BYTES, hard))
            with pytest.raises(StorageFull):
                partial.take_list(ref.size, iter([reader.hashes(0, 8)]))
        finally:
            resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
        partial.take_list(ref.size, iter([reader.hashes(0, 8)]))
        for index in partial.missing():
            partial.put(index, reader.chunk(index))
    partial.finish()
    assert store.read_bytes(ref) == content
    store.close()


def test_a_file_larger_than_the_memory_is_added_and_read(tmp_path: Path) -> None:
    with (tmp_path / "sparse").open("wb") as file:
        file.truncate(256 * 1024 * 1024)
        file.seek(200 * 1024 * 1024)
        file.write(b"not only holes")
    process = _run(SPARSE, str(tmp_path / "store"), str(tmp_path / "sparse"), str(96 * 1024 * 1024))
    output, _ = process.communicate()
    assert output.split() == [str(256 * 1024 * 1024)] * 2
