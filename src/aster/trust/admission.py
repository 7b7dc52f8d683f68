"""Admission: a peer presents a credential once, and may then connect until the credential expires. Fails closed.

Every denial looks the same from outside; the reason goes to the log and the audit chain.
"""

import asyncio
import time
from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass
from functools import partial
from typing import Protocol

from aster.foundation.errors import StorageError
from aster.foundation.logs import get_logger
from aster.trust.credential import (
    INSTANCE_PREFIX,
    Credential,
    CredentialRefused,
    Role,
    credential_id,
    parse_credential,
    verify,
)
from aster.trust.nonces import AdmissionJournal, MemoryJournal
from aster.trust.presentation import decode_presentation
from aster.trust.refusals import Refusals

logger = get_logger("aster.trust")

MAX_ADMITTED = 100_000
EVICTED_AT_ONCE = 10
"""A full table gives up one of so many entries at once, so that making room costs each admission a constant."""

INSTANCE_PROOF_SECONDS = 24 * 3600.0
"""A machine's identity is proven anew at least so often: machines end, their credentials last for weeks."""


class InstanceVerifier(Protocol):
    """Checks that a peer runs on the cloud instance that its credential's ``aster.iid_*`` attributes ask for."""

    async def verify(
        self, attributes: Mapping[str, str], token: str | None, *, peer: str, roots: Collection[bytes], now: float
    ) -> None:
        """Raise `CredentialRefused` unless ``token`` proves every ``aster.iid_*`` attribute for ``peer``."""


class NoInstances:
    """Refuses every credential that asks for an instance identity."""

    async def verify(
        self, attributes: Mapping[str, str], token: str | None, *, peer: str, roots: Collection[bytes], now: float
    ) -> None:
        raise CredentialRefused("its instance identity can't be verified here")


@dataclass(frozen=True, slots=True)
class Admission:
    """A peer that was let in: what it may rely on, until when (seconds since 1970; None: no end), by which credential.

    A producer's admission has the attribute ``aster.node_role`` = ``producer``, which no credential can set.
    """

    attributes: Mapping[str, str]
    expires_at: float | None = None
    credential_id: str | None = None

    @classmethod
    def of(cls, credential: Credential, now: float) -> "Admission":
        """As long as the credential lasts; `INSTANCE_PROOF_SECONDS` at most when a machine had to be proven for it."""
        until = float(credential.expires_at)
        if asks_for_instance(credential):
            until = min(until, now + INSTANCE_PROOF_SECONDS)
        return cls(credential.admitted_attributes, until, credential_id(credential))


def asks_for_instance(credential: Credential) -> bool:
    """Must its holder prove on which machine it runs?"""
    return any(name.startswith(INSTANCE_PREFIX) for name in credential.attributes)


async def judge(
    presented: bytes,
    *,
    role: Role | None,
    peer: str,
    roots: Collection[bytes],
    now: float,
    instances: InstanceVerifier,
) -> Credential:
    """The credential that ``peer`` presents, once it is known to be valid; `CredentialRefused` otherwise.

    ``role`` None takes either. A one-time credential must still be consumed.
    """
    presentation = decode_presentation(presented)
    credential = parse_credential(presentation.credential)
    verify(credential, roots=roots, role=role or credential.role, peer=peer, now=now)
    if asks_for_instance(credential):
        await instances.verify(credential.attributes, presentation.instance_token, peer=peer, roots=roots, now=now)
    return credential


