"""What a client raises: one class for each thing a caller can act on; the service's own code is in ``service_code``.

A policy that fails on its input is none of these: that is an answer (`Evaluation.error`).
"""

from collections.abc import Sequence
from typing import Any

import msgspec

from aster.foundation.errors import AsterError


class PolicyClientError(AsterError):
    """Base of what `PolicyClient` raises. ``status`` is 0 when no answer came."""

    code = "POLICY_CLIENT_ERROR"

    def __init__(
        self,
        message: str,
        *,
        hint: str | None = None,
        status: int = 0,
        service_code: str | None = None,
        request_id: str | None = None,
        problems: Sequence[dict[str, str]] = (),
    ) -> None:
        super().__init__(message, hint=hint)
        self.status = status
        self.service_code = service_code
        self.request_id = request_id
        self.problems = tuple(problems)


class NoAnswer(PolicyClientError):
    """The connection failed, or the answer did not come in time. A change may or may not have been made."""

    code = "NO_ANSWER"


class InvalidRequest(PolicyClientError):
    """400, 405, 413, 415: the request is not one the service takes; ``problems`` say where."""

    code = "REQUEST_INVALID"


class Unauthenticated(PolicyClientError):
    """401: the signature, its secret, or one of the two clocks is wrong."""

    code = "UNAUTHENTICATED"


class AccessDenied(PolicyClientError):
    """403: the role does not allow this."""

    code = "ACCESS_DENIED"


class NotThere(PolicyClientError):
    """404: this tenant has no such thing."""

    code = "NOT_THERE"


class ConflictingState(PolicyClientError):
    """409: the state does not allow it now, or a nonce or idempotency key was used before."""

    code = "CONFLICTING_STATE"


class OutdatedState(PolicyClientError):
    """412: somebody else changed it since it was read."""

    code = "OUTDATED_STATE"


class CompilationRefused(PolicyClientError):
    """422: the source does not compile; ``problems`` are ``source:line:column`` with words."""

    code = "COMPILATION_REFUSED"


class TooManyRequests(PolicyClientError):
    """429, after every retry."""

    code = "TOO_MANY_REQUESTS"


class ServiceUnavailable(PolicyClientError):
    """5xx, after every retry where there are any; the service's log has the story under ``request_id``."""

    code = "SERVICE_UNAVAILABLE"


class UnexpectedAnswer(PolicyClientError):
    """What answered does not speak this protocol."""

    code = "ANSWER_UNEXPECTED"


BY_STATUS: dict[int, type[PolicyClientError]] = {
    401: Unauthenticated,
    403: AccessDenied,
    404: NotThere,
    409: ConflictingState,
    412: OutdatedState,
    422: CompilationRefused,
    429: TooManyRequests,
}
_SERVER_ERROR = 500


class _Envelope(msgspec.Struct, rename="camel"):
    error: str
    error_code: str | None = None
    request_id: str | None = None
    details: list[dict[str, str]] = []


def refusal(status: int, body: bytes) -> PolicyClientError:
    """The error that an answer with a status of 400 or more means."""
    kind = BY_STATUS.get(status, ServiceUnavailable if status >= _SERVER_ERROR else InvalidRequest)
    try:
        envelope: Any = msgspec.json.decode(body, type=_Envelope)
    except msgspec.MsgspecError:
        envelope = _Envelope(f"the service answered {status}")
    return kind(
        envelope.error,
        status=status,
        service_code=envelope.error_code,
        request_id=envelope.request_id,
        problems=envelope.details,
    )
