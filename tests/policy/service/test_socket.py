"""Evaluation over a WebSocket: the same layers, roles, limits and audit as over HTTP, on a real server."""

import asyncio
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import msgspec
import pytest
from tests.policy.service.asgi import SECRET, ask
from websockets.asyncio.client import ClientConnection, connect
from websockets.exceptions import ConnectionClosed, InvalidStatus

from aster.foundation.http.server import HttpServer
from aster.foundation.sql import Database
from aster.policy.service import evaluation_socket
from aster.policy.service.app import PolicyHttpService, create_policy_service
from aster.policy.service.settings import PolicySettings
from aster.policy.service.signing import sign_request

PATH = "/ws/v1/evaluate"
SOURCE = "Module greetings.\n\nRule hello given name as Text, produce Text:\n  Return name.\n"
SETTINGS = PolicySettings(
    secret_key=SECRET, master_key="m" * 32, socket_connections=3, socket_messages=1000, body_bytes=64 * 1024
)


class Served(msgspec.Struct):
    url: str
    service: PolicyHttpService


@asynccontextmanager
async def serving(service: PolicyHttpService) -> AsyncIterator[Served]:
    server = HttpServer(host="127.0.0.1", port=0, socket_bytes=SETTINGS.body_bytes)
    await server.start(service)
    yield Served(server.url.replace("http", "ws"), service)
    await server.close()


@pytest.fixture
async def served(database: Database) -> AsyncIterator[Served]:
    async with serving(create_policy_service(database, SETTINGS, environ={})) as running:
        yield running


def headers(
    target: str = PATH, *, tenant: str = "acme-corp", secret: str = SECRET, without: str = "", **options: Any
) -> dict[str, str]:
    signed = sign_request("GET", target, tenant=tenant, secret=secret, **options)
    return {name: value for name, value in signed.items() if name != without}


def dial(served: Served, target: str = PATH, **options: Any) -> connect:
    return connect(f"{served.url}{target}", additional_headers=headers(target, **options), proxy=None)


async def told(connection: ClientConnection) -> Any:
    return json.loads(await asyncio.wait_for(connection.recv(), 30))


async def tell(connection: ClientConnection, **message: Any) -> Any:
    await connection.send(json.dumps(message))
    return await told(connection)


@asynccontextmanager
async def connected(served: Served, **options: Any) -> AsyncIterator[ClientConnection]:
    async with dial(served, **options) as connection:
        greeting = await told(connection)
        assert greeting["type"] == "connected"
        yield connection


@pytest.mark.parametrize(
    ("options", "status", "code"),
    [
        ({"without": "X-Tenant-Id"}, 400, "TENANT_MISSING"),
        ({"tenant": "not a tenant"}, 400, "TENANT_INVALID"),
        ({"without": "X-Aster-Signature"}, 401, "SIGNATURE_MISSING"),
        ({"secret": "wrong"}, 401, "SIGNATURE_INVALID"),
        ({"timestamp_ms": 1}, 401, "TIMESTAMP_OUT_OF_WINDOW"),
        ({"without": "X-User-Role"}, 403, "ROLE_MISSING"),
        ({"role": "ROOT"}, 403, "ROLE_INVALID"),
        ({"target": "/ws/v1/nothing"}, 404, "NOT_FOUND"),
        ({"target": "/ws/v1/nothing", "secret": "wrong"}, 401, "SIGNATURE_INVALID"),
    ],
)
async def test_every_layer_refuses_before_the_connection_is_open(
    served: Served, options: dict[str, Any], status: int, code: str
) -> None:
    with pytest.raises(InvalidStatus) as refused:
        async with dial(served, **options):
            pass
    assert refused.value.response.status_code == status
    assert json.loads(refused.value.response.body)["errorCode"] == code
    assert refused.value.response.headers["x-ratelimit-limit"]


async def test_an_upgrade_can_not_be_replayed(served: Served) -> None:
    signed = headers()
    async with connect(f"{served.url}{PATH}", additional_headers=signed, proxy=None):
        pass
    with pytest.raises(InvalidStatus) as refused:
        async with connect(f"{served.url}{PATH}", additional_headers=signed, proxy=None):
            pass
    assert refused.value.response.status_code == 409


async def test_sources_and_stored_policies_are_evaluated(served: Served) -> None:
    await ask(served.service, "POST", "/api/v1/policies", {"source": SOURCE})
    async with connected(served, user="ada") as connection:
        source = await tell(connection, id=1, type="evaluate-source", source=SOURCE, context={"name": "Zoë"})
        assert (source["id"], source["status"], source["result"]) == (1, "success", "Zoë")
        stored = await tell(connection, id="b", type="evaluate", policyModule="greetings", context=["Bo"], trace=True)
        assert (stored["id"], stored["result"]) == ("b", "Bo")
        assert stored["decisionTrace"]["functionName"] == "hello"
        failed = await tell(connection, id=3, type="evaluate", policyModule="greetings", context=[7])
        assert (failed["type"], failed["status"], failed["result"]) == ("result", "error", None)
    records = (await ask(served.service, "GET", "/api/v1/audit?eventType=POLICY_EVALUATED", role="ADMIN")).json
    assert [(each["entrance"], each["actorId"], each["success"]) for each in records] == [
        ("ws", "ada", False),
        ("ws", "ada", True),
        ("ws", "ada", True),
    ]
    assert len({each["requestId"] for each in records}) == 3


