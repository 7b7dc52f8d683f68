"""The gateway's settings: its environment variables are the contract's."""

from collections.abc import Mapping

import msgspec

from aster.foundation.kinds import FLAG, PATH, TEXT, choice, integer
from aster.foundation.settings import Document, Resolved, Setting, SettingsTable
from astrocyte.access.identity import ACTOR_TYPES
from astrocyte.gateway.auth.secret import Secret

MEGABYTE = 1024 * 1024

SETTINGS = SettingsTable(
    [
        Setting(
            "config_path",
            PATH,
            None,
            "The engine's astrocyte.yaml: access control, grants, limits.",
            "gateway",
            env="ASTROCYTE_CONFIG_PATH",
        ),
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
            "max_import_bytes",
            integer(1024, 64 * 1024 * MEGABYTE),
            1024 * MEGABYTE,
            "Largest body of an import.",
            "gateway",
            env="ASTROCYTE_MAX_IMPORT_BYTES",
        ),
        Setting(
            "cors_origins",
            TEXT,
            "",
            "Origins whose pages may call from a browser, separated by commas; * is every origin.",
            "gateway",
            env="ASTROCYTE_CORS_ORIGINS",
        ),
        Setting(
            "rate_limit_per_second",
            integer(0, 1_000_000),
            None,
            "Requests a second of one address; 0 sets no limit.",
            "gateway",
            env="ASTROCYTE_RATE_LIMIT_PER_SECOND",
            unset="<none on loopback, 100 elsewhere>",
        ),
        Setting(
            "max_result_limit",
            integer(1, 10_000),
            1000,
            "Most hits of a recall; more are cut.",
            "gateway",
            env="ASTROCYTE_MAX_RESULT_LIMIT",
        ),
        Setting(
            "api_key", TEXT, None, "The key of auth mode api_key.", "gateway", env="ASTROCYTE_API_KEY", secret=True
        ),
        Setting(
            "jwt_secret",
            TEXT,
            None,
            "What tokens of auth mode jwt_hs256 are signed with.",
            "gateway",
            env="ASTROCYTE_JWT_SECRET",
            secret=True,
        ),
        Setting(
            "jwt_audience",
            TEXT,
            None,
            "Whom tokens of auth mode jwt_hs256 must be for.",
            "gateway",
            env="ASTROCYTE_JWT_AUDIENCE",
            unset="<any>",
        ),
        Setting(
            "oidc_jwks_url",
            TEXT,
            None,
            "Where the identity provider publishes its keys.",
            "gateway",
            env="ASTROCYTE_OIDC_JWKS_URL",
        ),
        Setting(
            "oidc_issuer",
            TEXT,
            None,
            "Who must have issued tokens of auth mode jwt_oidc.",
            "gateway",
            env="ASTROCYTE_OIDC_ISSUER",
        ),
        Setting(
            "oidc_audience",
            TEXT,
            None,
            "Whom tokens of auth mode jwt_oidc must be for.",
            "gateway",
            env="ASTROCYTE_OIDC_AUDIENCE",
        ),
        Setting(
            "oidc_actor_type",
            choice(*ACTOR_TYPES),
            "user",
            "What a caller is when its token does not say.",
            "gateway",
            env="ASTROCYTE_OIDC_ACTOR_TYPE",
        ),
        Setting(
            "admin_token",
            TEXT,
            None,
            "What the admin routes ask for.",
            "gateway",
            env="ASTROCYTE_ADMIN_TOKEN",
            secret=True,
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
    max_import_bytes: int = 1024 * MEGABYTE
    cors_origins: str = ""
    rate_limit_per_second: int | None = None
    api_key: Secret | None = None
    jwt_secret: Secret | None = None
    jwt_audience: str | None = None
    oidc_jwks_url: str | None = None
    oidc_issuer: str | None = None
    oidc_audience: str | None = None
    oidc_actor_type: str = "user"
    admin_token: Secret | None = None
    config_path: str | None = None

    @classmethod
    def of(cls, resolved: Resolved) -> "GatewaySettings":
        return cls(
            auth_mode=resolved["auth_mode"].strip().lower(),
            host=resolved["host"],
            allow_dev_auth=resolved["allow_dev_auth"],
            max_request_body_bytes=resolved["max_request_body_bytes"],
            max_result_limit=resolved["max_result_limit"],
            max_import_bytes=resolved["max_import_bytes"],
            cors_origins=resolved["cors_origins"],
            rate_limit_per_second=resolved["rate_limit_per_second"],
            api_key=_secret(resolved["api_key"]),
            jwt_secret=_secret(resolved["jwt_secret"]),
            jwt_audience=resolved["jwt_audience"] or None,
            oidc_jwks_url=resolved["oidc_jwks_url"] or None,
            oidc_issuer=resolved["oidc_issuer"] or None,
            oidc_audience=resolved["oidc_audience"] or None,
            oidc_actor_type=resolved["oidc_actor_type"],
            admin_token=_secret(resolved["admin_token"]),
            config_path=resolved["config_path"],
        )


def resolve_settings(
    *,
    inline: Mapping[str, object] | None = None,
    environ: Mapping[str, str] | None = None,
    document: Document | None = None,
) -> GatewaySettings:
    """Inline over environment over document over defaults; raises `ConfigError` for the first bad value."""
    return GatewaySettings.of(SETTINGS.resolve(inline=inline, environ=environ, document=document))


def _secret(text: str | None) -> Secret | None:
    return Secret(text) if text else None
