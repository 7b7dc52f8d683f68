"""Who is calling."""

from collections.abc import Mapping

import msgspec

ACTOR_TYPES = ("user", "agent", "service")
ANONYMOUS = "anonymous"


class ActorIdentity(msgspec.Struct, frozen=True):
    """``type`` is user, agent or service; ``claims`` are what the authenticator knows besides."""

    type: str
    id: str
    claims: Mapping[str, str] | None = None


class AstrocyteContext(msgspec.Struct, frozen=True):
    """The identity that flows with every operation. Made by an authenticator, never by a request's body."""

    principal: str
    actor: ActorIdentity | None = None
    on_behalf_of: ActorIdentity | None = None
    tenant_id: str | None = None


OPERATOR = AstrocyteContext("service:admin")
"""Who holds the admin token. Known by being this very object: no caller's claim can equal it."""


class WhoAmI(msgspec.Struct, frozen=True, kw_only=True):
    """The caller as access control sees it. ``default_policy`` is None while grants are not enforced."""

    principal: str
    actor: ActorIdentity | None
    on_behalf_of: ActorIdentity | None
    tenant_id: str | None
    auth_mode: str
    default_policy: str | None


def parse_principal(principal: str) -> ActorIdentity:
    """``agent:bot`` is an agent; a word without a known type is a user, so ``alice`` is ``user:alice``."""
    kind, found, name = principal.partition(":")
    if found and name and kind in ACTOR_TYPES:
        return ActorIdentity(kind, name)
    return ActorIdentity("user", principal)


def canonical(identity: ActorIdentity) -> str:
    """The one spelling of a principal: ``type:id``."""
    return f"{identity.type}:{identity.id}"


def principal_label(context: AstrocyteContext | None) -> str:
    """How a caller is named in errors and in the audit log."""
    if context is None:
        return ANONYMOUS
    label = canonical(parse_principal(context.principal))
    return label if context.on_behalf_of is None else f"{label} obo {canonical(context.on_behalf_of)}"
