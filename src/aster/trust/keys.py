"""Ed25519 keys. Private keys never show in a repr."""

from dataclasses import dataclass, field

from aster.foundation.extras import load_extra


@dataclass(frozen=True, slots=True)
class RootKey:
    """A root keypair: the 32-byte private seed and the 32-byte public key."""

    seed: bytes = field(repr=False)
    public: bytes


def generate_root_key() -> RootKey:
    """A fresh root keypair from the system's randomness."""
    ed25519 = load_extra("cryptography.hazmat.primitives.asymmetric.ed25519", extra="rpc")
    private = ed25519.Ed25519PrivateKey.generate()
    return RootKey(private.private_bytes_raw(), private.public_key().public_bytes_raw())
