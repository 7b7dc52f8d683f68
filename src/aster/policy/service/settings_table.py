"""The rows of the policy service's settings: the documented properties first, then what they have no word for."""

from collections.abc import Sequence
from typing import Any

from aster.foundation.kinds import FLAG, TEXT, choice, integer
from aster.foundation.settings import Kind, Setting
from aster.policy.language.budget import DEFAULT_SECONDS, DEFAULT_STEPS

SECRET_KEY = "aster.security.hmac.secret-key"  # noqa: S105 - the property's name
MANY = 10**9


def _row(
    field: str,
    name: str,
    kind: Kind,
    default: Any,
    description: str,
    *,
    also: Sequence[str] = (),
    secret: bool = False,
) -> tuple[str, Setting]:
    """``field`` is the value's name in `PolicySettings`; ``also`` are environment forms beside the rule's."""
    section, _, key = name.rpartition(".")
    env = name.upper().replace(".", "_").replace("-", "_")
    setting = Setting(name, kind, default, description, section, key=key, env=env, also=tuple(also), secret=secret)
    return field, setting


ROWS: Sequence[tuple[str, Setting]] = (
    _row(
        "signature_enabled",
        "aster.security.signature.enabled",
        FLAG,
        True,
        "Layer 2 at all; without it nothing starts, unless ASTER_DEV=1 says that this is a developer's machine.",
    ),
    _row(
        "secret_key",
        SECRET_KEY,
        TEXT,
        None,
        "Signing secret of every tenant without an ASTER_HMAC_SECRET_{TENANT}; its holder can sign for all.",
        secret=True,
    ),
    _row(
        "previous_secret_key",
        "aster.security.hmac.previous-secret-key",
        TEXT,
        None,
        "The secret before the last rotation; signatures made with it are still accepted.",
        secret=True,
    ),
    _row(
        "use_env_secrets",
        "aster.security.hmac.use-env-secrets",
        FLAG,
        True,
        "Look for a tenant's own secret in ASTER_HMAC_SECRET_{TENANT} and ASTER_HMAC_PREV_SECRET_{TENANT}.",
        also=["ASTER_SECURITY_USE_ENV_SECRETS"],
    ),
    _row(
        "events_enabled",
        "aster.security.events.enabled",
        FLAG,
        True,
        "Log who was refused as unsigned, replayed or too fast, and record denied roles in the tenant's audit chain.",
    ),
    _row(
        "rbac_enabled",
        "aster.security.rbac.enabled",
        FLAG,
        True,
        "Layer 3 at all; without it everybody is OWNER, and nothing starts unless ASTER_DEV=1.",
    ),
    _row(
        "tenants",
        "aster.tenant.allowed",
        TEXT,
        "",
        "Tenants that are served, comma-separated; all whose signature is right when empty.",
        also=["ASTER_TENANT_WHITELIST"],
    ),
    _row("rate_enabled", "aster.ratelimit.enabled", FLAG, True, "Limit rates at all; off is for load tests."),
    _row(
        "rate_requests",
        "aster.ratelimit.rest.max-requests",
        integer(1, MANY),
        60_000,
        "A tenant's requests in a window.",
        also=["ASTER_RATELIMIT_REST_MAX"],
    ),
    _row(
        "rate_seconds",
        "aster.ratelimit.rest.window-seconds",
        integer(1, 86_400),
        60,
        "The window's length, in seconds.",
        also=["ASTER_RATELIMIT_REST_WINDOW"],
    ),
    _row(
        "trust_forwarded",
        "aster.ratelimit.trust-forwarded-headers",
        FLAG,
        False,
        "A caller's address is the last one in X-Forwarded-For: only behind a proxy that writes it.",
    ),
    _row(
        "socket_connections",
        "aster.ratelimit.ws.max-connections",
        integer(0, 100_000),
        5,
        "WebSocket connections a tenant may have open from one address to one process.",
    ),
    _row(
        "socket_messages",
        "aster.ratelimit.ws.max-messages-per-second",
        integer(1, 1_000_000),
        10,
        "Messages a second that one WebSocket connection may send; more are refused, one by one.",
    ),
    _row(
        "socket_idle_ms",
        "aster.ratelimit.ws.idle-timeout-ms",
        integer(1, 86_400_000),
        300_000,
        "After so many milliseconds without a message a WebSocket connection ends.",
    ),
    _row(
        "pii_enforced",
        "aster.pii.enforce",
        FLAG,
        True,
        "Mask personal data in reasons, comments and notes before they are recorded, where a tenant does not decline.",
    ),
    _row(
        "modules_enabled",
        "aster.modules.enabled",
        FLAG,
        True,
        "Let policies use other policies of their tenant; without it what they use is unknown (422).",
    ),
    _row(
        "legacy_entry",
        "aster.entry.legacy-evaluate-sentinel",
        FLAG,
        True,
        "The rule name 'evaluate' means no name where no rule is called that.",
    ),
    _row(
        "cache_bytes",
        "aster.policy.compile-cache.max-bytes",
        integer(0, 16 * 1024 * 1024 * 1024),
        128 * 1024 * 1024,
        "Memory for compiled programs, in bytes; the least recently used go first.",
    ),
    _row(
        "body_bytes",
        "aster.http.max-body-size",
        integer(1024, 64 * 1024 * 1024),
        1024 * 1024,
        "Largest request body, in bytes.",
    ),
    _row(
        "graphql_depth",
        "aster.graphql.max-depth",
        integer(1, 100),
        15,
        "Levels of fields in a GraphQL document.",
        also=["GRAPHQL_MAX_DEPTH"],
    ),
    _row(
        "most_steps",
        "aster.eval.max-steps",
        integer(1, MANY),
        DEFAULT_STEPS,
        "Steps of the language that one evaluation may take.",
    ),
    _row(
        "deadline_ms",
        "aster.eval.deadline-ms",
        integer(1, 60_000),
        int(DEFAULT_SECONDS * 1000),
        "Milliseconds that one evaluation may take.",
    ),
    _row(
        "source_characters",
        "aster.max-source-chars",
        integer(1, 65_536),
        65_536,
        "Characters of a source that is compiled.",
    ),
    _row(
        "audit_evaluations",
        "aster.audit.evaluations",
        choice("all", "errors", "sampled", "none"),
        "all",
        "Which evaluations are recorded, of tenants that do not decide themselves (auditEvaluations).",
    ),
    _row(
        "audit_key",
        "aster.audit.hmac-key",
        TEXT,
        None,
        "Audit hashes are HMACs under this key, from the first record on: who has not got it can't forge a chain.",
        secret=True,
    ),
    _row(
        "most_versions",
        "aster.policy.max-versions",
        integer(1, 1_000_000),
        10_000,
        "Versions that one policy may have.",
    ),
    _row(
        "signature_version",
        "aster.security.signature.version",
        choice("1", "2"),
        "1",
        "Least signature version accepted: 2 refuses requests whose tenant, role and user headers are not signed.",
    ),
    _row(
        "master_key",
        "aster.security.keys.master-key",
        TEXT,
        None,
        "What the secrets of named signing keys are derived from; without one, tenants can't make keys.",
        secret=True,
    ),
    _row(
        "address_requests",
        "aster.ratelimit.address.max-requests",
        integer(1, MANY),
        600_000,
        "Requests of one network address in a window.",
    ),
    _row(
        "introspection",
        "aster.graphql.introspection",
        choice("off", "VIEWER", "MEMBER", "ADMIN", "OWNER"),
        "ADMIN",
        "Least role that may read the GraphQL schema.",
    ),
    _row(
        "cors_origins",
        "aster.http.cors.origins",
        TEXT,
        "",
        "Origins whose pages may ask, comma-separated (https://app.example.com), or *; a tenant may name fewer.",
    ),
    _row(
        "metrics_policies",
        "aster.metrics.policies",
        integer(0, 10_000),
        0,
        "Stored policies whose evaluations are counted by tenant and module in /metrics; the rest together.",
    ),
    _row(
        "metrics_token",
        "aster.metrics.token",
        TEXT,
        None,
        "What /metrics asks for as 'Authorization: Bearer …'; without one whoever reaches the port may read it.",
        secret=True,
    ),
    _row(
        "log_requests",
        "aster.log.requests",
        FLAG,
        False,
        "Log a line for each request: id, tenant, route, status, milliseconds.",
    ),
)
