"""Two real processes of the policy service on one PostgreSQL and one Valkey: they behave as one."""

import asyncio
import os
import sys
from collections.abc import AsyncIterator
from pathlib import Path

import httpx
import msgspec
import pytest

from aster.policy.service.signing import sign_request

SECRET = "a secret that both replicas know"
HEAD = "/api/v1/audit/head"
POLICIES = "/api/v1/policies"


def signed(method: str, target: str, body: bytes = b"") -> dict[str, str]:
    return sign_request(method, target, body, tenant="acme-corp", secret=SECRET, role="ADMIN")


@pytest.fixture
async def urls(postgres_schema: str, empty_valkey: Path, tmp_path: Path) -> AsyncIterator[list[str]]:
    environ = {
        **os.environ,
        "ASTER_DATABASE": postgres_schema,
        "ASTER_REDIS": f"unix://{empty_valkey}",
        "ASTER_SECURITY_HMAC_SECRET_KEY": SECRET,
        "ASTER_RATELIMIT_REST_MAX_REQUESTS": "200",
        "ASTER_RATELIMIT_REST_WINDOW": "3600",
    }
    processes = []
    for name in ("one", "two"):
        command = [sys.executable, "-m", "aster", "policy", "serve", "--data", name, "--port", "0", "--json"]
        processes.append(
            await asyncio.create_subprocess_exec(*command, cwd=tmp_path, env=environ, stdout=asyncio.subprocess.PIPE)
        )
    try:
        async with asyncio.timeout(120):
            yield [await address(process) for process in processes]
    finally:
        for process in processes:
            process.terminate()
        assert [await process.wait() for process in processes] == [0, 0]


async def address(process: asyncio.subprocess.Process) -> str:
    assert process.stdout is not None
    told = b""
    while not told.endswith(b"}\n"):
        line = await process.stdout.readline()
        assert line, "the process ended"
        told += line
    url: str = msgspec.json.decode(told)["url"]
    return url


async def test_two_processes_behave_as_one(urls: list[str], postgres_schema: str, tmp_path: Path) -> None:
    async with httpx.AsyncClient(timeout=60) as client:
        once = signed("GET", HEAD)
        answers = await asyncio.gather(*(client.get(urls[turn % 2] + HEAD, headers=once) for turn in range(50)))
        assert sorted(answer.status_code for answer in answers) == [200] + [409] * 49

        for text in ("hello", "welcome"):
            body = msgspec.json.encode(
                {"source": f'Module greeting.\n\nRule greet produce Text:\n  Return "{text}".\n'}
            )
            made = await client.post(urls[0] + POLICIES, content=body, headers=signed("POST", POLICIES, body))
            assert made.status_code == 201, made.content
            asked = msgspec.json.encode({"policyModule": "greeting"})
            target = f"{POLICIES}/evaluate"
            for url in urls:
                answer = await client.post(url + target, content=asked, headers=signed("POST", target, asked))
                assert answer.json()["result"] == text

        left = [
            int((await client.get(urls[turn % 2] + HEAD, headers=signed("GET", HEAD))).headers["x-ratelimit-remaining"])
            for turn in range(6)
        ]
        assert left == list(range(left[0], left[0] - 6, -1))
    command = [sys.executable, "-m", "aster", "audit", "verify", "--database", postgres_schema]
    process = await asyncio.create_subprocess_exec(*command, cwd=tmp_path, stdout=asyncio.subprocess.PIPE)
    shown, _ = await process.communicate()
    assert (process.returncode, shown.decode().split(",")[0]) == (0, "ok      policy:acme-corp: 6 records")
