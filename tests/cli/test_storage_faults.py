"""`aster blob` and `aster doc` killed in the middle (SIGKILL), between real processes: what was there stays."""

import json
import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from tests.cli.serving import ROOT, aster

from aster.storage.blobs.chunks import CHUNK_BYTES
from aster.storage.blobs.model import BlobState
from aster.storage.blobs.store import BlobStore

CHUNKS = 64

BLOBS = """
import asyncio, sys, threading
from aster.config import AsterConfig
from aster.rpc import AsterServer
from aster.storage.blobs.reading import BlobReader

goes_on, is_told, reads, original = threading.Event(), threading.Event(), [], BlobReader.chunk

def chunk(reader, index):
    if index >= int(sys.argv[2]):
        if not is_told.is_set():
            is_told.set()
            print("stalled", flush=True)
        goes_on.wait()
    reads.append(index)
    return original(reader, index)

async def main():
    async with AsterServer([], config=AsterConfig(bind_addr="127.0.0.1:0", log_level="error")) as server:
        ref = await server.blobs.add_file(sys.argv[1])
        print(await server.blobs.share(ref), flush=True)
        BlobReader.chunk = chunk
        await asyncio.to_thread(sys.stdin.readline)
        reads.clear()
        goes_on.set()
        await asyncio.to_thread(sys.stdin.readline)
        print(len(set(reads)), flush=True)

asyncio.run(main())
"""

DOCS = """
import asyncio, sys, threading, time
from aster.config import AsterConfig
from aster.rpc import AsterServer
from aster.storage.docs.clock import COUNTER_BITS
from aster.storage.docs.entries import sign_entry
from aster.storage.docs.replica import DocReplica

goes_on, answers, original = threading.Event(), [], DocReplica.answer

def answer(replica, message, max_bytes):
    answers.append(1)
    if len(answers) == 3:
        print("stalled", flush=True)
    if len(answers) >= 3:
        goes_on.wait()
    return original(replica, message, max_bytes)

async def main():
    async with AsterServer([], config=AsterConfig(bind_addr="127.0.0.1:0", log_level="error")) as server:
        doc = await server.docs.create("notes")
        store = server.docs.store()
        key, author = store.write_key(bytes.fromhex(doc.id)), store.author()
        clock = int(time.time() * 1000) << COUNTER_BITS
        store.open(doc.id).merge(
            [sign_entry(key, author, b"%05d" % number, clock, b"v" * 1000) for number in range(int(sys.argv[1]))]
        )
        print(await doc.share(), flush=True)
        DocReplica.answer = answer
        await asyncio.to_thread(sys.stdin.readline)
        goes_on.set()
        await asyncio.to_thread(sys.stdin.readline)

asyncio.run(main())
"""


