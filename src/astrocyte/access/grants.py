"""Grants: which principal may do what to which bank, with ``*``, ``?`` and ``[…]`` in both names.

A name without a pattern is compared whole and in its case; ``shared-*`` does not fit ``shared``. Grants only add up:
there is none that takes away. The principal ``*`` is everybody, and the only pattern that fits a caller without a name.
"""

import fnmatch
import re
from collections.abc import Callable, Iterable, Mapping
from types import MappingProxyType
from typing import TypeVar

import msgspec

from astrocyte.access.identity import ACTOR_TYPES

PERMISSIONS = ("read", "write", "forget", "admin")
EVERYTHING = frozenset(PERMISSIONS)
EVERYBODY = "*"
REMEMBERED = 10_000

_PATTERN = re.compile(r"[*?\[]")

Matcher = Callable[[str], object]
Rights = frozenset[str]
K = TypeVar("K")


class Grant(msgspec.Struct, frozen=True):
    """``permissions`` of `PERMISSIONS`; bank and principal may be patterns, the principal in its canonical form."""

    bank: str
    principal: str
    permissions: Rights


def canonical_pattern(principal: str) -> str:
    """``alice`` is ``user:alice``, as it is for a caller; a pattern in the place of the type stays."""
    kind = principal.partition(":")[0]
    if kind in ACTOR_TYPES and kind != principal:
        return principal
    return principal if _PATTERN.search(kind) else f"user:{principal}"


class GrantIndex:
    """Finds what fits a caller and a bank without looking at grants for others.

    Names without patterns are looked up; of the others only those are tried whose other half fits by name, and those
    with a pattern in both halves. What was found is remembered, for as many pairs as `REMEMBERED`.
    """

    def __init__(self, grants: Iterable[Grant]) -> None:
        self._exact: dict[tuple[str, str], Rights] = {}
        self._of_bank: dict[str, dict[str, Rights]] = {}
        self._of_principal: dict[str, dict[str, Rights]] = {}
        self._of_both: dict[tuple[str, str], Rights] = {}
        for grant in grants:
            self._add(grant)
        patterns = [
            *(name for names in self._of_bank.values() for name in names),
            *(name for names in self._of_principal.values() for name in names),
            *(name for pair in self._of_both for name in pair),
        ]
        self._matchers: Mapping[str, Matcher] = MappingProxyType({name: _matcher(name) for name in set(patterns)})
        self._found: dict[tuple[str | None, str], Rights | None] = {}

    def rights(self, principal: str | None, bank: str) -> Rights | None:
        """What all fitting grants give together; None when no grant fits both. A principal of None is anonymous."""
        place = (principal, bank)
        if place in self._found:
            return self._found[place]
        fitting = list(self._fitting(principal, bank))
        found = frozenset().union(*fitting) if fitting else None
        if len(self._found) >= REMEMBERED:
            self._found.clear()
        self._found[place] = found
        return found

    def _fitting(self, principal: str | None, bank: str) -> Iterable[Rights]:
        matches = self._matchers
        for name in (EVERYBODY,) if principal is None else (EVERYBODY, principal):
            if (rights := self._exact.get((bank, name))) is not None:
                yield rights
            for pattern, rights in self._of_principal.get(name, {}).items():
                if matches[pattern](bank):
                    yield rights
        if principal is None:
            return
        for pattern, rights in self._of_bank.get(bank, {}).items():
            if matches[pattern](principal):
                yield rights
        for (bank_pattern, pattern), rights in self._of_both.items():
            if matches[bank_pattern](bank) and matches[pattern](principal):
                yield rights

    def _add(self, grant: Grant) -> None:
        is_open_to_many = grant.principal != EVERYBODY and _PATTERN.search(grant.principal)
        match bool(_PATTERN.search(grant.bank)), bool(is_open_to_many):
            case False, False:
                _join(self._exact, (grant.bank, grant.principal), grant.permissions)
            case False, True:
                _join(self._of_bank.setdefault(grant.bank, {}), grant.principal, grant.permissions)
            case True, False:
                _join(self._of_principal.setdefault(grant.principal, {}), grant.bank, grant.permissions)
            case _:
                _join(self._of_both, (grant.bank, grant.principal), grant.permissions)


def _join(table: dict[K, Rights], key: K, rights: Rights) -> None:
    table[key] = table.get(key, frozenset()) | rights


def _matcher(pattern: str) -> Matcher:
    return re.compile(fnmatch.translate(pattern)).match
