"""Trust resolved from the settings: which peers may call, and who has to be an enrolled producer. It fails closed.

Dev mode exists only when no trust anchor comes from any source and admission would be needed.
"""

import time
from collections.abc import Collection
from dataclasses import dataclass
from typing import Protocol

from aster.config import AsterConfig
from aster.foundation.errors import ConfigError
from aster.foundation.logs import get_logger
from aster.rpc.metadata import NO_METADATA
from aster.rpc.node import NodeIdentity
from aster.trust.admission import Admission, CredentialGate, InstanceVerifier, judge
from aster.trust.anchor import read_root_public_keys
from aster.trust.credential import CredentialRefused
from aster.trust.denials import DenyList
from aster.trust.instance import InstanceSettings, InstanceVerifiers
from aster.trust.keys import SigningKey
from aster.trust.nonces import AdmissionJournal
from aster.trust.presentation import Presentation, encode_presentation
from aster.trust.refusals import Refusals

logger = get_logger("aster.trust")

DEV_MODE = "ephemeral (dev mode)"
DEV_MODE_WARNING = "Dev mode: allow_all_consumers=True (ephemeral root key)."


class Gate(Protocol):
    """Decides on peers by their EndpointId."""

    is_closed: bool
    """Whoever presents something now is not judged but sent away."""

    def admit(self, peer: str) -> Admission | None:
        """What a peer may rely on; None turns it away."""

    async def present(self, peer: str, presented: bytes) -> bool:
        """Judge what a peer presents."""

    def forget(self, peer: str) -> None:
        """Take an admission back."""

    def close(self) -> None:
        """Admit nobody from now on."""

    async def settled(self) -> None:
        """Wait for the admissions that are being recorded."""


class OpenGate:
    """Everyone may call, as no one in particular; a credential that is presented is still judged, if it can be."""

    def __init__(self, credentials: CredentialGate | None) -> None:
        self._credentials = credentials
        self.is_closed = False

    def admit(self, peer: str) -> Admission | None:
        known = self._credentials.admit(peer) if self._credentials else None
        return known or Admission(NO_METADATA)

    async def present(self, peer: str, presented: bytes) -> bool:
        return self._credentials is None or await self._credentials.present(peer, presented)

    def forget(self, peer: str) -> None:
        if self._credentials is not None:
            self._credentials.forget(peer)

    def close(self) -> None:
        self.is_closed = True
        if self._credentials is not None:
            self._credentials.close()

    async def settled(self) -> None:
        if self._credentials is not None:
            await self._credentials.settled()


@dataclass(frozen=True, slots=True)
class Trust:
    """A server's resolved trust: its settings, the root public keys (an ephemeral one in dev mode), and the gate."""

    config: AsterConfig
    roots: tuple[bytes, ...]
    gate: Gate


def anchors_of(config: AsterConfig, identity: NodeIdentity) -> tuple[bytes, ...]:
    """The root keys to trust: ``root_pubkey``, else ``root_pubkey_file``, else the identity file's.

    Raises `ConfigError` for an anchor that is set and can't be used.
    """
    if config.root_pubkey is not None:
        return (config.root_pubkey,)
    if config.root_pubkey_file is not None:
        return read_root_public_keys(config.root_pubkey_file, source=config.source("root_pubkey_file"))
    return identity.roots


def instance_verifier(config: AsterConfig) -> InstanceVerifier:
    """What checks ``aster.iid_*`` attributes, as the settings say; raises `ConfigError` for ones that can't work."""
    return InstanceVerifiers(
        InstanceSettings(
            aws_certificates=config.iid_aws_certificates,
            gcp_jwks_url=config.iid_gcp_jwks_url,
            azure_certificates=config.iid_azure_certificates,
            azure_tenant=config.iid_azure_tenant,
            azure_jwks_url=config.iid_azure_jwks_url,
        )
    )


def resolve_trust(
    config: AsterConfig,
    anchors: tuple[bytes, ...],
    journal: AdmissionJournal,
    refusals: Refusals,
    denied: DenyList,
) -> Trust:
    """Choose the gate for these anchors. Dev mode is for a server on which nothing asks for admission."""
    credentials = None
    if anchors:
        credentials = CredentialGate(
            anchors, journal, refusals=refusals, instances=instance_verifier(config), is_denied=denied.denies
        )
    elif not config.allow_all_producers:
        raise ConfigError(
            f"{config.source('allow_all_producers')}: allow_all_producers=False needs a root public key",
            hint="set root_pubkey or root_pubkey_file",
        )
    if config.allow_all_consumers:
        return Trust(config, anchors, OpenGate(credentials))
    if credentials is not None:
        return Trust(config, anchors, credentials)
    logger.warning(DEV_MODE_WARNING)
    open_to_all = config.with_value("allow_all_consumers", True, DEV_MODE)
    return Trust(open_to_all, (SigningKey.generate().public,), OpenGate(None))


async def check_own_enrollment(
    config: AsterConfig, roots: Collection[bytes], own: Presentation | None, endpoint_id: str
) -> None:
    """With ``allow_all_producers=False`` nobody serves unenrolled: `ConfigError` when this server's credential does not
    make it a producer for every client of its root keys."""
    if config.allow_all_producers:
        return
    try:
        presented = encode_presentation(own or Presentation())
        verifier = instance_verifier(config)
        await judge(presented, role="producer", peer=endpoint_id, roots=roots, now=time.time(), instances=verifier)
    except CredentialRefused as error:
        raise ConfigError(
            f"{config.source('allow_all_producers')}: allow_all_producers=False, and this server is no producer:"
            f" {error.message}",
            hint="aster enroll node NAME --as producer --root-key root.key",
        ) from None
