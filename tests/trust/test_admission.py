"""How long an admission lasts, how many there may be, and that a one-time credential is never used up for nothing."""

import asyncio
from collections.abc import Collection, Mapping
from typing import Any

import pytest

from aster.foundation.errors import StorageError
from aster.trust.admission import INSTANCE_PROOF_SECONDS, CredentialGate
from aster.trust.credential import credential_json, issue
from aster.trust.keys import SigningKey
from aster.trust.presentation import Presentation, encode_presentation

ROOT = SigningKey.from_seed(bytes(range(32)))
PEER = "ab" * 32
NOW = 1_700_000_000


class Everywhere:
    """Believes every token."""

    async def verify(
        self, attributes: Mapping[str, str], token: str | None, *, peer: str, roots: Collection[bytes], now: float
    ) -> None:
        """Nothing to say against it."""


async def lasts(attributes: dict[str, str], seconds: int) -> float | None:
    credential = issue(ROOT, role="consumer", issued_at=NOW, expires_at=NOW + seconds, attributes=attributes)
    gate = CredentialGate([ROOT.public], instances=Everywhere(), clock=lambda: float(NOW))
    assert await gate.present(PEER, encode_presentation(Presentation(credential_json(credential), "token")))
    admission = gate.admit(PEER)
    assert admission is not None
    assert admission.expires_at is not None
    return admission.expires_at - NOW


async def test_a_machine_is_proven_anew_every_day_however_long_its_credential_lasts() -> None:
    month = 30 * 86400
    assert await lasts({"aster.role": "reader"}, month) == month
    assert await lasts({"aster.iid_provider": "aws"}, month) == INSTANCE_PROOF_SECONDS
    assert await lasts({"aster.iid_provider": "aws"}, 60) == 60


ONCE = encode_presentation(
    Presentation(credential_json(issue(ROOT, role="consumer", issued_at=NOW, expires_at=NOW + 60, one_time=True)))
)


class SlowJournal:
    """Consumes each nonce once, and writes when it is let."""

    why_not_once = "it was used before"

    def __init__(self, *failures: Exception) -> None:
        self.asked = asyncio.Event()
        self.may_write = asyncio.Event()
        self.used: set[str] = set()
        self.events: list[Mapping[str, Any]] = []
        self._failures = list(failures)

    async def admit(self, nonce: str | None, expires_at: int, event: Mapping[str, Any]) -> bool:
        self.asked.set()
        await self.may_write.wait()
        if self._failures:
            raise self._failures.pop()
        if nonce in self.used:
            return False
        self.used |= {nonce} if nonce else set()
        self.events.append(event)
        return True

    async def refuse(self, event: Mapping[str, Any]) -> None:
        self.events.append(event)


def gate_of(journal: SlowJournal) -> CredentialGate:
    return CredentialGate([ROOT.public], journal, clock=lambda: float(NOW))


async def cut_off(gate: CredentialGate, journal: SlowJournal) -> None:
    """Present a one-time credential and lose patience while it is being written down."""
    presenting = asyncio.create_task(gate.present(PEER, ONCE))
    await journal.asked.wait()
    presenting.cancel()
    with pytest.raises(asyncio.CancelledError):
        await presenting


async def test_who_is_cut_off_while_a_one_time_credential_is_written_down_is_admitted_all_the_same() -> None:
    journal = SlowJournal()
    gate = gate_of(journal)
    await cut_off(gate, journal)
    assert gate.admit(PEER) is None
    journal.may_write.set()
    await gate.settled()
    assert gate.admit(PEER) is not None
    assert await gate.present(PEER, ONCE), "the same peer may come again with it"
    assert not await gate.present("cd" * 32, ONCE), "nobody else may"


async def test_two_connections_of_one_peer_use_a_one_time_credential_together() -> None:
    journal = SlowJournal()
    gate = gate_of(journal)
    both = asyncio.gather(gate.present(PEER, ONCE), gate.present(PEER, ONCE))
    await journal.asked.wait()
    journal.may_write.set()
    assert all(await both)
    assert [event["event"] for event in journal.events] == ["admitted"]


async def test_a_one_time_credential_of_a_forgotten_admission_stays_used() -> None:
    journal = SlowJournal()
    journal.may_write.set()
    gate = gate_of(journal)
    assert await gate.present(PEER, ONCE)
    gate.forget(PEER)
    assert not await gate.present(PEER, ONCE)


async def test_a_gate_that_closes_leaves_one_time_credentials_unused() -> None:
    journal = SlowJournal()
    journal.may_write.set()
    gate = gate_of(journal)
    gate.close()
    assert not await gate.present(PEER, ONCE)
    assert (journal.used, journal.events) == (set(), [])


async def test_an_admission_that_can_not_be_written_is_none_also_when_nobody_waits_for_it() -> None:
    journal = SlowJournal(StorageError("the disk is full"))
    gate = gate_of(journal)
    await cut_off(gate, journal)
    journal.may_write.set()
    await gate.settled()
    assert gate.admit(PEER) is None
    assert await gate.present(PEER, ONCE)


async def test_a_full_table_gives_up_its_oldest_entries_some_at_a_time() -> None:
    credential = issue(ROOT, role="consumer", issued_at=NOW, expires_at=NOW + 60)
    shown = encode_presentation(Presentation(credential_json(credential)))
    gate = CredentialGate([ROOT.public], clock=lambda: float(NOW), max_admitted=20)
    peers = [f"{number:064x}" for number in range(21)]
    for peer in peers:
        assert await gate.present(peer, shown)
    assert [peer for peer in peers if gate.admit(peer) is None] == peers[:2]
    assert await gate.present(peers[5], shown), "who is in already takes no room"
    assert gate.admit(peers[2]) is not None
