"""The gateway as one ASGI app."""

from dataclasses import replace
from typing import TYPE_CHECKING

from aster.foundation.http.cors import CorsPolicy
from aster.foundation.http.request import HttpLimits, Request
from aster.foundation.http.routes import Route
from aster.foundation.http.service import HttpService
from astrocyte.gateway.access_routes import access_routes
from astrocyte.gateway.admin_guard import create_admin_guard, is_admin_request
from astrocyte.gateway.admin_routes import admin_routes
from astrocyte.gateway.auth import create_authenticator
from astrocyte.gateway.auth.headers import Authenticator
from astrocyte.gateway.derived_routes import derived_routes
from astrocyte.gateway.failures import render_error
from astrocyte.gateway.idempotency import Idempotency
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

ANSWERED_HEADERS = ("Idempotency-Replayed", "Retry-After", "X-Request-ID")

CHANGING = frozenset({"write", "forget", "admin"})


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
    once = Idempotency(astrocyte).once
    limit_rate = create_rate_layer(settings)

    async def identify(request: Request) -> None:
        if is_admin_request(request):
            guard_admin(request)
            return
        if is_webhook(request):
            return
        request.state[CONTEXT] = await identity_of(request.headers_all)

    running = sources or Sources()
    routes = [
        *gateway_routes(Handlers(astrocyte, settings)),
        *memory_routes(astrocyte, settings),
        *derived_routes(astrocyte),
        *access_routes(astrocyte, settings),
        *webhook_routes(running),
        *admin_routes(astrocyte, running),
    ]
    return HttpService(
        "memory",
        [replace(route, handler=once(route.handler)) if _changes(route) else route for route in routes],
        layers=[*([limit_rate] if limit_rate is not None else []), identify],
        render_error=render_error,
        limits=HttpLimits(body_bytes=settings.max_request_body_bytes),
        metrics=metrics,
        cors=_cors(settings),
    )


def _changes(route: Route) -> bool:
    """Whether a request may carry an Idempotency-Key: it says in a body what is to change."""
    return route.access in CHANGING and route.body is not None


def _cors(settings: GatewaySettings) -> CorsPolicy | None:
    if not settings.cors_origins.strip():
        return None
    return CorsPolicy.of_text(settings.cors_origins, request_headers=SENT_HEADERS, answer_headers=ANSWERED_HEADERS)
