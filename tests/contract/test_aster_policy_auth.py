"""The authentication contract of the policy engine, from outside: a real server, real HTTP, line by line."""

import asyncio
import hashlib
import hmac
import json
import os
import secrets
import shutil
import socket
import time
from collections.abc import AsyncIterator, Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any

import httpx
import pytest
import uvicorn

from aster.foundation.sql import Database
from aster.policy.client import PolicyClient
from aster.policy.service.app import create_policy_service
from aster.policy.service.settings import PolicySettings, resolve_settings

SECRET = "your-api-secret-here"
PATH = "/api/v1/policies/evaluate-source"
BODY = (
    r'{"source":"Module demo.\n\nRule ping produce Text:\n  Return \"pong\".",'
    r'"functionName":"ping","context":{},"locale":"en-US"}'
)


class Server:
    """A policy service behind uvicorn on a free port of the loopback, and a client."""

    def __init__(self, url: str) -> None:
        self.url = url
        self.client = httpx.AsyncClient(base_url=url, timeout=30)

    async def call(
        self,
        method: str = "POST",
        path: str = PATH,
        body: str | bytes = BODY,
        *,
        query: str = "",
        leave_out: str = "",
        changed: Mapping[str, str] | None = None,
        secret: str = SECRET,
    ) -> httpx.Response:
        """Sign as the contract's own example does (nothing of ours is used), with headers changed or left out."""
        payload = body.encode() if isinstance(body, str) else body
        headers = {**contract_headers(method, path, query, payload, secret=secret), **(changed or {})}
        headers.pop(leave_out, None)
        target = f"{path}?{query}" if query else path
        return await self.client.request(method, target, content=payload, headers=headers)


def contract_headers(method: str, path: str, query: str, body: bytes, *, secret: str = SECRET) -> dict[str, str]:
    """The contract's recipe, written out."""
    timestamp, nonce = str(int(time.time() * 1000)), secrets.token_hex(16)
    canonical = f"{method}|{path}|{query}|{timestamp}|{nonce}|{hashlib.sha256(body).hexdigest()}"
    signature = hmac.new(secret.encode(), canonical.encode(), hashlib.sha256).hexdigest()
    return {
        "Content-Type": "application/json",
        "X-Tenant-Id": "acme-corp",
        "X-User-Role": "MEMBER",
        "X-Aster-Signature": signature,
        "X-Aster-Nonce": nonce,
        "X-Aster-Timestamp": timestamp,
    }


async def serve(folder: Path, settings: PolicySettings, environ: Mapping[str, str]) -> AsyncIterator[Server]:
    database = Database.open(folder / "policy.db")
    app = create_policy_service(database, settings, environ=environ)
    listener = socket.create_server(("127.0.0.1", 0))
    config = uvicorn.Config(app, lifespan="off", log_config=None, access_log=False)
    running = uvicorn.Server(config)
    task = asyncio.create_task(running.serve(sockets=[listener]))
    server = Server(f"http://127.0.0.1:{listener.getsockname()[1]}")
    yield server
    await server.client.aclose()
    running.should_exit = True
    with suppress(asyncio.CancelledError):
        await task
    listener.close()
    await database.close()


@pytest.fixture
async def server(tmp_path: Path) -> AsyncIterator[Server]:
    async for running in serve(tmp_path, PolicySettings(), {"ASTER_HMAC_SECRET_ACME_CORP": SECRET}):
        yield running


def code(response: httpx.Response) -> str:
    body: Any = response.json()
    return str(body["errorCode"])


