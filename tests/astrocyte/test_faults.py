"""A full disk and a file that can't be written: a typed error, nothing lost, nothing half-written."""

import json
import os
import secrets
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import psycopg
import pytest
from benchmarks.memory import crashes

from aster.foundation.errors import StorageFull, StorageUnwritable
from astrocyte import Astrocyte, NewMemory


async def test_a_full_disk_refuses_writes_and_loses_nothing(plain: Astrocyte) -> None:
    kept = [one.memory_id for one in await plain.retain_batch("b", [NewMemory(content=f"fact {n}") for n in range(5)])]
    database = plain._opened.database
    pages = database.write_now(lambda connection: connection.execute("PRAGMA page_count").fetchone()[0])
    database.write_now(lambda connection: connection.execute(f"PRAGMA max_page_count = {pages}").fetchone())
    large = [NewMemory(content=f"{n} " + "too much " * 500) for n in range(100)]
    with pytest.raises(StorageFull) as failure:
        await plain.retain_batch("b", large)
    assert failure.value.code == "STORAGE_FULL"
    assert [one.memory_id for one in (await plain.list_memories("b")).memories] == kept
    assert (await plain.recall("fact 3", "b")).hits[0].text == "fact 3"
    assert plain._opened.store.problems() == []
    database.write_now(lambda connection: connection.execute("PRAGMA max_page_count = 1000000").fetchone())
    assert len(await plain.retain_batch("b", large)) == 100


FULL = """
import asyncio, json, sys
from pathlib import Path
from aster.foundation.errors import StorageError
from astrocyte import Astrocyte, NewMemory

async def code_of(work):
    try:
        await work
    except StorageError as error:
        return error.code
    return "done"

async def main(disk, spare):
    values = {"storage": {"url": f"sqlite:///{disk}/memory.db"}, "embedding": {"provider": "none"}}
    told, kept = {}, []
    async with Astrocyte.from_config_dict(values) as engine:
        ballast = disk / "ballast"
        ballast.write_bytes(bytes(512 * 1024))
        async with Astrocyte.from_config_dict({**values, "storage": {"url": f"sqlite:///{spare}/m.db"}}) as other:
            await other.retain_batch("other", [NewMemory(content=f"{n} " + "long " * 9000) for n in range(60)])
            await other.export_bank("other", spare / "other.jsonl")
        while True:
            batch = [NewMemory(content=f"{len(kept) + n} " + "too much " * 60, tags=["t"]) for n in range(3)]
            try:
                kept += [one.memory_id for one in await engine.retain_batch("b", batch)]
            except StorageError as error:
                told["retain"] = error.code
                break
        (disk / "rest").write_bytes(b"")
        with (disk / "rest").open("ab", buffering=0) as rest:
            try:
                while rest.write(bytes(512)):
                    pass
            except OSError:
                pass
        before = sorted(file.name for file in disk.iterdir())
        told["forget"] = await code_of(engine.forget("b", tags=["t"]))
        told["update"] = await code_of(engine.update_memory("b", kept[0], content="longer " * 2000))
        told["backup"] = await code_of(engine.back_up(disk / "copy.db"))
        told["export"] = await code_of(engine.export_bank("b", disk / "b.jsonl"))
        told["import"] = await code_of(engine.import_bank("new", spare / "other.jsonl"))
        told["left"] = sorted(file.name for file in disk.iterdir()) == before
        there = [one.memory_id for one in (await engine.list_memories("b", limit=1000)).memories]
        told["there"] = there == kept
        told["found"] = len((await engine.recall("too much", "b", max_results=1000)).hits) == len(kept)
        told["new"] = await engine.bank_info("new") is None
        told["unwell"] = [finding.check for finding in await engine.doctor() if not finding.is_well]
        ballast.unlink()
        (disk / "rest").unlink()
        told["stored"] = (await engine.retain("there is room", "b")).stored
        told["copied"] = await code_of(engine.back_up(spare / "copy.db")) == "done"
        told["forgotten"] = (await engine.forget("b", tags=["t"])).deleted_count == len(kept)
        told["well"] = [finding.check for finding in await engine.doctor() if not finding.is_well] in ([], ["disk"])
    print(json.dumps(told))

asyncio.run(main(Path(sys.argv[1]), Path(sys.argv[2])))
"""


def test_a_disk_that_is_really_full_gives_typed_errors_and_loses_nothing(tmp_path: Path) -> None:
    disk, spare = tmp_path / "disk", tmp_path / "spare"
    disk.mkdir()
    spare.mkdir()
    small = ["unshare", "-rm", "sh", "-c", 'mount -t tmpfs -o size=3m none "$1" && shift && exec "$@"', "sh", str(disk)]
    if subprocess.run([*small, "true"], capture_output=True).returncode:
        pytest.skip("a small file system can't be mounted here")
    ran = subprocess.run([*small, sys.executable, "-c", FULL, str(disk), str(spare)], capture_output=True, text=True)
    assert ran.returncode == 0, ran.stderr
    told = json.loads(ran.stdout)
    codes = {name: told.pop(name) for name in ("retain", "forget", "update", "backup", "export", "import")}
    assert codes == dict.fromkeys(codes, "STORAGE_FULL")
    assert told.pop("unwell") == ["disk"]
    assert [name for name, is_so in told.items() if not is_so] == []


