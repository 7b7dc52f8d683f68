"""What every source gives: items with a key and a version, in batches that end at a position."""

from collections.abc import Awaitable, Callable, Sequence
from datetime import datetime
from typing import Protocol

import msgspec

from astrocyte.errors import AstrocyteError
from astrocyte.memories import ContentType, Metadata


class SourceUnavailable(AstrocyteError):
    """A source does not answer, or answers what it must not. It is asked again later."""

    code = "SOURCE_UNAVAILABLE"


class ItemRefused(AstrocyteError):
    """An item can't become a memory whatever happens: it is no text, or too large. It is not asked for again."""

    code = "ITEM_REFUSED"


class Document(msgspec.Struct, frozen=True, kw_only=True):
    """What an item says."""

    content: str
    content_type: ContentType = "text"
    metadata: Metadata = {}
    tags: list[str] = []
    occurred_at: datetime | None = None
    speaker: str | None = None
    session_id: str | None = None


class Item(msgspec.Struct, frozen=True, kw_only=True):
    """``fingerprint`` changes with the content; ``load`` reads it, and is called only when it is new."""

    key: str
    fingerprint: str
    load: Callable[[], Awaitable[Document]]


class Batch(msgspec.Struct, frozen=True, kw_only=True):
    """``position`` is where to go on. A complete batch lists everything there is: what it lacks is gone."""

    items: Sequence[Item]
    position: str
    is_complete: bool = False


class Source(Protocol):
    """Something that is read again and again."""

    async def next(self, position: str | None) -> Batch:
        """What is new after ``position``; waits for it, at least long enough not to be a burden.

        Raises `SourceUnavailable`.
        """

    async def acknowledge(self, batch: Batch) -> None:
        """Everything of ``batch`` is durable: the source may forget it."""

    async def close(self) -> None:
        """Let go of connections."""
