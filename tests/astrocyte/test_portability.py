import asyncio
import json
import secrets
from contextlib import suppress
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import msgspec
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from tests.astrocyte.deriving import derive

from aster.foundation.errors import StorageFull
from astrocyte.access.identity import AstrocyteContext
from astrocyte.banks import BankSettings, BankState, Forgotten
from astrocyte.errors import AstrocyteError, InvalidExport, InvalidInput, LegalHoldActive
from astrocyte.inputs import Limits
from astrocyte.memories import MemoryRecord, NewMemory
from astrocyte.memory import Astrocyte
from astrocyte.models.minilm import MiniLm
from astrocyte.portability import BankFile
from astrocyte.stores import transfer

STORES = ("sqlite", "postgres")

MAY = datetime(2023, 5, 8, 13, 56, 1, 234567, tzinfo=UTC)


def contents(file: Path, limits: Limits) -> list[str]:
    with BankFile(file, limits) as opened:
        return [kept.record.content for page in opened.pages() for kept in page]


async def everything(engine: Astrocyte, bank: str) -> list[MemoryRecord]:
    return (await engine.list_memories(bank, limit=1000)).memories


async def test_the_longest_content_that_can_be_allowed_comes_back(plain: Astrocyte, tmp_path: Path) -> None:
    await plain.retain("one", "b")
    file = tmp_path / "bank.jsonl"
    await plain.export_bank("b", file)
    longest = "\x01" * 1_000_000
    file.write_bytes(file.read_bytes().replace(b'"one"', msgspec.json.encode(longest)))
    assert contents(file, Limits(content=1_000_000)) == [longest]


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
        (['{"format": "other", "version": 1, "bank_id": "a", "model": null}'], "not astrocyte-bank 1 to 2"),
        (['{"format": "astrocyte-bank", "version": 3, "bank_id": "a", "model": null}'], "version 3, not"),
        (["OLD", "{}"], "line 2"),
        (["OLD", "RECORD", '{"memory_id": 7}'], "line 3"),
        (["OLD", "EMPTY"], "line 2: Content is empty"),
        (["OLD", "RECORD", "RECORD"], "line 3: memory_id 'm1' is there twice"),
        (["HEADER", "GOOD"], "is cut off"),
        (["HEADER", "GOOD", '{"end": {"lines": 2}}'], "is cut off, or lines are missing"),
        (["HEADER", "GOOD", '{"end": {"lines": 1}}', "GOOD"], "line 4: there is something after the end"),
        (["HEADER", "GOOD", "{}"], "line 3: holds nothing that is known"),
        (["HEADER", "GOOD", '{"other": {}}'], "line 3"),
        (["HEADER", "GOOD", "DERIVED"], "line 3: the source 'm0' does not come before it"),
        (["HEADER", "SOURCED"], "line 2: a fact has no sources"),
        (
            ["HEADER", "GOOD", '{"hold": {"hold_id": "", "bank_id": "a", "reason": "", "set_by": "x", "set_at": 0}}'],
            "3",
        ),
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
        "OLD": '{"format": "astrocyte-bank", "version": 1, "bank_id": "a", "model": null}',
        "RECORD": json.dumps(good),
        "EMPTY": json.dumps({**good, "content": ""}),
        "HEADER": '{"format": "astrocyte-bank", "version": 2, "bank_id": "a", "model": null}',
        "GOOD": json.dumps({"memory": good}),
        "DERIVED": json.dumps({"memory": {**good, "memory_id": "m2", "layer": "page"}, "sources": ["m0"]}),
        "SOURCED": json.dumps({"memory": good, "sources": ["m1"]}),
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


async def test_a_file_of_the_first_version_is_still_read(plain: Astrocyte, tmp_path: Path) -> None:
    file = tmp_path / "old.jsonl"
    file.write_text(
        '{"format":"astrocyte-bank","version":1,"bank_id":"a","model":null}\n'
        '{"memory_id":"m1","bank_id":"a","content":"x","metadata":{},"tags":["t"],"occurred_at":null,'
        '"retained_at":"2024-01-01T00:00:00.000001Z","session_id":null,"speaker":null,"source":null,'
        '"content_type":"text","updated_at":null,"archived_at":null,"retained_by":"user:ann","layer":"fact"}\n'
    )
    assert (await plain.import_bank("a", file)).imported == 1
    (memory,) = await everything(plain, "a")
    assert (memory.memory_id, memory.retained_by, memory.retained_at.microsecond) == ("m1", "user:ann", 1)


