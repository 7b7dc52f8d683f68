"""From a verified token's claims to an identity: the contract's table of claims.

``act`` is RFC 8693, section 4.1: ``sub`` is for whom, ``act.sub`` is who acts. An ``act`` inside ``act`` is history and
gives no rights.
"""

import json
from collections.abc import Mapping
from typing import Any

from aster.foundation.tokens.jws import TokenRefused
from astrocyte.access.identity import ACTOR_TYPES, ActorIdentity, AstrocyteContext, parse_principal

MAX_PRINCIPAL = 256
MAPPED = frozenset(
    {"sub", "iss", "aud", "exp", "nbf", "iat", "jti", "act", "tid", "tenant_id"}
    | {"astrocyte_actor_type", "astrocyte_principal"}
)
"""Claims that have a place of their own; all others go to the actor's claims."""


class SubjectMissing(TokenRefused):
    """The token names nobody."""


def plain_identity(claims: Mapping[str, Any]) -> AstrocyteContext:
    """Mode ``jwt_hs256``: ``sub`` is the principal as it is."""
    subject = _subject(claims)
    act = _act(claims)
    if act is None:
        return AstrocyteContext(principal=subject)
    actor = _subject(act)
    return AstrocyteContext(principal=actor, actor=parse_principal(actor), on_behalf_of=parse_principal(subject))


def structured_identity(claims: Mapping[str, Any], *, default_type: str) -> AstrocyteContext:
    """Mode ``jwt_oidc``: principal, actor and tenant."""
    act = _act(claims)
    caller = claims if act is None else act
    actor = ActorIdentity(_actor_type(caller, default_type), _subject(caller), _other_claims(caller))
    return AstrocyteContext(
        principal=_principal(caller, actor),
        actor=actor,
        on_behalf_of=None if act is None else ActorIdentity(_actor_type(claims, default_type), _subject(claims)),
        tenant_id=_tenant(claims),
    )


def _act(claims: Mapping[str, Any]) -> Mapping[str, Any] | None:
    act = claims.get("act")
    if act is not None and not isinstance(act, dict):
        raise TokenRefused("the act claim is malformed")
    return act


def _subject(claims: Mapping[str, Any]) -> str:
    subject = claims.get("sub")
    if not isinstance(subject, str) or not subject.strip():
        raise SubjectMissing("the token names nobody")
    return _printable(subject)


def _actor_type(claims: Mapping[str, Any], default: str) -> str:
    given = claims.get("astrocyte_actor_type")
    if given is None:
        return default
    kind = given.strip().lower() if isinstance(given, str) else ""
    if kind not in ACTOR_TYPES:
        raise TokenRefused(f"astrocyte_actor_type is not one of {', '.join(ACTOR_TYPES)}")
    return kind


def _principal(claims: Mapping[str, Any], actor: ActorIdentity) -> str:
    override = claims.get("astrocyte_principal")
    if override is None:
        return f"{actor.type}:{actor.id}"
    if not isinstance(override, str) or not override.strip():
        raise TokenRefused("astrocyte_principal is not a principal")
    return _printable(override.strip())


def _tenant(claims: Mapping[str, Any]) -> str | None:
    given = claims.get("tid") or claims.get("tenant_id")
    if given is not None and not isinstance(given, str | int):
        raise TokenRefused("the tenant is not a name")
    return _printable(str(given).strip()) or None if given else None


def _other_claims(claims: Mapping[str, Any]) -> dict[str, str] | None:
    found = {name: _text(value) for name, value in claims.items() if name not in MAPPED and value is not None}
    return found or None


def _text(value: Any) -> str:
    return json.dumps(value) if isinstance(value, dict | list) else str(value)


def _printable(name: str) -> str:
    if len(name) > MAX_PRINCIPAL or not name.isprintable():
        raise TokenRefused(f"a name must be at most {MAX_PRINCIPAL} printable characters")
    return name
