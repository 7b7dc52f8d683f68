"""The policy service's settings: one table, named after the contract's configuration properties.

In a TOML file a property is written in the section its dots name (``[aster.security.hmac]``, ``secret-key = "…"``); its
environment form is upper case with ``_`` for dots and dashes. Secrets of single tenants live in the environment only
(``ASTER_HMAC_SECRET_{TENANT}``, see `signing_keys`).
"""

from collections.abc import Mapping
from typing import Any

import msgspec

from aster.foundation.kinds import FLAG, TEXT, choice, integer
from aster.foundation.settings import Document, Kind, Resolved, Setting, SettingsTable
from aster.policy.language.budget import DEFAULT_SECONDS, DEFAULT_STEPS

SECRET_KEY = "aster.security.hmac.secret-key"  # noqa: S105 - the property's name
PREVIOUS_SECRET_KEY = "aster.security.hmac.previous-secret-key"  # noqa: S105 - the property's name
SIGNATURE_VERSION = "aster.security.signature.version"
BODY_BYTES = "aster.http.max-body-size"
RATE_ENABLED = "aster.ratelimit.enabled"
RATE_REQUESTS = "aster.ratelimit.max-requests"
RATE_SECONDS = "aster.ratelimit.window-seconds"
ADDRESS_REQUESTS = "aster.ratelimit.address.max-requests"
SOCKETS = "aster.ratelimit.ws.max-connections"
INTROSPECTION = "aster.graphql.introspection"
MASTER_KEY = "aster.security.keys.master-key"
MOST_STEPS = "aster.eval.max-steps"
DEADLINE_MS = "aster.eval.deadline-ms"
TENANTS = "aster.tenant.allowed"
CORS_ORIGINS = "aster.http.cors.origins"
CACHE_BYTES = "aster.policy.compile-cache.max-bytes"
METRICS_TOKEN = "aster.metrics.token"  # noqa: S105 - the property's name
METRICS_POLICIES = "aster.metrics.policies"
LOG_REQUESTS = "aster.log.requests"


def _property(name: str, kind: Kind, default: Any, description: str, *, secret: bool = False) -> Setting:
    section, _, key = name.rpartition(".")
    env = name.upper().replace(".", "_").replace("-", "_")
    return Setting(name, kind, default, description, section, key=key, env=env, secret=secret)


SETTINGS = SettingsTable(
    [
        _property(
            SECRET_KEY,
            TEXT,
            None,
            "Signing secret of every tenant without an ASTER_HMAC_SECRET_{TENANT}; its holder can sign for all.",
            secret=True,
        ),
        _property(
            PREVIOUS_SECRET_KEY,
            TEXT,
            None,
            "The secret before the last rotation; signatures made with it are still accepted.",
            secret=True,
        ),
        _property(
            SIGNATURE_VERSION,
            choice("1", "2"),
            "1",
            "Least signature version accepted: 2 refuses requests whose tenant, role and user headers are not signed.",
        ),
        _property(
            MASTER_KEY,
            TEXT,
            None,
            "What the secrets of named signing keys are derived from; without one, tenants can't make keys.",
            secret=True,
        ),
        _property(RATE_ENABLED, FLAG, True, "Limit rates at all; off is for load tests."),
        _property(RATE_REQUESTS, integer(1, 10**9), 60_000, "A tenant's requests in a window."),
        _property(RATE_SECONDS, integer(1, 86_400), 60, "The window's length, in seconds."),
        _property(ADDRESS_REQUESTS, integer(1, 10**9), 600_000, "Requests of one network address in a window."),
        _property(SOCKETS, integer(0, 100_000), 100, "WebSocket connections a tenant may have open to one process."),
        _property(
            INTROSPECTION,
            choice("off", "VIEWER", "MEMBER", "ADMIN", "OWNER"),
            "ADMIN",
            "Least role that may read the GraphQL schema.",
        ),
        _property(MOST_STEPS, integer(1, 10**9), DEFAULT_STEPS, "Steps of the language that one evaluation may take."),
        _property(
            DEADLINE_MS, integer(1, 60_000), int(DEFAULT_SECONDS * 1000), "Milliseconds that one evaluation may take."
        ),
        _property(
            TENANTS, TEXT, "", "Tenants that are served, comma-separated; all whose signature is right when empty."
        ),
        _property(
            CORS_ORIGINS,
            TEXT,
            "",
            "Origins whose pages may ask, comma-separated (https://app.example.com), or *; a tenant may name fewer.",
        ),
        _property(BODY_BYTES, integer(1024, 64 * 1024 * 1024), 1024 * 1024, "Largest request body, in bytes."),
        _property(
            CACHE_BYTES,
            integer(0, 16 * 1024 * 1024 * 1024),
            128 * 1024 * 1024,
            "Memory for compiled programs, in bytes; the least recently used go first.",
        ),
        _property(
            METRICS_POLICIES,
            integer(0, 10_000),
            0,
            "Stored policies whose evaluations are counted by tenant and module in /metrics; the rest together.",
        ),
        _property(
            METRICS_TOKEN,
            TEXT,
            None,
            "What /metrics asks for as 'Authorization: Bearer …'; without one whoever reaches the port may read it.",
            secret=True,
        ),
        _property(LOG_REQUESTS, FLAG, False, "Log a line for each request: id, tenant, route, status, milliseconds."),
    ]
)


