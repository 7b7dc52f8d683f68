"""Settings of the contract whose effect this version does not have: set, they stop the start; never silence."""

from typing import TYPE_CHECKING

from aster.foundation.errors import ConfigError

if TYPE_CHECKING:
    from aster.config.aster_config import AsterConfig

UNSETTABLE = "the QUIC bindings have no switch for it"

PENDING = {
    "clear_ip_transports": UNSETTABLE,
    "portmapper_config": UNSETTABLE,
    "proxy_url": UNSETTABLE,
    "proxy_from_env": UNSETTABLE,
}


class SettingNotYetSupported(ConfigError):
    """A setting asks for something this version can't do; starting without it would be a silent lie."""

    code = "CONFIG_NOT_YET"


def refuse_pending(config: "AsterConfig") -> None:
    """Raise `SettingNotYetSupported` for the first setting that is set to more than its default and can't act yet."""
    for name, reason in PENDING.items():
        if getattr(config, name) != config.default(name):
            raise SettingNotYetSupported(
                f"{config.source(name)}: {name} is not supported yet: {reason}",
                hint="unset it to start",
                setting=name,
            )
