"""The journal: groups of entries, each of which stands or falls alone."""

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path

import msgspec
import pytest
from tests.policy.service.asgi import SECRET, send, signed

from aster.foundation.audit import AuditError, AuditLog
from aster.foundation.errors import StorageError
from aster.foundation.sql import Connection, Database
from aster.policy.service.app import create_policy_service
from aster.policy.service.errors import NonceReplayed
from aster.policy.service.journal import Journal
from aster.policy.service.nonces import NonceStore
from aster.policy.service.settings import PolicySettings

STORES = ("sqlite", "postgres")

NOW = 1_708_776_000_000


@pytest.fixture
async def journal(tmp_path: Path) -> AsyncIterator[tuple[Journal, Database]]:
    database = Database.open(tmp_path / "policy.db", durability="normal")
    database.migrate("policy", "aster.policy.service.migrations")
    yield Journal(database, AuditLog(database)), database
    await database.close()


async def test_a_replay_in_a_group_fails_alone(journal: tuple[Journal, Database]) -> None:
    book, database = journal
    store = NonceStore()
    await book.record(store.claim("acme", "used", received_ms=NOW, timestamp_ms=NOW), "c", [{"n": 0}])
    fresh = NonceStore()
    claims = [fresh.claim("acme", name, received_ms=NOW + 1, timestamp_ms=NOW) for name in ("a", "used", "b", "c", "d")]
    outcomes = await asyncio.gather(
        *(book.record(each, "c", [{"n": number}]) for number, each in enumerate(claims, 1)), return_exceptions=True
    )
    assert [type(outcome) for outcome in outcomes] == [type(None), NonceReplayed, type(None), type(None), type(None)]
    assert all(each.settled for each in claims)
    assert [record.event["n"] for record in AuditLog(database).records("c")] == [0, 1, 3, 4, 5]
    assert AuditLog(database).verify("c").valid


async def test_entries_keep_their_order_and_their_chains(journal: tuple[Journal, Database]) -> None:
    book, database = journal
    await asyncio.gather(*(book.record(None, f"chain{number % 3}", [{"n": number}]) for number in range(1500)))
    for chain in range(3):
        records = AuditLog(database).records(f"chain{chain}", limit=1000)
        assert [record.event["n"] for record in records] == list(range(chain, 1500, 3))
        assert AuditLog(database).verify(f"chain{chain}").valid


async def test_a_failed_group_fails_every_entry_and_settles_none(journal: tuple[Journal, Database]) -> None:
    book, database = journal
    await database.close()
    claims = [NonceStore().claim("acme", name, received_ms=NOW, timestamp_ms=NOW) for name in "ab"]
    outcomes = await asyncio.gather(*(book.record(each, "c", [{}]) for each in claims), return_exceptions=True)
    assert all(isinstance(outcome, StorageError) for outcome in outcomes)
    assert not any(each.settled for each in claims)


async def test_a_caller_who_gives_up_does_not_undo_its_entry(journal: tuple[Journal, Database]) -> None:
    book, database = journal
    book.record(None, "c", [{"n": 1}]).cancel()
    await book.record(None, "c", [{"n": 2}])
    assert [record.event["n"] for record in AuditLog(database).records("c")] == [1, 2]


async def test_of_50_equal_evaluations_on_two_processes_one_is_recorded(tmp_path: Path) -> None:
    target = "/api/v1/policies/evaluate-source"
    body = msgspec.json.encode({"source": "Module m.\n\nRule r produce Int:\n  Return 1.\n"})
    databases = [Database.open(tmp_path / "policy.db", durability="normal") for _ in range(2)]
    services = [create_policy_service(each, PolicySettings(secret_key=SECRET), environ={}) for each in databases]
    headers = signed("POST", target, body)
    answers = await asyncio.gather(*(send(services[turn % 2], "POST", target, body, headers) for turn in range(50)))
    assert sorted(answer.status for answer in answers) == [200] + [409] * 49
    assert AuditLog(databases[0]).verify("policy:acme-corp").records == 1
    for database in databases:
        await database.close()


async def test_an_event_that_cannot_be_recorded_fails_alone(journal: tuple[Journal, Database]) -> None:
    book, database = journal
    outcomes = await asyncio.gather(
        *(book.record(None, "c", [{"n": number if number != 2 else object()}]) for number in range(4)),
        return_exceptions=True,
    )
    assert [type(outcome) for outcome in outcomes] == [type(None), type(None), AuditError, type(None)]
    assert [record.event["n"] for record in AuditLog(database).records("c")] == [0, 1, 3]


async def test_what_arrives_in_the_next_turns_of_the_loop_joins_the_group(journal: tuple[Journal, Database]) -> None:
    book, database = journal
    transactions = 0

    def count(connection: Connection) -> None:
        nonlocal transactions
        transactions += 1

    database.after_writes(count)

    async def later(turns: int) -> None:
        for _ in range(turns):
            await asyncio.sleep(0)
        await book.record(None, "c", [{"n": turns}])

    await asyncio.gather(*map(later, range(5)))
    assert transactions == 1
    assert [record.event["n"] for record in AuditLog(database).records("c")] == [0, 1, 2, 3, 4]


@pytest.mark.parametrize(("company", "transactions"), [(2, 1), (1, 2)])
async def test_a_group_waits_for_those_who_came_together_before_and_nobody_who_came_alone_waits(
    journal: tuple[Journal, Database], company: int, transactions: int
) -> None:
    book, database = journal
    await asyncio.gather(*(book.record(None, "c", [{"n": 0}]) for _ in range(company)))
    made: list[Connection] = []
    database.after_writes(made.append)

    async def later(turns: int) -> None:
        for _ in range(turns):
            await asyncio.sleep(0)
        await book.record(None, "c", [{"n": turns}])

    await asyncio.gather(later(0), later(4))
    assert len(made) == transactions


async def test_a_group_that_goes_on_growing_is_written_in_the_end(
    journal: tuple[Journal, Database], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("aster.policy.service.journal.MOST_TURNS", 8)
    monkeypatch.setattr("aster.policy.service.journal.GROUP_ENTRIES", 10**9)
    book, _ = journal
    first = book.record(None, "c", [{"n": 0}])
    answers = [first]
    async with asyncio.timeout(60):
        while not first.done():
            answers.append(book.record(None, "c", [{"n": len(answers)}]))
            await asyncio.sleep(0)
        await asyncio.gather(*answers)