class TestThreeLayers:
    """'Each layer is independent; all three must be satisfied for a request to succeed.'"""

    async def test_a_request_with_all_layers_succeeds(self, server: Server) -> None:
        response = await server.call()
        assert response.status_code == 200
        assert response.json()["result"] == "pong"
        assert response.json()["error"] is None

    @pytest.mark.parametrize("header", ["X-Aster-Signature", "X-Aster-Nonce", "X-Aster-Timestamp"])
    async def test_each_signature_header_is_always_required(self, server: Server, header: str) -> None:
        assert (await server.call(leave_out=header)).status_code == 401

    async def test_tenant_and_role_are_always_required(self, server: Server) -> None:
        assert (await server.call(leave_out="X-Tenant-Id")).status_code == 400
        assert (await server.call(leave_out="X-User-Role")).status_code == 403

    @pytest.mark.parametrize("tenant", ["", "missing", "malformed"])
    @pytest.mark.parametrize("signature", ["", "missing", "wrong", "replayed"])
    @pytest.mark.parametrize("role", ["", "missing"])
    async def test_the_first_failing_layer_answers(
        self, server: Server, tenant: str, signature: str, role: str
    ) -> None:
        """All 24 combinations."""
        headers = contract_headers("POST", PATH, "", BODY.encode())
        if signature == "replayed":
            assert (await server.client.post(PATH, content=BODY, headers=headers)).status_code == 200
        if signature == "missing":
            del headers["X-Aster-Signature"]
        if signature == "wrong":
            headers["X-Aster-Signature"] = "0" * 64
        if tenant == "missing":
            del headers["X-Tenant-Id"]
        if tenant == "malformed":
            headers["X-Tenant-Id"] = "acme corp"
        if role == "missing":
            del headers["X-User-Role"]
        expected = 200
        if role:
            expected = 403
        if signature:
            expected = 409 if signature == "replayed" else 401
        if tenant:
            expected = 400
        assert (await server.client.post(PATH, content=BODY, headers=headers)).status_code == expected

    @pytest.mark.parametrize("path", ["/api", "/api/v1", "/api/v1/nothing", "/api/v2/policies", PATH])
    async def test_no_route_is_exempt(self, server: Server, path: str) -> None:
        assert (await server.client.get(path)).status_code == 400
        assert (await server.client.get(path, headers={"X-Tenant-Id": "acme-corp"})).status_code == 401


class TestTenantIsolation:
    """Layer 1: X-Tenant-Id, ^[a-zA-Z0-9_-]{1,64}$."""

    @pytest.mark.parametrize("tenant", ["a b", "a.b", "x" * 65, "a/b", "acme-corp,acme-corp"])
    async def test_malformed_tenant_is_400_before_anything_else(self, server: Server, tenant: str) -> None:
        response = await server.client.post(PATH, content=b"not even JSON", headers={"X-Tenant-Id": tenant})
        assert response.status_code == 400

    async def test_tenants_are_case_sensitive_and_see_only_their_own(self, server: Server) -> None:
        """ACME-CORP shares the variable of acme-corp, but nothing else."""
        policy = json.dumps({"source": json.loads(BODY)["source"]})
        created = await server.call(path="/api/v1/policies", body=policy)
        assert created.status_code == 201
        one = f"/api/v1/policies/{created.json()['policyId']}"
        assert (await server.call("GET", one, b"")).status_code == 200
        foreign = {"X-Tenant-Id": "ACME-CORP"}
        assert (await server.call("GET", one, b"", changed=foreign)).status_code == 404
        assert (await server.call("GET", "/api/v1/policies", b"", changed=foreign)).json() == []
        audit = await server.call("GET", "/api/v1/audit", b"", changed={**foreign, "X-User-Role": "ADMIN"})
        assert audit.json() == []


