"""Ed25519 keys: made, kept in files of mode 0600, used to sign and verify. Private keys never show in a repr."""

import functools
import json
import os
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from aster.foundation.bounded_file import read_bounded
from aster.foundation.errors import ConfigError
from aster.foundation.extras import load_extra
from aster.foundation.private_file import create_private_file, warn_if_readable_by_others

KEY_BYTES = 32
SIGNATURE_BYTES = 64
MAX_FILE_BYTES = 64 * 1024

PUBLIC_KEYS_KEPT = 1024
"""A replica verifies many entries of few authors: their keys are parsed once."""


@dataclass(frozen=True, slots=True)
class SigningKey:
    """An ed25519 keypair: the 32-byte private seed and the 32-byte public key."""

    seed: bytes = field(repr=False)
    public: bytes
    _private: Any = field(repr=False, compare=False)

    @classmethod
    def generate(cls) -> "SigningKey":
        """A fresh keypair from the system's randomness."""
        return cls.from_seed(os.urandom(KEY_BYTES))

    @classmethod
    def from_seed(cls, seed: bytes) -> "SigningKey":
        """The keypair of a 32-byte seed."""
        private = _ed25519().Ed25519PrivateKey.from_private_bytes(seed)
        return cls(seed, private.public_key().public_bytes_raw(), private)

    def sign(self, message: bytes) -> bytes:
        """The 64-byte signature of ``message`` (RFC 8032)."""
        signature: bytes = self._private.sign(message)
        return signature


def is_signed_by(public: bytes, message: bytes, signature: bytes) -> bool:
    """Did the holder of ``public`` sign ``message``? False for a malformed key or signature too."""
    try:
        _public_key(public).verify(signature, message)
    except (_invalid_signature(), ValueError):
        return False
    return True


def write_key_file(path: str | os.PathLike[str], key: SigningKey) -> Path:
    """Write a root key as JSON, readable by its owner alone; never over an existing file."""
    file = Path(path).expanduser()
    text = json.dumps({"private_key": key.seed.hex(), "public_key": key.public.hex()}, indent=2) + "\n"
    try:
        file.parent.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise ConfigError(f"{file} can't be written: {error.strerror or error}") from None
    create_private_file(file, text)
    return file


def read_key_file(path: str | os.PathLike[str]) -> SigningKey:
    """Read what `write_key_file` wrote; `ConfigError` for anything else, without repeating its content."""
    file = Path(path).expanduser()
    try:
        document = json.loads(read_bounded(file, MAX_FILE_BYTES))
        seed = bytes.fromhex(document["private_key"])
    except OSError as error:
        raise ConfigError(f"{file} can't be read: {error.strerror or error}") from None
    except (ValueError, KeyError, TypeError, RecursionError):
        raise ConfigError(f"{file} holds no private key") from None
    if len(seed) != KEY_BYTES:
        raise ConfigError(f"{file}: a private key has {KEY_BYTES} bytes, got {len(seed)}")
    warn_if_readable_by_others(file)
    return SigningKey.from_seed(seed)


@functools.lru_cache(maxsize=PUBLIC_KEYS_KEPT)
def _public_key(public: bytes) -> Any:
    return _ed25519().Ed25519PublicKey.from_public_bytes(public)


@functools.cache
def _invalid_signature() -> Any:
    return load_extra("cryptography.exceptions", extra="rpc").InvalidSignature


def _ed25519() -> Any:
    return load_extra("cryptography.hazmat.primitives.asymmetric.ed25519", extra="rpc")
