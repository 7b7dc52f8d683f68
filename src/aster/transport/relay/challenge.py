"""How a client proves its key to a relay: it signs what BLAKE3 derives from a fresh challenge.

The derivation separates these signatures from all others, so that a relay can't have a client sign anything else.
"""

import secrets

from aster.foundation.extras import load_extra
from aster.transport.relay.frames import CHALLENGE_BYTES

CONTEXT = "iroh-relay handshake v1 challenge signature"


def new_challenge() -> bytes:
    """16 random bytes, for one connection."""
    return secrets.token_bytes(CHALLENGE_BYTES)


def message_to_sign(challenge: bytes) -> bytes:
    """The 32 bytes that the holder of a key signs."""
    blake3 = load_extra("blake3", extra="relay")
    digest: bytes = blake3.blake3(challenge, derive_key_context=CONTEXT).digest()
    return digest


def proves(key: bytes, signature: bytes, challenge: bytes) -> bool:
    """Whether ``signature`` was made for ``challenge`` by the holder of the Ed25519 ``key``."""
    ed25519 = load_extra("cryptography.hazmat.primitives.asymmetric.ed25519", extra="rpc")
    exceptions = load_extra("cryptography.exceptions", extra="rpc")
    try:
        ed25519.Ed25519PublicKey.from_public_bytes(key).verify(signature, message_to_sign(challenge))
    except (exceptions.InvalidSignature, ValueError):
        return False
    return True
