"""Serve Mission Control to enrolled nodes; it prints its address. The environment says the rest: see README.md."""

import asyncio

from service import AgentSession, MissionControl

from aster import AsterServer


async def main() -> None:
    async with AsterServer(services=[MissionControl(), AgentSession]) as server:
        print(server.address, flush=True)
        await server.serve()


if __name__ == "__main__":
    asyncio.run(main())
