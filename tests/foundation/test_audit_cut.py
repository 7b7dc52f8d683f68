"""Cutting a chain at its beginning: the rest verifies, the cut is told in it, and nobody can shorten it otherwise."""

from typing import Any

import pytest
from tests.foundation.test_audit import CHAIN, OTHER, only_on_sqlite, tamper, where
from tests.foundation.test_audit_span import day, days

from aster.foundation.audit import AuditLog
from aster.foundation.audit_verify import Head
from aster.foundation.errors import StorageCorrupt
from aster.foundation.sql import Database

EVENT = {"type": "CUT"}


def cut(log: AuditLog, database: Database, before: str, limit: int = 100) -> int:
    return database.write_now(lambda link: log.cut(link, CHAIN, before=before, limit=limit, event=EVENT))


def day_by_day(database: Database) -> AuditLog:
    """Nine days in each chain, and a clock that goes on."""
    days(9, database)
    return AuditLog(database)


def test_what_is_left_verifies_and_tells_the_cut(database: Database) -> None:
    log = day_by_day(database)
    seventh = log.records(CHAIN)[6]
    assert cut(log, database, day(7)) == 7
    records = log.records(CHAIN)
    assert [record.sequence for record in records] == [8, 9, 10]
    assert records[0].previous_hash == seventh.hash
    assert records[-1].event["cut"] == {"through": 7, "hash": seventh.hash}
    found = log.verify(CHAIN)
    assert (found.valid, found.records, found.first_sequence, found.last_sequence) == (True, 3, 8, 10)
    assert (log.kept(CHAIN), log.kept(OTHER)) == (3, 9)
    assert log.verify(OTHER).records == 9


def test_cutting_goes_on_where_it_ended(database: Database) -> None:
    log = day_by_day(database)
    assert [cut(log, database, day(5), limit=2) for _ in range(4)] == [2, 2, 1, 0]
    assert cut(log, database, "9999-01-01T00:00:00.000Z") == 7
    assert [record.event.get("cut", {}).get("through") for record in log.records(CHAIN)] == [12]
    assert log.verify(CHAIN).valid


def test_nothing_is_cut_when_nothing_is_old(database: Database) -> None:
    log = day_by_day(database)
    head = log.head(CHAIN)
    assert cut(log, database, day(0)) == 0
    assert log.head(CHAIN) == head
    assert database.write_now(lambda link: log.cut(link, "unknown", before=day(9), limit=9, event=EVENT)) == 0


def test_parts_verify_after_a_cut(database: Database) -> None:
    log = day_by_day(database)
    cut(log, database, day(4))
    for since, until, counted in ((day(1), day(9), 5), (day(5), day(5), 1), (day(6), day(7), 2), (day(1), day(3), 0)):
        found = log.verify(CHAIN, since=since, until=until)
        assert (found.valid, found.records) == (True, counted), (since, until)


def test_anchors_hold_what_was_not_cut(database: Database) -> None:
    log = day_by_day(database)
    anchors = [Head(CHAIN, record.sequence, record.hash) for record in log.records(CHAIN)]
    cut(log, database, day(4))
    for anchor in anchors:
        assert log.verify(CHAIN, anchor=anchor).valid
        assert log.verify(CHAIN, anchor=anchor, since=day(6), until=day(7)).valid
    for sequence in (4, 5, 9):
        assert not log.verify(CHAIN, anchor=Head(CHAIN, sequence, "00" * 32)).valid


TAMPERINGS: dict[str, list[str]] = {
    "more cut than is told": [
        f"DELETE FROM audit_records {where(5)}",
        f"UPDATE audit_cuts SET sequence = 5, hash = (SELECT hash FROM audit_records {where(6)})",
    ],
    "the telling record removed with the tail": [
        f"DELETE FROM audit_records {where(10)}",
        f"UPDATE audit_chains SET sequence = 9, hash = (SELECT hash FROM audit_records {where(9)}) WHERE id = 1",
    ],
    "the telling record changed": [
        f"UPDATE audit_records SET body = CAST(replace(body, '\"through\":4', '\"through\":3') AS BLOB) {where(10)}"
    ],
    "the cut forgotten": ["DELETE FROM audit_cuts"],
    "the cut's hash changed": ["UPDATE audit_cuts SET hash = zeroblob(32)"],
    "another record said to tell it": ["UPDATE audit_cuts SET told_by = 9"],
    "no record said to tell it": ["UPDATE audit_cuts SET told_by = 99"],
    "the first record that is left": [f"DELETE FROM audit_records {where(5)}"],
}


@only_on_sqlite
@pytest.mark.parametrize("statements", TAMPERINGS.values(), ids=TAMPERINGS)
def test_a_chain_can_not_be_shortened_otherwise(database: Database, statements: list[str]) -> None:
    log = day_by_day(database)
    cut(log, database, day(4))
    assert log.verify(CHAIN).valid
    tamper(database, *statements)
    found: Any = log.verify(CHAIN)
    assert not found.valid
    assert found.reason
    assert not log.verify(CHAIN, since=day(1), until="9999-01-01T00:00:00.000Z").valid


@only_on_sqlite
def test_records_cut_without_a_word_are_missed(database: Database) -> None:
    log = day_by_day(database)
    tamper(
        database,
        f"INSERT INTO audit_cuts SELECT chain, 3, hash, 9 FROM audit_records {where(3)}",
        *(f"DELETE FROM audit_records {where(number)}" for number in (1, 2, 3)),
    )
    found = log.verify(CHAIN)
    assert (found.valid, found.broken_sequence) == (False, 4)


@only_on_sqlite
def test_a_broken_chain_is_not_cut(database: Database) -> None:
    log = day_by_day(database)
    tamper(database, f"UPDATE audit_records SET body = CAST(replace(body, 'EVALUATED', 'X') AS BLOB) {where(2)}")
    with pytest.raises(StorageCorrupt, match="does not verify"):
        cut(log, database, day(5))
    assert log.kept(CHAIN) == 9
    assert cut(log, database, day(1)) == 1
