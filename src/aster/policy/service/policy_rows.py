"""Rows of stored policies, versions and activations as values, and the hash that identifies a version."""

import functools
import hashlib
import importlib.metadata
from collections.abc import Sequence
from typing import Any, Literal

import msgspec

DRAFT, SUBMITTED, APPROVED, REJECTED, DEPRECATED, ARCHIVED = (
    "DRAFT",
    "SUBMITTED",
    "APPROVED",
    "REJECTED",
    "DEPRECATED",
    "ARCHIVED",
)
STATUSES = (DRAFT, SUBMITTED, APPROVED, REJECTED, DEPRECATED, ARCHIVED)
DECIDING = (APPROVED, DEPRECATED)
"""The states in which a version decides when it is asked for by its number; an active one is always APPROVED."""

SourceKind = Literal["manual", "ai_draft", "ai_draft_edited", "imported"]
"""Where a source comes from, as its author tells."""

ActivationKind = Literal["deploy", "rollback"]
"""A rollback goes back to an older version."""

Imports = Sequence[tuple[str, int | None]]
"""Modules that a text uses, by name, with the version it asks for or none."""


class Pin(msgspec.Struct, frozen=True, order=True, rename="camel"):
    """The version of a module that a policy was compiled with."""

    module: str
    version: int
    policy_id: str
    envelope_hash: str


class Policy(msgspec.Struct, frozen=True):
    """A row of ``policies``; ``revision`` counts its changes. Times are milliseconds since 1970.

    ``library_visible`` is 1 when other policies of the tenant may use its module, else 0.
    """

    id: str
    module: str
    name: str
    description: str
    default_function: str | None
    active_version: int | None
    last_version: int
    revision: int
    created_ms: int
    created_by: str
    updated_ms: int
    updated_by: str
    deleted_ms: int | None
    library_visible: int = 1


class Version(msgspec.Struct, frozen=True):
    """A row of ``policy_versions``; its source never changes.

    ``pins`` as `read_pins` reads them, ``words`` as `read_words` does.
    """

    policy_id: str
    version: int
    source: str
    locale: str
    source_hash: str
    envelope_hash: str
    functions: list[str]
    status: str
    notes: str
    created_ms: int
    created_by: str
    author_role: str
    decided_ms: int | None
    decided_by: str | None
    comment: str | None
    imports: Imports
    pins: str
    toolchain: str
    previous_hash: str
    source_kind: SourceKind
    words: str


class NewVersion(msgspec.Struct, frozen=True):
    """What is stored of a compiled source."""

    source: str
    locale: str
    functions: Sequence[str]
    status: str
    notes: str
    author: str
    author_role: str
    imports: Imports
    pins: str
    source_kind: SourceKind
    words: str


class Deployed(msgspec.Struct, frozen=True):
    """What an evaluation of a stored policy needs to know of it."""

    policy_id: str
    version: int
    source_hash: str
    locale: str
    default_function: str | None
    pins: str = ""
    words: str = ""


class Activation(msgspec.Struct, frozen=True):
    """A policy's active version and the latest row of its history."""

    policy_id: str
    module: str
    version: int
    number: int
    kind: str
    activated_ms: int


class PastActivation(msgspec.Struct, frozen=True):
    """One row of a policy's history; ``deactivated_ms`` is when the next version took over, None while it is active."""

    number: int
    version: int
    kind: ActivationKind
    reason: str
    activated_ms: int
    activated_by: str
    deactivated_ms: int | None


_JSON_COLUMNS = ("functions", "imports")


def read_version(row: Sequence[Any]) -> Version:
    values = dict(zip(Version.__struct_fields__, row, strict=True))
    return Version(**{**values, "functions": strings(values["functions"]), "imports": imports_of(values["imports"])})


def version_row(version: Version) -> list[Any]:
    """The columns of `Version`, as they are stored."""
    row: list[Any] = list(msgspec.structs.astuple(version))
    for name in _JSON_COLUMNS:
        row[Version.__struct_fields__.index(name)] = msgspec.json.encode(getattr(version, name)).decode()
    return row


def encode_pins(pins: Sequence[Pin]) -> str:
    """The text that stands for pins, in the order of the modules."""
    return msgspec.json.encode(sorted(pins)).decode()


def read_pins(text: str) -> list[Pin]:
    return msgspec.json.decode(text, type=list[Pin]) if text else []


def strings(text: str) -> list[str]:
    return msgspec.json.decode(text, type=list[str])


def imports_of(text: str) -> Imports:
    return msgspec.json.decode(text, type=list[tuple[str, int | None]])


@functools.cache
def toolchain() -> str:
    """What compiles: a part of every version's envelope."""
    return f"aster-{importlib.metadata.version('aster-platform')}"


def envelope_of(tenant: str, module: str, version: Version) -> str:
    """What identifies a version: its text, what it is compiled by and with, and all its predecessors."""
    parts = [tenant, module, version.version, version.locale, version.source]
    if version.toolchain:  # the first versions of this format had none
        parts += [version.toolchain, version.pins, version.previous_hash]
    if version.words:  # nor these, which most have not
        parts += [version.words]
    return envelope_hash(*parts)


def envelope_hash(*parts: object) -> str:
    """SHA-256 over length-prefixed parts: no two lists of parts give the same bytes."""
    digest = hashlib.sha256(b"aster-policy-envelope-v1\n")
    for part in parts:
        data = str(part).encode()
        digest.update(len(data).to_bytes(8, "big") + data)
    return digest.hexdigest()
