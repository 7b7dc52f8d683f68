"""Who may use ``/v1/admin/*``: whoever holds the admin token, in every auth mode, and nothing else is asked.

The contract leaves the routes open when no token is configured. That holds for callers on this machine only: a gateway
that strangers can reach refuses them, because open there would mean open to everybody.
"""

import ipaddress
from collections.abc import Callable
from typing import TYPE_CHECKING

from aster.foundation.http.errors import HttpError
from aster.foundation.http.request import Request
from aster.foundation.logs import get_logger
from astrocyte.gateway.auth.dev import LOOPBACK
from astrocyte.gateway.auth.errors import Unauthenticated
from astrocyte.gateway.auth.headers import only_value

if TYPE_CHECKING:
    from astrocyte.gateway.settings import GatewaySettings

ADMIN = "admin token"
PREFIX = "/v1/admin"
TOKEN = b"x-admin-token"
CHALLENGE = b'AdminToken realm="astrocyte"'
SHORT = 16

logger = get_logger("astrocyte.gateway")

AdminGuard = Callable[[Request], None]


class AdminDisabled(HttpError):
    """No admin token is configured, and the caller is not on this machine."""

    status = 403
    code = "ADMIN_DISABLED"


def is_admin_request(request: Request) -> bool:
    """By the row of the table, and by the path as well: what does not exist there is not told to strangers either."""
    route = request.match.route
    path = str(request.scope["path"])
    return (route is not None and route.access == ADMIN) or path == PREFIX or path.startswith(f"{PREFIX}/")


def create_admin_guard(settings: "GatewaySettings") -> AdminGuard:
    """Warns when there is no token, or one that can be guessed."""
    token = settings.admin_token
    is_local = settings.host in LOOPBACK
    if token is None:
        state = "open to every caller on this machine" if is_local else "closed"
        logger.warning(f"ASTROCYTE_ADMIN_TOKEN is not set: admin routes are {state}")
    elif len(token) < SHORT:
        logger.warning("ASTROCYTE_ADMIN_TOKEN is short enough to be guessed", bytes=len(token), recommended=SHORT)

    def guard(request: Request) -> None:
        if token is not None:
            if not token.matches(only_value(request.headers_all, TOKEN)):
                raise Unauthenticated("Invalid or missing X-Admin-Token", challenge=CHALLENGE)
        elif not is_local or not _is_loopback(request.client):
            raise AdminDisabled(
                "Admin endpoints are disabled: ASTROCYTE_ADMIN_TOKEN is not set and the gateway can be reached from"
                " other machines"
            )

    return guard


def _is_loopback(client: str | None) -> bool:
    try:
        return client is not None and ipaddress.ip_address(client).is_loopback
    except ValueError:
        return False
