"""A change that is asked for twice is made once, and answered twice."""

import asyncio
from typing import Any

import httpx
import pytest

from aster.foundation.http.request import HttpLimits, Request
from aster.foundation.http.routes import Match
from astrocyte.gateway.app import create_gateway
from astrocyte.gateway.idempotency import KEPT_MS, Idempotency
from astrocyte.memory import Astrocyte

BODY = {"bank_id": "b", "content": "once"}
ALICE = {"X-Astrocyte-Principal": "user:alice", "Idempotency-Key": "k-1"}


async def count(client: httpx.AsyncClient) -> int:
    return len((await client.get("/v1/banks/b/memories")).json()["memories"])


async def test_a_repetition_gets_the_first_answer_also_after_a_restart(
    client: httpx.AsyncClient, plain: Astrocyte
) -> None:
    first = await client.post("/v1/retain", json=BODY, headers=ALICE)
    assert "idempotency-replayed" not in first.headers
    restarted = httpx.ASGITransport(app=create_gateway(plain))
    async with httpx.AsyncClient(transport=restarted, base_url="http://gateway") as other:
        again = await other.post("/v1/retain", json=BODY, headers=ALICE)
    assert (again.json(), again.headers["idempotency-replayed"]) == (first.json(), "true")
    assert again.json()["stored"] is True


async def test_a_key_belongs_to_its_caller_and_its_request(client: httpx.AsyncClient) -> None:
    await client.post("/v1/retain", json=BODY, headers=ALICE)
    bob = await client.post(
        "/v1/retain", json=BODY | {"content": "bob's"}, headers=ALICE | {"X-Astrocyte-Principal": "bob"}
    )
    assert bob.json()["stored"] is True
    conflict = await client.post("/v1/retain", json=BODY | {"content": "other"}, headers=ALICE)
    assert (conflict.status_code, conflict.json()["code"]) == (409, "IDEMPOTENCY_CONFLICT")
    assert await count(client) == 2


async def test_repetitions_at_the_same_time_make_one_change(client: httpx.AsyncClient) -> None:
    body = {"bank_id": "b", "memories": [{"content": "x", "metadata": {"n": 1}}]}
    answers = await asyncio.gather(*(client.post("/v1/retain/batch", json=body, headers=ALICE) for _ in range(20)))
    assert len({answer.text for answer in answers}) == 1
    assert sum("idempotency-replayed" not in answer.headers for answer in answers) == 1
    assert await count(client) == 1


async def test_what_was_refused_may_be_tried_again(client: httpx.AsyncClient) -> None:
    assert (await client.post("/v1/retain", json=BODY | {"content": ""}, headers=ALICE)).status_code == 400
    assert (await client.post("/v1/retain", json=BODY, headers=ALICE)).json()["stored"] is True


async def test_of_refusals_at_the_same_time_one_is_tried_at_a_time(plain: Astrocyte) -> None:
    running = most = 0

    async def fail(request: object, body: object) -> None:
        nonlocal running, most
        running += 1
        most = max(most, running)
        await asyncio.sleep(0)
        running -= 1
        raise RuntimeError("no")

    idempotency = Idempotency(plain)
    handler: Any = idempotency.once(fail)
    await asyncio.gather(*(handler(_request(), None) for _ in range(10)), return_exceptions=True)
    assert (most, idempotency._turns) == (1, {})


def _request() -> Request:
    async def receive() -> dict[str, object]:
        return {"type": "http.request", "body": b"", "more_body": False}

    headers = [(b"idempotency-key", b"k")]
    scope = {"type": "http", "method": "POST", "path": "/", "headers": headers, "query_string": b""}
    request = Request(scope, receive, HttpLimits(), Match())
    request.state["context"] = None
    return request


@pytest.mark.parametrize("key", ["", "two words", "x" * 129, "ä"])
async def test_a_key_that_is_none_is_refused(client: httpx.AsyncClient, key: str) -> None:
    answer = await client.post("/v1/retain", json=BODY, headers={b"Idempotency-Key": key.encode()})
    assert answer.status_code == 400
    assert await count(client) == 0


async def test_answers_are_kept_for_a_day(plain: Astrocyte) -> None:
    now = [0]
    calls = 0

    async def handler(request: object, body: object) -> dict[str, int]:
        nonlocal calls
        calls += 1
        return {"call": calls}

    once = Idempotency(plain, now_ms=lambda: now[0])
    work = lambda: handler(None, None)  # noqa: E731
    for moment, expected in ((0, 1), (KEPT_MS - 1, 1), (KEPT_MS, 2)):
        now[0] = moment
        await once._once(("a", "k"), b"digest", work)
        assert calls == expected
