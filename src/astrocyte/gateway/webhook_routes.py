"""``/v1/ingest/webhook/{source_id}``: what other systems send by themselves. Its signature stands for the auth mode."""

import msgspec

from aster.foundation.http.errors import HttpError, NotFound, ValidationFailed
from aster.foundation.http.request import Request
from aster.foundation.http.routes import Route
from astrocyte.gateway.routes import ERRORS
from astrocyte.memories import RetainResult
from astrocyte.sources.opening import Sources
from astrocyte.sources.webhook import SIGNATURE, TIMESTAMP, WebhookRefused

WEBHOOK = "signature of the source"


class WebhookUnauthorized(HttpError):
    """The request is not signed as the source asks."""

    status = 401
    code = "WEBHOOK_REFUSED"


def is_webhook(request: Request) -> bool:
    route = request.match.route
    return route is not None and route.access == WEBHOOK


class WebhookHandlers:
    """One method a route. The signature is checked before the body is looked at."""

    def __init__(self, sources: Sources) -> None:
        self._sources = sources

    async def ingest(self, request: Request, body: object) -> RetainResult:
        webhook = self._sources.webhooks.get(request.path_params["source_id"])
        if webhook is None:
            raise NotFound("unknown source")
        content = await request.body()
        try:
            webhook.check(request.header(SIGNATURE), request.header(TIMESTAMP), content)
            return await webhook.take(content)
        except WebhookRefused as error:
            raise WebhookUnauthorized(error.message) from None
        except msgspec.MsgspecError as error:
            raise ValidationFailed(str(error), problems=[{"path": "", "message": str(error)}]) from None


def webhook_routes(sources: Sources) -> list[Route]:
    handlers = WebhookHandlers(sources)
    return [
        Route(
            "POST",
            "/v1/ingest/webhook/{source_id}",
            handlers.ingest,
            summary="Deliver a memory, signed",
            access=WEBHOOK,
            answer=RetainResult,
            errors=(*ERRORS, 404),
        )
    ]
