"""`aster blob` and `aster doc` as processes, over real endpoints on loopback."""

import json
import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO

import pytest
from tests.cli.serving import ROOT, aster

from aster.storage.blobs.chunks import hash_of
from aster.storage.blobs.store import BlobStore

LARGE = os.urandom(600_000)


@contextmanager
def serving(*words: str, cwd: Path) -> Iterator[str]:
    """The ticket that a command prints and serves."""
    with subprocess.Popen(
        [sys.executable, "-m", "aster", *words],
        stdout=subprocess.PIPE,
        text=True,
        cwd=cwd,
        env={**os.environ, "HOME": str(cwd), "PYTHONPATH": str(ROOT), "ASTER_BIND_ADDR": "127.0.0.1:0"},
    ) as process:
        assert process.stdout is not None
        try:
            yield process.stdout.readline().strip()
        finally:
            process.send_signal(signal.SIGTERM)
            assert process.wait() == 0


class TestBlobs:
    def test_add_ls_get_rm(self, tmp_path: Path) -> None:
        (tmp_path / "in").write_bytes(LARGE)
        added = aster("blob", "add", "in", "--tag", "mine", cwd=tmp_path)
        digest = hash_of(LARGE).hex()
        assert added.stdout == f"{digest}  in\n"
        assert added.stderr == ""
        assert aster("blob", "get", "mine", "-o", "out", cwd=tmp_path).returncode == 0
        assert (tmp_path / "out").read_bytes() == LARGE
        (row,) = json.loads(aster("blob", "ls", "--json", cwd=tmp_path).stdout)
        assert row == {
            "hash": digest,
            "size": len(LARGE),
            "is_collection": False,
            "bytes_present": len(LARGE),
            "tags": ["mine"],
        }
        assert "585.9 KiB" in aster("blob", "ls", cwd=tmp_path).stdout
        assert aster("blob", "rm", "mine", cwd=tmp_path).stdout == f"removed {digest}\n"
        assert aster("blob", "rm", digest, cwd=tmp_path).returncode == 1
        assert aster("blob", "ls", cwd=tmp_path).stdout == "0 blobs, 0 B\n"

    def test_standard_input_and_output(self, tmp_path: Path) -> None:
        digest = aster("blob", "add", "-", cwd=tmp_path, stdin="text").stdout.split()[0]
        assert aster("blob", "get", digest, "-o", "-", cwd=tmp_path).stdout == "text"

    def test_tags_keep_and_gc_takes_the_rest(self, tmp_path: Path) -> None:
        kept = aster("blob", "add", "-", cwd=tmp_path, stdin="kept").stdout.split()[0]
        aster("blob", "add", "-", "--no-tag", cwd=tmp_path, stdin="not")
        assert aster("blob", "gc", "--grace", "0", cwd=tmp_path).stdout == "removed 1 blobs, 3 B\n"
        assert aster("blob", "tag", "name", kept, cwd=tmp_path).returncode == 0
        assert aster("blob", "get", "name", "-o", "-", cwd=tmp_path).stdout == "kept"

    def test_an_unfinished_download_is_listed_and_can_be_removed(self, tmp_path: Path) -> None:
        source, store = BlobStore.in_memory(), BlobStore.at(tmp_path / ".aster" / "storage")
        ref = source.add_bytes(LARGE)
        partial = store.partial(ref)
        with source.open(ref) as reader:
            partial.take_list(ref.size, iter([reader.hashes(0, reader.chunks)]))
            partial.put(1, reader.chunk(1))
        busy = aster("blob", "rm", ref.hash, cwd=tmp_path)
        assert busy.returncode == 1
        assert "is being fetched" in busy.stderr
        partial.leave()
        store.close()
        source.close()
        (row,) = json.loads(aster("blob", "ls", "--json", cwd=tmp_path).stdout)
        assert (row["hash"], row["bytes_present"], row["size"]) == (ref.hash, 256 * 1024, len(LARGE))
        assert "partial     256.0 KiB have come" in aster("blob", "ls", cwd=tmp_path).stdout
        assert aster("blob", "rm", ref.hash, cwd=tmp_path).stdout == f"removed {ref.hash}\n"
        assert aster("blob", "ls", cwd=tmp_path).stdout == "0 blobs, 0 B\n"

    def test_a_file_is_shared_by_its_path(self, tmp_path: Path) -> None:
        (tmp_path / "in").write_bytes(LARGE)
        (tmp_path / "there").mkdir()
        with serving("blob", "share", "in", cwd=tmp_path) as ticket:
            assert aster("blob", "get", ticket, "-o", "out", cwd=tmp_path / "there").returncode == 0
        assert (tmp_path / "there" / "out").read_bytes() == LARGE

    def test_damage_is_named(self, tmp_path: Path) -> None:
        (tmp_path / "in").write_bytes(LARGE)
        digest = aster("blob", "add", "in", cwd=tmp_path).stdout.split()[0]
        assert aster("blob", "verify", cwd=tmp_path).stdout == "1 blobs are sound\n"
        os.truncate(next((tmp_path / ".aster" / "storage" / "blobs").glob("??/*.data")), 10)
        done = aster("blob", "verify", "--json", cwd=tmp_path)
        assert done.returncode == 1
        assert [damage["hash"] for damage in json.loads(done.stdout)] == [digest]
        got = aster("blob", "get", digest, "-o", "out", cwd=tmp_path)
        assert got.returncode == 1
        assert "10 bytes instead of 600000" in got.stderr
        assert not (tmp_path / "out").exists()

    def test_a_folder_is_shared_and_fetched(self, tmp_path: Path) -> None:
        folder = tmp_path / "here" / "folder"
        (folder / "deep").mkdir(parents=True)
        (folder / "deep" / "large").write_bytes(LARGE)
        (folder / "small").write_text("small")
        (folder / "link").symlink_to("/etc/passwd")
        (tmp_path / "there").mkdir()
        aster("blob", "add", "folder", "--tag", "folder", cwd=tmp_path / "here")
        with serving("blob", "share", "folder", cwd=tmp_path / "here") as ticket:
            assert ticket.startswith("asterblob1")
            done = aster("blob", "get", ticket, "-o", "got", cwd=tmp_path / "there")
            assert (done.returncode, done.stderr) == (0, "")
        got = tmp_path / "there" / "got"
        assert (got / "deep" / "large").read_bytes() == LARGE
        assert sorted(path.name for path in got.iterdir()) == ["deep", "small"]
        assert aster("blob", "unshare", "folder", cwd=tmp_path / "here").stdout == "took back 1 shares\n"
        assert aster("blob", "get", ticket, "-o", "again", cwd=tmp_path / "there").returncode == 0  # it is here now

    @pytest.mark.parametrize(
        ("words", "told"),
        [
            (("get", "nonsense"), "no blob hash"),
            (("get", "00" * 32), "there is no peer to ask"),
            (("get", "asterblob1nonsense"), "ticket"),
            (("add", "nothing-here"), "there is no file nothing-here"),
            (("tag", "name", "00" * 32), "no blob"),
            (("share", "nothing"), "no blob hash"),
        ],
    )
    def test_what_went_wrong_is_told(self, tmp_path: Path, words: tuple[str, ...], told: str) -> None:
        done = aster("blob", *words, cwd=tmp_path)
        assert done.returncode == 1
        assert told in done.stderr
        assert "Traceback" not in done.stderr


