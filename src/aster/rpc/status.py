"""Status codes (gRPC's, and our own from 100 up) and one exception class for each."""

from collections.abc import Mapping
from enum import IntEnum
from typing import ClassVar

from aster.foundation.errors import AsterError


class StatusCode(IntEnum):
    """How a call ended. Numbers 0–16 mean what they mean in gRPC."""

    OK = 0
    CANCELLED = 1
    UNKNOWN = 2
    INVALID_ARGUMENT = 3
    DEADLINE_EXCEEDED = 4
    NOT_FOUND = 5
    ALREADY_EXISTS = 6
    PERMISSION_DENIED = 7
    RESOURCE_EXHAUSTED = 8
    FAILED_PRECONDITION = 9
    ABORTED = 10
    OUT_OF_RANGE = 11
    UNIMPLEMENTED = 12
    INTERNAL = 13
    UNAVAILABLE = 14
    DATA_LOSS = 15
    UNAUTHENTICATED = 16
    CONTRACT_VIOLATION = 101


class RpcError(AsterError):
    """A call that did not end well: ``status``, ``message`` for people, ``details`` (text to text) for programs.

    ``RpcError.of(status, message)`` makes the class that belongs to a status; handlers raise those classes directly.
    """

    status: ClassVar[StatusCode] = StatusCode.UNKNOWN
    code: ClassVar[str] = "UNKNOWN"

    def __init__(self, message: str = "", *, details: Mapping[str, str] | None = None, hint: str | None = None) -> None:
        super().__init__(message, hint=hint)
        self.details = dict(details or {})

    @staticmethod
    def of(status: int, message: str, details: Mapping[str, str] | None = None) -> "RpcError":
        """The error of the class that belongs to ``status``; an unknown number is UNKNOWN."""
        return _CLASS_OF.get(status, UnknownRpcError)(message, details=details)


class CancelledError(RpcError):
    """The caller, or a server that is closing, ended the call."""

    status, code = StatusCode.CANCELLED, "CANCELLED"


class UnknownRpcError(RpcError):
    """The peer answered with a status this version does not know."""


class InvalidArgumentError(RpcError):
    """The request is not what the method takes; ``$.path`` in the message says where."""

    status, code = StatusCode.INVALID_ARGUMENT, "INVALID_ARGUMENT"


class DeadlineExceededError(RpcError):
    """The call took longer than its caller allowed."""

    status, code = StatusCode.DEADLINE_EXCEEDED, "DEADLINE_EXCEEDED"


class NotFoundError(RpcError):
    """The peer has no such thing, or no such service."""

    status, code = StatusCode.NOT_FOUND, "NOT_FOUND"


class AlreadyExistsError(RpcError):
    """What should be made is there already."""

    status, code = StatusCode.ALREADY_EXISTS, "ALREADY_EXISTS"


class PermissionDeniedError(RpcError):
    """The caller may not do this; asking again does not help."""

    status, code = StatusCode.PERMISSION_DENIED, "PERMISSION_DENIED"


class ResourceExhaustedError(RpcError):
    """A limit was reached: message size, concurrent calls, a quota."""

    status, code = StatusCode.RESOURCE_EXHAUSTED, "RESOURCE_EXHAUSTED"


class FailedPreconditionError(RpcError):
    """Not in this state; something else must happen first."""

    status, code = StatusCode.FAILED_PRECONDITION, "FAILED_PRECONDITION"


class AbortedError(RpcError):
    """A conflict with another call; the whole sequence may be tried again."""

    status, code = StatusCode.ABORTED, "ABORTED"


class OutOfRangeError(RpcError):
    """Beyond the end of what there is."""

    status, code = StatusCode.OUT_OF_RANGE, "OUT_OF_RANGE"


class UnimplementedError(RpcError):
    """The service has no such method."""

    status, code = StatusCode.UNIMPLEMENTED, "UNIMPLEMENTED"


class InternalError(RpcError):
    """The handler failed; ``details['error_id']`` finds the reason in the server's log."""

    status, code = StatusCode.INTERNAL, "INTERNAL"


class UnavailableError(RpcError):
    """The peer can't be reached, is draining, or was lost; the call may be tried again when it is idempotent."""

    status, code = StatusCode.UNAVAILABLE, "UNAVAILABLE"


class DataLossError(RpcError):
    """Something was lost or damaged beyond repair."""

    status, code = StatusCode.DATA_LOSS, "DATA_LOSS"


class UnauthenticatedError(RpcError):
    """Who calls is not known, and must be."""

    status, code = StatusCode.UNAUTHENTICATED, "UNAUTHENTICATED"


class ContractViolationError(RpcError):
    """A message has fields its contract does not know, or an answer is not what the contract promises."""

    status, code = StatusCode.CONTRACT_VIOLATION, "CONTRACT_VIOLATION"


_CLASS_OF: dict[int, type[RpcError]] = {
    error.status: error
    for error in (
        CancelledError,
        UnknownRpcError,
        InvalidArgumentError,
        DeadlineExceededError,
        NotFoundError,
        AlreadyExistsError,
        PermissionDeniedError,
        ResourceExhaustedError,
        FailedPreconditionError,
        AbortedError,
        OutOfRangeError,
        UnimplementedError,
        InternalError,
        UnavailableError,
        DataLossError,
        UnauthenticatedError,
        ContractViolationError,
    )
}
