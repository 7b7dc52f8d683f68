"""Evaluation over HTTP (MEMBER): a source with one context or many, without storing anything but the audit record."""

import math
from collections.abc import Sequence

import msgspec

from aster.foundation.http.reply import Reply, json_reply
from aster.foundation.http.request import Request
from aster.foundation.http.routes import Route
from aster.policy.engine import CORE_IR, Bounds
from aster.policy.service.caller import Role, caller_of
from aster.policy.service.commit import claim_of
from aster.policy.service.evaluations import Evaluations, StoredCall
from aster.policy.service.messages import (
    EvaluateBatchRequest,
    EvaluateJsonRequest,
    EvaluateRequest,
    EvaluateSourceBatchRequest,
    EvaluateSourceRequest,
    Evaluation,
    EvaluationBatch,
    document_text,
    words_of,
)
from aster.policy.service.queries import MOST_WARNINGS, query_flag, unknown_parameters, unknown_word
from aster.policy.service.rate_layer import RateLayers

OUTCOME = b"x-aster-evaluation"
_OK, _FAILED = [(OUTCOME, b"ok")], [(OUTCOME, b"failed")]


class EvaluationRoutes:
    """Handlers and their rows of the table."""

    def __init__(self, evaluations: Evaluations, rates: RateLayers) -> None:
        self._evaluations = evaluations
        self._rates = rates

    @property
    def routes(self) -> list[Route]:
        return [
            Route(
                "POST",
                "/api/v1/policies/evaluate-source",
                self.evaluate_source,
                summary="Evaluate a rule of a source with one context",
                access=Role.MEMBER,
                body=EvaluateSourceRequest,
                notes_unknown=True,
                answer=Evaluation,
                query=("trace",),
                errors=(400, 503),
            ),
            Route(
                "POST",
                "/api/v1/policies/evaluate-source-batch",
                self.evaluate_source_batch,
                summary="Evaluate a rule of a source with many contexts; answers in their order",
                access=Role.MEMBER,
                body=EvaluateSourceBatchRequest,
                notes_unknown=True,
                answer=EvaluationBatch,
                query=("trace",),
                errors=(400, 503),
            ),
            Route(
                "POST",
                "/api/v1/policies/evaluate-json",
                self.evaluate_json,
                summary="Evaluate a rule of a Core IR document with one context",
                access=Role.MEMBER,
                body=EvaluateJsonRequest,
                notes_unknown=True,
                answer=Evaluation,
                query=("trace",),
                errors=(400, 503),
            ),
            Route(
                "POST",
                "/api/v1/policies/evaluate",
                self.evaluate,
                summary="Evaluate a rule of a stored policy",
                access=Role.MEMBER,
                body=EvaluateRequest,
                notes_unknown=True,
                answer=Evaluation,
                query=("trace",),
                errors=(400, 404, 409, 503),
            ),
            Route(
                "POST",
                "/api/v1/policies/evaluate/batch",
                self.evaluate_batch,
                summary="Evaluate stored policies; answers in the order of the requests",
                access=Role.MEMBER,
                body=EvaluateBatchRequest,
                notes_unknown=True,
                answer=EvaluationBatch,
                query=("trace",),
                errors=(400, 503),
            ),
        ]

    async def evaluate_source(self, request: Request, body: EvaluateSourceRequest) -> Reply:
        (answer,) = await self._evaluations.source(
            caller_of(request),
            body.source,
            [body.context],
            locale=body.locale,
            words=words_of(body, caller_of(request).role),
            rule=body.function_name,
            trace=query_flag(request, "trace"),
            claim=claim_of(request),
            bounds=bounds_of(body),
        )
        return _told(request, answer)

    async def evaluate_json(self, request: Request, body: EvaluateJsonRequest) -> Reply:
        (answer,) = await self._evaluations.source(
            caller_of(request),
            document_text(body.policy),
            [body.context],
            locale=CORE_IR,
            rule=body.function_name,
            trace=query_flag(request, "trace"),
            claim=claim_of(request),
            bounds=bounds_of(body),
        )
        return _told(request, answer)

    async def evaluate_source_batch(self, request: Request, body: EvaluateSourceBatchRequest) -> EvaluationBatch:
        await self._rates.charge(request, len(body.inputs) - 1)
        answers = await self._evaluations.source(
            caller_of(request),
            body.source,
            body.inputs,
            locale=body.locale,
            words=words_of(body, caller_of(request).role),
            rule=body.function_name,
            trace=query_flag(request, "trace"),
            claim=claim_of(request),
            bounds=bounds_of(body),
        )
        return batch_of(answers, warnings_of(request))

    async def evaluate(self, request: Request, body: EvaluateRequest) -> Reply:
        answer = await self._evaluations.stored(
            caller_of(request),
            call_of(body),
            trace=query_flag(request, "trace"),
            claim=claim_of(request),
        )
        return _told(request, answer)

    async def evaluate_batch(self, request: Request, body: EvaluateBatchRequest) -> EvaluationBatch:
        await self._rates.charge(request, len(body.requests) - 1)
        answers = await self._evaluations.stored_batch(
            caller_of(request),
            [call_of(each) for each in body.requests],
            trace=query_flag(request, "trace"),
            claim=claim_of(request),
        )
        return batch_of(answers, warnings_of(request))


def call_of(body: EvaluateRequest) -> StoredCall:
    return StoredCall(body.policy_module, body.policy_function, body.context, body.version, bounds_of(body))


def bounds_of(
    body: EvaluateRequest | EvaluateSourceRequest | EvaluateSourceBatchRequest | EvaluateJsonRequest,
) -> Bounds | None:
    """The limits that a request sets itself."""
    if body.max_steps is None and body.timeout_ms is None:
        return None
    seconds = math.inf if body.timeout_ms is None else body.timeout_ms / 1000
    return Bounds(seconds=seconds) if body.max_steps is None else Bounds(body.max_steps, seconds)


def _told(request: Request, answer: Evaluation) -> Reply:
    """The answer, with a header for whoever watches outcomes: an evaluation that failed is 200 as well."""
    if warnings := warnings_of(request):
        answer = msgspec.structs.replace(answer, warnings=warnings)
    return json_reply(answer, headers=_OK if answer.error is None else _FAILED)


def warnings_of(request: Request) -> list[str]:
    """What of the request was not understood, with what was probably meant."""
    unknown, route = request.state.get("unknown_fields"), request.match.route
    warnings = unknown_parameters(request) if request.scope["query_string"] else []
    if not unknown or route is None:
        return warnings
    known = [each.encode_name for each in msgspec.structs.fields(route.body)]
    return [*warnings, *(unknown_word("field", name, known) for name in unknown[:MOST_WARNINGS])]


def batch_of(answers: Sequence[Evaluation], warnings: list[str]) -> EvaluationBatch:
    failures = sum(answer.error is not None for answer in answers)
    return EvaluationBatch(
        responses=list(answers),
        results=list(answers),
        total_execution_time_ms=sum(answer.execution_time_micros for answer in answers) // 1000,
        success_count=len(answers) - failures,
        failure_count=failures,
        warnings=warnings,
    )
