"""What comes from outside is checked here, once, against one table of limits; inside it is trusted."""

import math
import re
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from typing import Any

import msgspec

from astrocyte.banks import BankSettings
from astrocyte.errors import (
    AstrocyteError,
    BankRequired,
    BatchTooLarge,
    ContentTooLong,
    InvalidBankId,
    InvalidContent,
    InvalidInput,
    InvalidMetadata,
    InvalidQuery,
    InvalidTags,
    NothingSelected,
)
from astrocyte.memories import NewMemory
from astrocyte.retain.passages import KINDS
from astrocyte.stores.store import Selection

BANK_ID = re.compile(r"[A-Za-z0-9][A-Za-z0-9._:@-]{0,254}")


class Limits(msgspec.Struct, frozen=True):
    """Lengths are characters, except where a name says otherwise."""

    content: int = 50_000
    query: int = 10_000
    label: int = 256
    reason: int = 1000
    tags: int = 100
    tag: int = 128
    metadata_bytes: int = 4096
    batch: int = 1000
    banks: int = 100
    max_results: int = 1000


def bank_name(bank_id: object) -> str:
    """A bank's name: a letter or digit, then up to 254 of letters, digits and ``._:@-``."""
    if not isinstance(bank_id, str) or not BANK_ID.fullmatch(bank_id):
        shown = bank_id[:40] if isinstance(bank_id, str) else type(bank_id).__name__
        raise InvalidBankId(
            f"bank_id {shown!r} is not a bank's name",
            hint="a letter or digit, then up to 254 letters, digits, '.', '_', ':', '@' or '-'",
        )
    return bank_id


def bank_names(bank_id: str | None, banks: Sequence[str] | None, limits: Limits) -> list[str]:
    """The banks of a recall: one, or a list without repetitions."""
    if isinstance(banks, str):
        raise InvalidBankId("banks must be a list of bank names", hint="use bank_id for one bank")
    names = [*([bank_id] if bank_id is not None else []), *(banks or ())]
    if not names:
        raise BankRequired("bank_id or banks is required")
    if len(names) > limits.banks:
        raise InvalidInput(f"too many banks ({len(names)} > {limits.banks})")
    return list(dict.fromkeys(map(bank_name, names)))


def checked_memory(memory: NewMemory, limits: Limits) -> NewMemory:
    """The memory with its times in UTC and its tags without repetitions."""
    _check_content(memory.content, limits)
    if memory.content_type not in KINDS:
        raise InvalidInput(f"content_type must be one of {', '.join(KINDS)}")
    for name in ("session_id", "speaker", "source"):
        _check_label(name, getattr(memory, name), limits)
    _check_metadata(memory, limits)
    return msgspec.structs.replace(
        memory, tags=checked_tags(memory.tags, limits), occurred_at=utc("occurred_at", memory.occurred_at)
    )


def checked_batch(memories: Sequence[NewMemory], limits: Limits) -> list[NewMemory]:
    """All or none: the first bad memory refuses the whole batch, and the error says which one it is."""
    if not memories:
        raise InvalidInput("memories must not be empty")
    if len(memories) > limits.batch:
        raise BatchTooLarge(f"too many memories ({len(memories)} > {limits.batch})", hint="send several batches")
    checked = []
    given: Sequence[object] = memories
    for index, memory in enumerate(given):
        try:
            if not isinstance(memory, NewMemory):
                raise InvalidInput(f"must be a NewMemory, got {type(memory).__name__}")
            checked.append(checked_memory(memory, limits))
        except AstrocyteError as error:
            raise type(error)(f"memories[{index}]: {error.message}", hint=error.hint, index=index) from None
    return checked


def checked_query(query: object, limits: Limits) -> str:
    if not isinstance(query, str) or not query.strip():
        raise InvalidQuery("query must be text and not empty")
    if len(query) > limits.query:
        raise InvalidQuery(f"query is too long ({len(query)} > {limits.query} characters)")
    _check_encodable("query", query, InvalidQuery)
    return query


def checked_tags(tags: Sequence[str], limits: Limits) -> list[str]:
    if isinstance(tags, str):
        raise InvalidTags("tags must be a list of texts")
    if len(tags) > limits.tags:
        raise InvalidTags(f"Too many tags ({len(tags)} > {limits.tags})")
    given: Sequence[object] = tags
    for tag in given:
        if not isinstance(tag, str) or not tag.strip() or len(tag) > limits.tag:
            raise InvalidTags(f"a tag is a text of 1 to {limits.tag} characters, got {str(tag)[:40]!r}")
        _check_encodable("a tag", tag, InvalidTags)
    return list(dict.fromkeys(tags))


def checked_count(name: str, value: object, *, most: int | None = None) -> int:
    """A whole number; brought into 1 to ``most`` when that is given, else refused below 1."""
    if not isinstance(value, int) or isinstance(value, bool):
        raise InvalidInput(f"{name} must be a whole number, got {type(value).__name__}")
    if most is not None:
        return min(max(1, value), most)
    if value < 1:
        raise InvalidInput(f"{name} must be at least 1, got {value}")
    return value


def checked_share(name: str, value: object, *, most: float = 1.0) -> float:
    """A number from 0 to ``most``."""
    if not isinstance(value, int | float) or isinstance(value, bool) or not 0 <= value <= most:
        raise InvalidInput(f"{name} must be a number from 0 to {most:g}, got {str(value)[:40]}")
    return value


def checked_ids(memory_ids: object) -> list[str]:
    """Ids of memories; which exist is another question."""
    given = list(memory_ids) if isinstance(memory_ids, Sequence) and not isinstance(memory_ids, str | bytes) else None
    if given is None or not all(isinstance(one, str) for one in given):
        raise InvalidInput("memory_ids must be a list of ids")
    return given