@pytest.mark.parametrize(
    ("text", "code", "known"),
    [
        ("nonsense", "BAD_JSON", None),
        ("[" * 20_000, "VALIDATION_ERROR", None),
        ('{"id": 1, "type": "dance"}', "VALIDATION_ERROR", 1),
        ('{"id": {"a": 1}, "type": "evaluate"}', "VALIDATION_ERROR", None),
        ('{"id": "x", "type": "evaluate"}', "VALIDATION_ERROR", "x"),
        ('{"id": "x", "type": "evaluate", "policyModule": "nothing"}', "POLICY_NOT_FOUND", "x"),
        (b'{"id": 2, "type": "evaluate", "policyModule": "binary"}', "POLICY_NOT_FOUND", 2),
        (b"\xff\xfe", "BAD_JSON", None),
    ],
)
async def test_a_wrong_message_is_refused_and_the_connection_stays(
    served: Served, text: str | bytes, code: str, known: Any
) -> None:
    async with connected(served) as connection:
        await connection.send(text)
        refusal = await told(connection)
        assert (refusal["type"], refusal["errorCode"], refusal["id"]) == ("refused", code, known)
        fine = await tell(connection, id=9, type="evaluate-source", source=SOURCE, context=["Bo"])
        assert fine["result"] == "Bo"


async def test_many_messages_at_once_are_all_answered(served: Served) -> None:
    async with connected(served) as connection:
        for number in range(100):
            message = {"id": number, "type": "evaluate-source", "source": SOURCE, "context": [f"n{number}"]}
            await connection.send(json.dumps(message))
        answers = [await told(connection) for _ in range(100)]
    assert {answer["id"]: answer["result"] for answer in answers} == {number: f"n{number}" for number in range(100)}
    verified = (await ask(served.service, "GET", "/api/v1/audit/verify-chain", role="ADMIN")).json
    assert (verified["valid"], verified["recordsVerified"]) == (True, 100)


async def test_too_large_a_message_ends_the_connection(served: Served) -> None:
    async with connected(served) as connection:
        await connection.send("a" * (SETTINGS.body_bytes + 1))
        with pytest.raises(ConnectionClosed) as closed:
            await told(connection)
    assert closed.value.rcvd is not None
    assert closed.value.rcvd.code == 1009


async def test_evaluating_needs_a_member_and_listening_a_viewer(served: Served) -> None:
    async with connected(served, role="VIEWER") as connection:
        refusal = await tell(connection, id=1, type="evaluate-source", source=SOURCE)
        assert (refusal["type"], refusal["errorCode"]) == ("refused", "ROLE_INSUFFICIENT")
        assert (await tell(connection, id=2, type="subscribe"))["active"] == []
    denied = (await ask(served.service, "GET", "/api/v1/audit?eventType=ACCESS_DENIED", role="ADMIN")).json
    assert [each["payload"]["route"] for each in denied] == ["/api/v1/policies/evaluate-source"]


async def test_a_role_that_was_taken_away_is_gone_on_open_connections(served: Served) -> None:
    owner = {"role": "OWNER", "user": "root"}
    assignments = "/api/v1/tenant/rbac/assignments"
    await ask(served.service, "PUT", f"{assignments}/root", {"role": "OWNER"}, **owner)
    await ask(served.service, "PUT", f"{assignments}/ada", {"role": "MEMBER"}, **owner)
    async with connected(served, user="ada") as connection:
        message = {"id": 1, "type": "evaluate-source", "source": SOURCE, "context": ["Bo"]}
        assert (await tell(connection, **message))["result"] == "Bo"
        await ask(served.service, "PUT", f"{assignments}/ada", {"role": "VIEWER"}, **owner)
        assert (await tell(connection, **message))["errorCode"] == "ROLE_INSUFFICIENT"


async def test_a_revoked_key_closes_its_connection(served: Served) -> None:
    key = (await ask(served.service, "POST", "/api/v1/tenant/keys", {}, role="OWNER")).json
    async with connected(served, secret=key["secret"], key_id=key["keyId"]) as connection:
        await ask(served.service, "DELETE", f"/api/v1/tenant/keys/{key['keyId']}", role="OWNER")
        with pytest.raises(ConnectionClosed) as closed:
            await tell(connection, id=1, type="subscribe")
    assert closed.value.rcvd is not None
    assert closed.value.rcvd.code == 1008


async def test_messages_count_against_the_tenants_rate(served: Served) -> None:
    limited = {"rateLimit": {"requests": 3, "windowSeconds": 60}}
    await ask(served.service, "PUT", "/api/v1/tenant/settings", limited, role="OWNER")
    async with connected(served) as connection:
        codes = [(await tell(connection, id=1, type="unsubscribe")).get("errorCode") for _ in range(3)]
        refusal = await tell(connection, id=1, type="unsubscribe")
    assert codes[0] is None
    assert (refusal["errorCode"], refusal["retryAfter"] >= 1) == ("RATE_LIMITED", True)


