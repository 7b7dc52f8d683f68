"""Profiles: a name for each deployment that this user signs for, in ``~/.aster/config.toml`` (0600).

active_profile = "prod"

[profiles.prod]
root_pubkeys = ["<64 hex>"]
root_key = "keyring:prod"

A profile names keys; it holds no secret. ``ASTER_PROFILE`` overrides the active one.
"""

import fcntl
import os
import re
import tomllib
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Annotated

import msgspec

from aster.foundation.errors import ConfigError
from aster.foundation.private_file import write_private_file
from aster.foundation.settings import suggest
from aster.foundation.toml_text import toml_text

VARIABLE = "ASTER_PROFILE"
FILE = "~/.aster/config.toml"
MAX_BYTES = 1024 * 1024

_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9_-]{0,62}")

HexKey = Annotated[str, msgspec.Meta(pattern="^[0-9a-f]{64}$")]


class Profile(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A deployment: its root public keys (hex), and where the private key of the first is, if that is known here."""

    name: str
    root_pubkeys: Annotated[tuple[HexKey, ...], msgspec.Meta(min_length=1)]
    root_key: str | None = None


@dataclass(frozen=True, slots=True)
class Profiles:
    """What the file holds: profiles by name, and the name of the active one."""

    active: str | None = None
    by_name: Mapping[str, Profile] = field(default_factory=dict)

    def get(self, name: str) -> Profile:
        """The profile called ``name``; an unknown name is an error that lists the known ones."""
        found = self.by_name.get(name)
        if found is None:
            known = suggest(name, self.by_name) if self.by_name else "aster profile create NAME"
            raise ConfigError(f"no profile named '{name}'", hint=known)
        return found


def checked_name(name: str) -> str:
    """``name``, if a profile can be called so; raises `ConfigError` otherwise."""
    if not _NAME.fullmatch(name):
        raise ConfigError(f"{name[:80]!r} is not a name", hint="up to 63 letters, digits, - and _, e.g. prod")
    return name


def profiles_file() -> Path:
    """The file of this user."""
    return Path(FILE).expanduser()


def read_profiles() -> Profiles:
    """Every profile of this user, none without a file; `ConfigError` for a file that is not as it should be."""
    file = profiles_file()
    try:
        with file.open("rb") as stream:
            raw = stream.read(MAX_BYTES + 1)
    except FileNotFoundError:
        return Profiles()
    except OSError as error:
        raise ConfigError(f"{file} can't be read: {error.strerror or error}") from None
    if len(raw) > MAX_BYTES:
        raise ConfigError(f"{file} has more than {MAX_BYTES} bytes")
    try:
        return _parsed(tomllib.loads(raw.decode("utf-8")))
    except ConfigError as error:
        raise ConfigError(f"{file}: {error.message}", hint=error.hint) from None
    except (ValueError, RecursionError) as error:
        raise ConfigError(f"{file} is not valid TOML: {error}") from None


def active_profile(name: str | None = None) -> Profile | None:
    """The profile called ``name``, else the one of ``ASTER_PROFILE``, else the active one, else None."""
    profiles = read_profiles()
    chosen = name or os.environ.get(VARIABLE, "").strip() or profiles.active
    return None if chosen is None else profiles.get(chosen)


def create_profile(profile: Profile) -> None:
    """Add a profile; the first one becomes active. `ConfigError` when there is one by that name."""
    checked_name(profile.name)
    with _changing() as profiles:
        if profile.name in profiles.by_name:
            raise ConfigError(f"there is a profile named '{profile.name}' already", hint="aster profile delete NAME")
        active = profile.name if not profiles.by_name else profiles.active
        _write(Profiles(active, {**profiles.by_name, profile.name: profile}))


def use_profile(name: str) -> Profile:
    """Make ``name`` the active profile."""
    with _changing() as profiles:
        chosen = profiles.get(name)
        _write(replace(profiles, active=name))
    return chosen


def delete_profile(name: str) -> Profile:
    """Forget a profile, not its keys. When it was the active one, none is."""
    with _changing() as profiles:
        gone = profiles.get(name)
        kept = {each: profile for each, profile in profiles.by_name.items() if each != name}
        _write(Profiles(None if profiles.active == name else profiles.active, kept))
    return gone


def _parsed(document: Mapping[str, object]) -> Profiles:
    unknown = min(set(document) - {"active_profile", "profiles"}, default=None)
    if unknown is not None:
        raise ConfigError(f"unknown key '{unknown}'", hint=suggest(unknown, ["active_profile", "profiles"]))
    active, tables = document.get("active_profile"), document.get("profiles", {})
    if not isinstance(tables, dict) or not isinstance(active, str | None):
        raise ConfigError("expected active_profile as text, and [profiles.NAME]")
    found = {checked_name(name): _profile(name, table) for name, table in tables.items()}
    if active is not None and active not in found:
        raise ConfigError(f"active_profile '{active}' is not among its profiles")
    return Profiles(active, found)


def _profile(name: str, table: object) -> Profile:
    if not isinstance(table, dict) or "name" in table:
        raise ConfigError(f"[profiles.{name}] is no profile")
    try:
        return msgspec.convert({**table, "name": name}, Profile)
    except msgspec.ValidationError as error:
        raise ConfigError(f"[profiles.{name}]: {error}") from None


def _write(profiles: Profiles) -> None:
    lines = [] if profiles.active is None else [f"active_profile = {toml_text(profiles.active)}", ""]
    for name, profile in sorted(profiles.by_name.items()):
        lines += [f"[profiles.{name}]", f"root_pubkeys = {toml_text(profile.root_pubkeys)}"]
        if profile.root_key is not None:
            lines.append(f"root_key = {toml_text(profile.root_key)}")
        lines.append("")
    write_private_file(profiles_file(), "\n".join(lines))


@contextmanager
def _changing() -> Iterator[Profiles]:
    """Read, change and write while no other command does."""
    folder = profiles_file().parent
    try:
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        descriptor = os.open(folder, os.O_RDONLY)
    except OSError as error:
        raise ConfigError(f"{folder} can't be used: {error.strerror or error}") from None
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX)
        yield read_profiles()
    finally:
        os.close(descriptor)
