"""Mission Control, chapter by chapter: the server is another process, the credentials are real."""

import asyncio
import importlib
import os
import subprocess
import sys
import time
from collections.abc import AsyncIterator, Iterator
from contextlib import aclosing
from pathlib import Path
from typing import Any

import pytest

from aster import AsterClient, AsterConfig, PermissionDeniedError

FOLDER = Path(__file__).resolve().parents[2] / "examples" / "mission_control"
EVERYTHING = ("ops.status", "ops.logs", "ops.ingest", "ops.admin")
EDGE = ("ops.status", "ops.ingest")
ENVIRONMENT = {"ASTER_BIND_ADDR": "127.0.0.1:0", "ASTER_RELAY_MODE": "disabled"}


def aster(folder: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    run = subprocess.run(
        [sys.executable, "-m", "aster", *arguments], capture_output=True, text=True, cwd=folder, timeout=60
    )
    assert run.returncode == 0, run.stderr
    return run


@pytest.fixture(scope="module")
def deployment(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with a root key and the identities of an operator and of an edge node."""
    folder = tmp_path_factory.mktemp("mission")
    aster(folder, "trust", "keygen", "root", "--out", "root.key")
    for name, roles in (("ops", EVERYTHING), ("edge", EDGE)):
        options = [word for role in roles for word in ("--role", role)]
        aster(folder, "enroll", "node", name, "--root-key", "root.key", "--identity", f"{name}.identity", *options)
    return folder


@pytest.fixture(scope="module")
def address(deployment: Path) -> Iterator[str]:
    """The address of a server in a process of its own."""
    environment = {**os.environ, **ENVIRONMENT, "ASTER_ROOT_PUBKEY_FILE": "root.key.pub"}
    process = subprocess.Popen(
        [sys.executable, str(FOLDER / "server.py")], cwd=deployment, env=environment, stdout=subprocess.PIPE, text=True
    )
    assert process.stdout is not None
    yield process.stdout.readline().strip()
    process.kill()
    process.communicate(timeout=30)


@pytest.fixture(scope="module")
def mission() -> Iterator[Any]:
    """The service module that server and client share."""
    sys.path.insert(0, str(FOLDER))
    try:
        yield importlib.import_module("service")
    finally:
        sys.path.remove(str(FOLDER))
        del sys.modules["service"]


def node(address: str, deployment: Path, name: str | None) -> AsterClient:
    identity = None if name is None else deployment / f"{name}.identity"
    config = AsterConfig(bind_addr="127.0.0.1:0", relay_mode="disabled", identity_file=identity)
    return AsterClient(address=address, config=config)


@pytest.fixture
async def ops(address: str, deployment: Path) -> AsyncIterator[AsterClient]:
    async with node(address, deployment, "ops") as client:
        yield client


@pytest.fixture
async def edge(address: str, deployment: Path) -> AsyncIterator[AsterClient]:
    async with node(address, deployment, "edge") as client:
        yield client


async def test_chapter_1_a_status_is_asked_for_by_name_alone(ops: AsterClient) -> None:
    status = await ops.proxy("MissionControl").get_status(agent_id="edge-7")
    assert (status["agent_id"], status["status"]) == ("edge-7", "running")


async def test_chapter_2_an_entry_reaches_who_watches(ops: AsterClient, edge: AsterClient, mission: Any) -> None:
    watching = await ops.client(mission.MissionControl)
    reporting = await edge.client(mission.MissionControl)
    warning = mission.LogEntry(time.time(), "the oven is hot", "edge-2", mission.Level.WARNING)
    async with aclosing(watching.tail_logs("edge-2", level=mission.Level.WARNING)) as entries:
        seen = asyncio.create_task(anext(entries))
        await reporting.submit_log(mission.LogEntry(time.time(), "not for us", "edge-3", mission.Level.ERROR))
        await reporting.submit_log(mission.LogEntry(time.time(), "too quiet", "edge-2", mission.Level.DEBUG))
        await reporting.submit_log(warning)
        assert await asyncio.wait_for(seen, 60) == warning


async def test_chapter_3_ten_thousand_metrics_are_counted(edge: AsterClient, mission: Any) -> None:
    async def points() -> AsyncIterator[Any]:
        for number in range(10_000):
            yield mission.MetricPoint("" if number % 100 == 0 else "temperature", float(number), time.time())

    result = await (await edge.client(mission.MissionControl)).ingest_metrics(points())
    assert (result.accepted, result.dropped) == (9_900, 100)


async def test_chapter_4_a_session_keeps_what_its_agent_told(edge: AsterClient, mission: Any) -> None:
    async with await edge.open_session() as first, await edge.open_session() as second:
        trainer, idler = await first.client(mission.AgentSession), await second.client(mission.AgentSession)
        assert (await trainer.register(mission.Heartbeat("edge-4", ["gpu"]))).task_id == "train-42"
        assert (await idler.register(mission.Heartbeat("edge-5", []))).task_id == "idle"
        assert [await trainer.heartbeat(0.1), await trainer.heartbeat(0.2), await idler.heartbeat()] == [2, 3, 2]


async def test_chapter_5_nobody_without_a_credential_is_let_in(address: str, deployment: Path) -> None:
    stranger = node(address, deployment, None)
    with pytest.raises(PermissionDeniedError):
        await stranger.connect()
    await stranger.close()


async def test_chapter_5_an_edge_node_may_do_what_its_credential_says(edge: AsterClient, mission: Any) -> None:
    control = await edge.client(mission.MissionControl)
    assert (await control.get_status("edge-7")).status == "running"
    with pytest.raises(PermissionDeniedError, match=r"needs any of the roles ops\.logs, ops\.admin"):
        await anext(control.tail_logs())
    agent = await edge.client(mission.AgentSession)
    with pytest.raises(PermissionDeniedError, match=r"needs the role ops\.admin"):
        await anext(agent.run_command(commands("echo no")))


async def test_chapter_5_an_operator_may_do_everything(ops: AsterClient, mission: Any) -> None:
    agent = await ops.client(mission.AgentSession)
    results = [result async for result in agent.run_command(commands("echo all systems go", "exit 3"))]
    assert [(result.stdout, result.exit_code) for result in results] == [("all systems go\n", 0), ("", 3)]


async def commands(*words: str) -> AsyncIterator[str]:
    for word in words:
        yield word


def run_client(deployment: Path, *arguments: str, identity: str) -> "subprocess.CompletedProcess[str]":
    return subprocess.run(
        [sys.executable, str(FOLDER / "client.py"), *arguments],
        cwd=deployment,
        env={**os.environ, **ENVIRONMENT, "ASTER_IDENTITY_FILE": identity},
        capture_output=True,
        text=True,
        timeout=60,
    )


def test_the_client_program_prints_what_the_readme_shows(address: str, deployment: Path) -> None:
    run = run_client(deployment, address, identity="ops.identity")
    assert run.returncode == 0, run.stderr
    readme = (FOLDER / "README.md").read_text(encoding="utf-8")
    assert [line.rstrip() for line in run.stdout.splitlines()] == [
        "edge-7 is running",
        "logged: the oven is hot",
        "10000 metrics accepted, 0 dropped",
        "assigned train-42, heartbeat 2",
        "exit 0: all systems go",
        "exit 3:",
    ]
    assert all(line.rstrip() in readme for line in run.stdout.splitlines())
    refused = run_client(deployment, address, identity="edge.identity")
    assert refused.returncode == 1
    assert refused.stderr.splitlines()[-1] in readme


def test_the_client_program_says_how_it_is_used(deployment: Path) -> None:
    assert "client.py ADDRESS" in run_client(deployment, identity="ops.identity").stderr


async def test_chapter_6_a_generated_client_calls_without_the_servers_source(
    address: str, deployment: Path, ops: AsterClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    made = deployment / "made"
    aster(deployment, "gen-client", address, "--out", str(made), "--identity", "ops.identity")
    monkeypatch.syspath_prepend(str(made))
    modules = [importlib.import_module(file.stem) for file in made.glob("*.py") if file.stem != "__init__"]
    control_class = next(module.MissionControl for module in modules if hasattr(module, "MissionControl"))
    control = await ops.client(control_class)
    status = await control.get_status(agent_id="edge-7")
    assert (status.agent_id, status.status) == ("edge-7", "running")
