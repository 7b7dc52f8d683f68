"""Banks as such: their life, their settings, holds on them, the sweep."""

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from tests.astrocyte.rows import execute

from astrocyte import Astrocyte, AstrocyteContext, BankSettings, NewMemory
from astrocyte.errors import (
    AstrocyteError,
    BankExists,
    BankNotFound,
    InvalidInput,
    LegalHoldActive,
    PersonalDataRefused,
)
from astrocyte.moments import microseconds

STORES = ("sqlite", "postgres")

OLD = datetime.now(UTC) - timedelta(days=100)


def age(url: str, *contents: str, moment: datetime = OLD) -> None:
    """Make memories as old as ``moment``."""
    for content in contents:
        execute(url, "UPDATE memories SET retained_at = ? WHERE content = ?", (microseconds(moment), content))


async def test_a_bank_is_made_configured_listed_and_deleted(plain: Astrocyte) -> None:
    made = await plain.create_bank("b", BankSettings(description="Ann's"))
    assert (made.memories, made.settings.description) == (0, "Ann's")
    with pytest.raises(BankExists):
        await plain.create_bank("b")
    await plain.retain("one", "b", tags=["t"])
    changed = await plain.configure_bank("b", BankSettings(pii="reject"))
    assert (changed.memories, changed.settings) == (1, BankSettings(pii="reject"))
    assert (await plain.list_banks())[0] == ["b"]
    assert (await plain.delete_bank("b")).deleted_count == 1
    assert (await plain.list_banks())[0] == []
    assert await plain.bank_info("b") is None
    assert (await plain.recall("one", "b")).hits == []
    for gone in (plain.delete_bank("b"), plain.configure_bank("b", BankSettings()), plain.bank_statistics("b")):
        with pytest.raises(BankNotFound):
            await gone
    await plain.retain("two", "b")
    again = await plain.bank_info("b")
    assert again is not None
    assert (again.memories, again.settings) == (1, BankSettings())
    assert [hit.text for hit in (await plain.recall("one two", "b")).hits] == ["two"]


async def test_another_model_may_fill_a_bank_that_was_deleted(astrocyte: Astrocyte, plain: Astrocyte) -> None:
    await astrocyte.retain_batch("b", [NewMemory(content=f"fact {n}") for n in range(3)])
    assert (await astrocyte.recall("fact", "b")).hits
    await astrocyte.delete_bank("b")
    await plain.retain("words alone", "b")
    assert [hit.text for hit in (await astrocyte.recall("words", "b")).hits] == ["words alone"]


async def test_a_bank_s_own_settings_win(plain: Astrocyte) -> None:
    await plain.create_bank("strict", BankSettings(pii="reject", duplicates="keep"))
    with pytest.raises(PersonalDataRefused):
        await plain.retain("write to ann@example.com", "strict")
    assert (await plain.retain("write to ann@example.com", "other")).stored
    for _ in range(2):
        await plain.retain("same", "strict")
        await plain.retain("same", "other")
    counts = [(await plain.bank_statistics(bank)).memories for bank in ("strict", "other")]
    assert counts == [2, 2]


@pytest.mark.parametrize(
    "wrong",
    [
        BankSettings(archive_after_days=-1),
        BankSettings(delete_after_days=10**9),
        BankSettings(pii="sometimes"),  # type: ignore[arg-type]  # what a caller may send
        BankSettings(description="d" * 1001),
        BankSettings(exempt_tags=[""]),
    ],
)
async def test_settings_that_can_not_be_meant_are_refused(plain: Astrocyte, wrong: BankSettings) -> None:
    with pytest.raises(InvalidInput):
        await plain.create_bank("b", wrong)
    assert await plain.bank_info("b") is None


async def test_statistics_count_what_is_there(astrocyte: Astrocyte) -> None:
    moment = datetime(2023, 5, 8, tzinfo=UTC)
    await astrocyte.retain("one", "b", tags=["x", "y"], session_id="s", speaker="Ann", occurred_at=moment)
    await astrocyte.retain("three", "b", tags=["x"], session_id="s", speaker="Ben")
    gone = await astrocyte.retain("gone", "b")
    away = await astrocyte.retain("away", "b")
    assert gone.memory_id is not None
    assert away.memory_id is not None
    await astrocyte.forget("b", memory_ids=[gone.memory_id])
    await astrocyte.archive_memories("b", [away.memory_id])
    found = await astrocyte.bank_statistics("b")
    assert (found.memories, found.archived, found.passages, found.characters) == (3, 1, 2, 12)
    assert (found.sessions, found.speakers, found.forgotten, found.holds, found.derived) == (1, 2, 1, 0, 0)
    assert found.tags == {"x": 2, "y": 1}
    assert (found.first_occurred_at, found.last_occurred_at) == (moment, moment)
    assert found.first_retained_at is not None
    assert found.last_retained_at is not None
    assert found.first_retained_at < found.last_retained_at