class CredentialGate:
    """Admits peers with valid credentials of one of ``roots``.

    A one-time credential is consumed and its holder admitted in one step that nothing interrupts: whoever presented it
    and was cut off may present it again, from the same key, while the admission lasts.
    """

    def __init__(
        self,
        roots: Collection[bytes],
        journal: AdmissionJournal | None = None,
        *,
        refusals: Refusals | None = None,
        instances: InstanceVerifier | None = None,
        is_denied: Callable[[str], bool] = lambda _: False,
        clock: Callable[[], float] = time.time,
        max_admitted: int = MAX_ADMITTED,
    ) -> None:
        self._roots = frozenset(roots)
        self._journal = journal if journal is not None else MemoryJournal()
        self._refusals = refusals if refusals is not None else Refusals(self._journal)
        self._instances = instances if instances is not None else NoInstances()
        self._is_denied = is_denied
        self._clock = clock
        self._max_admitted = max_admitted
        self._admitted: dict[str, Admission] = {}
        self._recording: dict[tuple[str, str], asyncio.Task[None]] = {}
        self.is_closed = False

    def admit(self, peer: str) -> Admission | None:
        """What ``peer`` was admitted with, while that lasts."""
        admission = self._admitted.get(peer)
        if admission is None:
            return None
        expired = admission.expires_at is not None and admission.expires_at <= self._clock()
        if expired or (admission.credential_id is not None and self._is_denied(admission.credential_id)):
            self._admitted.pop(peer, None)
            return None
        return admission

    async def present(self, peer: str, presented: bytes) -> bool:
        """Judge the credential that ``peer`` presents."""
        try:
            credential = await self._judge(peer, presented)
            if self.is_closed:
                return False
            await self._admit(peer, credential)
        except CredentialRefused as error:
            await self._refusals.record(peer, error.message)
            return False
        except StorageError as error:
            await self._refusals.record(peer, f"its admission can't be recorded: {error.message}")
            return False
        return True

    def forget(self, peer: str) -> None:
        """Take an admission back; the peer must present a credential again."""
        self._admitted.pop(peer, None)

    def close(self) -> None:
        """Admit nobody from now on; one-time credentials that are presented stay unused."""
        self.is_closed = True

    async def settled(self) -> None:
        """Wait for the admissions that are being recorded."""
        while self._recording:
            await asyncio.wait(self._recording.values())

    async def _judge(self, peer: str, presented: bytes) -> Credential:
        credential = await judge(
            presented, role=None, peer=peer, roots=self._roots, now=self._clock(), instances=self._instances
        )
        if self._is_denied(credential_id(credential)):
            raise CredentialRefused("it was revoked")
        return credential

    async def _admit(self, peer: str, credential: Credential) -> None:
        """In a task of its own, so that a time-out or a lost connection leaves nothing half done."""
        key = (peer, credential_id(credential))
        recording = self._recording.get(key)
        if recording is None:
            recording = self._recording[key] = asyncio.create_task(self._record(peer, credential))
            recording.add_done_callback(partial(self._recorded, key))
        await asyncio.shield(recording)

    async def _record(self, peer: str, credential: Credential) -> None:
        name = credential_id(credential)
        event = {
            "event": "admitted",
            "peer": peer,
            "role": credential.role,
            "type": credential.type,
            "credential": name,
            "attributes": credential.attributes,
        }
        held = self.admit(peer)
        nonce = None if held is not None and held.credential_id == name else credential.nonce
        if not await self._journal.admit(nonce, credential.expires_at, event):
            raise CredentialRefused(self._journal.why_not_once)
        if peer not in self._admitted and len(self._admitted) >= self._max_admitted:
            self._make_room()
        self._admitted[peer] = Admission.of(credential, self._clock())

    def _recorded(self, key: tuple[str, str], recording: "asyncio.Task[None]") -> None:
        del self._recording[key]
        if not recording.cancelled() and (error := recording.exception()) is not None:
            # For who presented it; but who was cut off does not hear of it.
            logger.debug("an admission was not recorded", peer=key[0], reason=str(error))

    def _make_room(self) -> None:
        now = self._clock()
        for peer in [peer for peer, a in self._admitted.items() if a.expires_at is not None and a.expires_at <= now]:
            del self._admitted[peer]
        most = self._max_admitted - max(1, self._max_admitted // EVICTED_AT_ONCE)
        # Still full of live ones: the oldest must come again.
        for peer in list(self._admitted)[: max(0, len(self._admitted) - most)]:
            del self._admitted[peer]
