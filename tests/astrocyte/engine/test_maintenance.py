"""The doctor, the copy while in use."""

import sqlite3
from collections.abc import AsyncIterator
from contextlib import closing
from pathlib import Path

import pytest
from tests.astrocyte.rows import execute

from aster.foundation.errors import StorageUnwritable
from astrocyte import Astrocyte, NewMemory
from astrocyte.errors import NotSupported
from astrocyte.models.minilm import MiniLm

STORES = ("sqlite", "postgres")


async def test_a_sound_store_is_found_well(astrocyte: Astrocyte, url: str) -> None:
    await astrocyte.retain("x", "b")
    findings = await astrocyte.doctor()
    looked_at = {"integrity", "audit chain", "embedding model", "bank models", "bank vectors"}
    if url.startswith("sqlite"):  # a server's disk is not ours to see
        looked_at.add("disk")
    assert {finding.check for finding in findings if finding.is_well} == looked_at
    assert not [finding for finding in findings if not finding.is_well]


@pytest.mark.parametrize(
    ("harm", "value", "words"),
    [
        ("DELETE FROM memory_passages", [], "1 memories that nothing can find"),
        ("UPDATE memory_passages SET stop = 999", [], "outside their memory's text"),
        ("UPDATE memory_passages SET vector = ?", [b"00"], "vectors of another size"),
        ("UPDATE memory_passages SET terms = ?", [b"0"], "search terms that are cut off"),
        ("UPDATE memories SET archived_at = 1", [], "archived memories that are still searched"),
        (
            "INSERT INTO memory_tombstones (bank, memory, memory_id, forgotten_at) VALUES (1, 1, 'x', 1)",
            [],
            "still there",
        ),
        ("UPDATE memory_banks SET deleted_at = 1", [], "memories in banks that are deleted"),
        ("INSERT INTO memory_sources VALUES (1, 77)", [], "memories derived from what is gone"),
    ],
)
async def test_harm_is_found_and_named(plain: Astrocyte, url: str, harm: str, value: list[bytes], words: str) -> None:
    await plain.retain("x", "b")
    execute(url, harm, value)
    (finding,) = [finding for finding in await plain.doctor() if finding.check == "integrity"]
    assert not finding.is_well
    assert words in finding.detail
    assert finding.hint is not None


async def test_passages_that_lost_their_memory_are_found(tmp_path: Path) -> None:
    values = {"storage": {"url": f"sqlite:///{tmp_path}/memory.db"}, "embedding": {"provider": "none"}}
    async with Astrocyte.from_config_dict(values) as engine:
        await engine.retain("x", "b")
        with closing(sqlite3.connect(tmp_path / "memory.db")) as database, database:  # without its foreign keys
            database.execute("DELETE FROM memories")
        (finding,) = [finding for finding in await engine.doctor() if finding.check == "integrity"]
    assert "passages without their memory" in finding.detail


async def test_a_changed_audit_record_and_another_model_are_found(astrocyte: Astrocyte, url: str) -> None:
    await astrocyte.retain("x", "b")
    execute(url, "UPDATE audit_records SET body = ?", [b"{}"])
    execute(url, "UPDATE memory_banks SET model = 'another', dimension = 384")
    unwell = {finding.check: finding.detail for finding in await astrocyte.doctor() if not finding.is_well}
    assert unwell == {"audit chain": "broken at record 1", "bank models": "b has vectors of another"}


async def test_a_server_s_own_backup_is_named_where_no_file_is(plain: Astrocyte, url: str, tmp_path: Path) -> None:
    if url.startswith("sqlite"):
        assert await plain.back_up(tmp_path / "copy.db") == tmp_path / "copy.db"
        return
    with pytest.raises(NotSupported) as failure:
        await plain.back_up(tmp_path / "copy.db")
    assert "pg_dump" in str(failure.value.hint)


@pytest.fixture
async def filed(tmp_path: Path) -> AsyncIterator[Astrocyte]:
    """An engine on a file."""
    values = {"storage": {"url": f"sqlite:///{tmp_path}/memory.db"}, "embedding": {"provider": "none"}}
    async with Astrocyte.from_config_dict(values) as engine:
        yield engine


async def test_a_backup_is_taken_while_memories_are_written(filed: Astrocyte, tmp_path: Path) -> None:
    await filed.retain_batch("b", [NewMemory(content=f"fact {n}") for n in range(50)])
    copy = await filed.back_up(tmp_path / "copy.db")
    await filed.retain("later", "b")
    values = {"storage": {"url": f"sqlite:///{copy}"}, "embedding": {"provider": "none"}}
    async with Astrocyte.from_config_dict(values) as restored:
        assert (await restored.bank_statistics("b")).memories == 50
        assert (await restored.recall("fact 7", "b")).hits[0].text == "fact 7"
        assert all(finding.is_well for finding in await restored.doctor())
    assert copy.stat().st_mode & 0o077 == 0


async def test_a_backup_never_replaces_a_file(filed: Astrocyte, tmp_path: Path) -> None:
    (tmp_path / "there").write_text("mine")
    with pytest.raises(StorageUnwritable, match="there already"):
        await filed.back_up(tmp_path / "there")
    with pytest.raises(StorageUnwritable, match="can't be written"):
        await filed.back_up(tmp_path / "missing" / "copy.db")
    assert (tmp_path / "there").read_text() == "mine"
    assert sorted(file.name for file in tmp_path.iterdir() if not file.name.startswith("memory.db")) == ["there"]


async def test_the_doctor_tells_of_a_damaged_model_and_the_way_out(url: str, tmp_path: Path) -> None:
    damaged = tmp_path / "model.onnx"
    damaged.write_bytes(b"damaged")
    settings = Astrocyte.from_config_dict({"storage": {"url": url}}).settings
    async with Astrocyte(settings, provider=MiniLm(damaged)) as engine:
        (found,) = [one for one in await engine.doctor() if one.check == "embedding model"]
    assert not found.is_well
    assert found.hint is not None
    assert "astrocyte model prepare" in found.hint
