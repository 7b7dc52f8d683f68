from collections.abc import Mapping
from pathlib import Path
from typing import Any, ClassVar

from aster.foundation.errors import StorageFull
from aster.trust.nonces import CHAIN, MemoryJournal, StoredJournal
from aster.trust.refusals import BURST, SECONDS_EACH, Refusals

PEER = "ab" * 32


class Clock:
    def __init__(self) -> None:
        self.now = 0.0

    def __call__(self) -> float:
        return self.now


async def test_strangers_can_not_fill_the_audit_chain(tmp_path: Path) -> None:
    journal, clock = StoredJournal.open(str(tmp_path)), Clock()
    refusals = Refusals(journal, clock)
    for _ in range(BURST + 7):
        await refusals.record(PEER, "it has expired")
    events = [record.event for record in journal.audit.records(CHAIN, limit=1000)]
    assert len(events) == BURST
    assert events[0] == {"event": "refused", "peer": PEER, "reason": "it has expired"}
    clock.now += SECONDS_EACH
    await refusals.record(PEER, "it has expired")
    await refusals.record(PEER, "it has expired")
    [later] = journal.audit.records(CHAIN, after=BURST)
    assert later.event["suppressed"] == 7
    await refusals.flush()
    await refusals.flush()
    [last] = journal.audit.records(CHAIN, after=BURST + 1)
    assert last.event["suppressed"] == 1
    await journal.close()


async def test_a_refusal_that_can_not_be_written_is_counted() -> None:
    class FullJournal(MemoryJournal):
        full = True
        written: ClassVar[list[Mapping[str, Any]]] = []

        async def refuse(self, event: Mapping[str, Any]) -> None:
            if self.full:
                raise StorageFull("the disk is full")
            self.written.append(dict(event))

    journal = FullJournal()
    refusals = Refusals(journal)
    await refusals.record(PEER, "one")
    await refusals.record(PEER, "two")
    journal.full = False
    await refusals.record(None, "three")
    assert journal.written == [{"event": "refused", "peer": None, "reason": "three", "suppressed": 2}]
