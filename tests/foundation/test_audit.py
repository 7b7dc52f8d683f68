"""The hash chain: anything recorded verifies, and no tampering with the stored rows goes unseen."""

import asyncio
import hashlib
import sqlite3
from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from functools import partial
from pathlib import Path
from typing import Any

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from aster.foundation.audit import AuditError, AuditLog, AuditRecord, Event
from aster.foundation.audit_rows import GENESIS
from aster.foundation.audit_verify import Head, chain_hash
from aster.foundation.errors import StorageCorrupt
from aster.foundation.sql import Connection, Database, SqliteDatabase

only_on_sqlite = pytest.mark.parametrize("database", ["sqlite"], indirect=True)
"""Where rows are tampered with in SQLite's own words."""

CHAIN = "tenant-a"
OTHER = "tenant-b"

words = st.text(st.characters(exclude_categories=["Cs"]), max_size=12)
values = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**70), 2**70) | st.floats() | words,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(words, inner, max_size=3),
    max_leaves=6,
)
events = st.dictionaries(words.filter(lambda key: key not in {"chain", "sequence", "occurredAt"}), values, max_size=4)


@pytest.fixture
def log(database: Database) -> AuditLog:
    return AuditLog(database, now=lambda: datetime(2026, 3, 1, 12, 30, 0, 250_000, tzinfo=UTC))


@pytest.fixture
async def five(log: AuditLog) -> AuditLog:
    """Five records in each of two chains."""
    for number in range(1, 6):
        await log.record(CHAIN, {"type": "EVALUATED", "number": number})
        await log.record(OTHER, {"type": "EVALUATED", "number": number})
    return log


def tamper(database: Database, *statements: str) -> None:
    """Change the stored rows as somebody with the file in hand would: with another connection."""
    assert isinstance(database, SqliteDatabase)
    connection = sqlite3.connect(database.path)
    for statement in statements:
        connection.execute(statement)
    connection.commit()
    connection.close()


def where(sequence: int, chain: str = CHAIN) -> str:
    return f"WHERE sequence = {sequence} AND chain = (SELECT id FROM audit_chains WHERE name = '{chain}')"


async def test_a_record_says_everything_about_itself(log: AuditLog) -> None:
    first = await log.record(CHAIN, {"type": "CREATED"})
    second = await log.record(CHAIN, {"type": "DELETED"})
    assert first == AuditRecord(CHAIN, 1, "2026-03-01T12:30:00.250Z", {"type": "CREATED"}, "0" * 64, first.hash)
    assert (second.sequence, second.previous_hash) == (2, first.hash)
    assert log.records(CHAIN) == [first, second]
    assert log.records(CHAIN, after=1) == [second]
    assert log.records(CHAIN, limit=1) == [first]
    assert log.head(CHAIN) == Head(CHAIN, 2, second.hash)


async def test_the_hash_is_the_documented_one(log: AuditLog) -> None:
    record = await log.record(CHAIN, {"b": 1, "a": "ä"})
    body = '{"a":"ä","b":1,"chain":"tenant-a","occurredAt":"2026-03-01T12:30:00.250Z","sequence":1}'.encode()
    assert record.hash == chain_hash(GENESIS, body).hex()
    assert record.hash == hashlib.sha256(b"aster-audit-v1\n" + bytes(32) + body).hexdigest()


async def test_chains_are_independent(five: AuditLog) -> None:
    assert five.chains() == [CHAIN, OTHER]
    assert [record.sequence for record in five.records(OTHER)] == [1, 2, 3, 4, 5]
    assert five.head(CHAIN).hash != five.head(OTHER).hash


def test_an_unknown_chain_is_empty_and_valid(log: AuditLog) -> None:
    assert log.head("nobody") == Head("nobody", 0, "0" * 64)
    assert log.records("nobody") == []
    found = log.verify("nobody")
    assert (found.valid, found.records, found.head) == (True, 0, "0" * 64)


@settings(deadline=None, max_examples=40)
@given(sequence=st.lists(st.tuples(st.sampled_from([CHAIN, OTHER]), events), max_size=12))
def test_any_sequence_of_events_verifies(
    tmp_path_factory: pytest.TempPathFactory, sequence: list[tuple[str, dict[str, Any]]]
) -> None:
    database = Database.open(tmp_path_factory.mktemp("audit") / "audit.db", durability="normal")
    try:
        log = AuditLog(database)
        for chain, event in sequence:
            database.write_now(partial(log.append, chain=chain, event=event))
        for chain in (CHAIN, OTHER):
            recorded = [event for name, event in sequence if name == chain]
            found = log.verify(chain, anchor=log.head(chain))
            assert (found.valid, found.records, found.broken_sequence) == (True, len(recorded), None)
            stored = [record.event for record in log.records(chain)]
            assert stored == msgspec.json.decode(msgspec.json.encode(recorded))
    finally:
        database.close_now()


