"""A disk that is really full: it is told, nothing acknowledged is lost, and with room again everything goes on."""

import os
import sys
from pathlib import Path

from tests.storage.small_disk import python, run_on_a_small_disk

BLOBS = """
import os, sys
from pathlib import Path
from aster.foundation.errors import StorageFull
from aster.storage.blobs.store import BlobStore

disk = Path(sys.argv[1])
store = BlobStore.at(disk / "store")
kept = []
try:
    while True:
        content = os.urandom(900_000)
        kept.append((store.add_bytes(content, tag=f"t{len(kept)}").hash, content))
except StorageFull as error:
    print(error.code)
assert kept
store.close()
store = BlobStore.at(disk / "store")
assert [store.read_bytes(digest) for digest, _ in kept] == [content for _, content in kept]
assert store.usage().blobs == len(kept)
assert not list((disk / "store" / "blobs" / "drafts").iterdir())
assert not list(store.verify())
for number, (digest, _) in enumerate(kept[:-1]):
    store.untag(f"t{number}")
    assert store.remove(digest)
assert store.read_bytes(store.add_bytes(kept[0][1])) == kept[0][1]
print("goes on")
"""

DOCS = """
import sys
from pathlib import Path
from aster.foundation.errors import StorageFull
from aster.storage.blobs.store import BlobStore
from aster.storage.docs.store import DocStore

disk = Path(sys.argv[1])
ballast = disk / "ballast"
ballast.write_bytes(bytes(1_000_000))
blobs = BlobStore.at(disk / "store")
doc, kept = DocStore(blobs).create("notes"), 0
try:
    while True:
        doc.set(f"key{kept}", b"%d" % kept * 150)
        kept += 1
except StorageFull as error:
    print(error.code)
assert kept
assert doc.get("key0") == b"0" * 150
assert doc.get(f"key{kept}") is None
ballast.unlink()
doc.set("later", b"there is room again")
blobs.close()
blobs = BlobStore.at(disk / "store")
doc = DocStore(blobs).open("notes")
assert doc.get("later") == b"there is room again"
for number in range(kept):
    assert doc.get(f"key{number}") == b"%d" % number * 150
print("goes on")
"""


def test_blobs(tmp_path: Path) -> None:
    done = run_on_a_small_disk(tmp_path, "6m", *python(BLOBS, str(tmp_path)))
    assert (done.stdout.split("\n"), done.stderr) == (["STORAGE_FULL", "goes on", ""], "")


def test_docs(tmp_path: Path) -> None:
    done = run_on_a_small_disk(tmp_path, "4m", *python(DOCS, str(tmp_path)))
    assert (done.stdout.split("\n"), done.stderr) == (["STORAGE_FULL", "goes on", ""], "")


def test_the_command_says_so(tmp_path: Path) -> None:
    disk = tmp_path / "disk"
    disk.mkdir()
    (tmp_path / "in").write_bytes(os.urandom(5_000_000))
    done = run_on_a_small_disk(
        disk, "4m", sys.executable, "-m", "aster", "blob", "add", str(tmp_path / "in"), "--storage", str(disk / "store")
    )
    assert done.returncode == 1
    assert "No space left on device" in done.stderr
    assert "Traceback" not in done.stderr
