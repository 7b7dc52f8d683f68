import asyncio
import time
from pathlib import Path

from aster.foundation.sql import Connection
from aster.trust.nonces import CHAIN, KEPT_SECONDS, MemoryJournal, StoredJournal

EVENT = {"event": "admitted"}
LATER = int(time.time()) + 3600


def kept(journal: StoredJournal) -> list[str]:
    def query(connection: Connection) -> list[str]:
        return [row[0] for row in connection.execute("SELECT nonce FROM trust_nonces ORDER BY nonce")]

    return journal.database.read_now(query)


async def test_a_nonce_is_consumed_once_also_by_another_process_and_after_a_restart(tmp_path: Path) -> None:
    one, two = StoredJournal.open(str(tmp_path)), StoredJournal.open(str(tmp_path))
    tries = await asyncio.gather(*(journal.admit("ab", LATER, EVENT) for journal in (one, two) for _ in range(25)))
    assert sorted(tries) == [False] * 49 + [True]
    await one.close()
    await two.close()
    again = StoredJournal.open(str(tmp_path))
    assert not await again.admit("AB", LATER, EVENT)
    assert len(again.audit.records(CHAIN)) == 1
    await again.close()


async def test_a_clock_set_back_makes_no_used_credential_new(tmp_path: Path) -> None:
    journal = StoredJournal.open(str(tmp_path))
    expired = int(time.time()) - KEPT_SECONDS + 3600
    assert await journal.admit("aa", expired, EVENT)
    assert await journal.admit("bb", LATER, EVENT)
    assert not await journal.admit("aa", expired, EVENT)
    await journal.close()


async def test_nonces_are_forgotten_some_time_after_they_expire(tmp_path: Path) -> None:
    journal = StoredJournal.open(str(tmp_path))
    assert await journal.admit("aa", int(time.time()) - KEPT_SECONDS - 1, EVENT)
    assert await journal.admit("bb", LATER, EVENT)
    assert kept(journal) == ["bb"]
    assert await journal.admit(None, LATER, EVENT)
    assert kept(journal) == ["bb"]
    await journal.close()


async def test_memory_honours_no_nonce() -> None:
    assert not await MemoryJournal().admit("ab", LATER, EVENT)
    assert await MemoryJournal().admit(None, LATER, EVENT)
