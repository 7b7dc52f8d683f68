"""Grants: which principal may do what to which bank, with ``*``, ``?`` and ``[…]`` in both names.

A name without a pattern is compared whole and in its case; ``shared-*`` does not fit ``shared``. Grants only add up:
there is none that takes away. The principal ``*`` is everybody, and the only pattern that fits a caller without a name.
"""

import fnmatch
import re
from collections.abc import Callable, Iterable, Iterator
from functools import lru_cache
from typing import Generic, TypeVar

import msgspec

from astrocyte.access.identity import ACTOR_TYPES

PERMISSIONS = ("read", "write", "forget", "admin")
EVERYTHING = frozenset(PERMISSIONS)
EVERYBODY = "*"
REMEMBERED = 10_000

_SPECIAL = re.compile(r"[*?\[]")

Rights = frozenset[str]
V = TypeVar("V")


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
    return principal if _SPECIAL.search(kind) else f"user:{principal}"


class GrantIndex:
    """Finds what fits a caller and a bank without looking at grants for others.

    What was found is remembered, for as many pairs of caller and bank as `REMEMBERED`.
    """

    def __init__(self, grants: Iterable[Grant]) -> None:
        self._banks: _Names[_Holders] = _Names(_Holders)
        for grant in grants:
            self._banks.place(grant.bank).place(grant.principal).update(grant.permissions)
        self._found: dict[tuple[str | None, str], Rights | None] = {}

    def rights(self, principal: str | None, bank: str) -> Rights | None:
        """What all fitting grants give together; None when no grant fits both. A principal of None is anonymous."""
        place = (principal, bank)
        if place in self._found:
            return self._found[place]
        fitting = [rights for holders in self._banks.fitting(bank) for rights in holders.fitting(principal)]
        found = frozenset().union(*fitting) if fitting else None
        if len(self._found) >= REMEMBERED:
            self._found.clear()
        self._found[place] = found
        return found


class _Names(Generic[V]):
    """A value for each name or pattern. Patterns are found by the plain text they begin with, then tried."""

    def __init__(self, make: Callable[[], V]) -> None:
        self._make = make
        self._plain: dict[str, V] = {}
        self._patterns: dict[str, dict[str, V]] = {}
        self._beginnings: set[int] = set()

    def place(self, name: str) -> V:
        """The value of a name as it is written, made if it is new."""
        table = self._plain
        if special := _SPECIAL.search(name):
            beginning = name[: special.start()]
            self._beginnings.add(len(beginning))
            table = self._patterns.setdefault(beginning, {})
        if name not in table:
            table[name] = self._make()
        return table[name]

    def fitting(self, name: str) -> Iterator[V]:
        """The values of all names and patterns that fit."""
        if name in self._plain:
            yield self._plain[name]
        for length in self._beginnings:
            if length <= len(name) and (patterns := self._patterns.get(name[:length])):
                for pattern, value in patterns.items():
                    if _matcher(pattern)(name):
                        yield value


class _Holders:
    """Who is given something in the banks of one name or pattern."""

    def __init__(self) -> None:
        self._everybody: set[str] | None = None
        self._named: _Names[set[str]] = _Names(set)

    def place(self, principal: str) -> set[str]:
        if principal != EVERYBODY:
            return self._named.place(principal)
        if self._everybody is None:
            self._everybody = set()
        return self._everybody

    def fitting(self, principal: str | None) -> Iterator[set[str]]:
        if self._everybody is not None:
            yield self._everybody
        if principal is not None:
            yield from self._named.fitting(principal)


@lru_cache(maxsize=REMEMBERED)
def _matcher(pattern: str) -> Callable[[str], object]:
    return re.compile(fnmatch.translate(pattern)).match