@pytest.fixture
def readable() -> Iterator[Path]:
    """A folder that everybody can read."""
    folder = Path(tempfile.mkdtemp(prefix="astrocyte-readable-"))
    folder.chmod(0o755)
    yield folder
    shutil.rmtree(folder)


async def test_a_file_that_can_not_be_written_is_named_and_left_as_it_was(readable: Path) -> None:
    file = readable / "memory.db"
    values = {"storage": {"url": f"sqlite:///{file}"}, "embedding": {"provider": "none"}}
    async with Astrocyte.from_config_dict(values) as engine:
        await engine.retain("kept", "b")
    before = file.read_bytes()
    file.chmod(0o444)
    readable.chmod(0o555)
    with as_nobody(), pytest.raises(StorageUnwritable, match=r"memory\.db") as failure:
        async with Astrocyte.from_config_dict(values) as engine:
            await engine.retain("more", "b")
    assert failure.value.code == "STORAGE_UNWRITABLE"
    assert file.read_bytes() == before


@contextmanager
def as_nobody() -> Iterator[None]:
    """Root may write everywhere, so it steps down for a while."""
    is_root = os.geteuid() == 0
    if is_root:
        os.seteuid(65534)
    try:
        yield
    finally:
        if is_root:
            os.seteuid(0)


async def test_a_folder_that_is_not_there_is_told(tmp_path: Path) -> None:
    values = {"storage": {"url": f"sqlite:///{tmp_path}/missing/memory.db"}, "embedding": {"provider": "none"}}
    with pytest.raises(StorageUnwritable, match="missing"):
        await Astrocyte.from_config_dict(values).__aenter__()


async def test_a_server_whose_disk_is_full_loses_nothing(postgres_schema: str) -> None:
    """It says so with SQLSTATE 53100, here by a trigger in the middle of the transaction."""
    values = {"storage": {"url": postgres_schema}, "embedding": {"provider": "none"}}
    async with Astrocyte.from_config_dict(values) as engine:
        kept = (await engine.retain("kept", "b")).memory_id
        with psycopg.connect(postgres_schema, autocommit=True) as server:
            server.execute(
                "CREATE FUNCTION full_disk() RETURNS trigger LANGUAGE plpgsql AS"
                " $$ BEGIN RAISE EXCEPTION 'no space left' USING ERRCODE = '53100'; END $$"
            )
            for table in ("memory_passages", "memory_tombstones"):
                server.execute(f"CREATE TRIGGER no_space BEFORE INSERT ON {table} EXECUTE FUNCTION full_disk()")
            for attempt in (engine.retain("more", "b"), engine.forget("b", scope="all")):
                with pytest.raises(StorageFull):
                    await attempt
            assert [one.memory_id for one in (await engine.list_memories("b")).memories] == [kept]
            assert [hit.text for hit in (await engine.recall("kept more", "b")).hits] == ["kept"]
            assert engine._opened.store.problems() == []
            server.execute("DROP FUNCTION full_disk CASCADE")
        assert (await engine.retain("more", "b")).stored


async def test_a_server_that_lets_nothing_be_written_is_told(postgres_schema: str) -> None:
    values = {"storage": {"url": postgres_schema}, "embedding": {"provider": "none"}}
    async with Astrocyte.from_config_dict(values) as engine:
        await engine.retain("kept", "b")
    role = f"reader_{secrets.token_hex(4)}"
    with psycopg.connect(postgres_schema, autocommit=True) as server:
        server.execute(f"CREATE ROLE {role} LOGIN")
        server.execute(f"GRANT USAGE ON SCHEMA {server.execute('SELECT current_schema()').fetchone()[0]} TO {role}")  # type: ignore[index]  # there is one
        read_only = {**values, "storage": {"url": postgres_schema.replace("postgres:@", f"{role}:@")}}
        with pytest.raises(StorageUnwritable):
            await Astrocyte.from_config_dict(read_only).__aenter__()
        server.execute(f"DROP OWNED BY {role}")
        server.execute(f"DROP ROLE {role}")


def test_a_few_rounds_of_kill_9_lose_nothing(tmp_path: Path) -> None:
    assert crashes.run(f"sqlite:///{tmp_path}/memory.db", rounds=5, seed=7, tell=lambda text: None) == []


def test_a_few_clients_of_a_server_that_are_killed_lose_nothing(postgres_schema: str) -> None:
    assert crashes.run(postgres_schema, rounds=5, seed=8, tell=lambda text: None) == []
