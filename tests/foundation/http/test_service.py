"""An HTTP service in process: what it answers to good requests, and to every kind of bad one."""

import asyncio
import io
from collections.abc import Mapping
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st
from prometheus_client import CollectorRegistry, generate_latest
from tests.foundation.http.asgi import DISCONNECT, Answered, Wire, call

from aster.foundation.errors import AsterError, StorageFull
from aster.foundation.http.errors import HttpError
from aster.foundation.http.metrics import RequestMetrics
from aster.foundation.http.reply import Reply, json_reply
from aster.foundation.http.request import HttpLimits, Request
from aster.foundation.http.routes import Route
from aster.foundation.http.service import HttpService
from aster.foundation.logs import configure_logging

SECRET = "hunter2"


class Tag(msgspec.Struct):
    name: str


class Note(msgspec.Struct):
    text: str
    tags: list[Tag] = []
    rating: int = 0


class Refused(HttpError):
    status = 401
    code = "REFUSED"


async def hello(request: Request, body: Any) -> dict[str, Any]:
    return {"path": request.path, "query": request.query, "client": request.client}


async def create(request: Request, body: Note) -> Note:
    return body


async def show(request: Request, body: Any) -> Mapping[str, str]:
    return request.path_params


async def crash(request: Request, body: Any) -> None:
    raise RuntimeError(f"the secret is {SECRET}")


async def full(request: Request, body: Any) -> None:
    raise StorageFull("the disk is full")


async def strange(request: Request, body: Any) -> object:
    return object()


async def gone(request: Request, body: Any) -> Reply:
    return Reply(204)


async def raw(request: Request, body: Any) -> Reply:
    first = await request.body()
    return Reply(200, first + b"|" + await request.body(), b"text/plain")


ROUTES = [
    Route("GET", "/hello", hello, "Say hello"),
    Route("POST", "/notes", create, "Create a note", body=Note, answer=Note, status=201),
    Route("GET", "/notes", hello, "List notes"),
    Route("GET", "/notes/{note_id}", show, "Show a note"),
    Route("DELETE", "/notes/{note_id}", gone, "Delete a note", status=204),
    Route("POST", "/raw", raw, "Take anything"),
    Route("GET", "/crash", crash, "Fail"),
    Route("GET", "/full", full, "Fail on purpose"),
    Route("GET", "/strange", strange, "Answer what can't be encoded"),
]

LIMITS = HttpLimits(body_bytes=1000, body_seconds=30.0, header_bytes=500)


def render(request: Request, error: AsterError) -> Reply:
    status = error.status if isinstance(error, HttpError) else 500
    headers = error.headers if isinstance(error, HttpError) else ()
    return json_reply({"code": error.code, "message": error.message}, status, headers)


async def guard(request: Request) -> None:
    if request.header(b"authorization") == b"nobody":
        raise Refused("who are you?")


@pytest.fixture
def service() -> HttpService:
    return HttpService("test", ROUTES, render_error=render, layers=[guard], limits=LIMITS)


def refused(answer: Answered, status: int, code: str) -> str:
    """Check a refusal; its message."""
    assert (answer.status, answer.json["code"]) == (status, code)
    assert answer.header(b"content-type") == b"application/json"
    assert answer.header(b"x-request-id")
    message: str = answer.json["message"]
    return message


async def test_a_value_is_answered_as_json(service: HttpService) -> None:
    answer = await call(service, "GET", "/hello?a=1&b=%20")
    assert answer.status == 200
    assert answer.json == {"path": "/hello", "query": "a=1&b=%20", "client": "127.0.0.1"}
    assert answer.header(b"content-type") == b"application/json"
    assert answer.header(b"content-length") == b"%d" % len(answer.body)


async def test_a_body_is_decoded_and_the_declared_status_answered(service: HttpService) -> None:
    answer = await call(service, "POST", "/notes", b'{"text":"hi","tags":[{"name":"x"}]}')
    assert (answer.status, answer.json) == (201, {"text": "hi", "tags": [{"name": "x"}], "rating": 0})


async def test_a_chunked_body_is_put_together(service: HttpService) -> None:
    answer = await call(service, "POST", "/notes", Wire([b'{"te', b"", b'xt":"hi"}']))
    assert (answer.status, answer.json["text"]) == (201, "hi")