class TestSigning:
    """Layer 2: the canonical message."""

    async def test_the_query_is_signed_as_raw_text(self, server: Server) -> None:
        response = await server.call(query="trace=true")
        assert response.status_code == 200
        assert response.json()["decisionTrace"] is not None
        headers = contract_headers("POST", PATH, "", BODY.encode())
        assert (await server.client.post(f"{PATH}?trace=true", content=BODY, headers=headers)).status_code == 401

    @pytest.mark.parametrize(
        "query", ["a=%20b", "b=2&a=1", "a=1&a=%31", "q=%E2%82%AC", "x=a+b&y=%2B", "%3F=?", "empty=&flag"]
    )
    async def test_no_query_is_reordered_or_decoded(self, server: Server, query: str) -> None:
        """Signed over raw text, sent as raw text: whatever the route makes of it, the signature is right."""
        assert await raw_status(server.url, "GET", f"/api/v1/nothing?{query}", query=query) == 404

    async def test_an_encoded_path_is_signed_as_received(self, server: Server) -> None:
        assert await raw_status(server.url, "GET", "/api/v1/policies/a%2Fb%C3%A4") == 404

    async def test_a_changed_body_is_refused(self, server: Server) -> None:
        headers = contract_headers("POST", PATH, "", BODY.encode())
        response = await server.client.post(PATH, content=BODY.replace("pong", "gong"), headers=headers)
        assert (response.status_code, code(response)) == (401, "SIGNATURE_INVALID")

    async def test_a_chunked_body_is_hashed_whole(self, server: Server) -> None:
        async def parts() -> AsyncIterator[bytes]:
            for start in range(0, len(BODY), 20):
                yield BODY[start : start + 20].encode()

        headers = contract_headers("POST", PATH, "", BODY.encode())
        assert (await server.client.post(PATH, content=parts(), headers=headers)).status_code == 200

    async def test_a_body_beyond_the_limit_is_413_declared_or_chunked(self, server: Server) -> None:
        big = b" " * (1024 * 1024 + 1)

        async def parts() -> AsyncIterator[bytes]:
            for start in range(0, len(big), 100_000):
                yield big[start : start + 100_000]

        headers = contract_headers("POST", PATH, "", big)
        assert (await server.client.post(PATH, content=big, headers=headers)).status_code == 413
        assert (await server.client.post(PATH, content=parts(), headers=headers)).status_code == 413

    async def test_non_ascii_header_bytes_are_refused_not_a_failure(self, server: Server) -> None:
        for name, expected in [
            ("X-Tenant-Id", 400),
            ("X-Aster-Signature", 401),
            ("X-Aster-Nonce", 401),
            ("X-Aster-Timestamp", 401),
            ("X-User-Role", 403),
            ("X-User-Id", 400),
        ]:
            assert await raw_status(server.url, "GET", "/api/v1/policies", replace=(name, b"\xff\xc3\xa9")) == expected

    async def test_the_secret_comes_from_the_tenants_variable_first(self, tmp_path: Path) -> None:
        settings = PolicySettings.of(
            resolve_settings(
                environ={"ASTER_SECURITY_HMAC_SECRET_KEY": "shared"}, inline={"aster.http.max-body-size": 2048}
            )
        )
        async for server in serve(tmp_path, settings, {"ASTER_HMAC_SECRET_ACME_CORP": SECRET}):
            assert (await server.call()).status_code == 200
            assert (await server.call(secret="shared")).status_code == 401
            assert (await server.call(secret="shared", changed={"X-Tenant-Id": "globex"})).status_code == 200


class TestReplayPrevention:
    """'More than 5 minutes (300,000 milliseconds) in the past or future … 401'; the same nonce … 409."""

    @pytest.mark.parametrize("offset", [-290_000, 290_000])
    async def test_within_five_minutes_is_accepted(self, server: Server, offset: int) -> None:
        assert await raw_status(server.url, "GET", "/api/v1/policies", offset=offset) == 200

    @pytest.mark.parametrize("offset", [-310_000, 310_000])
    async def test_beyond_five_minutes_is_refused(self, server: Server, offset: int) -> None:
        assert await raw_status(server.url, "GET", "/api/v1/policies", offset=offset) == 401

    async def test_of_50_concurrent_requests_with_one_nonce_one_succeeds(self, server: Server) -> None:
        headers = contract_headers("POST", PATH, "", BODY.encode())
        answers = await asyncio.gather(*(server.client.post(PATH, content=BODY, headers=headers) for _ in range(50)))
        assert sorted(answer.status_code for answer in answers) == [200] + [409] * 49


class TestRoles:
    """Layer 3: OWNER > ADMIN > MEMBER > VIEWER, additive."""

    @pytest.mark.parametrize(
        ("method", "path", "least"),
        [
            ("GET", "/api/v1/policies", "VIEWER"),
            ("POST", PATH, "MEMBER"),
            ("POST", "/api/v1/policies", "MEMBER"),
            ("GET", "/api/v1/audit", "ADMIN"),
            ("GET", "/api/v1/audit/verify-chain", "ADMIN"),
            ("GET", "/api/v1/tenant", "OWNER"),
            ("GET", "/api/v1/tenant/rbac/assignments", "OWNER"),
        ],
    )
    async def test_each_category_needs_its_role(self, server: Server, method: str, path: str, least: str) -> None:
        order = ["VIEWER", "MEMBER", "ADMIN", "OWNER"]
        body = BODY if method == "POST" else b""
        for role in order:
            response = await server.call(method, path, body, changed={"X-User-Role": role})
            assert (response.status_code == 403) == (order.index(role) < order.index(least)), role

    async def test_the_user_is_anonymous_unless_named(self, server: Server) -> None:
        await server.call()
        await server.call(changed={"X-User-Id": "user@acme.com"})
        records = await server.call("GET", "/api/v1/audit", b"", changed={"X-User-Role": "ADMIN"})
        assert [record["actorId"] for record in records.json()] == ["user@acme.com", "anonymous"]


