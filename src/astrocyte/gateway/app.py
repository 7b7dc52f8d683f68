"""The gateway as one ASGI app."""

from typing import TYPE_CHECKING

from aster.foundation.http.cors import CorsPolicy
from aster.foundation.http.request import HttpLimits, Request
from aster.foundation.http.service import HttpService
from astrocyte.gateway.access_routes import access_routes
from astrocyte.gateway.admin_guard import create_admin_guard, is_admin_request
from astrocyte.gateway.admin_routes import admin_routes
from astrocyte.gateway.auth import create_authenticator
from astrocyte.gateway.auth.headers import Authenticator
from astrocyte.gateway.failures import render_error
from astrocyte.gateway.memory_routes import memory_routes
from astrocyte.gateway.rates import create_rate_layer
from astrocyte.gateway.routes import CONTEXT, Handlers, gateway_routes
from astrocyte.gateway.settings import GatewaySettings
from astrocyte.gateway.webhook_routes import is_webhook, webhook_routes
from astrocyte.sources.opening import Sources

if TYPE_CHECKING:
    from aster.foundation.http.metrics import RequestMetrics
    from astrocyte.memory import Astrocyte

SENT_HEADERS = (
    "Authorization",
    "Content-Type",
    "Idempotency-Key",
    "X-Admin-Token",
    "X-Api-Key",
    "X-Astrocyte-On-Behalf-Of",
    "X-Astrocyte-Principal",
    "X-Request-ID",
)
"""What pages of an allowed origin may send: every header of every auth mode."""

ANSWERED_HEADERS = ("Retry-After", "X-Request-ID")


def create_gateway(
    astrocyte: "Astrocyte",
    settings: GatewaySettings | None = None,
    *,
    authenticate: Authenticator | None = None,
    metrics: "RequestMetrics | None" = None,
    sources: Sources | None = None,
) -> HttpService:
    """An ASGI app over an engine that the caller opens and closes; its table is ``.routes``.

    ``sources`` are those that run beside it, see `running_sources`. ``authenticate`` is given by whoever offers the
    engine elsewhere too, so that both share one. Raises `ConfigError`
    for an auth mode that is unknown, set up wrongly, or not safe on the configured address.
    """
    settings = settings or GatewaySettings()
    identity_of = authenticate or create_authenticator(settings)
    guard_admin = create_admin_guard(settings)
    limit_rate = create_rate_layer(settings)

    async def identify(request: Request) -> None:
        if is_admin_request(request):
            guard_admin(request)
            return
        if is_webhook(request):
            return
        request.state[CONTEXT] = await identity_of(request.headers_all)

    return HttpService(
        "memory",
        [
            *gateway_routes(Handlers(astrocyte, settings)),
            *memory_routes(astrocyte, settings),
            *access_routes(astrocyte, settings),
            *webhook_routes(sources or Sources()),
            *admin_routes(astrocyte, sources or Sources()),
        ],
        layers=[*([limit_rate] if limit_rate is not None else []), identify],
        render_error=render_error,
        limits=HttpLimits(body_bytes=settings.max_request_body_bytes),
        metrics=metrics,
        cors=_cors(settings),
    )


def _cors(settings: GatewaySettings) -> CorsPolicy | None:
    if not settings.cors_origins.strip():
        return None
    return CorsPolicy.of_text(settings.cors_origins, request_headers=SENT_HEADERS, answer_headers=ANSWERED_HEADERS)
