"""A connection that counts its calls, those too that never reach a handler: unknown, forbidden, malformed, too many."""

from typing import Any

from aster.rpc.call_metrics import UNKNOWN, CallMetrics, TimedCall
from aster.rpc.protocol.events import MethodDeclared, Requested, SessionLeft
from aster.rpc.server_connection import ServerConnection
from aster.rpc.services import BoundMethod
from aster.rpc.status import PermissionDeniedError, RpcError, StatusCode

NOBODY = (UNKNOWN, UNKNOWN)


class MeteredConnection(ServerConnection):
    """Every call begins and ends once in ``metrics``, with the code that its caller gets."""

    def __init__(self, *arguments: Any, metrics: CallMetrics, **options: Any) -> None:
        self._metrics = metrics
        self._names: dict[int, tuple[str, str]] = {}
        self._running: dict[int, TimedCall] = {}
        self._codes: dict[int, StatusCode] = {}
        super().__init__(*arguments, **options)

    def _declared(self, event: MethodDeclared) -> None:
        super()._declared(event)
        found = self._methods[event.method]
        # Names that a caller made up are no labels: only those of methods that exist are.
        if isinstance(found, BoundMethod | PermissionDeniedError):
            self._names[event.method] = (event.declaration.service, event.declaration.method)

    def _session_left(self, event: SessionLeft) -> None:
        super()._session_left(event)
        for method in event.methods:
            self._names.pop(method, None)

    def _begin(self, event: Requested) -> None:
        self._running[event.call] = self._metrics.started(*self._names.get(event.method, NOBODY))
        try:
            super()._begin(event)
        finally:
            if event.call not in self._tasks:
                self._end_timed(event.call)

    def _fail(self, call: int, error: RpcError) -> None:
        if call in self._running:
            self._codes.setdefault(call, error.status)
        super()._fail(call, error)

    def _done(self, call: int) -> None:
        super()._done(call)
        self._end_timed(call)

    def _end_timed(self, call: int) -> None:
        timed, code = self._running.pop(call, None), self._codes.pop(call, StatusCode.OK)
        if timed is not None:
            timed.ended(code)