class TestDocs:
    def test_create_set_get_ls_rm(self, tmp_path: Path) -> None:
        (tmp_path / "file").write_bytes(LARGE)
        identity = aster("doc", "create", "notes", cwd=tmp_path).stdout.strip()
        assert aster("doc", "set", "notes", "a/1", "one", cwd=tmp_path).returncode == 0
        assert aster("doc", "set", identity, "b", "@file", cwd=tmp_path).returncode == 0
        assert aster("doc", "get", "notes", "a/1", cwd=tmp_path).stdout == "one"
        assert aster("doc", "get", "notes", "b", "-o", "out", cwd=tmp_path).returncode == 0
        assert (tmp_path / "out").read_bytes() == LARGE
        keys = json.loads(aster("doc", "ls", "notes", "--prefix", "a/", "--json", cwd=tmp_path).stdout)
        assert [entry["key"] for entry in keys] == ["a/1"]
        assert aster("doc", "rm", "notes", "a/1", cwd=tmp_path).returncode == 0
        assert aster("doc", "get", "notes", "a/1", cwd=tmp_path).returncode == 1
        assert "       1 keys  write  notes" in aster("doc", "ls", cwd=tmp_path).stdout
        assert "no document" in aster("doc", "get", "other", "a", cwd=tmp_path).stderr

    def test_share_join_sync_and_watch(self, tmp_path: Path) -> None:
        here, there = tmp_path / "here", tmp_path / "there"
        here.mkdir()
        there.mkdir()
        aster("doc", "create", "notes", cwd=here)
        aster("doc", "set", "notes", "key", "value", cwd=here)
        with serving("doc", "share", "notes", "--write", cwd=here) as ticket:
            joined = aster("doc", "join", ticket, "--name", "theirs", cwd=there)
            assert joined.stdout.endswith("1 keys\n")
            assert aster("doc", "get", "theirs", "key", cwd=there).stdout == "value"
            aster("doc", "set", "theirs", "back", "answer", cwd=there)
            from aster.storage.tickets import parse_doc_ticket

            (address,) = parse_doc_ticket(ticket).addresses
            synced = aster("doc", "sync", "theirs", "--from", address, "--json", cwd=there)
            assert json.loads(synced.stdout)["refused"] == 0
            assert aster("doc", "get", "notes", "back", cwd=here).stdout == "answer"
            with serving_watch("doc", "watch", "theirs", "--from", address, "--json", cwd=there) as lines:
                aster("doc", "set", "notes", "later", "more", cwd=here)
                assert json.loads(lines.readline())["key"] == "later"
        assert aster("doc", "get", "theirs", "later", cwd=there).stdout == "more"


@contextmanager
def serving_watch(*words: str, cwd: Path) -> Iterator[IO[str]]:
    """The lines that a command prints until it is interrupted."""
    with subprocess.Popen(
        [sys.executable, "-m", "aster", *words],
        stdout=subprocess.PIPE,
        text=True,
        cwd=cwd,
        env={**os.environ, "HOME": str(cwd), "PYTHONPATH": str(ROOT)},
    ) as process:
        assert process.stdout is not None
        try:
            yield process.stdout
        finally:
            process.send_signal(signal.SIGINT)
            assert process.wait() == 130
