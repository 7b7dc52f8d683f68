"""A store of the first version is brought up to date when it is opened, with everything in it."""

import pytest
from tests.astrocyte.rows import every_row, execute

from aster.foundation.errors import StorageError
from aster.foundation.sql import Connection, Database
from aster.foundation.sql import migrations as applied
from astrocyte import Astrocyte
from astrocyte.recall.postings import pack_terms
from astrocyte.text.terms import index_terms

STORES = ("sqlite", "postgres")

TEXT = "the boat is called Mermaid"


def write_first_version(url: str) -> None:
    """As the first version would have: its tables, a bank, a memory with its passage."""
    database = Database.open(url)
    first = applied.migrations("astrocyte.stores.migrations", engine=database.engine)[:1]

    def work(connection: Connection) -> None:
        applied.migrate(connection, "memory", first, database._definition)
        connection.execute("INSERT INTO memory_banks (id, name, version, created_at) VALUES (1, 'b', 1, 7)")
        connection.execute(
            "INSERT INTO memories (id, bank, memory_id, content, metadata, tags, content_type, retained_at)"
            " VALUES (1, 1, 'm1', ?, '{\"k\": 1}', '[\"t\"]', 'text', 7)",
            (TEXT,),
        )
        connection.execute(
            "INSERT INTO memory_passages (id, bank, memory, ordinal, start, stop, terms) VALUES (1, 1, 1, 0, 0, ?, ?)",
            (len(TEXT), pack_terms(index_terms(TEXT), frozenset())),
        )

    database.write_now(work)
    database.close_now()


async def test_a_store_of_the_first_version_keeps_everything(url: str) -> None:
    write_first_version(url)
    async with Astrocyte.from_config_dict({"storage": {"url": url}, "embedding": {"provider": "none"}}) as engine:
        (kept,) = (await engine.list_memories("b")).memories
        assert (kept.memory_id, kept.content, kept.metadata, kept.tags) == ("m1", TEXT, {"k": 1}, ["t"])
        assert (kept.layer, kept.updated_at, kept.archived_at, kept.retained_by) == ("fact", None, None, None)
        assert [hit.memory_id for hit in (await engine.recall("Mermaid", "b", tags=["t"])).hits] == ["m1"]
        assert [finding.detail for finding in await engine.doctor() if not finding.is_well] == []
        await engine.place_hold("b", "h", "why")
        await engine.lift_hold("b", "h")
        assert (await engine.forget("b", memory_ids=["m1"])).deleted_count == 1


async def test_a_store_of_a_later_version_is_left_alone(url: str) -> None:
    values = {"storage": {"url": url}, "embedding": {"provider": "none"}}
    async with Astrocyte.from_config_dict(values) as engine:
        await engine.retain(TEXT, "b")
    execute(url, "INSERT INTO migrations VALUES ('memory', 9999, 'later', 'x')")
    before = every_row(url)
    with pytest.raises(StorageError, match="newer version"):
        await Astrocyte.from_config_dict(values).__aenter__()
    assert every_row(url) == before
