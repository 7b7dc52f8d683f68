"""The trust anchors of a deployment: root public keys, given as bytes or in a file."""

import json
from pathlib import Path

from aster.foundation.errors import ConfigError

KEY_BYTES = 32
MAX_FILE_BYTES = 64 * 1024
MAX_KEYS = 64

FORMS = '64 hex characters a line (# begins a comment), or JSON with "public_key" or a list of "public_keys"'


def read_root_public_keys(path: str, *, source: str) -> tuple[bytes, ...]:
    """The 32-byte keys in a file: one of hex a line, or JSON with ``public_key`` or a list of ``public_keys``.

    More than one is for rotation: credentials of each are good. A file that can't be read or holds anything else is a
    `ConfigError` that names ``source``: a server never falls back to another anchor, or to some of them.
    """
    file = Path(path).expanduser()
    try:
        with file.open("rb") as stream:
            raw = stream.read(MAX_FILE_BYTES + 1)
    except OSError as error:
        raise ConfigError(f"{source}: {file} can't be read: {error.strerror or error}") from None
    if len(raw) > MAX_FILE_BYTES:
        raise ConfigError(f"{source}: {file} is too long to hold public keys")
    try:
        text = raw.decode("utf-8").strip()
        entries = _fields(text) if text.startswith("{") else _lines(text)
    except (ValueError, RecursionError):
        entries = []
    if not 0 < len(entries) <= MAX_KEYS:
        raise ConfigError(f"{source}: {file} holds no root public key", hint=FORMS)
    keys = tuple(_key(entry) for entry in entries)
    for number, key in enumerate(keys, 1):
        if key is None:
            raise ConfigError(f"{source}: {file}: entry {number} of {len(keys)} is no root public key", hint=FORMS)
    return tuple(dict.fromkeys(key for key in keys if key is not None))


def _lines(text: str) -> list[object]:
    lines = (line.partition("#")[0].strip() for line in text.splitlines())
    return [line for line in lines if line]


def _fields(text: str) -> list[object]:
    document = json.loads(text)
    several = document.get("public_keys")
    if isinstance(several, list):
        return several
    return [document["public_key"]] if several is None and "public_key" in document else []


def _key(entry: object) -> bytes | None:
    try:
        key = bytes.fromhex(entry) if isinstance(entry, str) else b""
    except ValueError:
        return None
    return key if len(key) == KEY_BYTES else None
