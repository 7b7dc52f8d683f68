"""OpenTelemetry spans, collected by the SDK's exporter in memory."""

import itertools
from collections.abc import AsyncIterator
from typing import Any

import pytest
from opentelemetry.sdk.trace import ReadableSpan, TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter
from opentelemetry.trace import SpanKind, StatusCode

from aster.config import AsterConfig
from aster.rpc import (
    AsterClient,
    AsterServer,
    CallContext,
    InternalError,
    LocalClient,
    NotFoundError,
    rpc,
    server_stream,
    service,
)
from aster.rpc.interceptors import Tracing
from aster.rpc.stub import Caller


@service
class Back:
    def __init__(self) -> None:
        self.metadata: list[Any] = []

    @rpc(idempotent=True)
    async def answer(self, question: str) -> str:
        self.metadata.append(CallContext.current().metadata)
        if question == "missing":
            raise NotFoundError("no")
        if question == "broken":
            raise ValueError("broken")
        return question

    @server_stream
    async def words(self, count: int) -> AsyncIterator[str]:
        for _ in range(count):
            yield "word"


@service
class Front:
    def __init__(self, back: Caller) -> None:
        self.back = back

    @rpc
    async def ask(self, question: str) -> str:
        return await (await self.back.client(Back)).answer(question)


class Traces:
    def __init__(self) -> None:
        self.exporter = InMemorySpanExporter()
        provider = TracerProvider()
        provider.add_span_processor(SimpleSpanProcessor(self.exporter))
        self.interceptor = Tracing(provider)
        self.tracer = provider.get_tracer("test")

    def span(self, name: str, kind: SpanKind) -> ReadableSpan:
        [span] = [span for span in self.exporter.get_finished_spans() if (span.name, span.kind) == (name, kind)]
        return span


@pytest.fixture
def traces() -> Traces:
    return Traces()


def parent_of(span: ReadableSpan) -> int | None:
    return span.parent.span_id if span.parent is not None else None


def id_of(span: ReadableSpan) -> int:
    context = span.get_span_context()
    assert context is not None
    return context.span_id


async def test_one_trace_runs_through_two_servers(traces: Traces) -> None:
    both = [traces.interceptor]
    async with (
        LocalClient([Back()], interceptors=both, client_interceptors=both) as back,
        LocalClient([Front(back)], interceptors=both, client_interceptors=both) as client,
    ):
        with traces.tracer.start_as_current_span("the user's own") as own:
            assert await (await client.client(Front)).ask("why") == "why"
    chain = [
        traces.span("Front/ask", SpanKind.CLIENT),
        traces.span("Front/ask", SpanKind.SERVER),
        traces.span("Back/answer", SpanKind.CLIENT),
        traces.span("Back/answer", SpanKind.SERVER),
    ]
    assert parent_of(chain[0]) == own.get_span_context().span_id
    for outer, inner in itertools.pairwise(chain):
        assert parent_of(inner) == id_of(outer)
    assert len({context.trace_id for span in chain if (context := span.get_span_context())}) == 1


async def test_spans_say_what_was_called_and_how_it_ended(traces: Traces) -> None:
    both = [traces.interceptor]
    async with LocalClient([Back()], peer="ab" * 32, interceptors=both, client_interceptors=both) as client:
        await (await client.client(Back)).answer("why")
    attributes = traces.span("Back/answer", SpanKind.SERVER).attributes
    assert attributes is not None
    assert dict(attributes) == {
        "rpc.system": "aster",
        "rpc.service": "Back",
        "rpc.method": "answer",
        "rpc.aster.pattern": "unary",
        "rpc.aster.idempotent": True,
        "rpc.aster.call_id": attributes["rpc.aster.call_id"],
        "rpc.aster.status_code": "OK",
        "network.peer.address": "ab" * 32,
    }


@pytest.mark.parametrize(
    ("question", "error", "code", "is_fault"),
    [("missing", NotFoundError, "NOT_FOUND", False), ("broken", InternalError, "INTERNAL", True)],
)
async def test_only_the_servers_faults_are_errors_of_its_span(
    traces: Traces, question: str, error: type[Exception], code: str, is_fault: bool
) -> None:
    both = [traces.interceptor]
    async with LocalClient([Back()], interceptors=both, client_interceptors=both) as client:
        with pytest.raises(error):
            await (await client.client(Back)).answer(question)
    server, caller = traces.span("Back/answer", SpanKind.SERVER), traces.span("Back/answer", SpanKind.CLIENT)
    assert server.attributes is not None
    assert server.attributes["rpc.aster.status_code"] == code
    assert server.status.status_code is (StatusCode.ERROR if is_fault else StatusCode.UNSET)
    assert caller.status.status_code is StatusCode.ERROR


async def test_a_stream_is_one_span_on_each_side_from_begin_to_end(traces: Traces) -> None:
    both = [traces.interceptor]
    async with LocalClient([Back()], interceptors=both, client_interceptors=both) as client:
        assert [word async for word in (await client.client(Back)).words(3)] == ["word"] * 3
    server, caller = traces.span("Back/words", SpanKind.SERVER), traces.span("Back/words", SpanKind.CLIENT)
    assert parent_of(server) == id_of(caller)


async def test_a_server_without_tracing_passes_the_trace_on(traces: Traces) -> None:
    back = Back()
    async with (
        LocalClient([back]) as inner,
        LocalClient([Front(inner)], client_interceptors=[traces.interceptor]) as client,
    ):
        await (await client.client(Front)).ask("why")
    span = id_of(traces.span("Front/ask", SpanKind.CLIENT))
    assert back.metadata[0]["traceparent"].split("-")[2] == f"{span:016x}"


async def test_the_trace_crosses_the_network(traces: Traces) -> None:
    loopback = AsterConfig(bind_addr="127.0.0.1:0")
    both = [traces.interceptor]
    async with (
        AsterServer([Back()], config=loopback, interceptors=both) as server,
        AsterClient(address=server.address, config=loopback, interceptors=both) as client,
    ):
        await (await client.client(Back)).answer("why")
    server_span = traces.span("Back/answer", SpanKind.SERVER)
    assert parent_of(server_span) == id_of(traces.span("Back/answer", SpanKind.CLIENT))
