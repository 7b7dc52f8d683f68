"""Messages and services that several tests call."""

import asyncio
from dataclasses import dataclass, field

import msgspec

from aster.rpc import CallContext, NotFoundError, rpc, service


class Ask(msgspec.Struct, forbid_unknown_fields=True):
    name: str
    count: int = 0


@dataclass
class Answer:
    text: str
    tags: list[str] = field(default_factory=list)


@service("Greeter", version=2)
class Greeter:
    """Says hello.

    And more.
    """

    def __init__(self) -> None:
        self.started = asyncio.Event()
        self.ended = asyncio.Event()
        self.release = asyncio.Event()
        self.seen: CallContext | None = None

    @rpc(idempotent=True)
    async def hello(self, ask: Ask, context: CallContext) -> Answer:
        """Greet by name."""
        assert CallContext.current() is context
        self.seen = context
        return Answer(f"hello {ask.name}", ["x"] * ask.count)

    @rpc
    async def wait(self, ask: Ask) -> Answer:
        """Answer once released."""
        self.started.set()
        try:
            await self.release.wait()
        finally:
            self.ended.set()
        return Answer("released")

    @rpc
    async def refuse(self, ask: Ask) -> Answer:
        raise NotFoundError(f"nobody called {ask.name}", details={"name": ask.name, "message": "m", "hint": "h"})

    @rpc
    async def break_down(self, ask: Ask) -> Answer:
        raise ValueError("the database password is hunter2")

    @rpc
    async def lie(self, ask: Ask) -> Answer:
        return Ask("not an answer")  # type: ignore[return-value]  # a handler that breaks its contract

    @rpc
    async def echo(self, answer: Answer) -> Answer:
        return answer
