"""The gateway's settings: its environment variables are the contract's."""

from collections.abc import Mapping

import msgspec

from aster.foundation.kinds import FLAG, TEXT, integer
from aster.foundation.settings import Document, Resolved, Setting, SettingsTable

MEGABYTE = 1024 * 1024

SETTINGS = SettingsTable(
    [
        Setting("auth_mode", TEXT, "dev", "How callers say who they are.", "gateway", env="ASTROCYTE_AUTH_MODE"),
        Setting("host", TEXT, "127.0.0.1", "The address that is listened on.", "gateway", env="ASTROCYTE_HOST"),
        Setting(
            "allow_dev_auth",
            FLAG,
            False,
            "Let auth mode dev listen on an address that strangers can reach.",
            "gateway",
            env="ASTROCYTE_ALLOW_DEV_AUTH",
        ),
        Setting(
            "max_request_body_bytes",
            integer(1024, 1024 * MEGABYTE),
            10 * MEGABYTE,
            "Largest request body.",
            "gateway",
            env="ASTROCYTE_MAX_REQUEST_BODY_BYTES",
        ),
        Setting(
            "max_result_limit",
            integer(1, 10_000),
            1000,
            "Most hits of a recall; more are cut.",
            "gateway",
            env="ASTROCYTE_MAX_RESULT_LIMIT",
        ),
    ]
)


class GatewaySettings(msgspec.Struct, frozen=True):
    """The settings as values; see `SETTINGS` for what each means."""

    auth_mode: str = "dev"
    host: str = "127.0.0.1"
    allow_dev_auth: bool = False
    max_request_body_bytes: int = 10 * MEGABYTE
    max_result_limit: int = 1000

    @classmethod
    def of(cls, resolved: Resolved) -> "GatewaySettings":
        return cls(
            auth_mode=resolved["auth_mode"].strip().lower(),
            host=resolved["host"],
            allow_dev_auth=resolved["allow_dev_auth"],
            max_request_body_bytes=resolved["max_request_body_bytes"],
            max_result_limit=resolved["max_result_limit"],
        )


def resolve_settings(
    *,
    inline: Mapping[str, object] | None = None,
    environ: Mapping[str, str] | None = None,
    document: Document | None = None,
) -> GatewaySettings:
    """Inline over environment over document over defaults; raises `ConfigError` for the first bad value."""
    return GatewaySettings.of(SETTINGS.resolve(inline=inline, environ=environ, document=document))