AMA_HEADER = (
    '{"_ama_version": 1, "bank_id": "b", "exported_at": "2026-11-26T02:22:22+00:00", "provider": "p",'
    ' "memory_count": 2}\n'
)
BOB = (
    '{"id": "92af75f37a14469d", "text": "Bob moved", "fact_type": "experience", "bank_id": "b", "metadata":'
    ' {"_created_at": "2026-11-25T02:22:21.944082+00:00", "_retain_id": "8ac8", "k": [1]}}\n'
)
ALICE = (
    '{"id": "c94f05fa158240f2", "text": "Alice likes dark mode", "fact_type": "world", "tags": ["ui"], "bank_id": "b",'
    ' "metadata": {"k": 1, "_source": "chat"}, "occurred_at": "2024-01-02T00:00:00+00:00"}\n'
)


async def test_an_export_of_an_earlier_astrocyte_is_read(plain: Astrocyte, tmp_path: Path) -> None:
    file = tmp_path / "ama.jsonl"
    file.write_text(AMA_HEADER + BOB + ALICE)
    assert (await plain.import_bank("a", file)).imported == 2
    bob, alice = await everything(plain, "a")
    assert (bob.memory_id, bob.content, bob.metadata) == (
        "92af75f37a14469d",
        "Bob moved",
        {"k": "[1]", "fact_type": "experience"},
    )
    assert bob.retained_at == datetime(2026, 11, 25, 2, 22, 21, 944082, tzinfo=UTC)
    assert (alice.tags, alice.metadata, alice.source, alice.occurred_at) == (
        ["ui"],
        {"k": 1},
        "chat",
        datetime(2024, 1, 2, tzinfo=UTC),
    )
    assert alice.retained_at == datetime(2026, 11, 26, 2, 22, 22, tzinfo=UTC)
    file.write_text(AMA_HEADER + BOB)
    with pytest.raises(InvalidExport, match="is cut off"):
        await plain.import_bank("c", file)


async def test_nothing_is_imported_when_the_last_page_is_bad(plain: Astrocyte, tmp_path: Path) -> None:
    await plain.retain_batch("a", [NewMemory(content=f"fact {n}") for n in range(1000)])
    await plain.retain("the last one", "a")
    file = tmp_path / "bank.jsonl"
    await plain.export_bank("a", file)
    file.write_bytes(file.read_bytes().replace(b'"the last one"', b'""'))
    with pytest.raises(InvalidExport, match="line 1002: Content is empty"):
        await plain.import_bank("b", file)
    assert await plain.bank_info("b") is None


