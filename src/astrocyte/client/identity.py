"""How a client says who it is: one of the gateway's auth modes, as headers."""

from collections.abc import Mapping
from dataclasses import dataclass, field

from aster.foundation.errors import ConfigError


@dataclass(frozen=True, slots=True)
class Credentials:
    """``principal`` for mode dev, with ``api_key`` for mode api_key; ``token`` for the JWT modes; ``admin_token`` for
    the admin routes. ``on_behalf_of`` names whom the caller acts for. Secrets are not shown in `repr`.
    """

    principal: str | None = None
    api_key: str | None = field(default=None, repr=False)
    token: str | None = field(default=None, repr=False)
    admin_token: str | None = field(default=None, repr=False)
    on_behalf_of: str | None = None

    @classmethod
    def from_environment(cls, environ: Mapping[str, str]) -> "Credentials":
        """From ``ASTROCYTE_PRINCIPAL``, ``_API_KEY``, ``_TOKEN``, ``_ADMIN_TOKEN`` and ``_ON_BEHALF_OF``."""
        names = ("principal", "api_key", "token", "admin_token", "on_behalf_of")
        return cls(**{name: environ.get(f"ASTROCYTE_{name.upper()}") or None for name in names})

    def headers(self) -> dict[str, str]:
        """Raises `ConfigError` for what can't be a header, without repeating it."""
        pairs = {
            "X-Astrocyte-Principal": self.principal,
            "X-Api-Key": self.api_key,
            "Authorization": f"Bearer {self.token}" if self.token else None,
            "X-Admin-Token": self.admin_token,
            "X-Astrocyte-On-Behalf-Of": self.on_behalf_of,
        }
        given = {name: value for name, value in pairs.items() if value}
        for name, value in given.items():
            if not (value.isascii() and value.isprintable()):
                raise ConfigError(f"what is to be sent as {name} can't be a header", hint="visible ASCII characters")
        return given