async def test_a_hold_refuses_everything_that_would_change_what_is_kept(plain: Astrocyte, url: str) -> None:
    kept = (await plain.retain("evidence", "b", tags=["t"])).memory_id
    assert kept is not None
    age(url, "evidence")
    await plain.configure_bank("b", BankSettings(delete_after_days=1))
    hold = await plain.place_hold("b", "case-7", "a court asked", context=AstrocyteContext("service:legal"))
    assert hold.set_by == "service:legal"
    assert await plain.legal_holds("b") == [hold]
    attempts: list[Any] = [
        plain.forget("b", memory_ids=[kept]),
        plain.forget("b", scope="all"),
        plain.delete_bank("b"),
        plain.update_memory("b", kept, content="changed"),
        plain.archive_memories("b", [kept]),
        plain.run_lifecycle("b"),
        plain.erase("user:b", banks=["b"], names=["evidence"], include_mentions=True),
    ]
    for attempt in attempts:
        with pytest.raises(LegalHoldActive, match="case-7"):
            await attempt
    assert (await plain.get_memory("b", kept)).content == "evidence"
    assert (await plain.retain("more", "b")).stored
    with pytest.raises(InvalidInput, match="already"):
        await plain.place_hold("b", "case-7", "again")
    assert await plain.lift_hold("b", "case-7")
    assert not await plain.lift_hold("b", "case-7")
    assert (await plain.forget("b", memory_ids=[kept])).deleted_count == 1


async def test_a_hold_survives_a_restart_and_can_be_placed_before_there_is_a_bank(url: str) -> None:
    values = {"storage": {"url": url}, "embedding": {"provider": "none"}}
    async with Astrocyte.from_config_dict(values) as engine:
        await engine.place_hold("b", "h", "to come")
    async with Astrocyte.from_config_dict(values) as engine:
        await engine.retain("evidence", "b")
        with pytest.raises(LegalHoldActive):
            await engine.forget("b", scope="all")


async def test_a_sweep_puts_away_and_forgets_what_is_old_enough(plain: Astrocyte, url: str) -> None:
    for content, tags in (("ancient", []), ("ancient but dear", ["dear"]), ("old", []), ("new", [])):
        await plain.retain(content, "b", tags=tags)
    age(url, "ancient", "ancient but dear", moment=datetime.now(UTC) - timedelta(days=400))
    age(url, "old")
    nothing = await plain.run_lifecycle("b")
    assert (nothing.archived_count, nothing.deleted_count) == (0, 0)
    own = BankSettings(archive_after_days=90, delete_after_days=365, exempt_tags=["dear"])
    await plain.configure_bank("b", own)
    seen = await plain.run_lifecycle("b", dry_run=True)
    assert [(step.action, step.reason) for step in seen.actions] == [
        ("delete", "older than delete_after_days"),
        ("archive", "older than archive_after_days"),
    ]
    assert (await plain.bank_statistics("b")).memories == 4
    done = await plain.run_lifecycle("b")
    assert (done.archived_count, done.deleted_count, done.skipped_count) == (1, 1, 1)
    assert {hit.text for hit in (await plain.recall("ancient old new dear", "b")).hits} == {"ancient but dear", "new"}
    assert (await plain.run_lifecycle("b")).actions == []


async def test_the_engine_s_lifecycle_sweeps_every_bank_but_those_under_hold(url: str) -> None:
    values: dict[str, Any] = {"storage": {"url": url}, "embedding": {"provider": "none"}}
    async with Astrocyte.from_config_dict(values) as engine:
        for bank in ("a", "b", "held", "own"):
            await engine.retain(f"old in {bank}", bank)
        await engine.place_hold("held", "h", "why")
        await engine.configure_bank("own", BankSettings(delete_after_days=0))
    age(url, "old in a", "old in b", "old in held", "old in own")
    values["lifecycle"] = {"delete_after_days": 30, "sweep_minutes": 0}
    async with Astrocyte.from_config_dict(values) as engine:
        await engine.sweep()
        left = [bank for bank in ("a", "b", "held", "own") if (await engine.bank_statistics(bank)).memories]
    assert left == ["held", "own"]


async def test_banks_are_the_administrator_s(url: str) -> None:
    values = {
        "storage": {"url": url},
        "embedding": {"provider": "none"},
        "access_control": {"enabled": True},
        "access_grants": [{"bank_id": "b", "principal": "user:ann", "permissions": ["read", "write", "forget"]}],
    }
    ann = AstrocyteContext("user:ann")
    async with Astrocyte.from_config_dict(values) as engine:
        attempts: list[Any] = [
            engine.create_bank("b", context=ann),
            engine.configure_bank("b", BankSettings(), context=ann),
            engine.delete_bank("b", context=ann),
            engine.place_hold("b", "h", "why", context=ann),
            engine.lift_hold("b", "h", context=ann),
            engine.run_lifecycle("b", context=ann),
            engine.erase("user:ben", banks=["b"], context=ann),
        ]
        for attempt in attempts:
            with pytest.raises(AstrocyteError, match="denied 'admin'"):
                await attempt
