"""Memories in PostgreSQL: the same rows and statements as in SQLite, and pgvector for banks that outgrow a scan.

A bank of up to `EXACT_ROWS` passages is scanned exactly, in this process. A larger one gets an HNSW index of its own (a
partial index ``WHERE bank = n``): a filter on the bank can then not starve the search, as it does in one index for all,
where a bank that is a twentieth of the table finds a fifth of its true neighbours. Iterative scans give as many rows as
are asked for, whatever other conditions remove.
"""

import asyncio
import threading
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from datetime import datetime
from pathlib import Path
from types import MappingProxyType
from typing import TYPE_CHECKING, Any

from aster.foundation.audit import utc_now
from aster.foundation.errors import AsterError, StorageError
from aster.foundation.logs import get_logger
from aster.foundation.sql import Connection
from aster.foundation.sql.postgres import PostgresDatabase
from astrocyte.errors import NotSupported
from astrocyte.stores.sql import SqlStore
from astrocyte.stores.store import Admitted, Changes, Position, Space

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

logger = get_logger("astrocyte.store")

EXACT_ROWS = 10_000
"""Passages up to which a bank is scanned: exact, and quicker than an index."""

TAKEN_AT_ONCE = 1000
SEARCHING = MappingProxyType(
    {"hnsw.iterative_scan": "strict_order", "hnsw.ef_search": "100", "hnsw.max_scan_tuples": "10000"}
)
"""How an index is walked: on and on until enough passages are admitted, ten thousand at most."""

BUILD_MEMORY = "256MB"
BUILD_LOCK = 0x61737662
"""First half of the advisory lock of whoever builds a bank's index ("asvb"); the second half is the bank."""


class PostgresStore(SqlStore):
    """The store of one PostgreSQL database. The caller owns the `Database` and closes it."""

    def __init__(self, database: PostgresDatabase, *, now: Callable[[], datetime] = utc_now) -> None:
        super().__init__(database, now=now)
        self._server = database
        try:
            database.migrate("memory-vectors", "astrocyte.stores.vectors")
        except StorageError as error:
            raise type(error)(
                f"{error.message}: memories need the extension pgvector",
                hint="install pgvector on the server; as a superuser: CREATE EXTENSION vector",
            ) from error
        database.after_writes(follow)
        database.set_for_reads(SEARCHING)
        self._passages: dict[str, int] = {}
        self._building: set[str] = set()

    def changes(self, bank_id: str, since: Position | None) -> Changes | None:
        changes = super().changes(bank_id, since)
        if changes is not None and not changes.is_remote and changes.space is not None:
            known = 0 if since is None or since.row == 0 else self._passages.get(bank_id, 0)
            self._passages[bank_id] = known + len(changes.added)
            if max(self._passages[bank_id], changes.total) > EXACT_ROWS and bank_id not in self._building:
                self._building.add(bank_id)
                threading.Thread(
                    target=self._build_quietly, args=(bank_id,), name=f"vectors:{bank_id}", daemon=True
                ).start()
        return changes

    def build_vector_index(self, bank_id: str) -> bool:
        """Give a bank its HNSW index; false when another process is doing so. Time grows with the bank.

        Reads and writes go on meanwhile; until it is done the bank is scanned.
        """
        find = "SELECT id, dimension FROM memory_banks WHERE name = ? AND dimension IS NOT NULL"
        with self._server.alone() as connection:
            number, _ = connection.execute(find, (bank_id,)).fetchone()
            (is_ours,) = connection.execute("SELECT pg_try_advisory_lock(?, ?)", (BUILD_LOCK, number)).fetchone()
            if not is_ours:
                return False
            _, dimension = connection.execute(find, (bank_id,)).fetchone()  # no other model's from here on
            self._server.write_now(
                lambda link: link.execute(
                    "INSERT INTO memory_vector_banks VALUES (?, ?, 0, 0) ON CONFLICT DO NOTHING", (number, dimension)
                )
            )
            index = _index_name(number)
            connection.execute(f"SET maintenance_work_mem = '{BUILD_MEMORY}'")
            connection.execute(f"DROP INDEX CONCURRENTLY IF EXISTS {index}")  # not finished, or of another model
            while self._server.write_now(lambda link: _take_over(link, number)):
                pass
            connection.execute(
                f"CREATE INDEX CONCURRENTLY {index} ON memory_neighbours"
                f" USING hnsw ((embedding::halfvec({dimension})) halfvec_ip_ops) WHERE bank = {number}"
            )
            while not self._server.write_now(lambda link: _finish(link, number)):
                pass
        return True

    def nearest_rows(
        self, space: tuple[int, int], vector: "NDArray[np.float32]", count: int, admitted: Admitted | None = None
    ) -> list[tuple[int, float]]:
        """About the ``count`` passages nearest to a vector of those admitted, with their cosines.

        ``space`` is bank and dimension. Fewer come back when not many of the nearest ten thousand are admitted.
        """
        bank, dimension = space
        # The bank and the dimension are numbers of ours and part of the text: a partial index serves no parameter.
        embedding, asked = f"embedding::halfvec({dimension})", f"?1::halfvec({dimension})"
        passes = ""
        values: list[Any] = [_as_text(vector), count]
        if admitted is not None:
            # An expression that no other index serves, and that seems to pass nearly everything: so the vectors' index
            # is walked from the nearest on, and each passage is looked up in the bits.
            passes = " AND CASE WHEN passage BETWEEN ?3 AND ?4 THEN get_bit(?5, passage - ?3) ELSE 0 END <> 0"
            values += [admitted.first, admitted.last, admitted.bits]
        query = (
            f"SELECT passage, -({embedding} <#> {asked}) FROM memory_neighbours WHERE bank = {bank}{passes}"  # noqa: S608
            f" ORDER BY {embedding} <#> {asked} LIMIT ?2"
        )
        found: list[tuple[int, float]] = self._database.read_now(
            lambda connection: connection.execute(query, values).fetchall()
        )
        return found

    def cosines(
        self, rows: Sequence[int], vector: "NDArray[np.float32]", most: int | None = None
    ) -> list[tuple[int, float]]:
        """The cosines of those of the passages that have a vector; the ``most`` highest. Time grows with them."""
        query = "SELECT passage, -(embedding <#> ?::halfvec) FROM memory_neighbours WHERE passage = ANY(?::bigint[])"
        # As text: the driver takes longer to write ten thousand numbers one by one than the server to read them.
        values: list[Any] = [_as_text(vector), "{" + ",".join(map(str, rows)) + "}"]
        if most is not None:
            query, values = f"{query} ORDER BY 2 DESC LIMIT ?", [*values, most]
        found: list[tuple[int, float]] = self._database.read_now(
            lambda connection: connection.execute(query, values).fetchall()
        )
        return found

    def packed_vectors(self, rows: Sequence[int]) -> dict[int, bytes]:
        """The float16 vectors of passages, by passage."""
        found = self._database.read_now(
            lambda connection: connection.execute(
                "SELECT id, vector FROM memory_passages WHERE id = ANY(?) AND vector IS NOT NULL", (list(rows),)
            ).fetchall()
        )
        return dict(found)

    async def switch_vectors(
        self, bank_id: str, space: Space, event: Mapping[str, Any], *, with_words: bool
    ) -> int | None:
        """Waits for whoever builds the bank's index, which writes meanwhile: so before the transaction, not in it."""
        with ExitStack() as building:
            await asyncio.to_thread(lambda: building.enter_context(self._not_building(bank_id)))
            return await super().switch_vectors(bank_id, space, event, with_words=with_words)

    @contextmanager
    def _not_building(self, bank_id: str) -> Iterator[None]:
        with self._server.alone() as connection:
            connection.execute(
                "SELECT pg_advisory_lock(?, id::int) FROM memory_banks WHERE name = ?", (BUILD_LOCK, bank_id)
            ).fetchall()
            yield

    async def scrub(self) -> bool:
        return False

    async def back_up(self, path: Path) -> Path:
        raise NotSupported("this database is not one file to be copied", hint="use its server's backup (pg_dump)")

    def _drop_neighbours(self, connection: Connection, bank: int) -> None:
        """A bank whose vectors have all changed is scanned until its index is built again; that drops the old one."""
        connection.execute("DELETE FROM memory_neighbours WHERE bank = ?", (bank,))
        connection.execute("DELETE FROM memory_vector_banks WHERE bank = ?", (bank,))

    def _is_remote(self, connection: Connection, bank: int) -> bool:
        found = connection.execute("SELECT is_ready FROM memory_vector_banks WHERE bank = ?", (bank,)).fetchone()
        return found is not None and bool(found[0])

    def _build_quietly(self, bank_id: str) -> None:
        try:
            self.build_vector_index(bank_id)
        except AsterError as error:
            logger.warning("a bank has no vector index yet", bank=bank_id, code=error.code, reason=error.message)
        finally:
            self._building.discard(bank_id)


