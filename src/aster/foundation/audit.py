"""The audit log: hash-chained records, written in the same transaction as what they record.

Rules it keeps:

* A record's body is canonical JSON (UTF-8, keys sorted, no spaces) of *everything* it says, with its chain's name and
  its sequence number; sequences start at 1 and have no gaps.
* ``hash = SHA-256(b"aster-audit-v1\\n" + previous hash (32 bytes) + body)``; before the first record the previous hash
  is 32 zero bytes. A change, removal, insertion, swap, or move to another chain therefore breaks the chain.
* With a key (`AuditLog(key=…)`) the hash is the HMAC-SHA256 of the same under it: who can write the database, but has
  no key, can't make a chain that verifies.
* The chain's head (sequence and hash of the last record) is kept beside it, so a cut tail is seen too. Whoever can
  rewrite the whole file can forge both: keep a copy of `AuditLog.head` elsewhere and pass it to `verify` as ``anchor``.
"""

import re
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from datetime import UTC, datetime
from functools import lru_cache
from itertools import chain as chained
from typing import Any, Protocol, TypeVar

import msgspec

from aster.foundation.audit_cut import FIELD, Cut, cut_of, make_cut
from aster.foundation.audit_rows import GENESIS, hash_at, head_of, rows_of
from aster.foundation.audit_span import span
from aster.foundation.audit_verify import (
    UNREADABLE,
    ChainHash,
    Head,
    Verification,
    decode_body,
    is_told,
    keyed_chain_hash,
    verify_chain,
    verify_rows,
)
from aster.foundation.errors import AsterError, StorageCorrupt
from aster.foundation.sql import Connection, Database

STATEMENT_ROWS = 256
"""Rows written by one statement."""

RESERVED = frozenset({"chain", "sequence", "occurredAt"})

_CHAIN_NAME = re.compile(r"[A-Za-z0-9_.:@-]{1,255}")
_MARKS = "(?, ?, ?, ?)"
_encode = msgspec.json.Encoder(order="sorted").encode


T = TypeVar("T")
_Row = tuple[int, int, bytes, bytes]


class Event(Protocol):
    """An event of a fixed form: a struct with these three fields, which the log fills in when the record is written."""

    chain: str
    sequence: int
    occurred_at: str


class AuditError(AsterError):
    """An event can't be recorded as it is."""

    code = "AUDIT_INVALID"


class AuditRecord(msgspec.Struct, frozen=True, rename="camel"):
    """One record as read back: what happened, and its place in the chain. Hashes are lower-case hex."""

    chain: str
    sequence: int
    occurred_at: str
    event: dict[str, Any]
    previous_hash: str
    hash: str


def utc_now() -> datetime:
    return datetime.now(UTC)


