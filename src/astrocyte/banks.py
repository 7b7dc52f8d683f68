"""The values around banks: their own settings, what they hold, holds on them, what a sweep or an erasure did."""

from datetime import datetime
from typing import Literal

import msgspec

LifecycleAction = Literal["archive", "delete"]


class BankSettings(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True, omit_defaults=True):
    """A bank's own configuration. What is None is as the engine's settings say.

    ``archive_after_days`` and ``delete_after_days`` count from when a memory was retained or last changed; 0 means
    never. A memory with one of ``exempt_tags`` is left alone by both.
    """

    description: str | None = None
    duplicates: Literal["keep", "exact", "near"] | None = None
    pii: Literal["off", "redact", "reject", "warn"] | None = None
    archive_after_days: int | None = None
    delete_after_days: int | None = None
    exempt_tags: list[str] | None = None


class BankInfo(msgspec.Struct, frozen=True, kw_only=True):
    """A bank and what it holds. ``model`` made its vectors, None when it has none."""

    bank_id: str
    memories: int
    model: str | None
    created_at: datetime
    settings: BankSettings = BankSettings()


class LegalHold(msgspec.Struct, frozen=True, kw_only=True):
    """While a bank has one, nothing in it can be forgotten, changed or archived."""

    hold_id: str
    bank_id: str
    reason: str
    set_by: str
    set_at: datetime


class Forgotten(msgspec.Struct, frozen=True, kw_only=True):
    """That a memory was forgotten, and nothing of what it said."""

    memory_id: str
    forgotten_at: datetime


class Due(msgspec.Struct, frozen=True, kw_only=True):
    """What is still to be derived in a bank: of which kind, about what, from when on."""

    kind: str
    subject: str
    due_at: datetime


class Waiting(msgspec.Struct, frozen=True, kw_only=True):
    """Something that is to be derived. ``failure`` says what kept it the last time."""

    kind: str
    subject: str
    due_at: datetime
    attempts: int
    failure: str | None


class BankState(msgspec.Struct, frozen=True, kw_only=True):
    """Everything that belongs to a bank besides its memories. ``created_at`` is None when it does not exist."""

    created_at: datetime | None = None
    model: str | None = None
    settings: BankSettings = BankSettings()
    holds: list[LegalHold] = []
    forgotten: list[Forgotten] = []
    due: list[Due] = []


class ImportResult(msgspec.Struct, frozen=True, kw_only=True):
    """Memories, derived ones too; ``skipped`` ones were there already, by id.

    ``forgotten`` ones were left out because they were forgotten here since (or are derived from such).
    """

    imported: int
    skipped: int
    forgotten: int = 0


class BankStatistics(msgspec.Struct, frozen=True, kw_only=True):
    """What a bank holds, in numbers. ``characters`` are of contents, ``tags`` the hundred most frequent ones."""

    bank_id: str
    memories: int
    archived: int
    derived: int
    passages: int
    characters: int
    sessions: int
    speakers: int
    forgotten: int
    holds: int
    tags: dict[str, int]
    first_retained_at: datetime | None
    last_retained_at: datetime | None
    first_occurred_at: datetime | None
    last_occurred_at: datetime | None


class ReembedResult(msgspec.Struct, frozen=True, kw_only=True):
    """How far a bank is on its way to ``model``; passages are what is embedded, most memories are one.

    ``embedded`` counts this call's. The bank is there when ``is_finished``; before, it is as it was.
    """

    bank_id: str
    model: str
    previous_model: str | None
    passages: int
    embedded: int
    remaining: int
    is_finished: bool
    is_dry_run: bool = False


class LifecycleStep(msgspec.Struct, frozen=True, kw_only=True):
    """What a sweep did, or would do, to one memory."""

    memory_id: str
    action: LifecycleAction
    reason: str


class LifecycleResult(msgspec.Struct, frozen=True, kw_only=True):
    """One sweep over a bank. ``skipped_count`` memories were old enough but exempt; ``actions`` lists 1000 at most."""

    archived_count: int = 0
    deleted_count: int = 0
    skipped_count: int = 0
    is_dry_run: bool = False
    actions: list[LifecycleStep] = []


class ErasedBank(msgspec.Struct, frozen=True, kw_only=True):
    """What an erasure removed from one bank, or would; ``holds`` name what forbids it."""

    bank_id: str
    memories: int
    because: dict[str, int]
    holds: list[str] = []
    is_removed: bool = False


class ErasureReport(msgspec.Struct, frozen=True, kw_only=True):
    """The outcome of erasing a person: banks with something of theirs, in order.

    ``mentions`` counts memories of others that name the person; they are left unless asked for. ``is_scrubbed`` says
    that no byte of what was erased is left in the database's files.
    """

    principal: str
    is_dry_run: bool
    banks: list[ErasedBank]
    memories: int
    mentions: int
    is_scrubbed: bool