def follow(connection: Connection) -> None:
    """Take over what was added to banks that are ready."""
    behind = connection.execute(
        "SELECT DISTINCT v.bank FROM memory_vector_banks v JOIN memory_passages p ON p.bank = v.bank AND p.id > v.last"
        " WHERE v.is_ready = 1"
    ).fetchall()
    for (bank,) in behind:
        while _take_over(connection, bank):
            pass


def _take_over(connection: Connection, bank: int) -> int:
    """Copy the next passages' vectors; how many passages there were."""
    rows = connection.execute(
        "SELECT p.id, p.vector FROM memory_vector_banks v JOIN memory_passages p ON p.bank = v.bank AND p.id > v.last"
        " WHERE v.bank = ? ORDER BY p.id LIMIT ?",
        (bank, TAKEN_AT_ONCE),
    ).fetchall()
    if rows:
        connection.executemany(
            "INSERT INTO memory_neighbours VALUES (?, ?, CAST(? AS halfvec)) ON CONFLICT DO NOTHING",
            [(row, bank, _packed_as_text(vector)) for row, vector in rows if vector is not None],
        )
        connection.execute("UPDATE memory_vector_banks SET last = ? WHERE bank = ?", (rows[-1][0], bank))
    return len(rows)


def _finish(connection: Connection, bank: int) -> bool:
    """Take over what came while the index was built; ready, in the transaction in which nothing was left."""
    if _take_over(connection, bank):
        return False
    connection.execute("UPDATE memory_vector_banks SET is_ready = 1 WHERE bank = ?", (bank,))
    # Replicas that hold the bank's vectors learn that they need not.
    connection.execute("UPDATE memory_banks SET version = version + 1 WHERE id = ?", (bank,))
    return True


def _index_name(bank: int) -> str:
    return f"memory_neighbours_of_{bank}"


def _packed_as_text(packed: bytes) -> str:
    import numpy as np

    return _as_text(np.frombuffer(packed, "<f2"))


def _as_text(vector: Any) -> str:
    return "[" + ",".join(map(repr, vector.tolist())) + "]"
