"""The policy service's settings: one table, named after the contract's configuration properties.

In a TOML file a property is written in the section its dots name (``[aster.security.hmac]``, ``secret-key = "…"``); its
environment form is upper case with ``_`` for dots and dashes. Secrets of single tenants live in the environment only
(``ASTER_HMAC_SECRET_{TENANT}``, see `signing_keys`).
"""

from collections.abc import Mapping
from typing import Any

import msgspec

from aster.foundation.errors import ConfigError
from aster.foundation.logs import get_logger
from aster.foundation.settings import Document, Resolved, SettingsTable
from aster.policy.service.recording import AuditedEvaluations
from aster.policy.service.settings_table import ROWS

SETTINGS = SettingsTable([setting for _, setting in ROWS])
_DEFAULTS = {field: setting.default for field, setting in ROWS}
DEV = "ASTER_DEV"

logger = get_logger("aster.policy.service")


class PolicySettings(msgspec.Struct, frozen=True):
    """The resolved values, by the fields that the table names; secrets are left out of ``repr``."""

    signature_enabled: bool = True
    secret_key: str | None = None
    previous_secret_key: str | None = None
    use_env_secrets: bool = True
    events_enabled: bool = True
    rbac_enabled: bool = True
    tenants: str = ""
    rate_enabled: bool = True
    rate_requests: int = _DEFAULTS["rate_requests"]
    rate_seconds: int = _DEFAULTS["rate_seconds"]
    trust_forwarded: bool = False
    socket_connections: int = _DEFAULTS["socket_connections"]
    socket_messages: int = _DEFAULTS["socket_messages"]
    socket_idle_ms: int = _DEFAULTS["socket_idle_ms"]
    pii_enforced: bool = True
    modules_enabled: bool = True
    legacy_entry: bool = True
    cache_bytes: int = _DEFAULTS["cache_bytes"]
    body_bytes: int = _DEFAULTS["body_bytes"]
    graphql_depth: int = _DEFAULTS["graphql_depth"]
    most_steps: int = _DEFAULTS["most_steps"]
    deadline_ms: int = _DEFAULTS["deadline_ms"]
    source_characters: int = _DEFAULTS["source_characters"]
    audit_evaluations: AuditedEvaluations = "all"
    audit_key: str | None = None
    most_versions: int = _DEFAULTS["most_versions"]
    signature_version: int = 1
    master_key: str | None = None
    address_requests: int = _DEFAULTS["address_requests"]
    introspection: str = _DEFAULTS["introspection"]
    cors_origins: str = ""
    metrics_policies: int = 0
    metrics_token: str | None = None
    log_requests: bool = False

    @classmethod
    def of(cls, resolved: Resolved) -> "PolicySettings":
        values = {field: resolved[setting.name] for field, setting in ROWS}
        return cls(**{**values, "signature_version": int(values["signature_version"])})

    def __repr__(self) -> str:
        return f"PolicySettings(signature_version={self.signature_version}, body_bytes={self.body_bytes})"

    def require_layers(self, environ: Mapping[str, str]) -> None:
        """Raise `ConfigError` for a service without one of its layers, except on a developer's machine."""
        layers = {"signature": self.signature_enabled, "rbac": self.rbac_enabled}
        for name in (name for name, is_on in layers.items() if not is_on):
            told = f"aster.security.{name}.enabled is false: every caller is believed"
            if environ.get(DEV) != "1":
                raise ConfigError(told, hint=f"leave it out, or set {DEV}=1 if nobody but you can reach this service")
            logger.warning(told)


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
