"""What a handler can know about the call it answers."""

import time
from collections.abc import Mapping
from contextvars import ContextVar
from typing import Any, ClassVar

import msgspec

from aster.foundation.logs import add_request_fields
from aster.rpc.metadata import NO_METADATA, Metadata
from aster.rpc.patterns import Pattern

ATTEMPT = "aster-attempt"
"""The metadata in which a client that tries again says so."""

MAX_REQUEST_ID = 64


class CallContext(msgspec.Struct, frozen=True, kw_only=True):
    """The call being answered. Give a handler's parameter this type, or ask `CallContext.current`.

    ``peer`` is the caller's EndpointId (64 hex characters), None in process; ``deadline`` is a `time.monotonic` moment
    or None; ``call_id`` is unique within the caller's connection; ``attributes`` come from the caller's admission,
    and its ``roles`` from them; without roles (None) the caller is trusted, as code of the same process is.
    """

    service: str
    method: str
    call_id: int
    peer: str | None = None
    metadata: Metadata = NO_METADATA
    deadline: float | None = None
    attributes: Mapping[str, str] = NO_METADATA
    roles: frozenset[str] | None = None

    definition: Any = None
    """The `MethodDefinition` that is called."""

    session_id: int | None = None
    """The session of a session-scoped service's call, 0 for the connection's own; None for a shared service's."""

    running: ClassVar[ContextVar["CallContext"]] = ContextVar("aster_call")

    @classmethod
    def current(cls) -> "CallContext":
        """The call that this task answers; `LookupError` outside of a handler."""
        try:
            return cls.running.get()
        except LookupError:
            raise LookupError("CallContext.current() is only known while a handler runs") from None

    @property
    def pattern(self) -> Pattern:
        """Who streams."""
        return Pattern.UNARY if self.definition is None else self.definition.options.pattern

    @property
    def is_streaming(self) -> bool:
        """One side or both send more than one message."""
        return self.pattern is not Pattern.UNARY

    @property
    def idempotent(self) -> bool:
        """Calling twice does no harm."""
        return self.definition is not None and self.definition.options.idempotent

    @property
    def attempt(self) -> int:
        """1, or more when the caller tries again."""
        word = self.metadata.get(ATTEMPT, "1")
        return int(word) if word.isascii() and word.isdigit() and len(word) < 7 else 1

    @property
    def remaining_seconds(self) -> float | None:
        """Seconds until the deadline, never below 0; None without one."""
        return None if self.deadline is None else max(0.0, self.deadline - time.monotonic())

    @property
    def expired(self) -> bool:
        """The caller has stopped waiting."""
        return self.deadline is not None and time.monotonic() >= self.deadline


def _running_call() -> Mapping[str, Any]:
    """What every log record says that is written while a call is answered.

    ``request_id`` is the caller's ``x-request-id`` metadata, else made of its key and the call's number.
    """
    call = CallContext.running.get(None)
    if call is None:
        return NO_METADATA
    peer = call.peer or "local"
    asked = call.metadata.get("x-request-id", "")[:MAX_REQUEST_ID]
    return {
        "request_id": asked or f"{peer[:8]}-{call.call_id}",
        "service": call.service,
        "method": call.method,
        "peer": peer,
    }


add_request_fields(_running_call)
