"""Admission: a peer presents a credential once, and may then connect until the credential expires. Fails closed.

Every denial looks the same from outside; the reason goes to the log and the audit chain.
"""

import time
from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass
from typing import Protocol

from aster.foundation.errors import StorageError
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

MAX_ADMITTED = 100_000
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
    """Admits peers with valid credentials of one of ``roots``."""

    def __init__(
        self,
        roots: Collection[bytes],
        journal: AdmissionJournal | None = None,
        *,
        refusals: Refusals | None = None,
        instances: InstanceVerifier | None = None,
        is_denied: Callable[[str], bool] = lambda _: False,
        clock: Callable[[], float] = time.time,
    ) -> None:
        self._roots = frozenset(roots)
        self._journal = journal if journal is not None else MemoryJournal()
        self._refusals = refusals if refusals is not None else Refusals(self._journal)
        self._instances = instances if instances is not None else NoInstances()
        self._is_denied = is_denied
        self._clock = clock
        self._admitted: dict[str, Admission] = {}

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
        except CredentialRefused as error:
            await self._refusals.record(peer, error.message)
            return False
        except StorageError as error:
            await self._refusals.record(peer, f"its admission can't be recorded: {error.message}")
            return False
        if len(self._admitted) >= MAX_ADMITTED:
            self._forget_expired()
        self._admitted[peer] = Admission.of(credential, self._clock())
        return True

    def forget(self, peer: str) -> None:
        """Take an admission back; the peer must present a credential again."""
        self._admitted.pop(peer, None)

    async def _judge(self, peer: str, presented: bytes) -> Credential:
        credential = await judge(
            presented, role=None, peer=peer, roots=self._roots, now=self._clock(), instances=self._instances
        )
        name = credential_id(credential)
        if self._is_denied(name):
            raise CredentialRefused("it was revoked")
        event = {
            "event": "admitted",
            "peer": peer,
            "role": credential.role,
            "type": credential.type,
            "credential": name,
            "attributes": credential.attributes,
        }
        if not await self._journal.admit(credential.nonce, credential.expires_at, event):
            raise CredentialRefused(self._journal.why_not_once)
        return credential

    def _forget_expired(self) -> None:
        now = self._clock()
        kept = {peer: a for peer, a in self._admitted.items() if a.expires_at is None or a.expires_at > now}
        # Still full of live ones: the oldest must come again.
        for peer in list(kept)[: max(0, len(kept) - MAX_ADMITTED + 1)]:
            del kept[peer]
        self._admitted = kept
