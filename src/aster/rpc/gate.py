"""The consumer gate: which peers may call, decided from the trust settings. It fails closed.

Dev mode exists only when no trust anchor comes from any source and admission would be needed.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Protocol

from aster.config import AsterConfig
from aster.foundation.logs import get_logger
from aster.rpc.metadata import NO_METADATA
from aster.trust.anchor import read_root_public_key
from aster.trust.keys import generate_root_key

logger = get_logger("aster.trust")

DEV_MODE = "ephemeral (dev mode)"
DEV_MODE_WARNING = "Dev mode: allow_all_consumers=True (ephemeral root key)."


@dataclass(frozen=True, slots=True)
class Admission:
    """A peer that may call, and the attributes it was admitted with."""

    attributes: Mapping[str, str]


class Gate(Protocol):
    """Decides on a peer by its EndpointId; None turns it away."""

    def admit(self, peer: str) -> Admission | None: ...


class OpenGate:
    """Everyone may call, as no one in particular."""

    def admit(self, peer: str) -> Admission | None:
        return Admission(NO_METADATA)


class ClosedGate:
    """No one may call: admission is asked for, and this version can't verify credentials yet."""

    def admit(self, peer: str) -> Admission | None:
        return None


@dataclass(frozen=True, slots=True)
class Trust:
    """A server's resolved trust: its settings, root public key, and gate."""

    config: AsterConfig
    root_public_key: bytes | None
    gate: Gate


def resolve_trust(config: AsterConfig) -> Trust:
    """Read the anchor and choose the gate; raises `ConfigError` for an anchor that is set and can't be used."""
    anchor = config.root_pubkey
    if anchor is None and config.root_pubkey_file is not None:
        anchor = read_root_public_key(config.root_pubkey_file, source=config.source("root_pubkey_file"))
    if config.allow_all_consumers:
        return Trust(config, anchor, OpenGate())
    if anchor is not None:
        logger.warning("credentials can't be verified yet: every consumer is refused")
        return Trust(config, anchor, ClosedGate())
    logger.warning(DEV_MODE_WARNING)
    open_to_all = config.with_value("allow_all_consumers", True, DEV_MODE)
    return Trust(open_to_all, generate_root_key().public, OpenGate())
