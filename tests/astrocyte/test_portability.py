import json
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import msgspec
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from astrocyte.errors import AstrocyteError, InvalidExport
from astrocyte.inputs import Limits
from astrocyte.memories import MemoryRecord, NewMemory
from astrocyte.memory import Astrocyte
from astrocyte.portability import read_bank

STORES = ("sqlite", "postgres")

MAY = datetime(2023, 5, 8, 13, 56, 1, 234567, tzinfo=UTC)


async def everything(engine: Astrocyte, bank: str) -> list[MemoryRecord]:
    return (await engine.list_memories(bank, limit=1000)).memories


async def test_the_longest_content_that_can_be_allowed_comes_back(plain: Astrocyte, tmp_path: Path) -> None:
    await plain.retain("one", "b")
    file = tmp_path / "bank.jsonl"
    await plain.export_bank("b", file)
    longest = "\x01" * 1_000_000
    file.write_bytes(file.read_bytes().replace(b'"one"', msgspec.json.encode(longest)))
    assert [record.content for record in read_bank(file, Limits(content=1_000_000))] == [longest]


async def test_a_bank_goes_out_and_in_without_loss(astrocyte: Astrocyte, tmp_path: Path) -> None:
    await astrocyte.retain(
        "Ann's café\n— \u2028 “ok”",
        "a",
        metadata={"k": None, "f": 0.1, "n": 2**53},
        tags=["x", "y"],
        occurred_at=MAY,
        session_id="s",
        speaker="Ann",
        source="chat",
    )
    await astrocyte.retain("# Long\n\n" + "Words and words. " * 200, "a", content_type="markdown")
    file = tmp_path / "bank.jsonl"
    assert await astrocyte.export_bank("a", file) == 2
    result = await astrocyte.import_bank("b", file)
    assert (result.imported, result.skipped) == (2, 0)
    before, after = await everything(astrocyte, "a"), await everything(astrocyte, "b")
    assert [(one.memory_id, one.content, one.metadata, one.occurred_at, one.retained_at) for one in after] == [
        (one.memory_id, one.content, one.metadata, one.occurred_at, one.retained_at) for one in before
    ]
    first = [hit.text for hit in (await astrocyte.recall("words", "a")).hits]
    assert [hit.text for hit in (await astrocyte.recall("words", "b")).hits] == first
    again = tmp_path / "again.jsonl"
    await astrocyte.export_bank("b", again)
    assert again.read_text().splitlines()[1:] == [
        line.replace('"bank_id":"a"', '"bank_id":"b"') for line in file.read_text().splitlines()[1:]
    ]


async def test_what_is_there_already_is_skipped(plain: Astrocyte, tmp_path: Path) -> None:
    await plain.retain_batch("a", [NewMemory(content=f"fact {n}") for n in range(3)])
    file = tmp_path / "bank.jsonl"
    await plain.export_bank("a", file)
    await plain.retain("one more", "a")
    result = await plain.import_bank("a", file)
    assert (result.imported, result.skipped) == (0, 3)
    assert len(await everything(plain, "a")) == 4


async def test_an_export_is_private_and_leaves_no_parts(plain: Astrocyte, tmp_path: Path) -> None:
    await plain.retain("secret", "a")
    folder = tmp_path / "out"
    folder.mkdir()
    await plain.export_bank("a", folder / "bank.jsonl")
    assert [file.name for file in folder.iterdir()] == ["bank.jsonl"]
    assert (folder / "bank.jsonl").stat().st_mode & 0o077 == 0
    with pytest.raises(InvalidExport, match="can't be written"):
        await plain.export_bank("a", tmp_path / "missing" / "bank.jsonl")


async def test_exports_and_imports_are_in_the_audit_log(plain: Astrocyte, tmp_path: Path) -> None:
    await plain.retain("x", "a")
    await plain.export_bank("a", tmp_path / "bank.jsonl")
    await plain.import_bank("b", tmp_path / "bank.jsonl")
    actions = [(record.event["action"], record.event["bank"]) for record in plain.audit.records("memory")]
    assert actions == [("retain", "a"), ("export", "a"), ("import", "b")]


@pytest.mark.parametrize(
    ("lines", "words"),
    [
        ([], "is not an exported bank"),
        (["{}"], "is not an exported bank"),
        (['{"format": "other", "version": 1, "bank_id": "a", "model": null}'], "not astrocyte-bank 1"),
        (["HEADER", "{}"], "line 2"),
        (["HEADER", "GOOD", '{"memory_id": 7}'], "line 3"),
        (["HEADER", "EMPTY"], "line 2: Content is empty"),
    ],
)
async def test_a_bad_file_is_named_with_its_line_and_nothing_is_imported(
    plain: Astrocyte, tmp_path: Path, lines: list[str], words: str
) -> None:
    good: dict[str, Any] = {
        "memory_id": "m1",
        "bank_id": "a",
        "content": "x",
        "metadata": {},
        "tags": [],
        "occurred_at": None,
        "retained_at": "2024-01-01T00:00:00Z",
        "session_id": None,
        "speaker": None,
        "source": None,
        "content_type": "text",
    }
    named = {
        "HEADER": '{"format": "astrocyte-bank", "version": 1, "bank_id": "a", "model": null}',
        "GOOD": json.dumps(good),
        "EMPTY": json.dumps({**good, "content": ""}),
    }
    file = tmp_path / "bank.jsonl"
    file.write_text("\n".join(named.get(line, line) for line in lines))
    with pytest.raises(InvalidExport, match=words):
        await plain.import_bank("a", file)
    assert await everything(plain, "a") == []


async def test_the_privacy_barrier_holds_for_imports(plain: Astrocyte, tmp_path: Path) -> None:
    await plain.retain("write to ann@example.org", "a")
    await plain.export_bank("a", tmp_path / "bank.jsonl")
    values: dict[str, Any] = {
        "storage": {"url": f"sqlite:///{tmp_path}/other.db"},
        "embedding": {"provider": "none"},
        "barriers": {"pii": "redact"},
    }
    async with Astrocyte.from_config_dict(values) as engine:
        await engine.import_bank("a", tmp_path / "bank.jsonl")
        assert [one.content for one in await everything(engine, "a")] == ["write to [EMAIL_REDACTED]"]


async def test_a_missing_file_is_named(plain: Astrocyte, tmp_path: Path) -> None:
    with pytest.raises(InvalidExport, match=r"nothing\.jsonl: can't be read"):
        await plain.import_bank("a", tmp_path / "nothing.jsonl")


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.binary(max_size=300))
def test_no_file_makes_the_reader_fail(tmp_path: Path, content: bytes) -> None:
    file = tmp_path / "bank.jsonl"
    file.write_bytes(b'{"format": "astrocyte-bank", "version": 1, "bank_id": "a", "model": null}\n' + content)
    try:
        read_bank(file, Limits())
    except AstrocyteError as error:
        assert error.code == "EXPORT_INVALID"  # noqa: PT017 - it may also succeed
