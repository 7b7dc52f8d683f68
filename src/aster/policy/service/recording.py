"""Which evaluations a tenant wants in its audit chain; changing that is itself recorded there.

All is the default: only what is recorded can be proved and replayed.
"""

import random
from collections.abc import Sequence
from typing import Any, Literal

import msgspec

from aster.policy.service.events import EvaluationEvent

AuditedEvaluations = Literal["all", "errors", "sampled", "none"]

ONE_IN = 100
"""Of the successes, when they are sampled; a sampled record says so, for whoever counts. Failures are all recorded."""


def recorded(wanted: AuditedEvaluations, events: Sequence[EvaluationEvent]) -> Sequence[EvaluationEvent]:
    """Those of a tenant's evaluations that go into its chain."""
    if wanted == "all":
        return events
    if wanted == "none":
        return ()
    if wanted == "errors":
        return [event for event in events if not event.success]
    return [sampled for event in events if (sampled := _sampled(event)) is not None]


def _sampled(event: EvaluationEvent) -> EvaluationEvent | None:
    if not event.success:
        return event
    if random.randrange(ONE_IN):  # noqa: S311 - a sample, not a secret
        return None
    payload: dict[str, Any] = {**(event.payload or {}), "sampledOneIn": ONE_IN}
    return msgspec.structs.replace(event, payload=payload)
