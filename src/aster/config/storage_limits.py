"""Settings of section ``[storage]`` beside its path: what blobs and docs may take.

They stand in a table of their own beside the contract's, and load with it from the same file and environment.
"""

from aster.config.kinds import BYTES, ByteSize
from aster.foundation.kinds import integer
from aster.foundation.settings import Kind, Setting, SettingsTable

PREFIX = "storage_"
MOST = 1 << 62
MOST_INLINE = 64 * 1024
CENTURY = 3_155_760_000


def _limit(key: str, kind: Kind, default: int, description: str) -> Setting:
    name = PREFIX + key
    return Setting(name, kind, default, description, section="storage", key=key, env=f"ASTER_{name.upper()}")


STORAGE_TABLE = SettingsTable(
    [
        _limit("max_blob_bytes", BYTES, 1 << 40, "The largest blob that is taken, in bytes."),
        _limit("max_total_bytes", BYTES, 1 << 44, "What all blobs together may hold, in bytes."),
        _limit("max_blobs", integer(0, MOST), 10_000_000, "How many blobs there may be."),
        _limit("inline_bytes", BYTES, 16 * 1024, "Blobs up to this size are rows of the index, without files."),
        _limit(
            "doc_inline_bytes",
            ByteSize(MOST_INLINE),
            1024,
            "A document's values up to this size travel with their entries.",
        ),
        _limit("max_key_bytes", integer(1, 4096), 1024, "The longest key of a document, in bytes of UTF-8."),
        _limit(
            "max_doc_entries",
            integer(0, MOST),
            10_000_000,
            "How many keys one document may have, deleted ones included.",
        ),
        _limit(
            "max_clock_skew_seconds",
            integer(0, CENTURY),
            600,
            "How far ahead of this machine's clock another author's entry may be.",
        ),
        _limit(
            "tombstone_seconds",
            integer(0, CENTURY),
            0,
            "Deletions older than this are forgotten by a garbage collection; 0 keeps them for ever.",
        ),
    ]
)
