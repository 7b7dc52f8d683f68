"""The right to be forgotten: everything of a person's, in every bank, down to the bytes."""

from pathlib import Path

import pytest
from tests.astrocyte.rows import every_row

from astrocyte import Astrocyte, AstrocyteContext, NewMemory
from astrocyte.errors import AccessDenied, InvalidInput, LegalHoldActive

STORES = ("sqlite", "postgres")

CANARY = "xylophone-4711"
ANN = AstrocyteContext("user:ann")


def bytes_of(tmp_path: Path) -> bytes:
    return b"".join(file.read_bytes() for file in sorted(tmp_path.glob("memory.db*")))


async def fill(engine: Astrocyte) -> None:
    await engine.retain("my own diary", "user-ann")
    await engine.retain("noted by her", "team", context=ANN)
    await engine.retain("said by her", "team", speaker="Ann")
    await engine.retain("tagged as hers", "team", tags=["principal:user:ann"])
    await engine.retain("we met Ann in Oslo", "team")
    await engine.retain("annual reports are due", "team", speaker="Ben")
    await engine.retain("about Ben", "user-ben")


async def test_an_erasure_finds_everything_of_a_person_s_in_every_bank(plain: Astrocyte, url: str) -> None:
    await fill(plain)
    seen = await plain.erase("user:ann", names=["Ann"], dry_run=True)
    assert [(one.bank_id, one.memories, one.is_removed) for one in seen.banks] == [
        ("team", 3, False),
        ("user-ann", 1, False),
    ]
    assert seen.banks[0].because == {"retained_by": 1, "speaker": 1, "tag": 1, "mentions": 1}
    assert (seen.memories, seen.mentions, seen.is_dry_run, seen.is_scrubbed) == (4, 1, True, False)
    assert (await plain.bank_statistics("team")).memories == 5
    done = await plain.erase("ann", names=["Ann"], reason="she asked")
    assert (done.principal, done.memories, done.is_scrubbed) == ("user:ann", 4, url.startswith("sqlite"))
    left = {one.content for one in (await plain.list_memories("team")).memories}
    assert left == {"we met Ann in Oslo", "annual reports are due"}
    assert (await plain.erase("user:ann", names=["Ann"], include_mentions=True)).memories == 1
    assert {one.content for one in (await plain.list_memories("team")).memories} == {"annual reports are due"}
    assert (await plain.list_memories("user-ben")).memories
    assert [one.event["person"] for one in plain.audit.records("memory") if one.event["action"] == "erase"]


async def test_no_row_of_it_is_left(plain: Astrocyte, url: str) -> None:
    await plain.retain(f"{CANARY} is the word", "team", speaker="Ann", tags=[CANARY], metadata={"k": CANARY})
    await plain.retain("other", "team")
    assert CANARY in every_row(url)
    assert (await plain.erase("user:ann", names=["Ann"])).memories == 1
    assert CANARY not in every_row(url)


async def test_no_byte_of_it_is_left_in_the_files(tmp_path: Path) -> None:
    values = {"storage": {"url": f"sqlite:///{tmp_path}/memory.db"}, "embedding": {"provider": "none"}}
    async with Astrocyte.from_config_dict(values) as engine:
        await erase_and_look_at_the_bytes(engine, tmp_path)


async def erase_and_look_at_the_bytes(plain: Astrocyte, tmp_path: Path) -> None:
    others = [NewMemory(content=f"other fact {n} " + "filler " * (n % 60)) for n in range(400)]
    hers = [NewMemory(content=f"{CANARY} number {n} " + "words " * (n % 200), speaker="Ann") for n in range(300)]
    mixed = [one for pair in zip(others, hers, strict=False) for one in pair] + others[300:]
    for start in range(0, len(mixed), 50):
        await plain.retain_batch("team", mixed[start : start + 50])
    first = (await plain.list_memories("team", limit=2)).memories[1]
    await plain.update_memory("team", first.memory_id, content=f"{CANARY} changed", metadata={"k": CANARY})
    await plain.recall(CANARY, "team")
    assert CANARY.encode() in bytes_of(tmp_path)
    report = await plain.erase("user:ann", names=["Ann"])
    assert report.memories == 300
    assert CANARY.encode() not in bytes_of(tmp_path)
    assert (await plain.bank_statistics("team")).memories == 400
    assert plain._opened.store.problems() == []
    assert len((await plain.recall("other fact 7", "team")).hits) == 10


async def test_a_hold_anywhere_refuses_the_whole_of_it(plain: Astrocyte) -> None:
    await fill(plain)
    await plain.place_hold("team", "case-7", "why")
    assert (await plain.erase("user:ann", names=["Ann"], dry_run=True)).banks[0].holds == ["case-7"]
    with pytest.raises(LegalHoldActive, match="case-7"):
        await plain.erase("user:ann", names=["Ann"])
    assert (await plain.bank_statistics("user-ann")).memories == 1
    report = await plain.erase("user:ann", names=["Ann"], skip_held=True)
    assert [(one.bank_id, one.is_removed) for one in report.banks] == [("team", False), ("user-ann", True)]
    assert report.memories == 1
    assert (await plain.bank_statistics("team")).memories == 5


async def test_only_an_administrator_of_every_bank_may_erase(url: str) -> None:
    values = {
        "storage": {"url": url},
        "embedding": {"provider": "none"},
        "access_control": {"enabled": True},
        "access_grants": [{"bank_id": "team", "principal": "user:boss", "permissions": ["*"]}],
    }
    boss = AstrocyteContext("user:boss")
    async with Astrocyte.from_config_dict(values) as engine:
        await engine.retain("hers", "team", tags=["principal:user:ann"], context=boss)
        await engine.retain("own", "user-ann", context=ANN)
        with pytest.raises(AccessDenied, match="user-ann"):
            await engine.erase("user:ann", context=boss)
        assert (await engine.erase("user:ann", banks=["team"], context=boss)).memories == 1
        with pytest.raises(InvalidInput):
            await engine.erase(" ", banks=["team"], context=boss)
