"""What a caller must be to use a service or method: a role, any of some, or all of some.

A caller's roles are the words of its admission's attributes ``aster.role`` and ``aster.capabilities``, split at commas.
Whoever has no attributes has no roles; a requirement of a kind that is not known is never met.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from enum import StrEnum

from aster.rpc.errors import ServiceDefinitionError

ROLE_ATTRIBUTES = ("aster.role", "aster.capabilities")


class RequirementKind(StrEnum):
    """How a caller's roles are held against those asked for."""

    ROLE = "role"
    ANY_OF = "any_of"
    ALL_OF = "all_of"


_IS_MET: Mapping[str, Callable[[frozenset[str], frozenset[str]], bool]] = {
    RequirementKind.ROLE: frozenset.issubset,
    RequirementKind.ALL_OF: frozenset.issubset,
    RequirementKind.ANY_OF: lambda asked, had: not asked.isdisjoint(had),
}


@dataclass(frozen=True, slots=True)
class Requirement:
    """Roles that a caller must have; made by a text, `any_of` or `all_of`."""

    kind: str
    roles: tuple[str, ...]

    def is_met_by(self, roles: frozenset[str]) -> bool:
        """Are these roles enough?"""
        rule = _IS_MET.get(self.kind)
        return rule is not None and bool(self.roles) and rule(frozenset(self.roles), roles)

    def __str__(self) -> str:
        if len(self.roles) == 1:
            return f"the role {self.roles[0]}"
        return f"{'any' if self.kind == RequirementKind.ANY_OF else 'all'} of the roles {', '.join(self.roles)}"


Requires = str | Requirement | None
"""What ``requires=`` takes: a role, `any_of(...)`, `all_of(...)`, or nothing."""


def any_of(*roles: str) -> Requirement:
    """One of these roles is enough."""
    return _requirement(RequirementKind.ANY_OF, roles)


def all_of(*roles: str) -> Requirement:
    """Every one of these roles is needed."""
    return _requirement(RequirementKind.ALL_OF, roles)


def requirement(requires: object) -> Requirement | None:
    """The requirement that ``requires=`` means; `ServiceDefinitionError` for what is none."""
    if requires is None or isinstance(requires, Requirement):
        return requires
    if isinstance(requires, str):
        return _requirement(RequirementKind.ROLE, (requires,))
    raise ServiceDefinitionError(
        f"requires={requires!r} is no requirement", hint="a role as text, any_of('a', 'b') or all_of('a', 'b')"
    )


def roles_of(attributes: Mapping[str, str]) -> frozenset[str]:
    """A caller's roles, from the attributes of its admission."""
    words = (word.strip() for name in ROLE_ATTRIBUTES for word in attributes.get(name, "").split(","))
    return frozenset(word for word in words if word)


def _requirement(kind: RequirementKind, roles: tuple[str, ...]) -> Requirement:
    words = tuple(str(role) for role in roles)
    if not words:
        raise ServiceDefinitionError(f"{kind}() names no role", hint=f"{kind}('reader', 'writer')")
    for word in words:
        if not word or word != word.strip() or "," in word:
            raise ServiceDefinitionError(f"{word!r} can't be a role", hint="a word without commas or spaces around it")
    return Requirement(kind, tuple(dict.fromkeys(words)))
