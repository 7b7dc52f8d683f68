"""Files that earlier versions of `astrocyte` exported (AMA 1): read, never written."""

from datetime import datetime
from typing import Any

import msgspec

from astrocyte.memories import MemoryRecord, Metadata

VERSION = 1
CREATED_AT, SOURCE = "_created_at", "_source"
"""Where it kept what are fields of their own here; whatever else begins so was for itself."""

_encode = msgspec.json.Encoder().encode


class AmaHeader(msgspec.Struct, frozen=True, kw_only=True):
    """The first line of such a file."""

    version: int = msgspec.field(name="_ama_version")
    bank_id: str
    exported_at: datetime
    memory_count: int


class AmaRecord(msgspec.Struct, frozen=True, kw_only=True):
    """A line of such a file; ``fact_type`` world is what most are."""

    id: str
    text: str
    fact_type: str = "world"
    tags: list[str] | None = None
    metadata: dict[str, Any] | None = None
    occurred_at: datetime | None = None
    source: str | None = None


def memory_of(record: AmaRecord, header: AmaHeader) -> MemoryRecord:
    """The same memory as it is kept here: nested metadata as JSON, a fact's type among its metadata."""
    given = record.metadata or {}
    metadata: Metadata = {name: _flat(value) for name, value in given.items() if not name.startswith("_")}
    if record.fact_type != "world":
        metadata["fact_type"] = record.fact_type
    source = record.source or given.get(SOURCE)
    try:
        retained_at = msgspec.convert(given.get(CREATED_AT), datetime)
    except msgspec.ValidationError:
        retained_at = header.exported_at
    return MemoryRecord(
        memory_id=record.id,
        bank_id=header.bank_id,
        content=record.text,
        metadata=metadata,
        tags=record.tags or [],
        occurred_at=record.occurred_at,
        retained_at=retained_at,
        session_id=None,
        speaker=None,
        source=source if isinstance(source, str) and source.strip() else None,
        content_type="text",
    )


def _flat(value: Any) -> str | int | float | bool | None:
    if value is None or isinstance(value, str | int | float | bool):
        return value
    return _encode(value).decode()
