from datetime import UTC, datetime
from typing import Any

import msgspec
import pytest

from astrocyte.memories import MemoryRecord, NewMemory
from astrocyte.memory import Astrocyte
from astrocyte.models.minilm import MiniLm
from astrocyte.retain.duplicates import fingerprint, says_the_same

STORES = ("sqlite", "postgres")

MAY = datetime(2023, 5, 8, tzinfo=UTC)
FACT = NewMemory(content="Ann likes tea", tags=["a", "b"], metadata={"k": 1}, occurred_at=MAY)


def kept(content: str, **fields: Any) -> MemoryRecord:
    memory = msgspec.structs.asdict(NewMemory(content=content, **fields))
    return MemoryRecord(memory_id="m", bank_id="b", retained_at=MAY, **memory)


def test_white_space_and_the_order_of_tags_make_no_difference() -> None:
    assert fingerprint(FACT) == fingerprint(msgspec.structs.replace(FACT, content=" Ann  likes\ntea", tags=["b", "a"]))


@pytest.mark.parametrize(
    "change",
    [
        {"content": "Ann likes coffee"},
        {"tags": ["a"]},
        {"metadata": {"k": 2}},
        {"occurred_at": None},
        {"speaker": "Ben"},
        {"source": "mail"},
    ],
)
def test_any_other_difference_does(change: dict[str, Any]) -> None:
    assert fingerprint(FACT) != fingerprint(msgspec.structs.replace(FACT, **change))


def test_a_turn_of_a_session_has_no_equal() -> None:
    assert fingerprint(msgspec.structs.replace(FACT, session_id="s")) is None


@pytest.mark.parametrize(
    ("new", "old", "same"),
    [
        ("Ann really likes tea", "Ann likes tea", True),
        ("Ann does not like tea", "Ann likes tea", False),
        ("Ann doesn't like tea", "Ann likes tea", False),
        ("Ann no longer likes tea", "Ann likes tea", False),
        ("Ann owns 2 cats", "Ann owns 3 cats", False),
        ("Ann's flight is LH123", "Ann's flight is LH124", False),
    ],
)
def test_negations_and_numbers_are_differences(new: str, old: str, same: bool) -> None:
    assert says_the_same(NewMemory(content=new), kept(old)) is same


@pytest.mark.parametrize("fields", [{"speaker": "Ben"}, {"tags": ["x"]}, {"occurred_at": MAY}, {"session_id": "s"}])
def test_who_when_and_tags_are_differences(fields: dict[str, Any]) -> None:
    assert not says_the_same(NewMemory(content="Ann likes tea", **fields), kept("Ann likes tea"))


async def test_an_equal_memory_is_kept_once_and_named(plain: Astrocyte) -> None:
    first = await plain.retain("Ann likes tea", "b", tags=["x"])
    again = await plain.retain("Ann likes  tea", "b", tags=["x"])
    assert (again.stored, again.deduplicated, again.retention_action) == (False, True, "skip")
    assert again.memory_id == first.memory_id
    assert (await plain.retain("Ann likes tea", "c", tags=["x"])).stored
    batch = [NewMemory(content="twice"), NewMemory(content="twice"), NewMemory(content="once")]
    assert [result.stored for result in await plain.retain_batch("b", batch)] == [True, False, True]
    assert [len(record.event["memoryIds"]) for record in plain.audit.records("memory")] == [1, 0, 1, 2]


async def test_what_was_forgotten_can_be_told_again(plain: Astrocyte) -> None:
    await plain.retain("Ann likes tea", "b")
    await plain.forget("b", scope="all")
    assert (await plain.retain("Ann likes tea", "b")).stored


async def test_turns_of_a_conversation_are_all_kept(plain: Astrocyte) -> None:
    turns = [NewMemory(content="Thanks!", speaker="Ann", session_id="s") for _ in range(3)]
    assert all(result.stored for result in await plain.retain_batch("b", turns))


async def test_near_duplicates_are_skipped_when_that_is_configured(url: str, model: MiniLm) -> None:
    settings = Astrocyte.from_config_dict({"storage": {"url": url}, "retain": {"duplicates": "near"}}).settings
    async with Astrocyte(settings, provider=model) as engine:
        first = await engine.retain("Alice's favourite colour is green", "b")
        near = await engine.retain("Alice's favourite colour is the green", "b")
        assert (near.stored, near.memory_id) == (False, first.memory_id)
        assert (await engine.retain("Alice's favourite colour is not green", "b")).stored
        assert (await engine.retain("The meeting moved to Tuesday", "b")).stored


async def test_keep_keeps_everything(url: str) -> None:
    values: dict[str, Any] = {"storage": {"url": url}, "embedding": {"provider": "none"}}
    async with Astrocyte.from_config_dict({**values, "retain": {"duplicates": "keep"}}) as engine:
        assert [(await engine.retain("same", "b")).stored for _ in range(2)] == [True, True]
