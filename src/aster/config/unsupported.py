"""What a setting of the contract asks for and no code here can do: it stops the start; never silence."""

from typing import TYPE_CHECKING

from aster.foundation.errors import ConfigError

if TYPE_CHECKING:
    from aster.config.aster_config import AsterConfig

DISABLED = "disabled"


class SettingNotSupported(ConfigError):
    """A setting asks for something that can't be done; starting without it would be a silent lie."""

    code = "CONFIG_NOT_SUPPORTED"


def refuse_unsupported(config: "AsterConfig") -> None:
    """Raise `SettingNotSupported` when the port mapper shall be off: the QUIC bindings ask for it at every bind."""
    asked = config.portmapper_config
    if asked is not None and asked.strip().lower() == DISABLED:
        raise SettingNotSupported(
            f"{config.source('portmapper_config')}: portmapper_config = '{DISABLED}' can't be honoured: "
            "the QUIC bindings look for a port mapper at every start and have no switch for it",
            hint="run in a network namespace or behind a firewall that drops UDP to port 1900, and unset it",
            setting="portmapper_config",
        )
