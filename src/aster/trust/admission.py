"""Admission: a peer presents a credential once, and may then connect until the credential expires. Fails closed.

Every denial looks the same from outside; the reason goes to the log and the audit chain.
"""

import time
from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass

from aster.foundation.errors import StorageError
from aster.foundation.logs import get_logger
from aster.trust.credential import INSTANCE_PREFIX, Credential, CredentialRefused, parse_credential, verify
from aster.trust.nonces import AdmissionJournal, MemoryJournal

logger = get_logger("aster.trust")

MAX_ADMITTED = 100_000


@dataclass(frozen=True, slots=True)
class Admission:
    """A peer that may call, the attributes it may rely on, and until when (seconds since 1970; None: no end)."""

    attributes: Mapping[str, str]
    expires_at: float | None = None


class CredentialGate:
    """Admits consumers with valid credentials of one of ``roots``."""

    def __init__(
        self,
        roots: Collection[bytes],
        journal: AdmissionJournal | None = None,
        clock: Callable[[], float] = time.time,
    ) -> None:
        self._roots = frozenset(roots)
        self._journal = journal if journal is not None else MemoryJournal()
        self._clock = clock
        self._admitted: dict[str, Admission] = {}

    def admit(self, peer: str) -> Admission | None:
        """What ``peer`` was admitted with, while that lasts."""
        admission = self._admitted.get(peer)
        if admission is None or (admission.expires_at is not None and admission.expires_at <= self._clock()):
            self._admitted.pop(peer, None)
            return None
        return admission

    async def present(self, peer: str, raw: bytes) -> bool:
        """Judge the credential that ``peer`` presents."""
        try:
            credential = await self._judge(peer, raw)
        except CredentialRefused as error:
            logger.info("consumer refused", peer=peer, reason=error.message)
            await self._record_refusal(peer, error.message)
            return False
        except StorageError as error:
            logger.error("consumer refused: its admission can't be recorded", peer=peer, reason=error.message)
            return False
        if len(self._admitted) >= MAX_ADMITTED:
            self._forget_expired()
        self._admitted[peer] = Admission(dict(credential.attributes), float(credential.expires_at))
        return True

    def forget(self, peer: str) -> None:
        """Take an admission back; the peer must present a credential again."""
        self._admitted.pop(peer, None)

    async def _judge(self, peer: str, raw: bytes) -> Credential:
        credential = parse_credential(raw)
        verify(credential, roots=self._roots, role="consumer", peer=peer, now=self._clock())
        if any(name.startswith(INSTANCE_PREFIX) for name in credential.attributes):
            raise CredentialRefused("its instance identity can't be verified here")
        event = {"event": "admitted", "peer": peer, "type": credential.type, "attributes": credential.attributes}
        if not await self._journal.admit(credential.nonce, credential.expires_at, event):
            raise CredentialRefused("it is a one-time credential that was used before, or there is no storage_path")
        return credential

    async def _record_refusal(self, peer: str, reason: str) -> None:
        try:
            await self._journal.refuse({"event": "refused", "peer": peer, "reason": reason[:200]})
        except StorageError as error:
            logger.error("a refusal could not be recorded", peer=peer, reason=error.message)

    def _forget_expired(self) -> None:
        now = self._clock()
        kept = {peer: a for peer, a in self._admitted.items() if a.expires_at is None or a.expires_at > now}
        # Still full of live ones: the oldest must come again.
        for peer in list(kept)[: max(0, len(kept) - MAX_ADMITTED + 1)]:
            del kept[peer]
        self._admitted = kept
