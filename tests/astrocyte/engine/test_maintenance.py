"""The doctor, the copy while in use."""

import sqlite3
from contextlib import closing
from pathlib import Path

import pytest

from aster.foundation.errors import StorageUnwritable
from astrocyte import Astrocyte, NewMemory


async def test_a_sound_store_is_found_well(astrocyte: Astrocyte) -> None:
    await astrocyte.retain("x", "b")
    findings = await astrocyte.doctor()
    assert {finding.check for finding in findings if finding.is_well} == {
        "disk",
        "integrity",
        "audit chain",
        "embedding model",
        "bank models",
    }
    assert not [finding for finding in findings if not finding.is_well]


@pytest.mark.parametrize(
    ("harm", "words"),
    [
        ("DELETE FROM memory_passages", "1 memories that nothing can find"),
        ("UPDATE memory_passages SET stop = 999", "outside their memory's text"),
        ("UPDATE memory_passages SET vector = x'0000'", "vectors of another size"),
        ("UPDATE memory_passages SET terms = x'00'", "search terms that are cut off"),
        ("DELETE FROM memories", "passages without their memory"),
        ("UPDATE memories SET archived_at = 1", "archived memories that are still searched"),
        ("INSERT INTO memory_tombstones (bank, memory, memory_id, forgotten_at) VALUES (1, 1, 'x', 1)", "still there"),
        ("UPDATE memory_banks SET deleted_at = 1", "memories in banks that are deleted"),
    ],
)
async def test_harm_is_found_and_named(plain: Astrocyte, tmp_path: Path, harm: str, words: str) -> None:
    await plain.retain("x", "b")
    with closing(sqlite3.connect(tmp_path / "memory.db")) as database, database:
        database.execute(harm)
    (finding,) = [finding for finding in await plain.doctor() if finding.check == "integrity"]
    assert not finding.is_well
    assert words in finding.detail
    assert finding.hint is not None


async def test_a_changed_audit_record_and_another_model_are_found(astrocyte: Astrocyte, tmp_path: Path) -> None:
    await astrocyte.retain("x", "b")
    with closing(sqlite3.connect(tmp_path / "memory.db")) as database, database:
        database.execute("UPDATE audit_records SET body = replace(body, 'retain', 'regain')")
        database.execute("UPDATE memory_banks SET model = 'another', dimension = 384")
    unwell = {finding.check: finding.detail for finding in await astrocyte.doctor() if not finding.is_well}
    assert unwell == {"audit chain": "broken at record 1", "bank models": "b has vectors of another"}


async def test_a_backup_is_taken_while_memories_are_written(plain: Astrocyte, tmp_path: Path) -> None:
    await plain.retain_batch("b", [NewMemory(content=f"fact {n}") for n in range(50)])
    copy = await plain.back_up(tmp_path / "copy.db")
    await plain.retain("later", "b")
    values = {"storage": {"url": f"sqlite:///{copy}"}, "embedding": {"provider": "none"}}
    async with Astrocyte.from_config_dict(values) as restored:
        assert (await restored.bank_statistics("b")).memories == 50
        assert (await restored.recall("fact 7", "b")).hits[0].text == "fact 7"
        assert all(finding.is_well for finding in await restored.doctor())
    assert copy.stat().st_mode & 0o077 == 0


async def test_a_backup_never_replaces_a_file(plain: Astrocyte, tmp_path: Path) -> None:
    (tmp_path / "there").write_text("mine")
    with pytest.raises(StorageUnwritable, match="there already"):
        await plain.back_up(tmp_path / "there")
    with pytest.raises(StorageUnwritable, match="can't be written"):
        await plain.back_up(tmp_path / "missing" / "copy.db")
    assert (tmp_path / "there").read_text() == "mine"
    assert sorted(file.name for file in tmp_path.iterdir() if not file.name.startswith("memory.db")) == ["there"]
