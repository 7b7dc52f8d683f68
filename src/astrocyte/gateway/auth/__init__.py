"""How a request says who is calling: one file a mode. A mode that is not listed does not start."""

from collections.abc import Callable, Mapping
from types import MappingProxyType
from typing import TYPE_CHECKING

from aster.foundation.errors import ConfigError
from aster.foundation.http.request import Request
from aster.foundation.settings import suggest
from astrocyte.access.identity import AstrocyteContext
from astrocyte.gateway.auth import dev

if TYPE_CHECKING:
    from astrocyte.gateway.settings import GatewaySettings

Authenticator = Callable[[Request], AstrocyteContext | None]
"""Returns the caller's identity, None for anonymous; raises to refuse."""

MODES: Mapping[str, Callable[["GatewaySettings"], Authenticator]] = MappingProxyType({"dev": dev.create})
NOT_YET = frozenset({"api_key", "jwt_hs256", "jwt", "jwt_oidc"})


def create_authenticator(settings: "GatewaySettings") -> Authenticator:
    """The configured mode's; raises `ConfigError` for a mode that does not act yet and for an unknown one.

    There is no fallback: a gateway that can't check what it was told to check must not start.
    """
    mode = settings.auth_mode
    create = MODES.get(mode)
    if create is not None:
        return create(settings)
    if mode in NOT_YET:
        raise ConfigError(
            f"ASTROCYTE_AUTH_MODE: '{mode}' is not served yet",
            hint="only 'dev' is; the gateway does not fall back to it by itself",
        )
    raise ConfigError(f"Unknown ASTROCYTE_AUTH_MODE: {mode[:40]}", hint=suggest(mode, [*MODES, *NOT_YET]))