@contextmanager
def _program(text: str, *arguments: str) -> Iterator["subprocess.Popen[str]"]:
    with subprocess.Popen(
        [sys.executable, "-c", text, *arguments], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as process:
        try:
            yield process
        finally:
            process.kill()


@contextmanager
def _command(*words: str, cwd: Path) -> Iterator["subprocess.Popen[bytes]"]:
    """A command that is killed when the block is left."""
    with subprocess.Popen(
        [sys.executable, "-m", "aster", *words],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        cwd=cwd,
        env={**os.environ, "HOME": str(cwd), "PYTHONPATH": str(ROOT)},
    ) as process:
        try:
            yield process
        finally:
            process.send_signal(signal.SIGKILL)


def _line(process: "subprocess.Popen[str]") -> str:
    assert process.stdout is not None
    return process.stdout.readline().strip()


def _say(process: "subprocess.Popen[str]") -> None:
    assert process.stdin is not None
    process.stdin.write("\n")
    process.stdin.flush()


def _store(home: Path) -> BlobStore:
    return BlobStore.at(home / ".aster" / "storage")


def test_a_killed_get_goes_on_where_it_was(tmp_path: Path) -> None:
    content = os.urandom(CHUNKS * CHUNK_BYTES)
    (tmp_path / "in").write_bytes(content)
    with _program(BLOBS, str(tmp_path / "in"), "32") as server:
        ticket = _line(server)
        with _command("blob", "get", ticket, cwd=tmp_path):
            assert _line(server) == "stalled"
        store = _store(tmp_path)
        drafts = (tmp_path / ".aster" / "storage" / "blobs" / "drafts").glob("keep-*.data")
        status = store.status(next(drafts).stem.removeprefix("keep-"))
        store.close()
        assert status.state is BlobState.PARTIAL
        arrived = status.bytes_present // CHUNK_BYTES
        assert arrived >= 16  # chunk 32 is asked for only once all but a few of those before it have come
        _say(server)
        done = aster("blob", "get", ticket, "-o", "out", cwd=tmp_path)
        assert (done.returncode, done.stderr) == (0, "")
        assert (tmp_path / "out").read_bytes() == content
        _say(server)
        asked_again = int(_line(server))
        assert CHUNKS - arrived <= asked_again <= CHUNKS - arrived + 16  # and what the killed one still waited for


def test_a_killed_add_leaves_nothing_and_can_be_done_again(tmp_path: Path) -> None:
    content = os.urandom(16 * CHUNK_BYTES)
    with _command("blob", "add", "-", cwd=tmp_path) as adding:
        assert adding.stdin is not None
        adding.stdin.write(content)  # returns once all but a pipe's buffer of it was taken
        adding.stdin.flush()
        assert list((tmp_path / ".aster" / "storage" / "blobs" / "drafts").iterdir())
        adding.send_signal(signal.SIGKILL)
        adding.wait()
    assert aster("blob", "ls", cwd=tmp_path).stdout == "0 blobs, 0 B\n"
    assert not list((tmp_path / ".aster" / "storage" / "blobs" / "drafts").iterdir())
    (tmp_path / "in").write_bytes(content)
    assert aster("blob", "add", "in", cwd=tmp_path).returncode == 0
    assert aster("blob", "verify", cwd=tmp_path).stdout == "1 blobs are sound\n"


def test_a_killed_join_is_made_good_by_a_sync(tmp_path: Path) -> None:
    keys = 3000
    with _program(DOCS, str(keys)) as server:
        ticket = _line(server)
        with _command("doc", "join", ticket, "--name", "notes", cwd=tmp_path):
            assert _line(server) == "stalled"
        (doc,) = json.loads(aster("doc", "ls", "--json", cwd=tmp_path).stdout)
        assert 0 < doc["entries"] < keys
        _say(server)
        joined = aster("doc", "join", ticket, "--name", "notes", cwd=tmp_path)
        assert joined.stdout.endswith(f"{keys} keys\n")
        assert aster("doc", "get", "notes", f"{keys - 1:05}", cwd=tmp_path).stdout == "v" * 1000


def test_a_second_get_of_the_same_blob_is_told_that_one_runs(tmp_path: Path) -> None:
    (tmp_path / "in").write_bytes(os.urandom(CHUNKS * CHUNK_BYTES))
    with _program(BLOBS, str(tmp_path / "in"), "32") as server:
        ticket = _line(server)
        with _command("blob", "get", ticket, cwd=tmp_path):
            assert _line(server) == "stalled"
            second = aster("blob", "get", ticket, cwd=tmp_path)
            assert second.returncode == 1
            assert "is being fetched" in second.stderr
            assert "wait for the other" in second.stderr


def test_a_damaged_blob_is_mended_from_a_peer(tmp_path: Path) -> None:
    content = os.urandom(5 * CHUNK_BYTES)
    (tmp_path / "in").write_bytes(content)
    with _program(BLOBS, str(tmp_path / "in"), str(CHUNKS)) as server:
        ticket = _line(server)
        digest = aster("blob", "get", ticket, "--json", cwd=tmp_path).stdout
        digest = json.loads(digest)["hash"]
        file = next((tmp_path / ".aster" / "storage" / "blobs").glob("??/*.data"))
        with file.open("r+b") as stream:
            stream.seek(3 * CHUNK_BYTES + 5)
            stream.write(b"spoilt")
        found = aster("blob", "verify", cwd=tmp_path)
        assert (found.returncode, found.stdout) == (1, f"{digest}  1 of 5 chunks are damaged\n")
        assert "aster blob repair" in found.stderr
        mended = aster("blob", "repair", ticket, cwd=tmp_path)
        assert (mended.returncode, mended.stdout) == (0, f"mended {digest}  1 of 5 chunks are damaged\n")
        assert aster("blob", "verify", cwd=tmp_path).stdout == "1 blobs are sound\n"
        assert aster("blob", "repair", cwd=tmp_path).stdout == "nothing is damaged\n"


def test_a_quota_is_a_clear_error(tmp_path: Path) -> None:
    (tmp_path / "in").write_bytes(os.urandom(5 * CHUNK_BYTES))
    (tmp_path / "aster.toml").write_text('[storage]\npath = "store"\nmax_blob_bytes = "1 MiB"\n')
    done = aster("blob", "add", "in", "--config", "aster.toml", cwd=tmp_path)
    assert done.returncode == 1
    assert "1048576 bytes" in done.stderr
    assert "Traceback" not in done.stderr
    assert (tmp_path / "store").is_dir()
    assert aster("blob", "ls", "--config", "aster.toml", cwd=tmp_path).stdout == "0 blobs, 0 B\n"