async def test_concurrent_records_form_one_chain_without_gaps(log: AuditLog) -> None:
    await asyncio.gather(*(log.record(CHAIN, {"number": number}) for number in range(100)))
    assert [record.sequence for record in log.records(CHAIN)] == list(range(1, 101))
    assert log.verify(CHAIN).valid


async def test_a_record_lives_or_dies_with_its_transaction(database: Database, five: AuditLog) -> None:
    head = five.head(CHAIN)

    def fails(connection: Connection) -> None:
        five.append(connection, CHAIN, {"type": "NEVER"})
        five.append(connection, "new-chain", {"type": "NEVER"})
        raise LookupError("undo")

    with pytest.raises(LookupError):
        await database.write(fails)
    assert five.head(CHAIN) == head
    assert "new-chain" not in five.chains()
    assert (await five.record(CHAIN, {"type": "NEXT"})).sequence == 6
    assert five.verify(CHAIN).valid


def copied_row(sequence: int, source: int) -> str:
    columns = "INSERT INTO audit_records (chain, sequence, body, hash)"
    return f"{columns} SELECT chain, {sequence}, body, hash FROM audit_records {where(source)}"


TAMPERINGS: dict[str, tuple[list[str], int]] = {
    "a changed field": (
        [f"UPDATE audit_records SET body = CAST(replace(body, 'EVALUATED', 'APPROVED!') AS BLOB) {where(3)}"],
        3,
    ),
    "a body that is no longer JSON": ([f"UPDATE audit_records SET body = x'00ff' {where(3)}"], 3),
    "a body that became text": ([f"UPDATE audit_records SET body = 'text' {where(3)}"], 3),
    "a body that became text that is not UTF-8": (
        [f"UPDATE audit_records SET body = CAST(x'ff' AS TEXT) {where(3)}"],
        3,
    ),
    "a body that became a number": ([f"UPDATE audit_records SET body = 7 {where(3)}"], 3),
    "a body that became a huge number": ([f"UPDATE audit_records SET body = 9223372036854775807 {where(3)}"], 3),
    "a changed hash": ([f"UPDATE audit_records SET hash = zeroblob(32) {where(3)}"], 3),
    "an emptied hash": ([f"UPDATE audit_records SET hash = x'' {where(3)}"], 3),
    "a hash that became text": ([f"UPDATE audit_records SET hash = lower(hex(hash)) {where(3)}"], 3),
    "the last record's hash": ([f"UPDATE audit_records SET hash = zeroblob(32) {where(5)}"], 5),
    "a changed sequence": ([f"UPDATE audit_records SET sequence = 9 {where(3)}"], 3),
    "a sequence that became text": ([f"UPDATE audit_records SET sequence = '3x' {where(3)}"], 3),
    "a removed first row": ([f"DELETE FROM audit_records {where(1)}"], 1),
    "a removed middle row": ([f"DELETE FROM audit_records {where(3)}"], 3),
    "a removed middle row, the rest renumbered": (
        [f"DELETE FROM audit_records {where(3)}"]
        + [f"UPDATE audit_records SET sequence = {number - 1} {where(number)}" for number in (4, 5)],
        3,
    ),
    "a removed tail": ([f"DELETE FROM audit_records {where(5)}"], 5),
    "a removed tail of several": ([f"DELETE FROM audit_records {where(number)}" for number in (4, 5)], 4),
    "all rows removed": ([f"DELETE FROM audit_records {where(number)}" for number in range(1, 6)], 1),
    "a row inserted at the end": (
        [
            copied_row(6, 5),
        ],
        6,
    ),
    "a row inserted in the middle": (
        [f"UPDATE audit_records SET sequence = {number + 1} {where(number)}" for number in (5, 4, 3)]
        + [
            copied_row(3, 2),
        ],
        3,
    ),
    "swapped rows": (
        [
            f"UPDATE audit_records SET sequence = -1 {where(2)}",
            f"UPDATE audit_records SET sequence = 2 {where(4)}",
            f"UPDATE audit_records SET sequence = 4 {where(-1)}",
        ],
        2,
    ),
    "a row moved to another chain": (
        [
            f"DELETE FROM audit_records {where(3)}",
            f"UPDATE audit_records SET chain = (SELECT id FROM audit_chains WHERE name = '{CHAIN}') {where(3, OTHER)}",
        ],
        3,
    ),
    "the first row of another chain": (
        [
            f"DELETE FROM audit_records {where(1)}",
            f"UPDATE audit_records SET chain = (SELECT id FROM audit_chains WHERE name = '{CHAIN}') {where(1, OTHER)}",
        ],
        1,
    ),
    "two chains that changed names": (
        [
            f"UPDATE audit_chains SET name = 'x' WHERE name = '{CHAIN}'",
            f"UPDATE audit_chains SET name = '{CHAIN}' WHERE name = '{OTHER}'",
        ],
        1,
    ),
    "a changed head": ([f"UPDATE audit_chains SET hash = zeroblob(32) WHERE name = '{CHAIN}'"], 6),
    "a head that became text": ([f"UPDATE audit_chains SET hash = 'text' WHERE name = '{CHAIN}'"], 6),
    "a head that counts one more": ([f"UPDATE audit_chains SET sequence = 6 WHERE name = '{CHAIN}'"], 6),
}


