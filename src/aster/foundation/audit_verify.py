"""Verifying audit chains: whole, a window of time, or the rows of an export, against the rules in `audit`."""

import hashlib
import hmac
from collections.abc import Callable, Iterator
from typing import Any

import msgspec

from aster.foundation.audit_cut import Cut, cut_of
from aster.foundation.audit_rows import GENESIS, Row, hash_at, head_of, rows_of
from aster.foundation.audit_span import span
from aster.foundation.sql import Connection

DOMAIN = b"aster-audit-v1\n"
UNREADABLE = (msgspec.DecodeError, UnicodeDecodeError, RecursionError)

decode_body = msgspec.json.Decoder(dict[str, Any]).decode


class Head(msgspec.Struct, frozen=True):
    """The last record of a chain; sequence 0 and 64 zeros when there is none."""

    chain: str
    sequence: int
    hash: str


class Verification(msgspec.Struct, frozen=True, rename="camel"):
    """What verifying a chain found. ``broken_sequence`` is the first record that does not fit.

    ``records`` were verified before that one; ``first_sequence`` and ``last_sequence`` are what was to be verified.
    """

    chain: str
    valid: bool
    records: int
    head: str
    broken_sequence: int | None = None
    reason: str | None = None
    first_sequence: int = 1
    last_sequence: int = 0


ChainHash = Callable[[bytes, bytes], bytes]
"""The hash of a record, from its predecessor's hash and its body."""


def chain_hash(previous: bytes, body: bytes) -> bytes:
    """A `ChainHash` that anybody can compute."""
    return hashlib.sha256(DOMAIN + previous + body).digest()


def keyed_chain_hash(key: bytes | None) -> ChainHash:
    """HMAC-SHA256 (RFC 2104) of the same: who has no key can't forge a chain, nor verify one. Plain without a key."""
    if not key:
        return chain_hash
    return lambda previous, body: hmac.digest(key, DOMAIN + previous + body, "sha256")


def verify_chain(
    connection: Connection,
    chain: str,
    *,
    anchor: Head | None,
    since: str | None,
    until: str | None,
    hashed: ChainHash = chain_hash,
) -> Verification:
    """A chain, or its records between two times, inside the caller's transaction."""
    head = head_of(connection, chain) or (0, GENESIS)
    cut = cut_of(connection, chain)
    if not is_told(connection, chain, cut, hashed):
        reason = "records before it are missing, and no record tells that they were cut off"
        return Verification(chain, False, 0, cut.hash.hex(), cut.sequence + 1, reason, 1, head[0])
    if since is None and until is None:
        rows = rows_of(connection, chain, after=cut.sequence)
        return verify_rows(chain, rows, head=head, anchor=anchor, seed=cut[:2], hashed=hashed)
    return _verify_span(connection, chain, head, cut, anchor, since, until, hashed)


def verify_rows(
    chain: str,
    rows: Iterator[Row],
    *,
    head: tuple[int, bytes],
    anchor: Head | None = None,
    seed: tuple[int, bytes] = (0, GENESIS),
    last: int | None = None,
    hashed: ChainHash = chain_hash,
) -> Verification:
    """Check ``(sequence, body, hash)`` rows, oldest first, against the rules in `audit`.

    They begin after the record that ``seed`` tells the sequence and hash of, and end with ``last`` (else the chain's).
    """
    first, end = seed[0] + 1, head[0] if last is None else last
    count, previous = seed
    if anchor is not None and anchor.sequence == count and anchor.hash != previous.hex():
        return Verification(chain, False, 0, previous.hex(), count, "the record is not the anchored one", first, end)

    def found(broken: int | None, reason: str | None) -> Verification:
        return Verification(chain, reason is None, count - seed[0], previous.hex(), broken, reason, first, end)

    for sequence, body, digest in rows:
        if reason := _fault(chain, count + 1, previous, (sequence, body, digest), hashed):
            return found(count + 1, reason)
        previous, count = digest, count + 1
        if anchor is not None and anchor.sequence == count and anchor.hash != previous.hex():
            return found(count, "the record is not the anchored one")
    if count < end or (end == head[0] and (count, previous) != head):
        return found(count + 1, "records are missing at the end")
    if anchor is not None and anchor.sequence > head[0]:
        return found(head[0] + 1, "anchored records are missing at the end")
    return found(None, None)


def _verify_span(
    connection: Connection,
    chain: str,
    head: tuple[int, bytes],
    cut: Cut,
    anchor: Head | None,
    since: str | None,
    until: str | None,
    hashed: ChainHash,
) -> Verification:
    """The records of a time and, as guards against forged times, the one before and the one after."""
    try:
        first, last = span(connection, chain, head[0], since, until)
    except UNREADABLE:
        rows = rows_of(connection, chain, after=cut.sequence)
        return verify_rows(chain, rows, head=head, anchor=anchor, seed=cut[:2], hashed=hashed)
    first = max(first, cut.sequence + 1)
    before, after = max(first - 2, cut.sequence), min(max(last, cut.sequence) + 1, head[0])
    seed = hash_at(connection, chain, before)
    if seed is None:
        return Verification(chain, False, 0, GENESIS.hex(), before, f"record {before} is missing", first, last)
    rows = rows_of(connection, chain, after=before, limit=None if after == head[0] else after - before)
    found = verify_rows(chain, rows, head=head, anchor=anchor, seed=(before, seed), last=after, hashed=hashed)
    if (
        found.valid
        and anchor is not None
        and anchor.sequence > cut.sequence
        and hash_at(connection, chain, anchor.sequence) != bytes.fromhex(anchor.hash)
    ):
        found = Verification(chain, False, 0, found.head, anchor.sequence, "the record is not the anchored one")
    reached = before + found.records
    count = max(0, min(reached, last) - first + 1)
    return msgspec.structs.replace(found, records=count, first_sequence=first, last_sequence=last)


def _fault(chain: str, expected: int, previous: bytes, row: Row, hashed: ChainHash) -> str | None:
    sequence, body, digest = row
    if sequence != expected:
        return f"record {expected} is missing"
    if hashed(previous, body) != digest:
        return "the record or its predecessor was changed"
    try:
        event = decode_body(body)
    except UNREADABLE:
        return "the record is not readable"
    if event.get("chain") != chain or event.get("sequence") != sequence:
        return "the record belongs to another place"
    return None


def is_told(connection: Connection, chain: str, cut: Cut, hashed: ChainHash = chain_hash) -> bool:
    """Does a record of the chain, itself unchanged, tell how far it was cut?"""
    if cut == Cut():
        return True
    row = next(rows_of(connection, chain, after=cut.told_by - 1, limit=1), None)
    previous = hash_at(connection, chain, cut.told_by - 1)
    if row is None or previous is None or _fault(chain, cut.told_by, previous, row, hashed) is not None:
        return False
    return cut.is_told_in(decode_body(row[1]))
