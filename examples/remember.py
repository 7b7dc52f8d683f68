"""Memory as a library: one SQLite file, no server."""

import asyncio
import tempfile

from astrocyte import Astrocyte


async def main() -> None:
    with tempfile.TemporaryDirectory() as folder:
        async with Astrocyte.from_config_dict({"storage": {"url": f"sqlite:///{folder}/memory.db"}}) as memory:
            await memory.retain("Alice is allergic to hazelnuts", "user-alice", tags=["health"])
            kept = await memory.retain("Alice moved to Lisbon in March", "user-alice", tags=["places"])
            found = await memory.recall("Which city did Alice move to?", "user-alice", max_results=1)
            print(f"{found.hits[0].text} ({found.hits[0].score:.2f})")
            await memory.forget("user-alice", memory_ids=[kept.memory_id or ""])
            left = await memory.recall("Which city did Alice move to?", "user-alice")
            print([hit.text for hit in left.hits])
            print(f"audit chain valid: {memory.audit.verify('memory').valid}")


if __name__ == "__main__":
    asyncio.run(main())
