"""The consumer gate: which peers may call, decided from the trust settings. It fails closed.

Dev mode exists only when no trust anchor comes from any source and admission would be needed.
"""

from dataclasses import dataclass
from typing import Protocol

from aster.config import AsterConfig
from aster.foundation.logs import get_logger
from aster.rpc.metadata import NO_METADATA
from aster.rpc.node import NodeIdentity
from aster.trust.admission import Admission, CredentialGate
from aster.trust.anchor import read_root_public_key
from aster.trust.keys import SigningKey
from aster.trust.nonces import AdmissionJournal

logger = get_logger("aster.trust")

DEV_MODE = "ephemeral (dev mode)"
DEV_MODE_WARNING = "Dev mode: allow_all_consumers=True (ephemeral root key)."


class Gate(Protocol):
    """Decides on peers by their EndpointId."""

    def admit(self, peer: str) -> Admission | None:
        """What a peer may rely on; None turns it away."""

    async def present(self, peer: str, raw: bytes) -> bool:
        """Judge a credential."""

    def forget(self, peer: str) -> None:
        """Take an admission back."""


class OpenGate:
    """Everyone may call, as no one in particular; a credential that is presented is still judged, if it can be."""

    def __init__(self, credentials: CredentialGate | None) -> None:
        self._credentials = credentials

    def admit(self, peer: str) -> Admission | None:
        known = self._credentials.admit(peer) if self._credentials else None
        return known or Admission(NO_METADATA)

    async def present(self, peer: str, raw: bytes) -> bool:
        return self._credentials is None or await self._credentials.present(peer, raw)

    def forget(self, peer: str) -> None:
        if self._credentials is not None:
            self._credentials.forget(peer)


@dataclass(frozen=True, slots=True)
class Trust:
    """A server's resolved trust: its settings, a root public key, and the gate."""

    config: AsterConfig
    root_public_key: bytes | None
    gate: Gate


def anchors_of(config: AsterConfig, identity: NodeIdentity) -> tuple[bytes, ...]:
    """The root keys to trust: ``root_pubkey``, else ``root_pubkey_file``, else the identity file's.

    Raises `ConfigError` for an anchor that is set and can't be used.
    """
    if config.root_pubkey is not None:
        return (config.root_pubkey,)
    if config.root_pubkey_file is not None:
        return (read_root_public_key(config.root_pubkey_file, source=config.source("root_pubkey_file")),)
    return identity.roots


def resolve_trust(config: AsterConfig, anchors: tuple[bytes, ...], journal: AdmissionJournal | None) -> Trust:
    """Choose the gate for these anchors."""
    credentials = CredentialGate(anchors, journal) if anchors else None
    if config.allow_all_consumers:
        return Trust(config, anchors[0] if anchors else None, OpenGate(credentials))
    if credentials is not None:
        return Trust(config, anchors[0], credentials)
    logger.warning(DEV_MODE_WARNING)
    open_to_all = config.with_value("allow_all_consumers", True, DEV_MODE)
    return Trust(open_to_all, SigningKey.generate().public, OpenGate(None))