async def test_a_body_can_be_read_twice(service: HttpService) -> None:
    assert (await call(service, "POST", "/raw", b"abc")).body == b"abc|abc"


async def test_head_is_answered_like_get_without_the_body(service: HttpService) -> None:
    head, get = await call(service, "HEAD", "/hello"), await call(service, "GET", "/hello")
    assert (head.status, head.body) == (200, b"")
    assert head.header(b"content-length") == get.header(b"content-length")
    assert (await call(service, "HEAD", "/nowhere")).body == b""
    assert (await call(service, "HEAD", "/raw")).status == 405


async def test_no_content_has_neither_length_nor_type(service: HttpService) -> None:
    """RFC 9110, section 8.6: no Content-Length in an answer with status 204."""
    answer = await call(service, "DELETE", "/notes/1")
    assert (answer.status, answer.body) == (204, b"")
    assert answer.header(b"content-length") is None
    assert answer.header(b"content-type") is None


@pytest.mark.parametrize("size", [1001, 5000])
async def test_a_declared_body_over_the_limit_is_refused_unread(service: HttpService, size: int) -> None:
    wire = Wire([b"x" * size])
    answer = await call(service, "POST", "/notes", wire, [(b"content-length", b"%d" % size)])
    refused(answer, 413, "BODY_TOO_LARGE")
    assert wire.read == 0


async def test_a_chunked_body_is_refused_as_soon_as_it_passes_the_limit(service: HttpService) -> None:
    wire = Wire([b"x" * 600] * 100)
    refused(await call(service, "POST", "/notes", wire), 413, "BODY_TOO_LARGE")
    assert wire.read == 2


async def test_a_body_larger_than_declared_is_refused_too(service: HttpService) -> None:
    refused(
        await call(service, "POST", "/notes", Wire([b"x" * 1001]), [(b"content-length", b"5")]), 413, "BODY_TOO_LARGE"
    )


async def test_a_body_of_exactly_the_limit_is_taken(service: HttpService) -> None:
    assert (await call(service, "POST", "/raw", b"x" * 1000)).status == 200
    assert (await call(service, "POST", "/raw", Wire([b"x"] * 1000))).status == 200


@pytest.mark.parametrize("length", [b"", b"-1", b"+5", b"0x10", b"5, 5", b"1e3", b"\xff", b"9" * 16, "٣".encode()])
async def test_an_invalid_content_length_is_refused(service: HttpService, length: bytes) -> None:
    answer = await call(service, "POST", "/notes", Wire([b"{}"]), [(b"content-length", length)])
    assert refused(answer, 400, "BAD_REQUEST") == "Invalid Content-Length"


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"{",
        b"nonsense",
        b'{"text":"a"}}',
        b'{"text":"\xff"}',
        b"\xff\xfe",
        b'{"text":"\\ud800"}',
        b"[" * 900,
        b'{"text":"a","tags":' + b"[" * 900,
        b'{"text":NaN}',
        b"'text'",
    ],
)
async def test_malformed_json_is_refused(service: HttpService, body: bytes) -> None:
    answer = await call(service, "POST", "/notes", body)
    assert answer.status == 400
    assert answer.json["code"] in {"BAD_JSON", "VALIDATION_ERROR"}


async def test_json_nested_without_end_is_refused() -> None:
    async def anything(request: Request, body: Any) -> None:
        raise AssertionError("the body must not get here")

    service = HttpService("test", [Route("POST", "/", anything, "Take JSON", body=Any)], render_error=render)
    for body in (b"[" * 500_000, b'{"a":' * 150_000):
        assert "nested too deeply" in refused(await call(service, "POST", "/", body), 400, "BAD_JSON")


@pytest.mark.parametrize(
    ("body", "place"),
    [
        (b'{"text":7}', "text: "),
        (b'{"text":"x","tags":[{"name":"a"},{"name":null}]}', "tags[1].name: "),
        (b'{"text":"x","tags":{}}', "tags: "),
        (b'{"text":"x","rating":1.5}', "rating: "),
        (b'{"tags":[]}', "Object missing required field `text`"),
        (b"[]", "Expected `object`"),
    ],
)
async def test_a_wrong_type_is_refused_with_its_path(service: HttpService, body: bytes, place: str) -> None:
    assert refused(await call(service, "POST", "/notes", body), 400, "VALIDATION_ERROR").startswith(place)


