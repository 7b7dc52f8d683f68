"""Mission Control: agents report logs and metrics, operators watch and command them. Both ends share this file."""

import asyncio
import time
from collections import deque
from collections.abc import AsyncIterator
from enum import StrEnum
from typing import Annotated

import msgspec

from aster import (
    Description,
    FailedPreconditionError,
    SessionContext,
    any_of,
    bidi_stream,
    client_stream,
    rpc,
    server_stream,
    service,
)

KEPT_ENTRIES = 1000
QUEUED_ENTRIES = 1000
OUTPUT_BYTES = 64 * 1024


class Level(StrEnum):
    DEBUG = "debug"
    INFO = "info"
    WARNING = "warning"
    ERROR = "error"


ORDER = list(Level)


class Status(msgspec.Struct):
    agent_id: str
    status: str
    uptime_seconds: float


class LogEntry(msgspec.Struct):
    timestamp: float
    message: str
    agent_id: str
    level: Level = Level.INFO


class MetricPoint(msgspec.Struct):
    name: str
    value: float
    timestamp: float
    tags: dict[str, str] = {}


class IngestResult(msgspec.Struct):
    accepted: int
    dropped: int


class Heartbeat(msgspec.Struct):
    agent_id: str
    capabilities: list[str]
    load_average: Annotated[float, msgspec.Meta(ge=0)] = 0.0


class Assignment(msgspec.Struct):
    task_id: str
    command: str


class CommandResult(msgspec.Struct):
    stdout: str
    stderr: str
    exit_code: int


@service
class MissionControl:
    """Status, logs and metrics of a fleet of agents."""

    def __init__(self) -> None:
        self._started = time.monotonic()
        self._entries: deque[LogEntry] = deque(maxlen=KEPT_ENTRIES)
        self._watchers: set[asyncio.Queue[LogEntry]] = set()

    @rpc(idempotent=True, requires="ops.status")
    async def get_status(self, agent_id: str) -> Status:
        """How an agent is."""
        return Status(agent_id, "running", time.monotonic() - self._started)

    @rpc
    async def submit_log(self, entry: LogEntry) -> bool:
        """Keep an entry and show it to who watches. Any agent that was admitted may."""
        self._entries.append(entry)
        for queue in self._watchers:
            if queue.full():
                queue.get_nowait()  # a watcher that is too slow loses the oldest
            queue.put_nowait(entry)
        return True

    @server_stream(requires=any_of("ops.logs", "ops.admin"))
    async def tail_logs(self, agent_id: str | None = None, level: Level = Level.INFO) -> AsyncIterator[LogEntry]:
        """The kept entries of one agent (or all) from ``level`` up, then new ones as they come, without end."""
        queue: asyncio.Queue[LogEntry] = asyncio.Queue(QUEUED_ENTRIES)
        kept = list(self._entries)
        self._watchers.add(queue)
        try:
            for entry in kept:
                if _matches(entry, agent_id, level):
                    yield entry
            while True:
                entry = await queue.get()
                if _matches(entry, agent_id, level):
                    yield entry
        finally:
            self._watchers.discard(queue)

    @client_stream(requires="ops.ingest")
    async def ingest_metrics(self, points: AsyncIterator[MetricPoint]) -> IngestResult:
        """Take any number of points; one without a name is dropped."""
        result = IngestResult(0, 0)
        async for point in points:
            if point.name:
                result.accepted += 1
            else:
                result.dropped += 1
        return result


@service(scoped="session")
class AgentSession:
    """One agent's conversation with mission control: it keeps what the agent has told."""

    def __init__(self, session: SessionContext) -> None:
        self._session = session
        self._heartbeats = 0
        self._agent: Heartbeat | None = None

    @rpc(requires="ops.ingest")
    async def register(self, heartbeat: Heartbeat) -> Assignment:
        """Say hello; the answer is what to do."""
        self._agent = heartbeat
        self._heartbeats = 1
        return _assignment(heartbeat)

    @rpc(requires="ops.ingest")
    async def heartbeat(self, load_average: Annotated[float, Description("of the last minute")] = 0.0) -> int:
        """Still alive: how many times this session has said so."""
        if self._agent is None:
            raise FailedPreconditionError("register first")
        self._agent.load_average = load_average
        self._heartbeats += 1
        return self._heartbeats

    @bidi_stream(requires="ops.admin")
    async def run_command(self, commands: AsyncIterator[str]) -> AsyncIterator[CommandResult]:
        """Run shell commands, one after the other, on the machine of the server. Only for who may do anything there."""
        async for command in commands:
            yield await _run(command)


def _matches(entry: LogEntry, agent_id: str | None, level: Level) -> bool:
    return agent_id in (None, entry.agent_id) and ORDER.index(entry.level) >= ORDER.index(level)


def _assignment(heartbeat: Heartbeat) -> Assignment:
    if "gpu" in heartbeat.capabilities:
        return Assignment("train-42", "python train.py")
    return Assignment("idle", "sleep 60")


async def _run(command: str) -> CommandResult:
    process = await asyncio.create_subprocess_shell(
        command, stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.PIPE
    )
    try:
        output, errors = await process.communicate()
    except asyncio.CancelledError:
        process.kill()
        await process.wait()
        raise
    return CommandResult(_text(output), _text(errors), process.returncode or 0)


def _text(output: bytes) -> str:
    return output[:OUTPUT_BYTES].decode(errors="replace")
