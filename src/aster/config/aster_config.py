"""`AsterConfig`: the settings of one server or client, frozen, each with the source it came from.

Layers, lowest first: built-in default, TOML file, ``ASTER_*`` environment variable, inline argument. The environment is
read whichever way a config is made, so a trust anchor that a deployment sets is never lost.
"""

import os
from collections.abc import Mapping
from typing import Any, Never, Self, TypedDict, Unpack

from aster.config.instance_identity import INSTANCE_TABLE
from aster.config.misspelt import warn_of_misspelt
from aster.config.storage_limits import STORAGE_TABLE
from aster.config.table import SHOWN, TABLE
from aster.foundation.settings import Document, Resolved, SettingsTable

DEFAULT = "default"
ALL = SettingsTable([*TABLE.settings, *INSTANCE_TABLE.settings, *STORAGE_TABLE.settings])
VARIABLES = {f"ASTER_{setting.name.upper()}": setting.env for setting in ALL.settings if setting.env is not None}


class InlineSettings(TypedDict, total=False):
    """The keyword arguments of `AsterConfig`; None means: not given."""

    root_pubkey: bytes | None
    root_pubkey_file: str | os.PathLike[str] | None
    enrollment_credential_file: str | os.PathLike[str] | None
    enrollment_credential_iid: str | None
    allow_all_consumers: bool | None
    allow_all_producers: bool | None
    endpoint_addr: str | None
    secret_key: bytes | None
    relay_mode: str | None
    bind_addr: str | None
    enable_monitoring: bool | None
    enable_hooks: bool | None
    hook_timeout_ms: int | None
    clear_ip_transports: bool | None
    clear_relay_transports: bool | None
    portmapper_config: str | None
    proxy_url: str | None
    proxy_from_env: bool | None
    local_discovery: bool | None
    storage_path: str | os.PathLike[str] | None
    health_port: int | None
    health_host: str | None
    identity_file: str | os.PathLike[str] | None
    log_format: str | None
    log_level: str | None
    log_mask: bool | None
    iid_aws_certificates: str | os.PathLike[str] | None
    iid_gcp_jwks_url: str | None
    iid_azure_certificates: str | os.PathLike[str] | None
    iid_azure_tenant: str | None
    iid_azure_jwks_url: str | None
    storage_max_blob_bytes: int | str | None
    storage_max_total_bytes: int | str | None
    storage_max_blobs: int | None
    storage_inline_bytes: int | str | None
    storage_doc_inline_bytes: int | str | None
    storage_max_key_bytes: int | None
    storage_max_doc_entries: int | None
    storage_max_clock_skew_seconds: int | None
    storage_tombstone_seconds: int | None


class AsterConfig:
    """Every setting of Aster RPC as a typed attribute. Raises `ConfigError` naming the source of a bad value."""

    root_pubkey: bytes | None
    root_pubkey_file: str | None
    enrollment_credential_file: str | None
    enrollment_credential_iid: str | None
    allow_all_consumers: bool
    allow_all_producers: bool
    endpoint_addr: str | None
    secret_key: bytes | None
    relay_mode: str | None
    bind_addr: str | None
    enable_monitoring: bool
    enable_hooks: bool
    hook_timeout_ms: int
    clear_ip_transports: bool
    clear_relay_transports: bool
    portmapper_config: str | None
    proxy_url: str | None
    proxy_from_env: bool
    local_discovery: bool
    storage_path: str | None
    health_port: int
    health_host: str
    identity_file: str | None
    log_format: str
    log_level: str
    log_mask: bool
    iid_aws_certificates: str | None
    iid_gcp_jwks_url: str
    iid_azure_certificates: str | None
    iid_azure_tenant: str | None
    iid_azure_jwks_url: str | None
    storage_max_blob_bytes: int
    storage_max_total_bytes: int
    storage_max_blobs: int
    storage_inline_bytes: int
    storage_doc_inline_bytes: int
    storage_max_key_bytes: int
    storage_max_doc_entries: int
    storage_max_clock_skew_seconds: int
    storage_tombstone_seconds: int

    _resolved: Resolved

    def __init__(self, **inline: Unpack[InlineSettings]) -> None:
        self._adopt(_resolve(inline))

    @classmethod
    def from_env(cls) -> Self:
        """Defaults and ``ASTER_*`` environment variables: what a server or client uses when given no config."""
        return cls()

    @classmethod
    def from_file(cls, path: str | os.PathLike[str], **inline: Unpack[InlineSettings]) -> Self:
        """A TOML file under the environment; an unknown section or key is an error with a suggestion."""
        return cls._of(_resolve(inline, Document.read(path)))

    @classmethod
    def _of(cls, resolved: Resolved) -> Self:
        config = cls.__new__(cls)
        config._adopt(resolved)
        return config

    def _adopt(self, resolved: Resolved) -> None:
        vars(self).update(resolved, _resolved=resolved)

    def source(self, name: str) -> str:
        """Where a value came from: ``default``, an environment variable, ``FILE [section]``, or ``inline``."""
        return self._resolved.source(name)

    def default(self, name: str) -> Any:
        """A setting's built-in default."""
        return ALL.by_name[name].default

    def with_value(self, name: str, value: Any, source: str) -> Self:
        """The same settings with one changed by a rule that ``source`` names (``inline``, ``dev mode`` …)."""
        return self._of(self._resolved.replace(name, value, source))

    def with_inline(self, **inline: Unpack[InlineSettings]) -> Self:
        """The same settings with inline arguments laid over them; None leaves a setting alone."""
        given = {name: value for name, value in inline.items() if value is not None}
        checked = ALL.resolve(inline=given)
        config = self
        for name in given:
            config = config.with_value(name, checked[name], checked.source(name))
        return config

    def print_config(self, *, json: bool = False) -> str:
        """Print and return every value with its source, secrets masked; as text, or as JSON of all settings."""
        text = self._resolved.render_json() if json else self._resolved.render_text(self._rows())
        print(text)
        return text

    def _rows(self) -> Mapping[str, list[str]]:
        rows = {section: list(names) for section, names in SHOWN.items()}
        for setting in ALL.settings:
            listed = rows.get(setting.section, [])
            if setting.name not in listed and self.source(setting.name) != DEFAULT:
                rows.setdefault(setting.section, listed).append(setting.name)
        return rows

    def __setattr__(self, name: str, value: object) -> Never:
        raise AttributeError(f"AsterConfig is frozen; '{name}' can't be set on it")

    def __eq__(self, other: object) -> bool:
        return isinstance(other, AsterConfig) and dict(self._resolved) == dict(other._resolved)

    def __hash__(self) -> int:
        return hash(tuple(self._resolved.items()))

    def __repr__(self) -> str:
        changed = [s for s in ALL.settings if self.source(s.name) != DEFAULT]
        return f"AsterConfig({', '.join(f'{s.name}={self._resolved.shown(s)}' for s in changed)})"


def _resolve(inline: Mapping[str, Any], document: Document | None = None) -> Resolved:
    warn_of_misspelt(VARIABLES)
    return ALL.resolve(inline=inline, environ=os.environ, document=document)