@given(st.binary(max_size=200))
async def test_any_body_is_taken_or_refused(body: bytes) -> None:
    service = HttpService("test", ROUTES, render_error=render)
    assert (await call(service, "POST", "/notes", body)).status in {201, 400}


@pytest.mark.parametrize("content_type", [b"text/plain", b"application/x-www-form-urlencoded", b"\xff"])
async def test_another_media_type_is_refused(service: HttpService, content_type: bytes) -> None:
    answer = await call(service, "POST", "/notes", b'{"text":"x"}', [(b"content-type", content_type)])
    refused(answer, 415, "UNSUPPORTED_MEDIA_TYPE")


@pytest.mark.parametrize(
    "content_type", [b"application/json; charset=utf-8", b"Application/JSON", b"application/a+json"]
)
async def test_json_by_any_spelling_is_taken(service: HttpService, content_type: bytes) -> None:
    assert (await call(service, "POST", "/notes", b'{"text":"x"}', [(b"content-type", content_type)])).status == 201


async def test_unknown_routes_and_methods_are_refused(service: HttpService) -> None:
    refused(await call(service, "GET", "/nowhere"), 404, "NOT_FOUND")
    answer = await call(service, "PUT", "/notes")
    refused(answer, 405, "METHOD_NOT_ALLOWED")
    assert answer.header(b"allow") == b"GET, POST"


@pytest.mark.parametrize(("method", "target"), [("GET", "/nowhere"), ("PUT", "/notes"), ("POST", "/notes")])
async def test_who_does_not_pass_the_layers_learns_nothing(service: HttpService, method: str, target: str) -> None:
    wire = Wire([b"not json"])
    answer = await call(service, method, target, wire, [(b"authorization", b"nobody")])
    refused(answer, 401, "REFUSED")
    assert answer.header(b"allow") is None
    assert wire.read == 0


async def test_layers_run_in_order_and_share_what_they_found() -> None:
    seen: list[str] = []

    async def first(request: Request) -> None:
        request.state["tenant"] = "acme"

    async def second(request: Request) -> None:
        seen.append(request.state["tenant"])

    service = HttpService("test", ROUTES, render_error=render, layers=[first, second])
    assert (await call(service, "GET", "/hello")).status == 200
    assert seen == ["acme"]


async def test_a_crash_in_a_layer_lets_nobody_in() -> None:
    async def broken(request: Request) -> None:
        raise KeyError(SECRET)

    service = HttpService("test", ROUTES, render_error=render, layers=[broken])
    refused(await call(service, "GET", "/hello"), 500, "INTERNAL_ERROR")


@pytest.mark.usefixtures("restored_logging")
@pytest.mark.parametrize("target", ["/crash", "/strange"])
async def test_a_crash_is_an_opaque_reference_that_the_log_explains(service: HttpService, target: str) -> None:
    stream = io.StringIO()
    configure_logging(format="json", stream=stream)
    answer = await call(service, "GET", target)
    message = refused(answer, 500, "INTERNAL_ERROR")
    reference = message.removeprefix("internal error, reference ")
    assert len(reference) == 12
    assert SECRET not in answer.body.decode()
    assert "Traceback" not in answer.body.decode()
    record = msgspec.json.decode(stream.getvalue())
    assert record["reference"] == reference
    assert "Traceback" in record["traceback"]


@pytest.mark.usefixtures("restored_logging")
async def test_an_error_of_ours_that_is_the_servers_fault_is_logged(service: HttpService) -> None:
    stream = io.StringIO()
    configure_logging(format="json", stream=stream)
    refused(await call(service, "GET", "/full"), 500, "STORAGE_FULL")
    refused(await call(service, "GET", "/nowhere"), 404, "NOT_FOUND")
    (line,) = stream.getvalue().splitlines()
    assert msgspec.json.decode(line)["code"] == "STORAGE_FULL"


async def test_a_given_request_id_is_answered(service: HttpService) -> None:
    answer = await call(service, "GET", "/hello", headers=[(b"x-request-id", b"trace-1:2.3_4")])
    assert answer.header(b"x-request-id") == b"trace-1:2.3_4"


