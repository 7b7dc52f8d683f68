"""What a store promises about its rows, as queries that count where it is broken."""

from collections.abc import Mapping
from types import MappingProxyType

from aster.foundation.sql import Connection

CHECKS: Mapping[str, str] = MappingProxyType(
    {
        "passages without their memory": (
            "SELECT count(*) FROM memory_passages p WHERE NOT EXISTS (SELECT 1 FROM memories m WHERE m.id = p.memory)"
        ),
        "memories that nothing can find": (
            "SELECT count(*) FROM memories m WHERE archived_at IS NULL"
            " AND NOT EXISTS (SELECT 1 FROM memory_passages p WHERE p.memory = m.id)"
        ),
        "archived memories that are still searched": (
            "SELECT count(*) FROM memory_passages p JOIN memories m ON m.id = p.memory WHERE archived_at IS NOT NULL"
        ),
        "passages in another bank than their memory": (
            "SELECT count(*) FROM memory_passages p JOIN memories m ON m.id = p.memory WHERE m.bank <> p.bank"
        ),
        "passages outside their memory's text": (
            "SELECT count(*) FROM memory_passages p JOIN memories m ON m.id = p.memory"
            " WHERE p.start < 0 OR p.stop > length(m.content) OR p.start > p.stop"
        ),
        "vectors of another size than their bank's": (
            "SELECT count(*) FROM memory_passages p JOIN memory_banks b ON b.id = p.bank"
            " WHERE p.vector IS NOT NULL AND (b.dimension IS NULL OR length(p.vector) <> 2 * b.dimension)"
        ),
        "segments that hold other passages than there are": (
            "SELECT count(*) FROM memory_segments s WHERE s.content IS NOT NULL AND s.passages <> (SELECT count(*)"
            " FROM memory_passages p WHERE p.bank = s.bank AND p.id BETWEEN s.first_passage AND s.last_passage)"
        ),
        "word vectors that are cut off": "SELECT count(*) FROM memory_passages WHERE length(words) % 64 <> 0",
        "fresh vectors of another size than their model's": (
            "SELECT count(*) FROM memory_fresh_vectors f LEFT JOIN memory_reembeddings r ON r.bank = f.bank"
            " WHERE r.bank IS NULL OR length(f.vector) <> 2 * r.dimension"
        ),
        "search terms that are cut off": "SELECT count(*) FROM memory_passages WHERE length(terms) % 8 <> 0",
        "forgotten memories that are still there": (
            "SELECT count(*) FROM memory_tombstones t JOIN memories m ON m.id = t.memory WHERE t.kind <> 'archived'"
        ),
        "memories derived from what is gone": (
            "SELECT count(*) FROM memory_sources s WHERE NOT EXISTS (SELECT 1 FROM memories m WHERE m.id = s.source)"
        ),
        "memories in banks that are deleted": (
            "SELECT count(*) FROM memories m JOIN memory_banks b ON b.id = m.bank WHERE b.deleted_at IS NOT NULL"
        ),
    }
)
"""What must never be, and a query that counts it."""


def broken_promises(connection: Connection) -> list[str]:
    """What of `CHECKS` does not hold; empty when all is well."""
    found = []
    for what, query in CHECKS.items():
        (count,) = connection.execute(query).fetchone()
        if count:
            found.append(f"{count} {what}")
    return found
