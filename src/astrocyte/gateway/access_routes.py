"""What a caller may ask about itself: who the gateway takes it for, and what it would decide and why."""

from typing import TYPE_CHECKING, Any

from aster.foundation.http.request import Request
from aster.foundation.http.routes import Route
from astrocyte.access.decisions import Decision
from astrocyte.access.identity import ANONYMOUS, AstrocyteContext, WhoAmI, canonical, parse_principal
from astrocyte.gateway.routes import CONTEXT, ERRORS
from astrocyte.inputs import bank_names
from astrocyte.requests import AuthzCheckRequest

if TYPE_CHECKING:
    from astrocyte.gateway.settings import GatewaySettings
    from astrocyte.memory import Astrocyte

EVERY_CALLER = "every caller"


class AccessHandlers:
    """One method a route. Nothing is touched and nothing recorded: asking is not doing."""

    def __init__(self, engine: "Astrocyte", settings: "GatewaySettings") -> None:
        self._engine = engine
        self._auth_mode = settings.auth_mode

    async def whoami(self, request: Request, body: Any) -> WhoAmI:
        context: AstrocyteContext | None = request.state[CONTEXT]
        rules = self._engine.authorizer.rules
        return WhoAmI(
            principal=canonical(parse_principal(context.principal)) if context else ANONYMOUS,
            actor=context.actor if context else None,
            on_behalf_of=context.on_behalf_of if context else None,
            tenant_id=context.tenant_id if context else None,
            auth_mode=self._auth_mode,
            default_policy=rules.default_policy if rules.enabled else None,
        )

    async def authz_check(self, request: Request, body: AuthzCheckRequest) -> Decision:
        names = bank_names(body.bank_id, body.banks, self._engine.settings.limits)
        return self._engine.authorizer.authorize(request.state[CONTEXT], body.operation[:80], names)


def access_routes(engine: "Astrocyte", settings: "GatewaySettings") -> list[Route]:
    handlers = AccessHandlers(engine, settings)
    return [
        Route(
            "GET",
            "/v1/whoami",
            handlers.whoami,
            summary="Who the gateway takes the caller for",
            access=EVERY_CALLER,
            answer=WhoAmI,
            errors=ERRORS,
        ),
        Route(
            "POST",
            "/v1/authz/check",
            handlers.authz_check,
            summary="What would be decided, and why",
            access=EVERY_CALLER,
            body=AuthzCheckRequest,
            answer=Decision,
            errors=ERRORS,
        ),
    ]