@given(st.binary(max_size=200))
async def test_no_request_id_injects_anything(given_id: bytes) -> None:
    service = HttpService("test", ROUTES, render_error=render)
    answered = (await call(service, "GET", "/hello", headers=[(b"x-request-id", given_id)])).header(b"x-request-id")
    assert answered is not None
    assert 0 < len(answered) <= 128
    assert set(answered) <= set(b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789._:-")


@given(st.lists(st.tuples(st.sampled_from([b"x-user", b"accept", b"content-type", b"x-request-id"]), st.binary())))
async def test_any_header_bytes_are_answered(headers: list[tuple[bytes, bytes]]) -> None:
    service = HttpService("test", ROUTES, render_error=render, limits=LIMITS)
    assert (await call(service, "POST", "/notes", b'{"text":"x"}', headers)).status in {201, 415, 431}


async def test_too_many_header_bytes_are_refused(service: HttpService) -> None:
    refused(await call(service, "GET", "/hello", headers=[(b"x-large", b"x" * 500)]), 431, "HEADERS_TOO_LARGE")


async def test_a_body_that_does_not_come_is_timed_out() -> None:
    service = HttpService("test", ROUTES, render_error=render, limits=HttpLimits(body_seconds=0.001))
    for wire in (Wire([], ends=False), Wire([b'{"text":'], ends=False)):
        refused(await call(service, "POST", "/notes", wire), 408, "REQUEST_TIMEOUT")


async def test_a_client_that_hangs_up_ends_its_request(service: HttpService) -> None:
    answer = await call(service, "POST", "/notes", Wire([b'{"text":', DISCONNECT], ends=False))
    assert (answer.status, answer.body) == (400, b"")


async def test_other_protocols_are_not_served(service: HttpService) -> None:
    with pytest.raises(RuntimeError, match="test serves HTTP, not lifespan"):
        await service({"type": "lifespan"}, asyncio.Event().wait, print)  # type: ignore[arg-type] # never called


async def test_a_websocket_is_closed_before_it_is_open(service: HttpService) -> None:
    sent: list[Any] = []

    async def receive() -> dict[str, str]:
        return {"type": "websocket.connect"}

    async def send(message: Any) -> None:
        sent.append(message)

    await service({"type": "websocket"}, receive, send)
    assert sent == [{"type": "websocket.close", "code": 1008}]


async def test_requests_are_counted_by_route_and_never_by_path() -> None:
    registry = CollectorRegistry()
    service = HttpService("test", ROUTES, render_error=render, metrics=RequestMetrics(registry))
    for number in range(3):
        await call(service, "GET", f"/notes/{number}")
        await call(service, "GET", f"/unknown/{number}")
        await call(service, f"METHOD{number}", "/hello")
    text = generate_latest(registry).decode()
    assert 'aster_http_requests_total{method="GET",route="/notes/{note_id}",service="test",status="200"} 3.0' in text
    assert 'aster_http_requests_total{method="-",route="(unmatched)",service="test",status="404"} 3.0' in text
    assert 'aster_http_requests_total{method="-",route="(unmatched)",service="test",status="405"} 3.0' in text
    assert 'aster_http_request_seconds_count{method="GET",route="/notes/{note_id}",service="test"} 3.0' in text
    assert "unknown" not in text
    assert "METHOD" not in text


def test_times_are_counted_in_cumulative_buckets() -> None:
    registry = CollectorRegistry()
    metrics = RequestMetrics(registry)
    for seconds in (0.0005, 0.0006, 0.2, 60.0):
        metrics.observe("test", ROUTES[0], 200, seconds)
    lines = [line for line in generate_latest(registry).decode().splitlines() if "request_seconds_" in line]
    buckets = [line for line in lines if "_bucket" in line]
    counts = {line.partition('le="')[2].partition('"')[0]: line.rpartition(" ")[2] for line in buckets}
    assert (counts["0.0005"], counts["0.001"], counts["0.1"], counts["0.25"]) == ("1.0", "2.0", "2.0", "3.0")
    assert (counts["5.0"], counts["+Inf"]) == ("3.0", "4.0")
    assert float(next(line for line in lines if "_sum" in line).rpartition(" ")[2]) == pytest.approx(60.2011)
