"""A server that is killed in the middle of its work: what it acknowledged is there, and can't be replayed."""

import asyncio
import itertools
import os
import signal
import socket
import subprocess
import sys
from pathlib import Path

import msgspec
import pytest
from tests.policy.service.asgi import SECRET, send, signed

from aster.foundation.audit import AuditLog
from aster.foundation.sql import Database
from aster.policy.service.app import create_policy_service
from aster.policy.service.settings import PolicySettings

ROOT = Path(__file__).resolve().parents[3]
TARGET = "/api/v1/policies/evaluate-source"
BODY = msgspec.json.encode({"source": 'Module demo.\n\nRule ping produce Text:\n  Return "pong".\n'})
SERVER = f"""
import asyncio, sys
from pathlib import Path
import uvicorn
from aster.foundation.sql import Database
from aster.policy.service.app import create_policy_service
from aster.policy.service.settings import PolicySettings

app = create_policy_service(Database.open(Path(sys.argv[1])), PolicySettings(secret_key={SECRET!r}), environ={{}})

async def main():
    server = uvicorn.Server(uvicorn.Config(app, port=0, lifespan="off", log_level="warning"))
    serving = asyncio.create_task(server.serve())
    while not server.started:
        await asyncio.sleep(0.01)
    print(server.servers[0].sockets[0].getsockname()[1], flush=True)
    await serving

asyncio.run(main())
"""

Headers = list[tuple[bytes, bytes]]


async def client(port: int, acknowledged: list[Headers]) -> None:
    """Ask until the server is gone; note what was answered."""
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    try:
        while True:
            headers = signed("POST", TARGET, BODY)
            lines = b"".join(name + b": " + value + b"\r\n" for name, value in headers)
            head = f"POST {TARGET} HTTP/1.1\r\nHost: x\r\nContent-Length: {len(BODY)}\r\n".encode()
            writer.write(head + lines + b"\r\n" + BODY)
            answer = await reader.readuntil(b"\r\n\r\n")
            assert answer.startswith(b"HTTP/1.1 200"), answer
            acknowledged.append(headers)
            length = int(answer.lower().split(b"content-length: ")[1].split(b"\r\n")[0])
            await reader.readexactly(length)
    except (ConnectionError, asyncio.IncompleteReadError):
        writer.close()


@pytest.mark.parametrize("answers", [1, 150])
async def test_what_was_acknowledged_survives_a_kill(tmp_path: Path, answers: int) -> None:
    file = tmp_path / "policy.db"
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-c", SERVER, str(file), stdout=asyncio.subprocess.PIPE
    )
    assert process.stdout is not None
    port = int(await process.stdout.readline())
    acknowledged: list[Headers] = []
    clients = [asyncio.create_task(client(port, acknowledged)) for _ in range(8)]
    async with asyncio.timeout(60):
        while len(acknowledged) < answers:
            done, _ = await asyncio.wait(clients, timeout=0.01)
            assert not done, [task.exception() for task in done]
    process.send_signal(signal.SIGKILL)
    await process.wait()
    await asyncio.gather(*clients)

    database = Database.open(file)
    service = create_policy_service(database, PolicySettings(secret_key=SECRET), environ={})
    verified = AuditLog(database).verify("policy:acme-corp")
    assert verified.valid
    assert verified.records >= len(acknowledged) >= answers
    for headers in (acknowledged[0], acknowledged[-1]):
        assert (await send(service, "POST", TARGET, BODY, headers)).status == 409
    assert AuditLog(database).verify("policy:acme-corp").records == verified.records
    await database.close()


def test_nothing_acknowledged_is_lost_in_kills_on_one_file() -> None:
    """A few rounds of the program that does a hundred: evaluations and deployments, restarts on the same database."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    command = [sys.executable, "-m", "benchmarks.policy_http.kill", "--rounds", "3", "--port", str(port)]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=400)
    assert done.returncode == 0, done.stderr
    assert "nothing was lost in 3 kills" in done.stdout


async def test_a_stop_finishes_what_is_under_way(tmp_path: Path) -> None:
    """SIGTERM under load: no answer is cut, the exit code is 0, and what was answered is in the chain."""
    command = [
        sys.executable,
        "-m",
        "aster",
        "policy",
        "serve",
        "--data",
        str(tmp_path / "data"),
        "--port",
        "0",
        "--json",
    ]
    environment = {**os.environ, "ASTER_SECURITY_HMAC_SECRET_KEY": SECRET}
    process = await asyncio.create_subprocess_exec(*command, env=environment, stdout=asyncio.subprocess.PIPE)
    assert process.stdout is not None
    text = b""
    while not text.endswith(b"}\n"):
        text += await process.stdout.readline()
    port = int(msgspec.json.decode(text)["url"].rpartition(":")[2])
    answered: list[str] = []
    clients = [asyncio.create_task(patient_client(port, number, answered)) for number in range(8)]
    async with asyncio.timeout(60):
        while len(answered) < 50:
            done, _ = await asyncio.wait(clients, timeout=0.01)
            assert not done, [task.exception() for task in done]
    process.send_signal(signal.SIGTERM)
    assert await asyncio.wait_for(process.wait(), 60) == 0
    await asyncio.gather(*clients)
    database = Database.open(tmp_path / "data" / "policy.db")
    log = AuditLog(database)
    assert log.verify("policy:acme-corp").valid
    recorded = [record.event["requestId"] for record in log.records("policy:acme-corp", limit=100_000)]
    assert sorted(set(answered)) == sorted(answered)
    assert set(answered) <= set(recorded)
    await database.close()


async def patient_client(port: int, number: int, answered: list[str]) -> None:
    """Ask until the server closes the connection; an answer that has begun must end."""
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    for count in itertools.count():
        request_id = f"{number}.{count}"
        lines = b"".join(name + b": " + value + b"\r\n" for name, value in signed("POST", TARGET, BODY))
        head = f"POST {TARGET} HTTP/1.1\r\nHost: x\r\nX-Request-Id: {request_id}\r\nContent-Length: {len(BODY)}\r\n"
        try:
            writer.write(head.encode() + lines + b"\r\n" + BODY)
            first = await reader.read(1)
        except ConnectionError:
            first = b""
        if not first:
            break
        answer = first + await reader.readuntil(b"\r\n\r\n")
        await reader.readexactly(int(answer.lower().split(b"content-length: ")[1].split(b"\r\n")[0]))
        assert answer.startswith(b"HTTP/1.1 200"), answer
        answered.append(request_id)
    writer.close()