async def test_a_failure_in_the_middle_of_the_transaction_leaves_nothing(
    plain: Astrocyte, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    await plain.retain_batch("a", [NewMemory(content=f"fact {n}") for n in range(600)])
    await plain.export_bank("a", tmp_path / "bank.jsonl")

    def broken(*_: Any) -> None:
        raise StorageFull("the disk is full")

    monkeypatch.setattr(transfer, "_take_state", broken)
    with pytest.raises(StorageFull):
        await plain.import_bank("b", tmp_path / "bank.jsonl")
    assert await plain.bank_info("b") is None
    assert [one.detail for one in await plain.doctor() if not one.is_well] == []


async def test_a_bank_keeps_its_own_settings_and_a_new_one_takes_the_files(plain: Astrocyte, tmp_path: Path) -> None:
    await plain.create_bank("a", BankSettings(description="theirs", pii="redact"))
    await plain.retain("write to ann@example.org", "a")
    await plain.create_bank("b", BankSettings(description="mine"))
    await plain.export_bank("a", tmp_path / "bank.jsonl")
    for bank, expected in (("b", "mine"), ("c", "theirs")):
        await plain.import_bank(bank, tmp_path / "bank.jsonl")
        info = await plain.bank_info(bank)
        assert info is not None
        assert info.settings.description == expected


async def test_an_imported_memory_is_known_as_the_same_when_it_is_retained_again(url: str, tmp_path: Path) -> None:
    values: dict[str, Any] = {
        "storage": {"url": url},
        "embedding": {"provider": "none"},
        "retain": {"duplicates": "exact"},
    }
    async with Astrocyte.from_config_dict(values) as engine:
        first = await engine.retain("the boat is blue", "a")
        await engine.export_bank("a", tmp_path / "bank.jsonl")
        await engine.import_bank("b", tmp_path / "bank.jsonl")
        again = await engine.retain("the boat is blue", "b")
        assert (again.deduplicated, again.memory_id) == (True, first.memory_id)


async def test_derived_knowledge_keeps_its_provenance_and_goes_with_its_source(
    plain: Astrocyte, tmp_path: Path
) -> None:
    facts = await plain.retain_batch("a", [NewMemory(content=f"the boat is {word}") for word in ("blue", "old")])
    await derive(plain, "a", "observation", "", "it is an old blue boat", [0, 1])
    await plain.export_bank("a", tmp_path / "bank.jsonl")
    await plain.import_bank("b", tmp_path / "bank.jsonl")
    (observation,) = [one for one in await everything(plain, "b") if one.layer == "observation"]
    sources = await plain.provenance("b", observation.memory_id)
    assert [one.content for one in sources] == ["the boat is blue", "the boat is old"]
    await plain.forget("b", memory_ids=[str(facts[0].memory_id)])
    assert [one.content for one in await everything(plain, "b")] == ["the boat is old"]


async def test_a_hold_in_a_file_holds_where_it_is_imported(plain: Astrocyte, tmp_path: Path) -> None:
    await plain.retain("x", "a")
    await plain.place_hold("a", "case-7", "a court asked for it")
    await plain.export_bank("a", tmp_path / "bank.jsonl")
    for _ in range(2):
        await plain.import_bank("b", tmp_path / "bank.jsonl")
    assert [(one.hold_id, one.bank_id, one.reason) for one in await plain.legal_holds("b")] == [
        ("case-7", "b", "a court asked for it")
    ]
    with pytest.raises(LegalHoldActive):
        await plain.forget("b", scope="all")


LABELS = st.none() | st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0"), min_size=1, max_size=9)
MOMENTS = st.datetimes(timezones=st.just(UTC))
MEMORIES = st.builds(
    NewMemory,
    content=st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0"), min_size=1).map(
        lambda t: f"x{t}"
    ),
    metadata=st.dictionaries(
        st.text("abc", max_size=3),
        st.none() | st.booleans() | st.floats(allow_nan=False, allow_infinity=False) | st.integers(-(2**63), 2**63 - 1),
        max_size=3,
    ),
    tags=st.lists(st.sampled_from(["red", "blue", "ü"]), unique=True),
    occurred_at=st.none() | MOMENTS,
    session_id=LABELS.filter(lambda one: one is None or bool(one.strip())),
    speaker=LABELS.filter(lambda one: one is None or bool(one.strip())),
    source=LABELS.filter(lambda one: one is None or bool(one.strip())),
    content_type=st.sampled_from(["text", "dialogue", "markdown", "document"]),
)
STEPS = st.lists(
    st.one_of(
        st.tuples(st.just("update"), st.integers(0, 9)),
        st.tuples(st.just("archive"), st.integers(0, 9)),
        st.tuples(st.just("forget"), st.integers(0, 9)),
        st.tuples(st.sampled_from(["observation", "page", "model"]), st.lists(st.integers(0, 9), min_size=1)),
        st.tuples(st.just("hold"), st.text("abc", min_size=1, max_size=3)),
        st.tuples(st.just("ask"), st.sampled_from(["Ann", "", "red"])),
    ),
    max_size=8,
)
SETTINGS = st.builds(
    BankSettings,
    description=st.none() | st.just("ours"),
    duplicates=st.sampled_from([None, "keep", "exact"]),
    delete_after_days=st.none() | st.integers(0, 999),
    exempt_tags=st.none() | st.lists(st.sampled_from(["red", "blue"]), unique=True),
)


async def lived(engine: Astrocyte, bank: str, own: BankSettings, memories: list[NewMemory], steps: list[Any]) -> None:
    """A bank to which these things happened, in this order; steps that a hold or a forget forbids are left out."""
    await engine.create_bank(bank, own)
    await engine.retain_batch(bank, memories, context=AstrocyteContext("user:ann"))
    for number, (what, value) in enumerate(steps):
        facts = [one for one in await everything(engine, bank) if one.layer == "fact"]
        with suppress(LegalHoldActive, InvalidInput):
            if what == "hold":
                await engine.place_hold(bank, value, "because")
            elif what == "ask":
                await engine._opened.store.add_tasks(bank, [("observation", value)], MAY)
            elif not facts:
                continue
            elif what == "update":
                await engine.update_memory(bank, facts[value % len(facts)].memory_id, content=f"changed {number}")
            elif what == "archive":
                await engine.archive_memories(bank, [facts[value % len(facts)].memory_id])
            elif what == "forget":
                await engine.forget(bank, memory_ids=[facts[value % len(facts)].memory_id])
            else:
                await derive(engine, bank, what, "it", f"derived {number}", value, number=number)


