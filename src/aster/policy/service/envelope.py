"""The one body every refusal has: what documented clients read (``result``, ``error``), and what programs need."""

from datetime import UTC, datetime
from typing import Any

import msgspec

from aster.foundation.errors import AsterError, StorageError
from aster.foundation.http.errors import HttpError
from aster.foundation.http.reply import Reply, json_reply
from aster.foundation.http.request import Request
from aster.foundation.logs import get_logger
from aster.policy.engine import EngineBusy
from aster.policy.service.rate_layer import told_rate

RETRY_SOON = ((b"retry-after", b"1"),)

logger = get_logger("aster.policy.service")


class Problem(msgspec.Struct, frozen=True):
    """One thing that is wrong: where (a field of the body, a header), and what."""

    path: str
    message: str


class ErrorBody(msgspec.Struct, frozen=True, rename="camel"):
    """Every answer with a status of 400 or more."""

    error: str
    error_code: str
    request_id: str
    timestamp: str
    details: list[Problem] = []
    result: None = None
    execution_time_ms: int = 0


def timestamp(moment: datetime | None = None) -> str:
    """ISO-8601 in UTC with milliseconds."""
    return (moment or datetime.now(UTC)).isoformat(timespec="milliseconds").replace("+00:00", "Z")


def render_error(request: Request, error: AsterError) -> Reply:
    """The envelope for any error; what only the operator may know goes to the log, not into the answer."""
    status, message, code = public_face(error)
    if status >= 500:
        logger.error("request refused", request_id=request.request_id, error_code=code, reason=error.message)
    body = ErrorBody(
        error=message,
        error_code=code,
        request_id=request.request_id,
        timestamp=timestamp(),
        details=[Problem(**problem) for problem in error.details.get("problems", ())],
    )
    own = RETRY_SOON if isinstance(error, EngineBusy) else getattr(error, "headers", ())
    replaced = {name for name, _ in own}
    headers = [*(each for each in told_rate(request) if each[0] not in replaced), *own]
    return json_reply(body, status, headers=headers)


def public_face(error: AsterError) -> tuple[int, str, str]:
    """The status, the words and the code that a caller may know of an error."""
    match error:
        case HttpError():
            return error.status, str(error), error.code
        case EngineBusy():
            return 503, str(error), error.code
        case StorageError():
            return 503, "the service can't store or read its data at the moment", error.code
    return 500, error.message if error.code == "INTERNAL_ERROR" else "internal error", "INTERNAL_ERROR"


def problem(path: str, message: str) -> list[dict[str, Any]]:
    """The ``problems`` of an error that is about one place."""
    return [{"path": path, "message": message}]
