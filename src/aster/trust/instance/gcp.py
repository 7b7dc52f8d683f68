"""Google Cloud: the identity token of an instance's service account, asked for with ``format=full``.

The audience is ``aster:`` and the node's EndpointId. Source of the claims: Google's "Verify the identity of instances".
"""

import re

import msgspec

from aster.trust.credential import CredentialRefused
from aster.trust.instance.facts import Proven, Wanted
from aster.trust.instance.settings import InstanceSettings
from aster.trust.instance.signed_tokens import Claims, TokenIssuer

ISSUERS = ("https://accounts.google.com", "accounts.google.com")

_ZONE = re.compile(r"([a-z]+-[a-z]+[0-9]+)-[a-z][a-z0-9]*")


def audience(peer: str) -> str:
    """The audience that a token for this node must have."""
    return f"aster:{peer}"


class _ComputeEngine(msgspec.Struct, frozen=True):
    project_id: str
    zone: str


class _Google(msgspec.Struct, frozen=True):
    compute_engine: _ComputeEngine


class _GcpClaims(Claims, frozen=True, kw_only=True):
    google: _Google
    email: str | None = None
    email_verified: bool = False


class GcpVerifier:
    """Account is the project id, region that of the zone, role the service account's e-mail address."""

    def __init__(self, jwks_url: str) -> None:
        self._issuer = TokenIssuer(ISSUERS, jwks_url)

    async def prove(self, wanted: Wanted, token: str, *, peer: str, now: float) -> Proven:
        claims = await self._issuer.claims(_GcpClaims, token, audience=audience(peer), now=now)
        engine = claims.google.compute_engine
        zone = _ZONE.fullmatch(engine.zone)
        if zone is None:
            raise CredentialRefused("its identity token names no zone")
        return Proven(engine.project_id, zone[1], claims.email if claims.email_verified else None)


def create(settings: InstanceSettings) -> GcpVerifier:
    return GcpVerifier(settings.gcp_jwks_url)
