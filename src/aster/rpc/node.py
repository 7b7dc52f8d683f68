"""From settings to an endpoint: what servers and clients share when they start."""

import logging

from aster.config import AsterConfig
from aster.foundation.logs import ROOTS, configure_logging
from aster.transport.endpoint import DISABLED, Endpoint, EndpointSettings

ALPN = b"aster/2"

LOG_SETTINGS = ("log_format", "log_level", "log_mask")


async def bind_endpoint(config: AsterConfig, alpns: tuple[bytes, ...] = ()) -> Endpoint:
    """Bind as the settings say; `BindFailed` for an address that is not free."""
    relay = DISABLED if config.clear_relay_transports else config.relay_mode or DISABLED
    return await Endpoint.bind(EndpointSettings(alpns, config.secret_key, config.bind_addr, relay))


def apply_log_settings(config: AsterConfig) -> None:
    """Configure logging when a setting asks for it, or when nobody else has: a host application's choice stands."""
    asked = any(config.source(name) != "default" for name in LOG_SETTINGS)
    nobody = not any(logging.getLogger(name).handlers for name in (ROOTS[0], "root"))
    if asked or nobody:
        configure_logging(format=config.log_format, level=config.log_level, mask=config.log_mask)
