"""GraphQL over HTTP: one more way to the routes of the table, behind the same three layers and with their roles.

Each field at the root of a document does what one route does: it is checked against that route's role, charged like a
request, recorded alike. The schema is made, and its library imported, when it is first asked for.
"""

import functools
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Annotated, Any

import msgspec
from msgspec import Meta

from aster.foundation.errors import AsterError, MissingExtra
from aster.foundation.extras import load_extra
from aster.foundation.http.errors import HttpError, ValidationFailed
from aster.foundation.http.reply import NO_CONTENT, Reply, json_reply
from aster.foundation.http.request import Request
from aster.foundation.http.routes import Match, Route
from aster.foundation.http.service import Layer
from aster.foundation.logs import get_logger
from aster.policy.service.caller import Role, caller_of
from aster.policy.service.envelope import problem, public_face
from aster.policy.service.idempotency import HEADER as IDEMPOTENCY_KEY
from aster.policy.service.rate_layer import RateLayers

if TYPE_CHECKING:
    from aster.policy.service.graphql_schema import Schema

PATH = "/graphql"
TEXT = b"text/plain; charset=utf-8"
QUERY_CHARACTERS = 65_536

logger = get_logger("aster.policy.service")


class GraphqlUnavailable(HttpError):
    """The service was installed without the extra ``graphql``."""

    status = 501
    code = "EXTRA_MISSING"


class GraphqlRequest(msgspec.Struct, frozen=True, rename="camel"):
    """A document, the values of its variables, and which of its operations to run when there are several."""

    query: Annotated[str, Meta(max_length=QUERY_CHARACTERS)]
    variables: dict[str, Any] | None = None
    operation_name: str | None = None


class GraphqlAnswer(msgspec.Struct, frozen=True):
    """``errors`` as GraphQL has them; ``extensions.code`` of each is the code that HTTP would answer with."""

    data: Any = None
    errors: list[dict[str, Any]] | msgspec.UnsetType = msgspec.UNSET


class GraphqlRoutes:
    """Handlers and their rows of the table. ``routes`` are those to offer; ``roles`` is layer 3."""

    def __init__(
        self,
        routes: Sequence[Route],
        *,
        roles: Layer,
        rates: RateLayers,
        introspection: Role | None,
        most_depth: int,
    ) -> None:
        self._offered = {route.handler.__name__: route for route in routes}
        self._roles = roles
        self._rates = rates
        self._introspection = introspection
        self._most_depth = most_depth

    @property
    def routes(self) -> list[Route]:
        return [
            Route(
                "POST",
                PATH,
                self.graphql,
                summary="A GraphQL document: each field needs the role of the route that it stands for",
                access=Role.VIEWER,
                body=GraphqlRequest,
                answer=GraphqlAnswer,
                errors=(400, 429, 501),
            ),
            Route(
                "GET",
                f"{PATH}/schema.graphql",
                self.graphql_schema,
                summary="The GraphQL schema, as text",
                access=self._introspection or Role.OWNER,
                errors=(403, 501),
            ),
        ]

    async def graphql_schema(self, request: Request, body: Any) -> Reply:
        if self._introspection is None:
            raise _introspection_is_off()
        return Reply(200, self._schema.as_str().encode(), TEXT)

    async def graphql(self, request: Request, body: GraphqlRequest) -> Reply:
        schema = self._schema
        from graphql import GraphQLError

        from aster.policy.service.graphql_bounds import extent_of, parsed

        if request.header(IDEMPOTENCY_KEY) is not None:
            raise ValidationFailed(
                "Idempotency-Key is for single changes: use their own routes", problems=problem("Idempotency-Key", "")
            )
        try:
            extent = extent_of(parsed(body.query), body.operation_name, most_depth=self._most_depth)
        except GraphQLError as error:
            raise ValidationFailed(error.message, problems=problem("query", error.message)) from None
        if extent.introspects and (self._introspection is None or caller_of(request).role < self._introspection):
            raise _introspection_is_off()
        await self._rates.charge(request, extent.roots - 1)
        result = await schema.execute(
            body.query,
            variable_values=body.variables,
            operation_name=body.operation_name,
            context_value=request,
        )
        return json_reply(GraphqlAnswer(result.data, [_told(each) for each in result.errors or ()] or msgspec.UNSET))

    @functools.cached_property
    def _schema(self) -> "Schema":
        try:
            load_extra("strawberry", extra="graphql")
        except MissingExtra as error:
            raise GraphqlUnavailable(f"GraphQL is not installed: {error}") from None
        from aster.policy.service.graphql_schema import build_schema

        return build_schema(self._offered, self._operate)

    async def _operate(self, request: Request, route: Route, params: Mapping[str, str], query: str, body: Any) -> Any:
        """Do what a route does, as its own request would; raises a `GraphQLError`."""
        from aster.policy.service.graphql_schema import refused

        part = _part_of(request, route, params, query)
        try:
            if (waits := self._roles(part)) is not None:
                await waits
            typed = msgspec.convert(body, route.body) if body is not None else None
            value = await route.handler(part, typed)
        except msgspec.ValidationError as error:
            raise refused(str(error), ValidationFailed.code) from None
        except AsterError as error:
            status, words, code = public_face(error)
            problems = list(error.details.get("problems", ()))
            raise refused(words, code, status=status, **({"problems": problems} if problems else {})) from None
        except Exception as error:
            logger.error("request failed", request_id=request.request_id, exc_info=error)
            raise refused(f"internal error, reference {request.request_id}", "INTERNAL_ERROR", status=500) from None
        return _value(value, route)


def _part_of(request: Request, route: Route, params: Mapping[str, str], query: str) -> Request:
    """A request for one field: the caller and all that was established are those of the whole."""
    scope = {**request.scope, "method": route.method, "query_string": query.encode("ascii")}
    part = Request(scope, _nothing, request.limits, Match(route, dict(params)))
    part.state = request.state
    part.request_id = request.request_id
    return part


def _value(value: Any, route: Route) -> Any:
    if not isinstance(value, Reply):
        return value
    if value.status == NO_CONTENT or route.answer is None:
        return True
    return msgspec.json.decode(value.body, type=route.answer)


def _told(error: Any) -> dict[str, Any]:
    told: dict[str, Any] = error.formatted
    told.setdefault("extensions", {"code": ValidationFailed.code})
    return told


def _introspection_is_off() -> HttpError:
    from aster.policy.service.errors import RoleInsufficient

    return RoleInsufficient("the schema is not shown to this role")


async def _nothing() -> dict[str, Any]:
    return {"type": "http.request", "body": b"", "more_body": False}