class PolicySettings(msgspec.Struct, frozen=True):
    """The resolved values; secrets are left out of ``repr``."""

    signature_version: int = 1
    body_bytes: int = 1024 * 1024
    cache_bytes: int = 128 * 1024 * 1024
    rate_enabled: bool = True
    rate_requests: int = 60_000
    rate_seconds: int = 60
    address_requests: int = 600_000
    sockets: int = 100
    introspection: str = "ADMIN"
    most_steps: int = DEFAULT_STEPS
    deadline_ms: int = int(DEFAULT_SECONDS * 1000)
    cors_origins: str = ""
    tenants: str = ""
    metrics_policies: int = 0
    metrics_token: str | None = None
    log_requests: bool = False
    master_key: str | None = None
    secret_key: str | None = None
    previous_secret_key: str | None = None

    @classmethod
    def of(cls, resolved: Resolved) -> "PolicySettings":
        return cls(
            signature_version=int(resolved[SIGNATURE_VERSION]),
            body_bytes=resolved[BODY_BYTES],
            cache_bytes=resolved[CACHE_BYTES],
            rate_enabled=resolved[RATE_ENABLED],
            rate_requests=resolved[RATE_REQUESTS],
            rate_seconds=resolved[RATE_SECONDS],
            address_requests=resolved[ADDRESS_REQUESTS],
            sockets=resolved[SOCKETS],
            introspection=resolved[INTROSPECTION],
            most_steps=resolved[MOST_STEPS],
            deadline_ms=resolved[DEADLINE_MS],
            cors_origins=resolved[CORS_ORIGINS],
            tenants=resolved[TENANTS],
            metrics_policies=resolved[METRICS_POLICIES],
            metrics_token=resolved[METRICS_TOKEN],
            log_requests=resolved[LOG_REQUESTS],
            master_key=resolved[MASTER_KEY],
            secret_key=resolved[SECRET_KEY],
            previous_secret_key=resolved[PREVIOUS_SECRET_KEY],
        )

    def __repr__(self) -> str:
        return f"PolicySettings(signature_version={self.signature_version}, body_bytes={self.body_bytes})"


def resolve_settings(
    *,
    inline: Mapping[str, object] | None = None,
    environ: Mapping[str, str] | None = None,
    document: Document | None = None,
) -> Resolved:
    """Inline over environment over file over defaults; names are the properties'. Raises `ConfigError`."""
    flat = Document(document.name, _flatten(document.sections)) if document is not None else None
    return SETTINGS.resolve(inline=inline, environ=environ, document=flat)


def _flatten(sections: Mapping[str, Any], prefix: str = "") -> dict[str, Any]:
    """``{"aster": {"security": {"hmac": {key: value}}}}`` as ``{"aster.security.hmac": {key: value}}``."""
    flat: dict[str, Any] = {}
    for name, value in sections.items():
        path = f"{prefix}{name}"
        if not isinstance(value, Mapping):
            flat[path] = value
            continue
        keys = {key: child for key, child in value.items() if not isinstance(child, Mapping)}
        tables = {key: child for key, child in value.items() if isinstance(child, Mapping)}
        if keys or not tables:
            flat[path] = keys
        flat.update(_flatten(tables, f"{path}."))
    return flat