async def test_a_tenants_connections_are_bounded_and_given_back(served: Served) -> None:
    for _ in range(2):
        async with connected(served), connected(served), connected(served):
            with pytest.raises(InvalidStatus) as refused:
                async with dial(served):
                    pass
            assert refused.value.response.status_code == 429
            async with connected(served, tenant="globex"):
                pass


async def test_activated_versions_are_told_to_the_tenant_alone(served: Served) -> None:
    made = (await ask(served.service, "POST", "/api/v1/policies", {"source": SOURCE})).json
    async with connected(served) as connection, connected(served, tenant="globex") as stranger:
        state = await tell(connection, id=1, type="subscribe")
        assert [(each["policyModule"], each["version"]) for each in state["active"]] == [("greetings", 1)]
        assert (await tell(stranger, id=1, type="subscribe"))["active"] == []
        await ask(served.service, "POST", "/api/v1/policies", {"source": SOURCE + "\n# again\n"})
        await ask(served.service, "POST", f"/api/v1/policies/{made['policyId']}/rollback", {"targetVersion": 1})
        seen = await told(connection)
        while (seen["version"], seen["kind"]) != (1, "rollback"):
            seen = await told(connection)
        assert (seen["type"], seen["policyModule"], seen["number"]) == ("activated", "greetings", 3)
        await ask(served.service, "POST", "/api/v1/policies", {"source": SOURCE}, tenant="globex")
        assert (await told(stranger))["number"] == 1, "its own activation is the first thing it is told"


async def test_versions_of_another_process_are_seen_at_once_and_told(tmp_path: Path) -> None:
    """Two services with a writer each on one file, as two processes have."""
    databases = [Database.open(tmp_path / "policy.db", durability="normal") for _ in range(2)]
    one, other = (create_policy_service(database, SETTINGS, environ={}) for database in databases)
    async with serving(one) as served, connected(served) as connection:
        assert (await tell(connection, id=1, type="subscribe"))["active"] == []
        for number in (1, 2, 3):
            source = SOURCE.replace("Return name", f'Return "version {number}"')
            await ask(other, "POST", "/api/v1/policies", {"source": source})
            body = {"policyModule": "greetings", "context": ["x"]}
            assert (await ask(one, "POST", "/api/v1/policies/evaluate", body)).json["result"] == f"version {number}"
        seen = await told(connection)
        while seen["version"] != 3:
            seen = await told(connection)
    for database in databases:
        await database.close()


async def test_an_unsubscribed_connection_is_told_nothing(served: Served) -> None:
    async with connected(served) as connection:
        await tell(connection, id=1, type="subscribe")
        await tell(connection, id=2, type="unsubscribe")
        await ask(served.service, "POST", "/api/v1/policies", {"source": SOURCE})
        assert (await tell(connection, id=3, type="unsubscribe"))["id"] == 3


async def code_of_the_end(served: Served) -> int:
    async with connected(served) as connection:
        with pytest.raises(ConnectionClosed) as closed:
            await told(connection)
    assert closed.value.rcvd is not None
    return closed.value.rcvd.code


async def test_an_old_connection_ends(served: Served, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(evaluation_socket, "LONGEST_SECONDS", 0.05)
    assert await code_of_the_end(served) == 1001


async def test_an_idle_connection_ends(database: Database) -> None:
    settings = msgspec.structs.replace(SETTINGS, socket_idle_ms=50)
    async with serving(create_policy_service(database, settings, environ={})) as served:
        assert await code_of_the_end(served) == 1000


async def test_messages_beyond_the_pace_are_refused_one_by_one(database: Database) -> None:
    settings = msgspec.structs.replace(SETTINGS, socket_messages=1)
    async with serving(create_policy_service(database, settings, environ={})) as served, connected(served) as talk:
        for number in range(20):
            await talk.send(json.dumps({"id": number, "type": "unsubscribe"}))
        answers = [await told(talk) for _ in range(20)]
    assert [each["id"] for each in answers] == list(range(20))
    assert answers[0]["type"] == "unsubscribed"
    refused = [each for each in answers if each["type"] == "refused"]
    assert {(each["errorCode"], each["retryAfter"]) for each in refused} == {("RATE_LIMITED", 1)}


async def test_a_source_brings_its_own_words(served: Served) -> None:
    source = "Module levels.\n\nRule height given niveau as Int, produce Int:\n  Return niveau augmented by 1.\n"
    words = {
        "vocabulary": {"id": "house", "fields": [{"canonical": "level", "localized": "niveau"}]},
        "aliasSet": {"PLUS": ["augmented by"]},
    }
    async with connected(served) as connection:
        answer = await tell(connection, id=1, type="evaluate-source", source=source, context={"level": 2}, **words)
        assert answer["result"] == 3
        shaping = {"aliasSet": {"RETURN": ["hand back"]}}
        refused = await tell(connection, id=2, type="evaluate-source", source=source, **shaping)
        assert (refused["type"], refused["errorCode"]) == ("refused", "ROLE_INSUFFICIENT")
