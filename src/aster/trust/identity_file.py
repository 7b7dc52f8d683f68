"""The ``.aster-identity`` file: a node's secret key and the credentials that were issued to it.

[node]
secret_key = "<base64 of 32 bytes>"
[[peers]]
name = "billing-producer"
role = "producer"
...the fields of a credential
"""

import base64
import binascii
import os
import tomllib
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import msgspec

from aster.foundation.bounded_file import read_bounded
from aster.foundation.errors import ConfigError
from aster.foundation.private_file import warn_if_readable_by_others, write_private_file
from aster.foundation.settings import suggest
from aster.foundation.toml_text import toml_text
from aster.trust.credential import Credential
from aster.trust.keys import KEY_BYTES

DEFAULT_NAME = ".aster-identity"
MAX_BYTES = 1024 * 1024
NODE_KEYS = ("secret_key", "endpoint_id")


@dataclass(frozen=True, slots=True)
class Peer:
    """One enrollment of this node: its name in the file, and the credential."""

    name: str
    credential: Credential

    @property
    def root_public_key(self) -> bytes:
        return bytes.fromhex(self.credential.root_pubkey)


@dataclass(frozen=True, slots=True)
class Identity:
    """What an identity file holds, and the file's name."""

    source: str
    secret_key: bytes | None = field(repr=False)
    peers: Sequence[Peer] = ()

    def peer(self, name: str) -> Peer:
        """The enrollment called ``name``; an unknown name is an error that lists the known ones."""
        for peer in self.peers:
            if peer.name == name:
                return peer
        raise ConfigError(
            f"{self.source}: no peer named '{name}'", hint=suggest(name, [peer.name for peer in self.peers])
        )

    def first(self, role: str) -> Peer | None:
        """The first enrollment for ``role``, None without one."""
        return next((peer for peer in self.peers if peer.credential.role == role), None)


def read_identity(path: str | os.PathLike[str]) -> Identity:
    """Read an identity file; `ConfigError` says what is wrong with it, without repeating a secret."""
    file = Path(path).expanduser()
    try:
        raw = read_bounded(file, MAX_BYTES)
        if len(raw) > MAX_BYTES:
            raise ConfigError(f"{file} has more than {MAX_BYTES} bytes")
        document = tomllib.loads(raw.decode("utf-8"))
    except OSError as error:
        raise ConfigError(f"{file} can't be read: {error.strerror or error}") from None
    except (UnicodeDecodeError, tomllib.TOMLDecodeError, RecursionError) as error:
        raise ConfigError(f"{file} is not valid TOML: {error}") from None
    unknown = set(document) - {"node", "peers"}
    if unknown:
        name = min(unknown)
        raise ConfigError(f"{file}: unknown section '{name}'", hint=suggest(name, ["node", "peers"]))
    node, peers = document.get("node", {}), document.get("peers", [])
    if not isinstance(node, dict) or not isinstance(peers, list):
        raise ConfigError(f"{file}: expected [node] and [[peers]]")
    if odd := sorted(set(node) - set(NODE_KEYS)):
        raise ConfigError(f"{file} [node]: unknown key '{odd[0]}'", hint=suggest(odd[0], NODE_KEYS))
    found = tuple(_peer(file, n, each) for n, each in enumerate(peers, 1))
    if doubled := [peer.name for n, peer in enumerate(found) if peer.name in {each.name for each in found[:n]}]:
        raise ConfigError(f"{file}: two [[peers]] are named '{doubled[0]}'")
    secret_key = _secret_key(file, node)
    if secret_key is not None:
        warn_if_readable_by_others(file)
    return Identity(str(file), secret_key, found)


def write_identity(path: str | os.PathLike[str], secret_key: bytes, peers: Sequence[Peer]) -> Path:
    """Write an identity file at once and whole, readable by its owner alone."""
    file = Path(path).expanduser()
    lines = ["[node]", f'secret_key = "{base64.b64encode(secret_key).decode()}"', ""]
    for peer in peers:
        lines += ["[[peers]]", f"name = {toml_text(peer.name)}", *_credential_lines(peer.credential), ""]
    write_private_file(file, "\n".join(lines))
    return file


def _secret_key(file: Path, node: dict[str, Any]) -> bytes | None:
    text = node.get("secret_key")
    if text is None:
        return None
    try:
        key = base64.b64decode(text, validate=True)
    except (ValueError, TypeError, binascii.Error):
        key = b""
    if len(key) != KEY_BYTES:
        raise ConfigError(f"{file} [node] secret_key: expected base64 of {KEY_BYTES} bytes")
    return key


def _peer(file: Path, number: int, entry: object) -> Peer:
    where = f"{file} [[peers]] {number}"
    if not isinstance(entry, dict) or not isinstance(entry.get("name"), str):
        raise ConfigError(f"{where}: has no name")
    fields = {key: value for key, value in entry.items() if key != "name"}
    # The format's own example has no time of issue.
    fields.setdefault("issued_at", 0)
    try:
        return Peer(entry["name"], msgspec.convert(fields, Credential))
    except msgspec.ValidationError as error:
        raise ConfigError(f"{where} ('{entry['name']}'): {error}") from None


def _credential_lines(credential: Credential) -> list[str]:
    lines = []
    for key, value in msgspec.structs.asdict(credential).items():
        if value is None:
            continue
        if isinstance(value, dict):
            pairs = ", ".join(f"{toml_text(name)} = {toml_text(text)}" for name, text in sorted(value.items()))
            lines.append(f"{key} = {{{pairs}}}")
        else:
            lines.append(f"{key} = {toml_text(value)}")
    return lines
