"""Redis commands of one moment go to the server together: under load one costs a fraction of what it costs alone.

While one pipeline is under way the next one gathers. When the server does not answer, all who wait are told so at once:
nobody waits for the end of somebody else's patience.
"""

import asyncio
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from redis.asyncio import Redis

MOST_COMMANDS = 256

_Asked = tuple[tuple[Any, ...], "asyncio.Future[Any]"]


class RedisPipeline:
    """Used from one event loop."""

    def __init__(self, client: "Redis") -> None:
        self._client = client
        self._waiting: list[_Asked] = []
        self._sending: asyncio.Task[None] | None = None

    def ask(self, *command: Any) -> "asyncio.Future[Any]":
        """The answer; fails with what Redis says of this command, or with what kept it from answering."""
        answer = asyncio.get_running_loop().create_future()
        self._waiting.append((command, answer))
        if self._sending is None:
            self._sending = asyncio.create_task(self._send())
        return answer

    async def _send(self) -> None:
        try:
            while self._waiting:
                batch, self._waiting = self._waiting[:MOST_COMMANDS], self._waiting[MOST_COMMANDS:]
                pipeline = self._client.pipeline(transaction=False)
                for command, _ in batch:
                    pipeline.execute_command(*command)
                try:
                    outcomes = await pipeline.execute(raise_on_error=False)
                except Exception as error:  # noqa: BLE001 - whatever broke the connection is everybody's answer
                    batch, self._waiting = [*batch, *self._waiting], []
                    outcomes = [error] * len(batch)
                _tell(batch, outcomes)
        finally:
            self._sending = None


def _tell(batch: Sequence[_Asked], outcomes: Sequence[Any]) -> None:
    for (_, answer), outcome in zip(batch, outcomes, strict=True):
        if answer.done():
            continue  # who asked has given up
        if isinstance(outcome, Exception):
            answer.set_exception(outcome)
        else:
            answer.set_result(outcome)