@only_on_sqlite
@pytest.mark.parametrize(("statements", "broken"), TAMPERINGS.values(), ids=TAMPERINGS)
async def test_tampering_is_found_where_it_is(
    database: Database, five: AuditLog, statements: list[str], broken: int
) -> None:
    assert five.verify(CHAIN).valid
    tamper(database, *statements)
    found = five.verify(CHAIN)
    assert not found.valid
    assert found.broken_sequence == broken
    assert found.records == broken - 1
    assert found.reason


def rewrite(database: Database, sequence: int, change: Callable[[bytes], bytes]) -> None:
    """Change one record of the first chain and recompute every hash after it, as a knowing forger would."""
    assert isinstance(database, SqliteDatabase)
    connection = sqlite3.connect(database.path)
    previous = GENESIS
    for number, body, digest in connection.execute(
        "SELECT sequence, body, hash FROM audit_records WHERE chain = 1 ORDER BY sequence"
    ).fetchall():
        changed = change(body) if number == sequence else body
        previous = chain_hash(previous, changed) if number >= sequence else digest
        connection.execute(
            "UPDATE audit_records SET body = ?, hash = ? WHERE chain = 1 AND sequence = ?", (changed, previous, number)
        )
    connection.execute("UPDATE audit_chains SET hash = ? WHERE id = 1", (previous,))
    connection.commit()
    connection.close()


@only_on_sqlite
async def test_a_chain_forged_as_a_whole_is_found_by_an_anchor_alone(database: Database, five: AuditLog) -> None:
    anchor = five.head(CHAIN)
    await five.record(CHAIN, {"type": "LATER"})
    assert five.verify(CHAIN, anchor=anchor).valid
    rewrite(database, 2, lambda body: body.replace(b"EVALUATED", b"FORGED"))
    assert five.verify(CHAIN).valid
    found = five.verify(CHAIN, anchor=anchor)
    assert (found.valid, found.broken_sequence) == (False, 5)


@only_on_sqlite
async def test_a_tail_cut_with_its_head_is_found_by_an_anchor(database: Database, five: AuditLog) -> None:
    anchor = five.head(CHAIN)
    tamper(
        database,
        f"DELETE FROM audit_records {where(5)}",
        "UPDATE audit_chains SET sequence = 4,"
        f" hash = (SELECT hash FROM audit_records {where(4)}) WHERE name = '{CHAIN}'",
    )
    assert five.verify(CHAIN).valid
    found = five.verify(CHAIN, anchor=anchor)
    assert (found.valid, found.broken_sequence) == (False, 5)


@only_on_sqlite
async def test_a_chain_removed_as_a_whole_is_found_by_an_anchor(database: Database, five: AuditLog) -> None:
    anchor = five.head(CHAIN)
    tamper(database, "DELETE FROM audit_records WHERE chain = 1", "DELETE FROM audit_chains WHERE id = 1")
    found = five.verify(CHAIN, anchor=anchor)
    assert (found.valid, found.broken_sequence) == (False, 1)


@only_on_sqlite
@pytest.mark.parametrize(
    "body",
    [b"\xff", b'{"a":"\xff"}', b"[]", b"7", b"", b'{"a":' * 100_000, b"{}", b'{"chain":"tenant-b","sequence":3}'],
)
async def test_a_forged_body_of_the_wrong_shape_is_found(database: Database, five: AuditLog, body: bytes) -> None:
    rewrite(database, 3, lambda _: body)
    found = five.verify(CHAIN)
    assert (found.valid, found.broken_sequence) == (False, 3)