class AuditLog:
    """The chains of one database. Appending costs O(1), verifying O(records)."""

    def __init__(self, database: Database, *, now: Callable[[], datetime] = utc_now, key: bytes | None = None) -> None:
        """With a ``key``, which must be there from a chain's first record on, hashes are HMACs under it."""
        self._hashed = keyed_chain_hash(key)
        self._database = database
        self._now = now
        database.migrate("audit", "aster.foundation.migrations")

    async def record(self, chain: str, event: Mapping[str, Any]) -> AuditRecord:
        """Append in a transaction of its own; returns once the record is durable."""
        return await self._database.write(lambda connection: self.append(connection, chain, event))

    def append(self, connection: Connection, chain: str, event: Mapping[str, Any]) -> AuditRecord:
        """Append inside the caller's transaction: the record and what it records live or die together."""
        head = self._heads(connection, [chain])[chain]
        previous = head.hash
        occurred_at = self._timestamp()
        self._write(connection, [head.row(event, occurred_at)], [head])
        return AuditRecord(chain, head.sequence, occurred_at, dict(event), previous.hex(), head.hash.hex())

    def append_many(self, connection: Connection, entries: Sequence[tuple[str, Mapping[str, Any] | Event]]) -> None:
        """`append` for many ``(chain, event)``, in order, in three statements whatever their number."""
        heads = self._heads(connection, list(dict.fromkeys(chain for chain, _ in entries)))
        occurred_at = self._timestamp()
        self._write(connection, [heads[chain].row(event, occurred_at) for chain, event in entries], heads.values())

    def _timestamp(self) -> str:
        return self._now().isoformat(timespec="milliseconds").replace("+00:00", "Z")

    def _heads(self, connection: Connection, chains: Sequence[str]) -> "dict[str, _Head]":
        found: dict[str, _Head] = {}
        for part in _parts(chains):
            rows = connection.execute(_heads_of(len(part)), part)
            found.update((row[1], _Head(*row, hashed=self._hashed)) for row in rows)
        for chain in chains:
            if chain not in found:
                found[chain] = self._begin(connection, chain)
        return found

    def _begin(self, connection: Connection, chain: str) -> "_Head":
        if not _CHAIN_NAME.fullmatch(chain):
            raise AuditError(f"'{chain[:80]}' can't name an audit chain")
        connection.execute("INSERT INTO audit_chains (name, sequence, hash) VALUES (?, 0, ?)", (chain, GENESIS))
        return _Head(*connection.execute(_heads_of(1), (chain,)).fetchone(), hashed=self._hashed)

    def _write(self, connection: Connection, rows: Sequence["_Row"], heads: Iterable["_Head"]) -> None:
        for part in _parts(rows):
            connection.execute(_insertion(len(part)), [*chained.from_iterable(part)])
        moved = [(head.id, head.chain, head.sequence, head.hash) for head in heads]
        for moved_part in _parts(moved):
            connection.execute(_movement(len(moved_part)), [*chained.from_iterable(moved_part)])

    def cut(self, connection: Connection, chain: str, *, before: str, limit: int, event: Mapping[str, Any]) -> int:
        """Remove up to ``limit`` records older than a time, inside the caller's transaction; returns how many.

        ``event`` is recorded with how far was cut. Raises `StorageCorrupt` for what does not verify: evidence stays.
        """
        head = head_of(connection, chain) or (0, GENESIS)
        past = cut_of(connection, chain)
        try:
            _, last = span(connection, chain, head[0], None, before)
        except UNREADABLE:
            raise StorageCorrupt(f"a record of '{chain}' has no time", hint="verify the chain") from None
        last = min(last, past.sequence + limit)
        if last <= past.sequence:
            return 0
        rows = rows_of(connection, chain, after=past.sequence, limit=last - past.sequence)
        found = verify_rows(chain, rows, head=head, seed=past[:2], last=last, hashed=self._hashed)
        if not found.valid or not is_told(connection, chain, past, self._hashed):
            raise StorageCorrupt(f"the chain '{chain}' does not verify, so it is not cut", hint="verify the chain")
        cut = Cut(last, bytes.fromhex(found.head), head[0] + 1)
        self.append(connection, chain, {**event, FIELD: cut.field})
        make_cut(connection, chain, cut)
        return last - past.sequence

    def kept(self, chain: str) -> int:
        """How many records a chain has that were not cut off."""

        def query(connection: Connection) -> int:
            head = head_of(connection, chain)
            return head[0] - cut_of(connection, chain).sequence if head else 0

        return self._database.read_now(query)

    def chains(self) -> list[str]:
        rows = self._database.read_now(
            lambda connection: connection.execute("SELECT name FROM audit_chains ORDER BY id")
        )
        return [row[0] for row in rows]

    def head(self, chain: str) -> Head:
        """The chain's end, to be kept elsewhere as an anchor."""
        row = self._database.read_now(lambda connection: head_of(connection, chain))
        return Head(chain, row[0], row[1].hex()) if row else Head(chain, 0, GENESIS.hex())

    def records(self, chain: str, *, after: int = 0, limit: int = 100) -> list[AuditRecord]:
        """Records with a sequence above ``after``, oldest first; raises `StorageCorrupt` naming one it can't read."""

        def query(connection: Connection) -> list[AuditRecord]:
            found = []
            previous = hash_at(connection, chain, max(after, cut_of(connection, chain).sequence)) or GENESIS
            for sequence, body, digest in rows_of(connection, chain, after=after, limit=limit):
                event = _readable(chain, sequence, body)
                occurred_at = event.pop("occurredAt")
                for name in ("chain", "sequence"):
                    del event[name]
                found.append(AuditRecord(chain, sequence, occurred_at, event, previous.hex(), digest.hex()))
                previous = digest
            return found

        return self._database.read_now(query)

    def span(self, chain: str, since: str | None, until: str | None) -> tuple[int, int]:
        """First and last sequence number of the records between two times, as `AuditRecord.occurred_at` writes them.

        Both ends are included; the first is above the last when there are none. Raises `StorageCorrupt`.
        """

        def query(connection: Connection) -> tuple[int, int]:
            head = head_of(connection, chain) or (0, GENESIS)
            return span(connection, chain, head[0], since, until)

        try:
            return self._database.read_now(query)
        except UNREADABLE:
            raise StorageCorrupt(f"a record of '{chain}' has no time", hint="verify the chain") from None

    def verify(
        self, chain: str, *, anchor: Head | None = None, since: str | None = None, until: str | None = None
    ) -> Verification:
        """Recompute the whole chain, or the records between two times, with the one before them as the seed.

        Never raises for what it finds, only for a database it can't read. See `span` for the times.
        """

        def query(connection: Connection) -> Verification:
            connection.execute("BEGIN")
            try:
                return verify_chain(connection, chain, anchor=anchor, since=since, until=until, hashed=self._hashed)
            finally:
                connection.execute("ROLLBACK")

        return self._database.read_now(query)


