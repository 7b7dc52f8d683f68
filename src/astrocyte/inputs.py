"""What comes from outside is checked here, once, against one table of limits; inside it is trusted."""

import math
import re
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from types import MappingProxyType
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
    """Lengths are characters, except where a name says otherwise. `LIMIT_SETTINGS` says how each is set."""

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


LIMIT_SETTINGS: Mapping[str, str] = MappingProxyType(
    {
        "content": "max_content_length",
        "query": "max_query_length",
        "label": "max_label_length",
        "reason": "max_reason_length",
        "tags": "max_tags",
        "tag": "max_tag_length",
        "metadata_bytes": "max_metadata_bytes",
        "batch": "max_batch",
        "banks": "max_banks",
        "max_results": "max_results",
    }
)
"""The key of the section ``limits`` that sets each field of `Limits`."""


def check_limit(kind: type[AstrocyteError], limits: Limits, name: str, got: int, message: str) -> None:
    """Raise ``kind`` when ``got`` is above a limit; the error names the limit's setting and both numbers.

    ``message`` is a format of ``got`` and ``most``.
    """
    most: int = getattr(limits, name)
    if got > most:
        setting = f"limits.{LIMIT_SETTINGS[name]}"
        raise kind(message.format(got=got, most=most), hint=f"{setting} is {most}", limit=setting, most=most, got=got)


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
    check_limit(InvalidInput, limits, "banks", len(names), "too many banks ({got} > {most})")
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
    check_limit(
        BatchTooLarge, limits, "batch", len(memories), "too many memories ({got} > {most}): send several batches"
    )
    checked = []
    given: Sequence[object] = memories
    for index, memory in enumerate(given):
        try:
            if not isinstance(memory, NewMemory):
                raise InvalidInput(f"must be a NewMemory, got {type(memory).__name__}")
            checked.append(checked_memory(memory, limits))
        except AstrocyteError as error:
            details = {**error.details, "index": index}
            raise type(error)(f"memories[{index}]: {error.message}", hint=error.hint, **details) from None
    return checked


def checked_query(query: object, limits: Limits) -> str:
    if not isinstance(query, str) or not query.strip():
        raise InvalidQuery("query must be text and not empty")
    check_limit(InvalidQuery, limits, "query", len(query), "query is too long ({got} > {most} characters)")
    _check_encodable("query", query, InvalidQuery)
    return query


def checked_tags(tags: Sequence[str], limits: Limits) -> list[str]:
    if isinstance(tags, str):
        raise InvalidTags("tags must be a list of texts")
    check_limit(InvalidTags, limits, "tags", len(tags), "Too many tags ({got} > {most})")
    given: Sequence[object] = tags
    for tag in given:
        if not isinstance(tag, str) or not tag.strip():
            raise InvalidTags(f"a tag is a text of 1 to {limits.tag} characters, got {str(tag)[:40]!r}")
        check_limit(InvalidTags, limits, "tag", len(tag), "a tag is too long ({got} > {most} characters)")
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
    if not isinstance(reason, str):
        raise InvalidInput(f"reason must be a text of at most {limits.reason} characters")
    check_limit(InvalidInput, limits, "reason", len(reason), "reason is too long ({got} > {most} characters)")
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
    check_limit(InvalidInput, limits, "query", len(subject), "a subject is too long ({got} > {most} characters)")
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
    check_limit(ContentTooLong, limits, "content", len(content), "Content too long: {got} > {most}")
    _check_encodable("content", content, InvalidContent)


def _check_label(name: str, value: object, limits: Limits) -> None:
    if value is None:
        return
    if not isinstance(value, str) or not value.strip():
        raise InvalidInput(f"{name} must be a text of 1 to {limits.label} characters")
    check_limit(InvalidInput, limits, "label", len(value), f"{name} is too long ({{got}} > {{most}} characters)")
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
    check_limit(InvalidMetadata, limits, "metadata_bytes", size, "metadata is too large ({got} > {most} bytes)")


def _check_encodable(name: str, text: str, error: type[AstrocyteError]) -> None:
    try:
        text.encode()
    except UnicodeEncodeError:
        raise error(f"{name} holds half of a surrogate pair, which is not text") from None
    if "\0" in text:
        raise error(f"{name} holds a NUL character")
