"""What a relay answers to plain HTTP: that it is there, how it is, and the two probes of its clients."""

import asyncio
import hmac
import re
from collections.abc import Mapping, Sequence
from typing import cast
from urllib.parse import parse_qs, urlsplit

from prometheus_client import CollectorRegistry, generate_latest
from websockets.datastructures import Headers
from websockets.http11 import Request, Response
from websockets.server import ServerProtocol

RELAY_PATH = "/relay"
CHALLENGE_HEADER = "X-Iroh-Challenge"
RESPONSE_HEADER = "X-Iroh-Response"
METRICS_TYPE = "text/plain; version=0.0.4; charset=utf-8"
_CHALLENGE = re.compile(r"[A-Za-z0-9._-]{1,64}")

REASONS = {200: "OK", 204: "No Content", 401: "Unauthorized", 404: "Not Found", 503: "Service Unavailable"}

_PAGES = {
    "/": b"This is an Aster relay.\n",
    "/ping": b"pong\n",
    "/healthz": b"ok\n",
    "/livez": b"ok\n",
}


def path_of(request: Request) -> str:
    """The path without its query."""
    return request.path.partition("?")[0]


def plain_answer(request: Request, registry: CollectorRegistry | None) -> Response:
    """The answer to anything but a client's websocket; ``/metrics`` only where a registry is given."""
    path = path_of(request)
    if path == "/generate_204":
        return _captive_portal_probe(request.headers)
    if path == "/metrics" and registry is not None:
        return answer(200, generate_latest(registry), {"Content-Type": METRICS_TYPE})
    if path in _PAGES:
        return answer(200, _PAGES[path])
    return answer(404, b"not found\n")


def answer(status: int, body: bytes = b"", headers: Mapping[str, str] | None = None) -> Response:
    """One HTTP answer, after which the connection ends."""
    fields = {
        "Content-Type": "text/plain; charset=utf-8",
        "Content-Length": str(len(body)),
        "Cache-Control": "no-store",
        "Connection": "close",
        **(headers or {}),
    }
    return Response(status, REASONS[status], Headers(fields), body)


def bears_token(request: Request, tokens: Sequence[bytes]) -> bool:
    """Whether a request carries one of the tokens, as ``Authorization: Bearer`` or ``?token=``; no tokens admit all."""
    if not tokens:
        return True
    given = _token(request).encode()
    # Every token is compared, so that the time says nothing about which one came close.
    return any([hmac.compare_digest(given, token) for token in tokens])  # noqa: C419


def _token(request: Request) -> str:
    authorizations = request.headers.get_all("Authorization")
    if len(authorizations) == 1:
        scheme, _, token = authorizations[0].partition(" ")
        if scheme.lower() == "bearer":
            return token.strip()
    found = parse_qs(urlsplit(request.path).query, max_num_fields=8).get("token", [])
    return found[0] if len(found) == 1 else ""


def _captive_portal_probe(headers: Headers) -> Response:
    """A client asks whether something on the way answers in our place: it wants its own words back."""
    challenge = headers.get(CHALLENGE_HEADER, "")
    echoed = {RESPONSE_HEADER: f"response {challenge}"} if _CHALLENGE.fullmatch(challenge) else {}
    return answer(204, b"", echoed)


class PlainSession(asyncio.Protocol):
    """One connection to the port for health and metrics: one request, one answer."""

    def __init__(self, registry: CollectorRegistry, within: float) -> None:
        self._http = ServerProtocol()
        self._registry = registry
        self._within = within
        self._timer: asyncio.TimerHandle | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast("asyncio.Transport", transport)
        self._timer = asyncio.get_running_loop().call_later(self._within, self._transport.abort)

    def data_received(self, data: bytes) -> None:
        self._http.receive_data(data)
        for event in self._http.events_received():
            if isinstance(event, Request):
                self._http.send_response(plain_answer(event, self._registry))
        for piece in joined(self._http.data_to_send()):
            if piece:
                self._transport.write(piece)
            else:
                self._transport.close()

    def connection_lost(self, error: Exception | None) -> None:
        if self._timer is not None:
            self._timer.cancel()


def joined(writes: list[bytes]) -> list[bytes]:
    """The same bytes in one piece; an empty piece, which means the end, stays one of its own."""
    data = b"".join(writes)
    ends = b"" in writes
    return [piece for piece in (data,) if piece] + [b""] * ends
