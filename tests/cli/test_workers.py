"""`aster policy serve --workers`: several real processes behind one port, on one PostgreSQL and one Valkey."""

import asyncio
import os
import re
import signal
import subprocess
import sys
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path

import httpx
import msgspec
import pytest

from aster.policy.service.signing import sign_request

SECRET = "a secret that all workers know"
HEAD = "/api/v1/audit/head"
POLICIES = "/api/v1/policies"
WORKERS = 3
COMMAND = [sys.executable, "-m", "aster", "policy", "serve", "--data", "data", "--port", "0", "--json"]


def signed(method: str, target: str, body: bytes = b"") -> dict[str, str]:
    return sign_request(method, target, body, tenant="acme-corp", secret=SECRET, role="ADMIN")


class Service:
    """The supervisor, and where its workers are reached."""

    def __init__(self, process: asyncio.subprocess.Process, url: str) -> None:
        self.process = process
        self.url = url

    @property
    def workers(self) -> set[int]:
        children = Path(f"/proc/{self.process.pid}/task/{self.process.pid}/children").read_text()
        return set(map(int, children.split()))


@asynccontextmanager
async def started(environ: dict[str, str], folder: Path) -> AsyncIterator[Service]:
    command = [*COMMAND, "--workers", str(WORKERS)]
    process = await asyncio.create_subprocess_exec(*command, cwd=folder, env=environ, stdout=asyncio.subprocess.PIPE)
    assert process.stdout is not None
    try:
        async with asyncio.timeout(120):
            told = b""
            while not told.endswith(b"}\n"):
                line = await process.stdout.readline()
                assert line, "the supervisor ended"
                told += line
        yield Service(process, msgspec.json.decode(told)["url"])
    finally:
        if process.returncode is None:
            process.kill()
            await process.wait()


@pytest.fixture
def environ(postgres_schema: str, empty_valkey: Path) -> dict[str, str]:
    return {
        **os.environ,
        "ASTER_DATABASE": postgres_schema,
        "ASTER_REDIS": f"unix://{empty_valkey}",
        "ASTER_SECURITY_HMAC_SECRET_KEY": SECRET,
    }


async def until(is_so: Callable[[], bool]) -> None:
    async with asyncio.timeout(60):
        while not is_so():
            await asyncio.sleep(0.02)


async def alone(method: str, url: str, **more: object) -> httpx.Response:
    """One request on a connection of its own, which any worker may take."""
    async with httpx.AsyncClient(timeout=60) as client:
        return await client.request(method, url, **more)  # type: ignore[arg-type]


async def test_several_workers_behave_as_one(environ: dict[str, str], tmp_path: Path) -> None:
    async with started(environ, tmp_path) as service:
        assert len(service.workers) == WORKERS
        once = signed("GET", HEAD)
        answers = await asyncio.gather(*(alone("GET", service.url + HEAD, headers=once) for _ in range(50)))
        assert sorted(answer.status_code for answer in answers) == [200] + [409] * 49

        for text in ("hello", "welcome"):
            body = msgspec.json.encode(
                {"source": f'Module greeting.\n\nRule greet produce Text:\n  Return "{text}".\n'}
            )
            made = await alone("POST", service.url + POLICIES, content=body, headers=signed("POST", POLICIES, body))
            assert made.status_code == 201, made.content
            asked, target = msgspec.json.encode({"policyModule": "greeting"}), f"{POLICIES}/evaluate"
            told = await asyncio.gather(
                *(
                    alone("POST", service.url + target, content=asked, headers=signed("POST", target, asked))
                    for _ in range(20)
                )
            )
            assert {answer.json()["result"] for answer in told} == {text}

        metrics = (await alone("GET", f"{service.url}/metrics")).text
        counts = re.findall(r'_requests_total{.*service="policy".*worker="(\d)"} (\S+)$', metrics, re.MULTILINE)
        assert sum(float(count) for _, count in counts) == 50 + 2 * 21

        service.process.terminate()
        assert await service.process.wait() == 0
        assert not (tmp_path / "data" / "policy.db").exists()


async def test_a_worker_that_dies_is_replaced(environ: dict[str, str], tmp_path: Path) -> None:
    async with started(environ, tmp_path) as service:
        before = service.workers
        victim = min(before)
        os.kill(victim, signal.SIGKILL)
        await until(lambda: victim not in service.workers and len(service.workers) == WORKERS)
        assert len(service.workers - before) == 1
        answers = await asyncio.gather(
            *(alone("GET", service.url + HEAD, headers=signed("GET", HEAD)) for _ in range(20))
        )
        assert {answer.status_code for answer in answers} == {200}
        service.process.send_signal(signal.SIGINT)
        assert await service.process.wait() == 0


async def test_workers_end_with_a_supervisor_that_was_killed(environ: dict[str, str], tmp_path: Path) -> None:
    async with started(environ, tmp_path) as service:
        workers = service.workers
        service.process.kill()
        await service.process.wait()
        await until(lambda: not any(_is_running(worker) for worker in workers))


def _is_running(process: int) -> bool:
    try:
        return Path(f"/proc/{process}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except OSError:
        return False


def refused(arguments: list[str], folder: Path) -> str:
    """What is told of arguments that are refused."""
    environ = {name: value for name, value in os.environ.items() if not name.startswith("ASTER_")}
    done = subprocess.run(
        [*COMMAND, "--workers", "2", *arguments], cwd=folder, env=environ, capture_output=True, text=True, check=False
    )
    assert done.returncode == 1, done
    assert not (folder / "data").exists()
    return " ".join(done.stderr.split())


def test_several_workers_on_a_file_are_refused(tmp_path: Path) -> None:
    assert "a file has one writer" in refused([], tmp_path)
    assert "a file has one writer" in refused(["--database", "sqlite:///x.db"], tmp_path)


def test_several_workers_without_redis_are_refused(tmp_path: Path) -> None:
    assert "count rate limits together" in refused(["--database", "postgresql://u@127.0.0.1:1/x"], tmp_path)


def test_a_database_that_does_not_answer_is_told_once(tmp_path: Path) -> None:
    command = [*COMMAND, "--workers", "2", "--database", "postgresql://u@127.0.0.1:1/x", "--redis", "unix:///none"]
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, check=False)
    assert done.returncode != 0
    assert done.stderr.count("does not answer") == 1
