"""An operator at Mission Control: ``ASTER_IDENTITY_FILE=ops.identity python client.py ADDRESS``."""

import asyncio
import sys
import time
from collections.abc import AsyncIterator
from contextlib import aclosing

from service import AgentSession, Heartbeat, Level, LogEntry, MetricPoint, MissionControl

from aster import AsterClient, RpcError


async def points(count: int) -> AsyncIterator[MetricPoint]:
    for number in range(count):
        yield MetricPoint("temperature", 20 + number % 5, time.time(), {"sensor": "oven"})


async def commands() -> AsyncIterator[str]:
    yield "echo all systems go"
    yield "exit 3"


async def main(address: str) -> None:
    async with AsterClient(address=address) as client:
        control = await client.client(MissionControl)
        status = await control.get_status("edge-7")
        print(f"{status.agent_id} is {status.status}")

        await control.submit_log(LogEntry(time.time(), "the oven is hot", "edge-7", Level.WARNING))
        async with aclosing(control.tail_logs("edge-7", level=Level.WARNING)) as entries:
            print(f"logged: {(await anext(entries)).message}")

        ingested = await control.ingest_metrics(points(10_000))
        print(f"{ingested.accepted} metrics accepted, {ingested.dropped} dropped")

        async with await client.open_session() as session:
            agent = await session.client(AgentSession)
            assignment = await agent.register(Heartbeat("edge-7", ["gpu"]))
            print(f"assigned {assignment.task_id}, heartbeat {await agent.heartbeat(0.5)}")
            async for result in agent.run_command(commands()):
                print(f"exit {result.exit_code}: {result.stdout.strip()}")


if __name__ == "__main__":
    if len(sys.argv) != 2:
        sys.exit(__doc__)
    try:
        asyncio.run(main(sys.argv[1]))
    except RpcError as error:
        sys.exit(f"{error.code}: {error}")
