"""OpenTelemetry spans around calls, one trace across peers. On either side; needs the extra ``otel``.

A client's span travels as W3C ``traceparent`` and ``tracestate`` in the call's metadata; the server's span is its
child, and the parent of the calls that its handler makes. Attributes follow OpenTelemetry's conventions for RPC.
"""

from typing import Any

from aster.foundation.extras import load_extra
from aster.rpc.interception import Call, ClientCall, Proceed, status_of, until_end
from aster.rpc.status import StatusCode

SERVER_FAULTS = frozenset(
    {
        StatusCode.UNKNOWN,
        StatusCode.DEADLINE_EXCEEDED,
        StatusCode.UNIMPLEMENTED,
        StatusCode.INTERNAL,
        StatusCode.UNAVAILABLE,
        StatusCode.DATA_LOSS,
        StatusCode.CONTRACT_VIOLATION,
    }
)
"""A server's span is an error for these only; the other codes are the caller's doing."""


class Tracing:
    """Spans from ``tracer_provider``, or from the global one."""

    def __init__(self, tracer_provider: Any = None) -> None:
        self._trace = load_extra("opentelemetry.trace", extra="otel")
        self._context = load_extra("opentelemetry.context", extra="otel")
        propagation = load_extra("opentelemetry.trace.propagation.tracecontext", extra="otel")
        self._propagator = propagation.TraceContextTextMapPropagator()
        self._tracer = self._trace.get_tracer("aster.rpc", tracer_provider=tracer_provider)

    async def __call__(self, call: Call, request: Any, proceed: Proceed) -> Any:
        if isinstance(call, ClientCall):
            return await self._outgoing(call, request, proceed)
        parent = self._propagator.extract(dict(call.metadata), context=self._context.Context())
        span = self._start(call, self._trace.SpanKind.SERVER, parent)
        span.set_attribute("rpc.aster.call_id", call.call_id)
        if call.peer is not None:
            span.set_attribute("network.peer.address", call.peer)
        # The handler runs in this task, and so does the reading of its stream: the span is current for all of it.
        token = self._context.attach(self._trace.set_span_in_context(span, parent))

        def ended(error: BaseException | None) -> None:
            self._end(span, call, error, SERVER_FAULTS)
            self._context.detach(token)

        return await until_end(call, request, proceed, ended)

    async def _outgoing(self, call: ClientCall, request: Any, proceed: Proceed) -> Any:
        span = self._start(call, self._trace.SpanKind.CLIENT, self._inherited(call))
        self._propagator.inject(call.metadata, context=self._trace.set_span_in_context(span))

        def ended(error: BaseException | None) -> None:
            self._end(span, call, error, frozenset(StatusCode) - {StatusCode.OK})

        return await until_end(call, request, proceed, ended)

    def _inherited(self, call: ClientCall) -> Any:
        """The span that is current here; else the one that the metadata names, of a handler without tracing."""
        current = self._context.get_current()
        if self._trace.get_current_span(current).get_span_context().is_valid:
            return current
        return self._propagator.extract(call.metadata, context=current)

    def _start(self, call: Call, kind: Any, parent: Any) -> Any:
        attributes = {
            "rpc.system": "aster",
            "rpc.service": call.service,
            "rpc.method": call.method,
            "rpc.aster.pattern": str(call.pattern),
            "rpc.aster.idempotent": call.idempotent,
        }
        return self._tracer.start_span(f"{call.service}/{call.method}", parent, kind=kind, attributes=attributes)

    def _end(self, span: Any, call: Call, error: BaseException | None, faults: frozenset[StatusCode]) -> None:
        status = status_of(error, call)
        span.set_attribute("rpc.aster.status_code", status.name)
        if status in faults:
            span.set_status(self._trace.Status(self._trace.StatusCode.ERROR, status.name))
        span.end()
