"""How a request says who is calling: one file a mode. A mode that is not listed does not start.

What is set wrong stops the start with a `ConfigError` (an unknown mode, a key that can't be one, an address that can't
be fetched). What is not set at all does not: it is warned about, and every request is answered with the contract's 500
until it is set. Either way nobody gets in, and nothing falls back to a mode that trusts more.
"""

import importlib
from collections.abc import Mapping
from types import MappingProxyType
from typing import TYPE_CHECKING

from aster.foundation.errors import ConfigError
from aster.foundation.extras import load_extra
from aster.foundation.settings import suggest
from astrocyte.gateway.auth.headers import Authenticator

if TYPE_CHECKING:
    from astrocyte.gateway.settings import GatewaySettings

MODES: Mapping[str, str] = MappingProxyType(
    {
        "dev": "astrocyte.gateway.auth.dev",
        "api_key": "astrocyte.gateway.auth.api_key",
        "jwt_hs256": "astrocyte.gateway.auth.jwt_hs256",
        "jwt": "astrocyte.gateway.auth.jwt_hs256",
        "jwt_oidc": "astrocyte.gateway.auth.jwt_oidc",
    }
)
"""Each mode's file, imported when the mode is chosen."""

SIGNED = frozenset({"jwt_hs256", "jwt", "jwt_oidc"})
"""Modes that verify tokens need libraries that the others don't."""


def create_authenticator(settings: "GatewaySettings") -> Authenticator:
    """The configured mode's; raises `ConfigError` for an unknown one: there is no fallback.

    Raises `MissingExtra` where the mode's libraries are not installed.
    """
    home = MODES.get(settings.auth_mode)
    if home is None:
        raise ConfigError(
            f"Unknown ASTROCYTE_AUTH_MODE: {settings.auth_mode[:40]}", hint=suggest(settings.auth_mode, MODES)
        )
    if settings.auth_mode in SIGNED:
        for library in ("jwt", "cryptography"):
            load_extra(library, extra="gateway")
    authenticator: Authenticator = importlib.import_module(home).create(settings)
    return authenticator
