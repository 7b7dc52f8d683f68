"""The privacy barrier: what happens to personal data before anything is stored."""

from collections.abc import Sequence
from typing import Literal

import msgspec

from aster.foundation.logs import get_logger
from astrocyte.errors import PersonalDataRefused
from astrocyte.memories import Metadata, NewMemory, Scalar
from astrocyte.retain.personal_data import Finder, find_personal_data, redact

BarrierAction = Literal["off", "redact", "reject", "warn"]
Recogniser = Literal["patterns", "presidio"]
RECOGNISERS: tuple[Recogniser, ...] = ("patterns", "presidio")

ACTIONS: tuple[BarrierAction, ...] = ("off", "redact", "reject", "warn")

SECRET_KEYS = frozenset({"api_key", "apikey", "password", "passwd", "secret", "token", "authorization"})
"""Metadata under these names is a secret whatever it looks like."""

REPLACED_SECRET = "[SECRET_REDACTED]"  # noqa: S105 - what stands in for one

logger = get_logger("astrocyte.privacy")


def guard(
    memories: Sequence[NewMemory], action: BarrierAction, find: Finder = find_personal_data
) -> tuple[list[NewMemory], list[list[str]]]:
    """The memories as they may be stored, and the kinds found in each.

    ``reject`` raises `PersonalDataRefused` for the whole batch; ``warn`` stores as is and says so in the log, without
    the data. ``find`` recognises it.
    """
    if action == "off":
        return list(memories), [[] for _ in memories]
    cleaned = [_cleaned(memory, find) for memory in memories]
    kinds = [found for _, found in cleaned]
    if not any(kinds):
        return list(memories), kinds
    every = sorted({kind for found in kinds for kind in found})
    if action == "reject":
        raise PersonalDataRefused(f"the content holds personal data: {', '.join(every)}", pii_types=every)
    if action == "warn":
        logger.warning("personal data is stored", kinds=every)
        return list(memories), kinds
    return [memory for memory, _ in cleaned], kinds


def _cleaned(memory: NewMemory, find: Finder) -> tuple[NewMemory, list[str]]:
    kinds: dict[str, None] = {}

    def clean(text: str) -> str:
        replaced, found = redact(text, find)
        kinds.update(dict.fromkeys(found))
        return replaced

    def clean_value(value: Scalar) -> Scalar:
        if isinstance(value, str):
            return clean(value)
        # A number can be one of those that are personal: a card's, say.
        number = str(value)
        return value if clean(number) == number else clean(number)

    def clean_metadata(metadata: Metadata) -> Metadata:
        kept: Metadata = {}
        for key, value in metadata.items():
            if key.lower() in SECRET_KEYS and value is not None:
                kinds["secret"] = None
                kept[clean(key)] = REPLACED_SECRET
            else:
                kept[clean(key)] = clean_value(value)
        return kept

    replaced = msgspec.structs.replace(
        memory,
        content=clean(memory.content),
        metadata=clean_metadata(memory.metadata),
        tags=[clean(tag) for tag in memory.tags],
        session_id=None if memory.session_id is None else clean(memory.session_id),
        speaker=None if memory.speaker is None else clean(memory.speaker),
        source=None if memory.source is None else clean(memory.source),
    )
    return replaced, list(kinds)