def checked_selection(
    memory_ids: Sequence[str] | None,
    tags: Sequence[str] | None,
    before_date: datetime | None,
    scope: str | None,
    limits: Limits,
    *,
    since_date: datetime | None = None,
) -> Selection:
    """What a forget names; `NothingSelected` when it names nothing."""
    if scope not in (None, "all"):
        raise InvalidInput("scope must be 'all' or left out")
    if memory_ids is not None:
        memory_ids = checked_ids(memory_ids)
    if scope == "all":
        return Selection(everything=True)
    for name, given in (("memory_ids", memory_ids), ("tags", tags)):
        if given is not None and not given:  # a condition that nothing meets must not become no condition
            raise NothingSelected(f"{name} is empty", hint=f"leave {name} out to select by the other conditions alone")
    if memory_ids is None and tags is None and before_date is None and since_date is None:
        raise NothingSelected(
            "nothing is selected to forget", hint="name memory_ids, tags, before_date or since_date, or scope 'all'"
        )
    return Selection(
        memory_ids=tuple(memory_ids) if memory_ids else None,
        tags=checked_tags(tags, limits) if tags else None,
        before=utc("before_date", before_date),
        since=utc("since_date", since_date),
    )


def checked_reason(reason: object, limits: Limits) -> str | None:
    """Why something is forgotten, as the audit log keeps it."""
    if reason is None:
        return None
    if not isinstance(reason, str) or len(reason) > limits.reason:
        raise InvalidInput(f"reason must be a text of at most {limits.reason} characters")
    _check_encodable("reason", reason, InvalidInput)
    return reason


def checked_names(names: Sequence[str], limits: Limits) -> list[str]:
    """Names of a person; one text is refused, for its letters would be names."""
    if isinstance(names, str):
        raise InvalidInput("names must be a list of texts")
    return [checked_label("names", name, limits) for name in names]


def checked_label(name: str, value: object, limits: Limits) -> str:
    """A short text that must be there."""
    _check_label(name, value, limits)
    if not isinstance(value, str):
        raise InvalidInput(f"{name} must be a text of 1 to {limits.label} characters")
    return value


def checked_subject(subject: str, limits: Limits) -> str:
    """What something is derived about: a speaker ("" is nobody), a tag, or a standing question."""
    if len(subject) > limits.query:
        raise InvalidInput(f"a subject is too long ({len(subject)} > {limits.query} characters)")
    _check_encodable("a subject", subject, InvalidInput)
    return subject


MAX_DAYS = 36_500


def checked_bank_settings(settings: BankSettings, limits: Limits) -> BankSettings:
    """A bank's settings, as callers and files give them; raises `InvalidInput` naming the wrong one."""
    try:
        checked: BankSettings = msgspec.convert(msgspec.to_builtins(settings), BankSettings)
    except (msgspec.ValidationError, TypeError) as error:
        raise InvalidInput(f"settings: {error}") from None
    if checked.description is not None:
        checked_reason(checked.description, limits)
    for name in ("archive_after_days", "delete_after_days"):
        days = getattr(checked, name)
        if days is not None and not 0 <= days <= MAX_DAYS:
            raise InvalidInput(f"{name} must be from 0 (never) to {MAX_DAYS}, got {days}")
    if checked.exempt_tags is not None:
        checked_tags(checked.exempt_tags, limits)
    return checked


def utc(name: str, moment: datetime | None) -> datetime | None:
    """The moment in UTC; one without an offset is taken as UTC already."""
    if moment is None:
        return None
    if not isinstance(moment, datetime):
        raise InvalidInput(f"{name} must be a time, got {type(moment).__name__}")
    try:
        return moment.replace(tzinfo=UTC) if moment.tzinfo is None else moment.astimezone(UTC)
    except OverflowError:
        raise InvalidInput(f"{name} is outside the calendar") from None


def _check_content(content: object, limits: Limits) -> None:
    if not isinstance(content, str) or not content.strip():
        raise InvalidContent("Content is empty")
    if len(content) > limits.content:
        raise ContentTooLong(f"Content too long: {len(content)} > {limits.content}")
    _check_encodable("content", content, InvalidContent)


def _check_label(name: str, value: object, limits: Limits) -> None:
    if value is None:
        return
    if not isinstance(value, str) or not value.strip() or len(value) > limits.label:
        raise InvalidInput(f"{name} must be a text of 1 to {limits.label} characters")
    _check_encodable(name, value, InvalidInput)


def _check_metadata(memory: NewMemory, limits: Limits) -> None:
    given: Mapping[Any, Any] = memory.metadata
    for key, value in given.items():
        if not isinstance(key, str) or not isinstance(value, str | int | float | bool | None):
            raise InvalidMetadata(f"metadata[{str(key)[:40]!r}] must be text, a number, true, false or null")
        if isinstance(value, float) and not math.isfinite(value):
            raise InvalidMetadata(f"metadata[{key[:40]!r}] is not a finite number")
    try:
        size = len(msgspec.json.encode(memory.metadata))
    except (ValueError, OverflowError, msgspec.MsgspecError):
        raise InvalidMetadata("metadata holds what JSON can't say") from None
    if size > limits.metadata_bytes:
        raise InvalidMetadata(f"metadata is too large ({size} > {limits.metadata_bytes} bytes)")


def _check_encodable(name: str, text: str, error: type[AstrocyteError]) -> None:
    try:
        text.encode()
    except UnicodeEncodeError:
        raise error(f"{name} holds half of a surrogate pair, which is not text") from None
    if "\0" in text:
        raise error(f"{name} holds a NUL character")
