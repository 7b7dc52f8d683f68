"""The trust anchor of a deployment: the root public key, given as bytes or in a file."""

import json
from pathlib import Path

from aster.foundation.errors import ConfigError

KEY_BYTES = 32
MAX_FILE_BYTES = 64 * 1024


def read_root_public_key(path: str, *, source: str) -> bytes:
    """The 32-byte key in a file: hex, or JSON with a ``public_key`` field of hex.

    A file that can't be read or holds anything else is a `ConfigError` that names ``source``: a server never falls
    back to another anchor.
    """
    file = Path(path).expanduser()
    try:
        with file.open("rb") as stream:
            raw = stream.read(MAX_FILE_BYTES + 1)
    except OSError as error:
        raise ConfigError(f"{source}: {file} can't be read: {error.strerror or error}") from None
    if len(raw) > MAX_FILE_BYTES:
        raise ConfigError(f"{source}: {file} is too long to hold a public key")
    try:
        text = raw.decode("utf-8").strip()
        key = bytes.fromhex(_field(text) if text.startswith("{") else text)
    except (ValueError, RecursionError):
        key = b""
    if len(key) != KEY_BYTES:
        raise ConfigError(
            f"{source}: {file} holds no root public key", hint='64 hex characters, or JSON with a "public_key" field'
        )
    return key


def _field(text: str) -> str:
    document = json.loads(text)
    value = document.get("public_key") if isinstance(document, dict) else None
    if not isinstance(value, str):
        raise ValueError("no public_key")
    return value