@only_on_sqlite
@pytest.mark.parametrize("body", ["x'00ff'", "'text'", "7", "CAST('{}' AS BLOB)", "CAST('[]' AS BLOB)"])
async def test_reading_a_damaged_record_names_it(database: Database, five: AuditLog, body: str) -> None:
    tamper(database, f"UPDATE audit_records SET body = {body} {where(3)}")
    with pytest.raises(StorageCorrupt, match="record 3 of 'tenant-a'"):
        five.records(CHAIN)
    assert len(five.records(CHAIN, limit=2)) == 2


async def test_a_chain_still_verifies_after_the_database_was_opened_again(file: Path) -> None:
    for number in range(3):
        database = Database.open(file, durability="normal")
        log = AuditLog(database)
        await log.record(CHAIN, {"number": number})
        assert log.verify(CHAIN).records == number + 1
        await database.close()


@pytest.mark.parametrize("name", ["", "with space", "x" * 256, "new\nline", "ü", "a/b"])
async def test_a_name_that_is_no_chain_is_refused(log: AuditLog, name: str) -> None:
    with pytest.raises(AuditError):
        await log.record(name, {})


@pytest.mark.parametrize("field", ["chain", "sequence", "occurredAt"])
async def test_an_event_cannot_set_the_fields_of_the_chain(log: AuditLog, field: str) -> None:
    with pytest.raises(AuditError, match=field):
        await log.record(CHAIN, {field: "x"})


@pytest.mark.parametrize("value", ["\ud800", object(), {1: "a"}], ids=["surrogate", "object", "number as key"])
async def test_an_event_that_is_not_json_is_refused_and_leaves_nothing(log: AuditLog, value: object) -> None:
    with pytest.raises(AuditError):
        await log.record(CHAIN, {"value": value})
    assert log.head(CHAIN).sequence == 0
    assert log.chains() == []


def test_many_appended_at_once_are_as_if_one_by_one(database: Database) -> None:
    log = AuditLog(database)
    entries = [("a", {"n": 1}), ("b", {"n": 2}), ("a", {"n": 3})]
    database.write_now(lambda connection: log.append_many(connection, entries))
    records = log.records("a")
    assert [(record.sequence, record.event) for record in records] == [(1, {"n": 1}), (2, {"n": 3})]
    assert records[1].previous_hash == records[0].hash
    assert [record.event for record in log.records("b")] == [{"n": 2}]
    assert log.verify("a").valid
    assert log.verify("b").valid


def test_more_records_and_chains_than_a_statement_takes_are_appended_in_order(database: Database) -> None:
    log = AuditLog(database)
    entries = [(f"chain{number % 300}", {"n": number}) for number in range(900)]
    database.write_now(lambda connection: log.append_many(connection, entries))
    database.write_now(lambda connection: log.append_many(connection, entries))
    for chain in (0, 1, 255, 256, 299):
        numbers = [chain, chain + 300, chain + 600]
        assert [record.event["n"] for record in log.records(f"chain{chain}")] == numbers * 2
        assert log.verify(f"chain{chain}").valid


class Ping(msgspec.Struct, rename="camel"):
    """An event of a fixed form."""

    weight: int
    actor: str
    chain: str = ""
    occurred_at: str = ""
    sequence: int = 0
    more: dict[str, int] = {}


def test_an_event_of_a_fixed_form_is_recorded_as_a_mapping_would_be(database: Database) -> None:
    log = AuditLog(database)
    known = {"actor": "a", "more": {"a": 2, "z": 1}, "weight": 2}
    events: list[Event | Mapping[str, Any]] = [Ping(2, "a", more={"z": 1, "a": 2}), known]
    database.write_now(lambda connection: log.append_many(connection, [("x", event) for event in events]))
    first, second = log.records("x")
    assert first.event == second.event == known
    bodies = database.read_now(lambda connection: connection.execute("SELECT body FROM audit_records").fetchall())
    assert bytes(bodies[0][0]).replace(b'"sequence":1', b'"sequence":2') == bytes(bodies[1][0])
    assert (first.sequence, second.sequence, first.occurred_at) == (1, 2, second.occurred_at)
    assert log.verify("x").valid


def test_an_event_of_a_fixed_form_that_is_not_json_is_refused(database: Database) -> None:
    log = AuditLog(database)
    with pytest.raises(AuditError):
        database.write_now(lambda connection: log.append_many(connection, [("x", Ping(1, "\ud800"))]))
    assert log.chains() == []


def test_one_bad_event_of_many_leaves_nothing_behind(database: Database) -> None:
    log = AuditLog(database)
    with pytest.raises(AuditError):
        database.write_now(lambda connection: log.append_many(connection, [("a", {"n": 1}), ("a", {"n": object()})]))
    assert log.verify("a").records == 0
