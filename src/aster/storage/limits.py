"""What a store takes, at most."""

from dataclasses import dataclass, fields

from aster.config import AsterConfig
from aster.foundation.errors import ConfigError

MAX_INLINE_BYTES = 64 * 1024
"""The largest value that any replica takes within an entry."""


@dataclass(frozen=True, slots=True)
class StorageLimits:
    """Bytes, counts and seconds; each is refused by `QuotaExceeded` or `EntryRefused` when it is passed.

    ``max_total_bytes`` counts content that is whole, and what a running addition has written so far. Blobs up to
    ``inline_bytes`` are rows of the index, without files. A doc's values up to ``doc_inline_bytes`` (at most
    `MAX_INLINE_BYTES`) travel with their entries; larger ones are blobs. ``max_clock_skew_seconds`` is how far ahead of
    this machine's clock an entry may be. Deletions older than ``tombstone_seconds`` are forgotten by a garbage
    collection (0: never).
    """

    max_blob_bytes: int = 1 << 40
    max_total_bytes: int = 1 << 44
    max_blobs: int = 10_000_000
    inline_bytes: int = 16 * 1024
    doc_inline_bytes: int = 1024
    max_key_bytes: int = 1024
    max_doc_entries: int = 10_000_000
    max_clock_skew_seconds: float = 600.0
    tombstone_seconds: float = 0.0

    def __post_init__(self) -> None:
        for name in self.__slots__:
            if not getattr(self, name) >= 0:
                raise ConfigError(f"StorageLimits.{name} can't be below 0, got {getattr(self, name)}")
        if self.doc_inline_bytes > MAX_INLINE_BYTES:
            raise ConfigError(f"StorageLimits.doc_inline_bytes can't be above {MAX_INLINE_BYTES}")

    @classmethod
    def of(cls, config: AsterConfig) -> "StorageLimits":
        """What the settings ``storage_*`` say."""
        return cls(**{field.name: getattr(config, f"storage_{field.name}") for field in fields(cls)})


DEFAULT_STORAGE_LIMITS = StorageLimits()
