"""Parts of a chain: found by their time, verified with the record before them as the seed, safe from forged times."""

import asyncio
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta

import pytest
from tests.foundation.test_audit import CHAIN, OTHER, TAMPERINGS, only_on_sqlite, tamper, where

from aster.foundation.audit import AuditLog
from aster.foundation.audit_verify import Head
from aster.foundation.errors import StorageCorrupt
from aster.foundation.sql import Database

FIRST = datetime(2026, 3, 1, tzinfo=UTC)


def day(number: int) -> str:
    """The time of the so manieth record, as records write it."""
    return (FIRST + timedelta(days=number)).isoformat(timespec="milliseconds").replace("+00:00", "Z")


def days(count: int, database: Database) -> AuditLog:
    """A chain of one record a day, and another of the same days."""
    now: Iterator[datetime] = (FIRST + timedelta(days=number // 2 + 1) for number in range(2 * count))
    log = AuditLog(database, now=lambda: next(now))
    for number in range(1, count + 1):
        for chain in (CHAIN, OTHER):
            asyncio.run(log.record(chain, {"type": "EVALUATED", "number": number}))
    return log


@pytest.mark.parametrize(
    ("since", "until", "found"),
    [
        (day(2), day(4), (2, 4)),
        (None, day(1), (1, 1)),
        (day(5), None, (5, 5)),
        (None, None, (1, 5)),
        (day(0), day(0), (1, 0)),
        (day(6), day(9), (6, 5)),
        ("2026-03-03T00:00:00.001Z", "2026-03-03T23:00:00.000Z", (3, 2)),
    ],
)
def test_records_are_found_by_their_time(
    database: Database, since: str | None, until: str | None, found: tuple[int, int]
) -> None:
    assert days(5, database).span(CHAIN, since, until) == found


def test_an_unknown_chain_has_no_records_of_a_time(database: Database) -> None:
    log = AuditLog(database)
    assert log.span("unknown", day(1), day(2)) == (1, 0)
    assert log.verify("unknown", since=day(1), until=day(2)).valid


def test_a_part_is_verified_alone(database: Database) -> None:
    log = days(5, database)
    found = log.verify(CHAIN, since=day(2), until=day(4))
    assert (found.valid, found.records, found.first_sequence, found.last_sequence) == (True, 3, 2, 4)


def test_an_empty_part_verifies(database: Database) -> None:
    found = days(5, database).verify(CHAIN, since=day(8), until=day(9))
    assert (found.valid, found.records) == (True, 0)


@only_on_sqlite
@pytest.mark.parametrize(("statements", "broken"), TAMPERINGS.values(), ids=TAMPERINGS)
def test_every_tampering_is_found_by_verifying_its_day(database: Database, statements: list[str], broken: int) -> None:
    log = days(5, database)
    since, until = day(broken), day(broken)
    assert log.verify(CHAIN, since=since, until=until).valid
    tamper(database, *statements)
    found = log.verify(CHAIN, since=since, until=until)
    assert not found.valid
    assert found.broken_sequence == broken
    assert found.reason


@only_on_sqlite
def test_what_was_changed_before_a_part_is_not_its_fault(database: Database) -> None:
    log = days(9, database)
    tamper(database, f"UPDATE audit_records SET body = CAST(replace(body, 'EVALUATED', 'X') AS BLOB) {where(2)}")
    assert log.verify(CHAIN, since=day(5), until=day(7)).valid
    assert not log.verify(CHAIN, since=day(1), until=day(7)).valid
    assert not log.verify(CHAIN).valid


@only_on_sqlite
@pytest.mark.parametrize("forged", [day(0), day(99)])
def test_a_record_can_not_leave_its_part_by_a_forged_time(database: Database, forged: str) -> None:
    log = days(9, database)
    for sequence in range(1, 10):
        change = "UPDATE audit_records SET body = CAST(replace(body, '{}', '{}') AS BLOB) " + where(sequence)
        tamper(database, change.format(day(sequence), forged))
        for first in range(1, sequence + 1):
            for last in range(sequence, 10):
                found = log.verify(CHAIN, since=day(first), until=day(last))
                assert not found.valid, (sequence, first, last)
        tamper(database, change.format(forged, day(sequence)))
    assert log.verify(CHAIN, since=day(1), until=day(9)).valid


@only_on_sqlite
def test_a_part_is_held_to_an_anchor_within_it_and_elsewhere(database: Database) -> None:
    log = days(5, database)
    for record in log.records(CHAIN):
        anchor = Head(CHAIN, record.sequence, record.hash)
        assert log.verify(CHAIN, since=day(3), until=day(4), anchor=anchor).valid
        wrong = log.verify(CHAIN, since=day(3), until=day(4), anchor=Head(CHAIN, record.sequence, "00" * 32))
        assert (wrong.valid, wrong.broken_sequence) == (False, record.sequence)
    cut = log.verify(CHAIN, since=day(3), until=day(4), anchor=Head(CHAIN, 6, "00" * 32))
    assert (cut.valid, cut.broken_sequence) == (False, 6)


@only_on_sqlite
def test_a_record_without_a_time_is_named_when_records_are_looked_for(database: Database) -> None:
    log = days(5, database)
    tamper(database, f"UPDATE audit_records SET body = x'00ff' {where(3)}")
    with pytest.raises(StorageCorrupt, match="has no time"):
        log.span(CHAIN, day(2), day(4))


def test_a_day_of_a_long_chain_is_found_with_few_look_ups(database: Database, monkeypatch: pytest.MonkeyPatch) -> None:
    log = AuditLog(database, now=lambda: FIRST)
    entries = [(CHAIN, {"number": number}) for number in range(5_000)]
    database.write_now(lambda connection: log.append_many(connection, entries))
    asked: list[str] = []

    def counted(connection: object) -> tuple[int, int]:
        from aster.foundation.audit_span import span

        class Counting:
            def execute(self, statement: str, parameters: object = ()) -> object:
                asked.append(statement)
                return connection.execute(statement, parameters)  # type: ignore[attr-defined]

        return span(Counting(), CHAIN, 5_000, day(0), day(9))  # type: ignore[arg-type]

    assert database.read_now(counted) == (1, 5_000)
    assert len(asked) <= 26
