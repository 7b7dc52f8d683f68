"""Clients of the policy service, blocking and asyncio: they sign, try again what may be tried again, and decode.

    with PolicyClient("http://127.0.0.1:8080", tenant="acme-corp", secret=secret) as policies:
        answer = policies.evaluate("loans", "decide", {"applicant": {"age": 34}})

`AsyncPolicyClient` has the same methods to await. Everything the service has no method for here goes through
``request``. Errors are a family: see `aster.policy.client.errors`.
"""

from aster.policy.client.aio import AsyncPolicyClient
from aster.policy.client.calls import Answer, Call
from aster.policy.client.errors import (
    AccessDenied,
    CompilationRefused,
    ConflictingState,
    InvalidRequest,
    NoAnswer,
    NotThere,
    OutdatedState,
    PolicyClientError,
    ServiceUnavailable,
    TooManyRequests,
    Unauthenticated,
    UnexpectedAnswer,
)
from aster.policy.client.sync import PolicyClient

__all__ = [
    "AccessDenied",
    "Answer",
    "AsyncPolicyClient",
    "Call",
    "CompilationRefused",
    "ConflictingState",
    "InvalidRequest",
    "NoAnswer",
    "NotThere",
    "OutdatedState",
    "PolicyClient",
    "PolicyClientError",
    "ServiceUnavailable",
    "TooManyRequests",
    "Unauthenticated",
    "UnexpectedAnswer",
]
