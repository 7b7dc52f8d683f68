"""What a killed process leaves of documents."""

import signal
import subprocess
import sys
from pathlib import Path

from tests.storage.docs.exchange import exchange, state

from aster.storage.blobs.store import BlobStore
from aster.storage.docs.store import DocStore

KEYS = 600

WRITING = """
import sys
from aster.storage.blobs.store import BlobStore
from aster.storage.docs.store import DocStore
doc = DocStore(BlobStore.at(sys.argv[1])).create("notes")
number = 0
while True:
    doc.set(f"key{number}", b"%d" % number * (1 + number % 7 * 500))
    if number % 3 == 2:
        doc.delete(f"key{number - 1}")
    print(number, flush=True)
    number += 1
"""

SYNCING = """
import sys
from aster.storage.blobs.store import BlobStore
from aster.storage.docs.store import DocStore
near = DocStore(BlobStore.at(sys.argv[1])).open("notes")
far = DocStore(BlobStore.at(sys.argv[2])).open("notes")
message = near.opening()
while message:
    message = near.answer(far.answer(message, 10_000), 10_000)
    print(len(near.summary), flush=True)
"""


def _killed_after(program: str, *arguments: str, lines: int) -> list[str]:
    """What a program printed, in whole lines, before and after it was told to die."""
    with subprocess.Popen([sys.executable, "-c", program, *arguments], stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        told = [process.stdout.readline() for _ in range(lines)]
        process.send_signal(signal.SIGKILL)
        told += process.stdout.readlines()
    return [line.strip() for line in told if line.endswith("\n")]


def test_what_was_set_survives_a_kill(tmp_path: Path) -> None:
    told = _killed_after(WRITING, str(tmp_path), lines=40)
    blobs = BlobStore.at(tmp_path)
    doc = DocStore(blobs).open("notes")
    for number in range(len(told)):
        is_deleted = number % 3 == 1 and number + 1 < len(told)
        if is_deleted:
            assert doc.get(f"key{number}") is None
        elif number % 3 != 1:
            assert doc.get(f"key{number}") == b"%d" % number * (1 + number % 7 * 500)
    assert not list(blobs.verify())
    blobs.close()


def test_a_killed_exchange_is_made_good_by_the_next(tmp_path: Path) -> None:
    blobs = [BlobStore.at(tmp_path / name) for name in ("near", "far")]
    docs = [DocStore(each) for each in blobs]
    far = docs[1].create("notes")
    near = docs[0].join(far.ticket((), write=True), "notes")
    for number in range(KEYS):
        far.set(f"{number:04}", b"%d" % number)
    for each in blobs:
        each.close()
    told = _killed_after(SYNCING, str(tmp_path / "near"), str(tmp_path / "far"), lines=3)
    blobs = [BlobStore.at(tmp_path / name) for name in ("near", "far")]
    docs = [DocStore(each) for each in blobs]
    near, far = (each.open("notes") for each in docs)
    assert int(told[-1]) <= len(state(near)) <= KEYS
    assert len(state(near)) > 0
    exchange(near, far)
    assert state(near) == state(far)
    assert len(state(near)) == KEYS
    for each in blobs:
        each.close()