async def raw_status(
    url: str,
    method: str,
    target: str,
    *,
    query: str = "",
    offset: int = 0,
    replace: tuple[str, bytes] | None = None,
) -> int:
    """A signed request written by hand, for what a client library would not send."""
    path = target.partition("?")[0]
    timestamp, nonce = str(int(time.time() * 1000) + offset), secrets.token_hex(16)
    canonical = f"{method}|{path}|{query}|{timestamp}|{nonce}|{hashlib.sha256(b'').hexdigest()}"
    signature = hmac.new(SECRET.encode(), canonical.encode(), hashlib.sha256).hexdigest()
    headers = {
        "X-Tenant-Id": b"acme-corp",
        "X-User-Role": b"VIEWER",
        "X-Aster-Signature": signature.encode(),
        "X-Aster-Nonce": nonce.encode(),
        "X-Aster-Timestamp": timestamp.encode(),
    }
    if replace is not None:
        headers[replace[0]] = replace[1]
    parts = httpx.URL(url)
    reader, writer = await asyncio.open_connection(parts.host, parts.port)
    lines = b"".join(name.encode() + b": " + value + b"\r\n" for name, value in headers.items())
    writer.write(f"{method} {target} HTTP/1.1\r\nHost: x\r\nConnection: close\r\n".encode() + lines + b"\r\n")
    await writer.drain()
    status = int((await reader.readline()).split()[1])
    await reader.read()
    writer.close()
    await writer.wait_closed()
    return status


SCRIPT = r"""
TENANT_ID="acme-corp"
TIMESTAMP=$(($(date +%s) * 1000))
NONCE=$(openssl rand -hex 16)
BODY='{"source":"Module demo.\n\nRule ping produce Text:\n  Return \"pong\".","functionName":"ping","context":{},"locale":"en-US"}'
METHOD="POST"
PATH_URI="/api/v1/policies/evaluate-source"
BODY_HASH=$(printf '%s' "${BODY}" | openssl dgst -sha256 | awk '{print $2}')
SIGNATURE=$(printf '%s' "${METHOD}|${PATH_URI}||${TIMESTAMP}|${NONCE}|${BODY_HASH}" | openssl dgst -sha256 -hmac "${API_SECRET}" | awk '{print $2}')
curl -s -X POST "${SERVER}${PATH_URI}" \
  -H "Content-Type: application/json" \
  -H "X-Tenant-Id: ${TENANT_ID}" \
  -H "X-User-Id: user@acme.com" \
  -H "X-User-Role: MEMBER" \
  -H "X-Aster-Signature: ${SIGNATURE}" \
  -H "X-Aster-Nonce: ${NONCE}" \
  -H "X-Aster-Timestamp: ${TIMESTAMP}" \
  -d "${BODY}"
"""  # noqa: E501 - as the contract writes it


@pytest.mark.skipif(
    not all(map(shutil.which, ("bash", "openssl", "curl", "awk"))), reason="needs bash, openssl, curl and awk"
)
async def test_the_contracts_shell_example_works_as_written(server: Server) -> None:
    process = await asyncio.create_subprocess_exec(
        "bash",
        "-c",
        SCRIPT,
        env={**os.environ, "API_SECRET": SECRET, "SERVER": server.url, "no_proxy": "*"},
        stdout=asyncio.subprocess.PIPE,
    )
    output, _ = await process.communicate()
    assert json.loads(output)["result"] == "pong"


async def test_our_own_client_signs_as_the_contract_says(server: Server) -> None:
    def talk() -> list[int]:
        with PolicyClient(server.url, tenant="acme-corp", secret=SECRET, role="MEMBER", user="Zoë") as client:
            answers = [client.request("POST", f"{PATH}?trace=true", json.loads(BODY)) for _ in range(3)]
            answers.append(client.request("GET", "/api/v1/audit"))
            answers.append(client.request("DELETE", "/api/v1/policies/none"))
        assert answers[0].body["result"] == "pong"
        assert answers[0].headers["x-aster-evaluation"] == "ok"
        return [answer.status for answer in answers]

    assert await asyncio.to_thread(talk) == [200, 200, 200, 403, 404]
