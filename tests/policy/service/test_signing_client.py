"""The signing client: tries again what may be tried again, signed anew each time."""

import threading
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import pytest

from aster.policy.service.signing import SigningClient

Script = Callable[[list[Any]], tuple[str, list[dict[str, str]]]]


@pytest.fixture
def script() -> Iterator[Script]:
    """Start a server that answers with these statuses in turn (None: hangs up); gives its URL and what it was sent."""
    servers: list[ThreadingHTTPServer] = []

    def start(answers: list[Any]) -> tuple[str, list[dict[str, str]]]:
        seen: list[dict[str, str]] = []

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def do_POST(self) -> None:
                seen.append({name.lower(): value for name, value in self.headers.items()})
                self.rfile.read(int(self.headers["Content-Length"]))
                status = answers[len(seen) - 1]
                if status is None:
                    self.close_connection = True
                    return
                self.send_response(status)
                self.send_header("Retry-After", "0")
                self.send_header("Content-Length", "2")
                self.end_headers()
                self.wfile.write(b"{}")

            def log_message(self, format: str, *args: Any) -> None:
                """Tests are silent."""

        server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        server.daemon_threads = True
        servers.append(server)
        threading.Thread(target=server.serve_forever, daemon=True).start()
        return f"http://127.0.0.1:{server.server_port}", seen

    yield start
    for server in servers:
        server.shutdown()
        server.server_close()


def test_a_lost_connection_and_a_busy_server_are_tried_again(script: Script) -> None:
    url, seen = script([None, 503, 200])
    with SigningClient(url, tenant="acme", secret="s") as client:
        assert client.request("POST", "/x", {"a": 1}).status == 200
    assert len({headers["x-aster-nonce"] for headers in seen}) == 3
    assert len({headers["x-aster-signature"] for headers in seen}) == 3
    assert len({headers["idempotency-key"] for headers in seen}) == 1


def test_the_last_answer_is_given_back(script: Script) -> None:
    url, seen = script([429, 429, 429])
    with SigningClient(url, tenant="acme", secret="s") as client:
        assert client.request("POST", "/x").status == 429
    assert len(seen) == 3


def test_a_refusal_is_not_tried_again(script: Script) -> None:
    url, seen = script([403])
    with SigningClient(url, tenant="acme", secret="s") as client:
        assert client.request("POST", "/x").status == 403
    assert len(seen) == 1


def test_no_answer_at_all_is_a_connection_error(script: Script) -> None:
    url, seen = script([None] * 3)
    with SigningClient(url, tenant="acme", secret="s") as client, pytest.raises(OSError, match="no answer to POST /x"):
        client.request("POST", "/x?token=1")
    assert len(seen) == 3