class _Head:
    """A chain's end while records are added to it."""

    __slots__ = ("chain", "hash", "hashed", "id", "sequence")

    def __init__(self, id: int, chain: str, sequence: int, hash: bytes, *, hashed: ChainHash) -> None:
        self.hashed = hashed
        self.id = id
        self.chain = chain
        self.sequence = sequence
        self.hash = hash

    def row(self, event: Mapping[str, Any] | Event, occurred_at: str) -> "_Row":
        """The next record's row; the head moves on to it."""
        self.sequence += 1
        if isinstance(event, Mapping):
            _check_event(event)
            body = _encoded({**event, "chain": self.chain, "sequence": self.sequence, "occurredAt": occurred_at})
        else:
            event.chain, event.sequence, event.occurred_at = self.chain, self.sequence, occurred_at
            body = _encoded(event)
        self.hash = self.hashed(self.hash, body)
        return self.id, self.sequence, body, self.hash


def _parts(rows: Sequence[T]) -> Iterator[Sequence[T]]:
    """Engines bound a statement's parameters."""
    for first in range(0, len(rows), STATEMENT_ROWS):
        yield rows[first : first + STATEMENT_ROWS]


# One statement for many rows: a statement for each would also hand over the interpreter's lock for each.


@lru_cache(maxsize=STATEMENT_ROWS)
def _heads_of(chains: int) -> str:
    return f"SELECT id, name, sequence, hash FROM audit_chains WHERE name IN ({', '.join('?' * chains)})"  # noqa: S608


@lru_cache(maxsize=STATEMENT_ROWS)
def _insertion(rows: int) -> str:
    return f"INSERT INTO audit_records (chain, sequence, body, hash) VALUES {', '.join([_MARKS] * rows)}"  # noqa: S608


@lru_cache(maxsize=STATEMENT_ROWS)
def _movement(heads: int) -> str:
    return (
        f"INSERT INTO audit_chains (id, name, sequence, hash) VALUES {', '.join([_MARKS] * heads)}"  # noqa: S608
        " ON CONFLICT (id) DO UPDATE SET sequence = excluded.sequence, hash = excluded.hash"
    )


def _check_event(event: Mapping[str, Any]) -> None:
    if taken := RESERVED & event.keys():
        raise AuditError(f"an audit event can't set {', '.join(sorted(taken))}")


def _encoded(event: Mapping[str, Any] | Event) -> bytes:
    try:
        return _encode(event)
    except (TypeError, ValueError, RecursionError) as error:
        raise AuditError(f"an audit event holds what JSON can't: {error}") from error


def _readable(chain: str, sequence: int, body: bytes) -> dict[str, Any]:
    try:
        event = decode_body(body)
    except UNREADABLE:
        event = {}
    if not event.keys() >= RESERVED:
        raise StorageCorrupt(f"audit record {sequence} of '{chain}' can't be read", hint="verify the chain")
    return event
