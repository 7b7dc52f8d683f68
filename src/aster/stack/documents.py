"""The OpenAPI documents of what the stack serves, made from the tables that serve it."""

from collections.abc import Sequence
from typing import Any

from aster import __version__
from aster.foundation.http.openapi import openapi_document
from aster.foundation.http.routes import Route
from aster.policy.service.envelope import ErrorBody as PolicyErrorBody
from aster.policy.service.queries import QUERY_TYPES
from astrocyte.gateway.bodies import ErrorBody as MemoryErrorBody


def _header(name: str, description: str) -> dict[str, str]:
    return {"type": "apiKey", "in": "header", "name": name, "description": description}


MEMORY_SECURITY: dict[str, dict[str, str]] = {
    "principal": _header("X-Astrocyte-Principal", "Who is calling (auth modes dev and api_key), e.g. user:alice."),
    "apiKey": _header("X-Api-Key", "The shared key (auth mode api_key)."),
    "bearer": {
        "type": "http",
        "scheme": "bearer",
        "bearerFormat": "JWT",
        "description": "Auth modes jwt_hs256, jwt_oidc.",
    },
    "admin": _header("X-Admin-Token", "For /v1/admin/* alone, in every auth mode."),
}
MEMORY_ALTERNATIVES = (("principal",), ("apiKey", "principal"), ("bearer",), ("admin",))
POLICY_SECURITY = {
    "tenant": _header("X-Tenant-Id", "Layer 1: whose request this is."),
    "signature": _header(
        "X-Aster-Signature", "Layer 2: hex HMAC-SHA256 of METHOD|path|query|timestamp|nonce|sha256(body)."
    ),
    "nonce": _header("X-Aster-Nonce", "Layer 2: used once."),
    "timestamp": _header("X-Aster-Timestamp", "Layer 2: milliseconds since 1970."),
    "role": _header("X-User-Role", "Layer 3: OWNER, ADMIN, MEMBER or VIEWER."),
}


def memory_document(routes: Sequence[Route]) -> dict[str, Any]:
    return openapi_document(
        routes,
        title="Astrocyte: memory",
        version=__version__,
        security=MEMORY_SECURITY,
        alternatives=MEMORY_ALTERNATIVES,
        error=MemoryErrorBody,
    )


def policy_document(routes: Sequence[Route]) -> dict[str, Any]:
    return openapi_document(
        routes,
        title="Aster Policy Engine",
        version=__version__,
        security=POLICY_SECURITY,
        error=PolicyErrorBody,
        query_types=QUERY_TYPES,
    )
