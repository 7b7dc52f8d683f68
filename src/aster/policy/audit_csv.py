"""Audit records as a table for spreadsheets (RFC 4180, UTF-8), with their hashes and the chain's head as the last row.

A cell that a spreadsheet would run as a formula begins with an apostrophe, as OWASP advises for CSV. For verification
far from the service there is the export as JSON lines: a table tells the hashes, but not every byte that was hashed.
"""

import csv
import io
from collections.abc import Iterable
from typing import Any

import msgspec

from aster.foundation.audit import AuditRecord
from aster.foundation.audit_verify import Head

COLUMNS = (
    "sequence",
    "occurredAt",
    "eventType",
    "actorId",
    "actorRole",
    "success",
    "policyModule",
    "policyFunction",
    "policyId",
    "version",
    "executionTimeMs",
    "executionTimeMicros",
    "errorCode",
    "requestId",
    "entrance",
    "clientIp",
    "keyId",
    "sourceHash",
    "inputHash",
    "resultHash",
    "traceHash",
    "payload",
    "previousHash",
    "hash",
)
CHAIN_HEAD = "CHAIN_HEAD"
"""The last row's event type: its sequence and hash are where the chain ended when the table was written."""

_RUN = ("=", "+", "-", "@", "\t", "\r")
_encode = msgspec.json.Encoder(order="sorted").encode


def audit_table(records: Iterable[AuditRecord], head: Head) -> bytes:
    """The table with its header row."""
    text = io.StringIO()
    table = csv.DictWriter(text, COLUMNS, restval="", extrasaction="ignore")
    table.writeheader()
    for record in records:
        own = {"sequence": record.sequence, "occurredAt": record.occurred_at}
        table.writerow(
            {name: _cell(value) for name, value in record.event.items()}
            | {**own, "previousHash": record.previous_hash, "hash": record.hash}
        )
    table.writerow({"sequence": head.sequence, "eventType": CHAIN_HEAD, "hash": head.hash})
    return text.getvalue().encode()


def _cell(value: Any) -> str:
    text = value if isinstance(value, str) else _encode(value).decode()
    return f"'{text}" if text.startswith(_RUN) else text