ROUTES = [("sqlite", "sqlite"), ("sqlite", "postgres"), ("postgres", "sqlite")]


@pytest.mark.parametrize(("origin", "target"), ROUTES, ids=lambda name: name)
@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=25)
@given(own=SETTINGS, memories=st.lists(MEMORIES, min_size=1, max_size=5), steps=STEPS)
def test_an_export_of_an_import_is_the_export(
    request: pytest.FixtureRequest,
    origin: str,
    target: str,
    tmp_path: Path,
    own: BankSettings,
    memories: list[NewMemory],
    steps: list[Any],
) -> None:
    bank = f"b{secrets.token_hex(8)}"

    def values(kind: str, name: str) -> dict[str, Any]:
        url = request.getfixturevalue("postgres_schema") if kind == "postgres" else f"sqlite:///{tmp_path}/{name}.db"
        return {"storage": {"url": url}, "embedding": {"provider": "none"}}

    async def there_and_back() -> tuple[bytes, bytes]:
        first, second = tmp_path / "first.jsonl", tmp_path / "second.jsonl"
        async with Astrocyte.from_config_dict(values(origin, "origin")) as engine:
            await lived(engine, bank, own, memories, steps)
            await engine.export_bank(bank, first)
        async with Astrocyte.from_config_dict(values(target, "target")) as engine:
            await engine.import_bank(bank, first)
            await engine.export_bank(bank, second)
            assert [one.detail for one in await engine.doctor() if not one.is_well] == []
        return first.read_bytes(), second.read_bytes()

    out, back = asyncio.run(there_and_back())
    assert out == back


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.binary(max_size=300))
def test_no_file_makes_the_reader_fail(tmp_path: Path, content: bytes) -> None:
    file = tmp_path / "bank.jsonl"
    file.write_bytes(b'{"format": "astrocyte-bank", "version": 2, "bank_id": "a", "model": null}\n' + content)
    try:
        contents(file, Limits())
    except AstrocyteError as error:
        assert error.code == "EXPORT_INVALID"  # noqa: PT017 - it may also succeed


async def test_an_old_export_does_not_bring_back_what_was_forgotten_since(
    url: str, tmp_path: Path, model: MiniLm
) -> None:
    values = {"storage": {"url": url}, "embedding": {"provider": "none"}}
    async with Astrocyte(Astrocyte.from_config_dict(values).settings, provider=model) as engine:
        told = [NewMemory(content="The code is 1111", tags=["x"]), NewMemory(content="Ann likes tea", tags=["y"])]
        await engine.retain_batch("b", told)
        await derive(engine, "b", "page", "x", "# The code is 1111", [0])
        file = tmp_path / "bank.jsonl"
        await engine.export_bank("b", file)
        await engine.forget("b", tags=["x"])
        await engine.forget("b", tags=["y"])
        await engine.retain("Ann likes coffee", "b")
        result = await engine.import_bank("b", file)
        assert (result.imported, result.skipped, result.forgotten) == (0, 0, 3)
        assert [one.content for one in await everything(engine, "b")] == ["Ann likes coffee"]
        assert (await engine.import_bank("elsewhere", file)).imported == 3
        result = await engine.import_bank("b", file, bring_back_forgotten=True)
        assert (result.imported, result.forgotten) == (3, 0)
        assert "The code is 1111" in {hit.text for hit in (await engine.recall("code 1111", "b")).hits}
        assert (await engine.import_bank("b", file)).skipped == 3
        assert [one.detail for one in await engine.doctor() if not one.is_well] == []


async def test_what_was_derived_from_something_forgotten_is_left_out_with_it(
    astrocyte: Astrocyte, tmp_path: Path
) -> None:
    await astrocyte.retain("The code is 1111", "b", tags=["x"])
    await derive(astrocyte, "b", "page", "x", "# Codes", [0])
    await astrocyte.export_bank("b", tmp_path / "bank.jsonl")
    first = (await astrocyte.list_memories("b", limit=1)).memories[0].memory_id
    await astrocyte.retain("x", "c")
    state = BankState(forgotten=[Forgotten(memory_id=first, forgotten_at=MAY)])
    await astrocyte._opened.store.take_in("c", state, list, None, {"action": "import"})
    result = await astrocyte.import_bank("c", tmp_path / "bank.jsonl")
    assert (result.imported, result.forgotten) == (0, 2)
