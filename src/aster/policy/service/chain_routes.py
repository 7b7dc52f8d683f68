"""A chain of evaluations over HTTP (MEMBER): each step may take what the one before it gave, or be left out for it."""

from collections.abc import Sequence
from typing import Annotated, Any

import msgspec
from msgspec import UNSET, Meta, UnsetType

from aster.foundation.http.errors import ValidationFailed
from aster.foundation.http.request import Request
from aster.foundation.http.routes import Route
from aster.policy.service.caller import Role, caller_of
from aster.policy.service.commit import claim_of
from aster.policy.service.envelope import problem
from aster.policy.service.evaluation_routes import call_of
from aster.policy.service.evaluations import Evaluations, StoredCall
from aster.policy.service.messages import EvaluateRequest, Evaluation, Name
from aster.policy.service.queries import query_flag
from aster.policy.service.rate_layer import RateLayers

STEPS = 20


class ChainStep(EvaluateRequest, frozen=True, rename="camel", kw_only=True):
    """``useResultAs`` names the parameter that takes the last result.

    With ``when`` the step is taken only if the last result is that very JSON value.
    """

    use_result_as: Name | None = None
    when: Any | UnsetType = UNSET


class ChainRequest(msgspec.Struct, frozen=True):
    """Steps in their order."""

    steps: Annotated[list[ChainStep], Meta(min_length=1, max_length=STEPS)]


class ChainAnswer(msgspec.Struct, frozen=True, rename="camel"):
    """``steps`` has an answer for each step that was come to, null for one left out; ``result`` is the last answer's.

    The first failure ends the chain: ``error`` is its, and ``failedStep`` its place, counted from 0.
    """

    result: Any
    error: str | None
    steps: list[Evaluation | None]
    error_code: str | None = None
    failed_step: int | None = None


class ChainRoutes:
    """The handler and its row of the table."""

    def __init__(self, evaluations: Evaluations, rates: RateLayers) -> None:
        self._evaluations = evaluations
        self._rates = rates

    @property
    def routes(self) -> list[Route]:
        return [
            Route(
                "POST",
                "/api/v1/policies/evaluate/chain",
                self.evaluate_chain,
                summary="Evaluate stored policies one after the other, each on the result of the one before",
                access=Role.MEMBER,
                body=ChainRequest,
                answer=ChainAnswer,
                query=("trace",),
                errors=(400, 503),
            )
        ]

    async def evaluate_chain(self, request: Request, body: ChainRequest) -> ChainAnswer:
        _check(body.steps)
        await self._rates.charge(request, len(body.steps) - 1)
        answers = await self._evaluations.stored_chain(
            caller_of(request),
            [lambda last, step=step: _call(step, last) for step in body.steps],  # type: ignore[misc]
            trace=query_flag(request, "trace"),
            claim=claim_of(request),
        )
        last = next((answer for answer in reversed(answers) if answer is not None), None)
        failed = last is not None and last.error is not None
        return ChainAnswer(
            result=None if last is None else last.result,
            error=None if last is None else last.error,
            steps=answers,
            error_code=None if last is None else last.error_code,
            failed_step=len(answers) - 1 if failed else None,
        )


def _check(steps: Sequence[ChainStep]) -> None:
    for number, step in enumerate(steps):
        if step.use_result_as is not None and not isinstance(step.context, dict):
            raise ValidationFailed(
                "useResultAs names a parameter, so the context is an object",
                problems=problem(f"steps[{number}].context", "is not an object"),
            )
    if steps[0].use_result_as is not None or steps[0].when is not UNSET:
        raise ValidationFailed("before the first step there is no result", problems=problem("steps[0]", "needs one"))


def _call(step: ChainStep, last: Evaluation | None) -> StoredCall | None:
    """What to evaluate after ``last``; None when the step is left out."""
    if step.when is not UNSET and (last is None or not _same(last.result, step.when)):
        return None
    call = call_of(step)
    if step.use_result_as is None or last is None:
        return call
    return msgspec.structs.replace(call, context={**step.context, step.use_result_as: last.result})


def _same(left: Any, right: Any) -> bool:
    """Equal as JSON: a Boolean is not a number."""
    return bool(msgspec.json.encode(left, order="sorted") == msgspec.json.encode(right, order="sorted"))
