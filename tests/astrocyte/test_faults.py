"""A full disk and a file that can't be written: a typed error, nothing lost, nothing half-written."""

import os
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

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


def test_a_few_rounds_of_kill_9_lose_nothing(tmp_path: Path) -> None:
    assert crashes.run(tmp_path, rounds=5, seed=7, tell=lambda text: None) == []
