"""What a client tries again, and what it does not; each attempt is signed anew."""

import threading
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import pytest

from aster.policy.client import (
    AsyncPolicyClient,
    InvalidRequest,
    NoAnswer,
    PolicyClient,
    ServiceUnavailable,
    TooManyRequests,
    UnexpectedAnswer,
)

Seen = list[dict[str, str]]
Script = Callable[[list[Any]], tuple[str, Seen]]


@pytest.fixture
def script() -> Iterator[Script]:
    """Start a server that answers with these statuses in turn (None: hangs up); gives its URL and what it was sent."""
    servers: list[ThreadingHTTPServer] = []

    def start(answers: list[Any]) -> tuple[str, Seen]:
        seen: Seen = []

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def answer(self) -> None:
                seen.append({name.lower(): value for name, value in self.headers.items()})
                self.rfile.read(int(self.headers.get("Content-Length", 0)))
                status = answers[len(seen) - 1]
                if status is None:
                    self.close_connection = True
                    return
                self.send_response(status)
                self.send_header("Retry-After", "0")
                self.send_header("Content-Length", "2")
                self.end_headers()
                self.wfile.write(b"{}")

            do_GET = do_POST = do_DELETE = answer  # noqa: N815 - the standard library's names

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


def values(seen: Seen, name: str) -> set[str | None]:
    return {headers.get(name) for headers in seen}


def test_a_change_is_tried_again_under_one_idempotency_key(script: Script) -> None:
    url, seen = script([None, 503, 200])
    with PolicyClient(url, tenant="acme", secret="s") as client:
        assert client.request("POST", "/x", {"a": 1}).status == 200
    assert len(values(seen, "x-aster-nonce")) == len(values(seen, "x-aster-signature")) == 3
    assert len(values(seen, "idempotency-key")) == 1
    assert None not in values(seen, "idempotency-key")


def test_a_reader_needs_no_key(script: Script) -> None:
    url, seen = script([None, 429, 200])
    with PolicyClient(url, tenant="acme", secret="s") as client:
        assert client.request("GET", "/x").status == 200
    assert values(seen, "idempotency-key") == {None}
    assert len(values(seen, "x-aster-nonce")) == 3


def test_a_change_whose_answer_is_not_kept_is_sent_once(script: Script) -> None:
    url, seen = script([None, 200])
    with PolicyClient(url, tenant="acme", secret="s") as client, pytest.raises(NoAnswer):
        client.request("POST", "/api/v1/tenant/keys", {})
    assert len(seen) == 1
    assert values(seen, "idempotency-key") == {None}


def test_but_it_is_sent_again_when_the_service_refused_it(script: Script) -> None:
    url, seen = script([503, 201])
    with PolicyClient(url, tenant="acme", secret="s") as client:
        assert client.request("POST", "/api/v1/tenant/keys", {}).status == 201
    assert len(seen) == 2


def test_ones_own_idempotency_key_is_used(script: Script) -> None:
    url, seen = script([200])
    with PolicyClient(url, tenant="acme", secret="s") as client:
        client.request("POST", "/x", {}, headers={"Idempotency-Key": "mine"})
    assert values(seen, "idempotency-key") == {"mine"}


def test_retries_end(script: Script) -> None:
    url, seen = script([503, 503, 503, 200])
    with PolicyClient(url, tenant="acme", secret="s") as client:
        assert client.request("POST", "/x", {}).status == 503
    assert len(seen) == 3


@pytest.mark.parametrize(("status", "kind"), [(429, TooManyRequests), (503, ServiceUnavailable)])
def test_the_last_refusal_is_raised_by_typed_calls(script: Script, status: int, kind: type[Exception]) -> None:
    url, seen = script([status] * 2)
    with PolicyClient(url, tenant="acme", secret="s", retries=1) as client, pytest.raises(kind):
        client.audit_head()
    assert len(seen) == 2


@pytest.mark.parametrize("status", [400, 500])
def test_a_refusal_is_not_tried_again(script: Script, status: int) -> None:
    url, seen = script([status])
    with PolicyClient(url, tenant="acme", secret="s") as client:
        assert client.request("POST", "/x", {}).status == status
    assert len(seen) == 1


def test_no_answer_at_all_is_an_error_with_a_way_out() -> None:
    with (
        PolicyClient("http://127.0.0.1:9", tenant="acme", secret="s", retries=1) as client,
        pytest.raises(NoAnswer, match=r"no answer to POST /x: .*is the service running"),
    ):
        client.request("POST", "/x?secret=1", {})


def test_an_answer_of_somebody_else_is_told_apart(script: Script) -> None:
    url, _ = script([200, 404])
    with PolicyClient(url, tenant="acme", secret="s") as client:
        with pytest.raises(UnexpectedAnswer):
            client.audit_head()
        assert client.request("GET", "/x").status == 404


async def test_the_async_client_tries_again_as_well(script: Script) -> None:
    url, seen = script([None, 503, 200, 400])
    async with AsyncPolicyClient(url, tenant="acme", secret="s") as client:
        assert (await client.request("POST", "/x", {"a": 1})).status == 200
        with pytest.raises(InvalidRequest):
            await client.audit_head()
    assert len(values(seen, "x-aster-nonce")) == 4


def test_the_secret_is_not_shown() -> None:
    with PolicyClient("http://127.0.0.1:9", tenant="acme", secret="hidden") as client:
        assert "hidden" not in repr(vars(client))
