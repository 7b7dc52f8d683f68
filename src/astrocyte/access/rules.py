"""The rules of access as values, and how ``astrocyte.yaml`` writes them."""

import re
from collections.abc import Iterator, Mapping
from types import MappingProxyType
from typing import Any, Literal

import msgspec

from aster.foundation.errors import ConfigError
from aster.foundation.settings import Document, suggest
from astrocyte.access.grants import EVERYTHING, Grant, canonical_pattern
from astrocyte.access.policy import AccessPolicy

DefaultPolicy = Literal["owner_only", "open", "deny"]
DEFAULT_POLICIES: tuple[DefaultPolicy, ...] = ("owner_only", "open", "deny")
"""What holds where no grant fits the caller and the bank."""

OWN_BANK_PREFIXES: Mapping[str, str] = MappingProxyType({"user": "user-", "agent": "agent-", "service": "service-"})
"""``user:alice`` owns the bank ``user-alice``, and no other. None of these is the beginning of another."""

SECTIONS = frozenset({"access_grants", "banks"})
"""The sections that are read here; `astrocyte.config.SETTINGS` reads the others."""

_BANK_PATTERN = re.compile(r"[A-Za-z0-9._:@*?\[\]!-]{1,255}")
_MAX_PRINCIPAL = 256


class AccessRules(msgspec.Struct, frozen=True, kw_only=True):
    """Who may do what. ``obo_enabled`` lets callers act on behalf of others, with the rights that both have.

    ``policy`` may refuse what grants allow, never the other way round.
    """

    enabled: bool = False
    default_policy: DefaultPolicy = "owner_only"
    obo_enabled: bool = False
    grants: tuple[Grant, ...] = ()
    policy: AccessPolicy | None = None


class _BankGrant(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    principal: str
    permissions: list[Literal["read", "write", "forget", "admin", "*"]]


class _TopGrant(_BankGrant, frozen=True, forbid_unknown_fields=True):
    bank_id: str


def read_grants(document: Document) -> tuple[Grant, ...]:
    """``access_grants`` and every ``banks.*.access``, merged; raises `ConfigError` naming the entry that is wrong."""
    top = _given(document.sections, "access_grants", [])
    grants = [
        _grant(f"{document.name}: access_grants[{number}]", row.bank_id, row)
        for number, row in enumerate(_rows(f"{document.name}: access_grants", top, _TopGrant))
    ]
    for bank, rows in _banks(document):
        where = f"{document.name}: banks.{bank}.access"
        grants += [_grant(f"{where}[{number}]", bank, row) for number, row in enumerate(_rows(where, rows, _BankGrant))]
    return tuple(dict.fromkeys(grants))


def _banks(document: Document) -> Iterator[tuple[str, Any]]:
    banks = _given(document.sections, "banks", {})
    if not isinstance(banks, dict):
        raise ConfigError(f"{document.name}: banks: expected sections named after banks")
    for bank, keys in banks.items():
        if not isinstance(bank, str) or not isinstance(keys, dict | None):
            raise ConfigError(f"{document.name}: banks: expected sections named after banks")
        for key in keys or {}:
            if key != "access":
                raise ConfigError(
                    f"{document.name}: unknown key '{key}' in banks.{bank}", hint=suggest(key, ["access"])
                )
        yield bank, _given(keys or {}, "access", [])


def _given(section: Mapping[str, Any], key: str, default: Any) -> Any:
    """A key without a value is one that is not there."""
    value = section.get(key)
    return default if value is None else value


def _rows(where: str, rows: Any, kind: type[Any]) -> list[Any]:
    try:
        found: list[Any] = msgspec.convert(rows, list[kind])  # type: ignore[valid-type]  # the type is a value here
    except msgspec.ValidationError as error:
        raise ConfigError(f"{where}: {error}") from None
    return found


def _grant(where: str, bank: str, row: _BankGrant) -> Grant:
    if not _BANK_PATTERN.fullmatch(bank):
        raise ConfigError(f"{where}: {bank[:80]!r} can't fit a bank's name")
    principal = row.principal
    if not principal.isprintable() or principal != principal.strip() or not 1 <= len(principal) <= _MAX_PRINCIPAL:
        raise ConfigError(f"{where}: {principal[:80]!r} can't fit a principal")
    if not row.permissions:
        raise ConfigError(f"{where}: no permission is listed", hint="leave the grant out: it would give nothing")
    rights = EVERYTHING if "*" in row.permissions else frozenset(map(str, row.permissions))
    return Grant(bank, canonical_pattern(principal), rights)
