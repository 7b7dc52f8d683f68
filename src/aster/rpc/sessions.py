"""Sessions: a `scoped="session"` service has one instance in each, made at its first call, closed at its end.

Every connection is a session of its own; `Caller.open_session` opens more. The calls of one session run one after the
other, in the order in which they came, so its instances need no locks; who wants calls side by side opens several
sessions. A stream holds its session until it ends.
"""

import asyncio
import contextlib
import inspect
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from dataclasses import dataclass
from typing import Any, Generic, TypeVar

import msgspec

from aster.foundation.logs import get_logger
from aster.rpc.definition import Scope, definition_of
from aster.rpc.errors import ServiceDefinitionError
from aster.rpc.metadata import NO_METADATA

logger = get_logger("aster.rpc")

CLOSE_HOOKS = ("on_session_close", "close")
"""The first of these methods that an instance has is called, and awaited, when its session ends."""

CLOSE_SECONDS = 10.0
"""So long may the hooks of one session take, then they are cancelled."""

Instance = TypeVar("Instance")


class SessionContext(msgspec.Struct, frozen=True):
    """Whose session it is: the caller's EndpointId (None in process) and the attributes of its admission."""

    id: int
    peer: str | None = None
    attributes: Mapping[str, str] = NO_METADATA


Make = Callable[[SessionContext], Any]


@dataclass(frozen=True, slots=True)
class SessionFactory(Generic[Instance]):
    """A session-scoped service and what makes its instances."""

    service: type[Instance]
    make: Callable[[SessionContext], Instance | Awaitable[Instance]]


def per_session(
    service: type[Instance], make: Callable[[SessionContext], Instance | Awaitable[Instance]]
) -> SessionFactory[Instance]:
    """Serve ``service`` with instances that ``make`` makes, also when it is a coroutine function.

    ``AsterServer([per_session(Cart, lambda session: Cart(database, session.peer))])``
    """
    if definition_of(service).scope is not Scope.SESSION:
        raise ServiceDefinitionError(f"{service.__qualname__} is shared", hint="@service(scoped='session')")
    return SessionFactory(service, make)


def maker_of(cls: type) -> Make:
    """How to make an instance of a class: its ``__init__`` may take a `SessionContext`, a ``peer``, or nothing."""
    arguments: dict[str, Callable[[SessionContext], Any]] = {}
    for parameter in inspect.signature(cls).parameters.values():
        if parameter.annotation in (SessionContext, SessionContext.__name__):
            arguments[parameter.name] = lambda session: session
        elif parameter.name == "peer":
            arguments["peer"] = lambda session: session.peer
        elif parameter.default is parameter.empty and parameter.kind not in (
            parameter.VAR_KEYWORD,
            parameter.VAR_POSITIONAL,
        ):
            raise ServiceDefinitionError(
                f"{cls.__qualname__} is made once a session, and its __init__ needs '{parameter.name}'",
                hint=f"per_session({cls.__name__}, lambda session: {cls.__name__}(...))",
            )
    return lambda session: cls(**{name: take(session) for name, take in arguments.items()})


class Session:
    """One session on the server's side: its instances, and whose turn it is."""

    def __init__(self, context: SessionContext) -> None:
        self.context = context
        self._instances: dict[type, Any] = {}
        self._turn = asyncio.Lock()
        self._tasks: set[asyncio.Task[Any]] = set()
        self.is_over = False

    @contextlib.asynccontextmanager
    async def turn(self, service: type, make: Make) -> AsyncIterator[Any]:
        """Wait for the calls before this one, then hold the session; gives the service's instance."""
        task = asyncio.current_task()
        if self.is_over or task is None:
            raise asyncio.CancelledError
        self._tasks.add(task)
        try:
            async with self._turn:
                yield await self._instance(service, make)
        finally:
            self._tasks.discard(task)

    async def close(self) -> None:
        """Cancel what runs, then call the close hooks of the instances, for at most `CLOSE_SECONDS`."""
        self.is_over = True
        tasks = list(self._tasks)
        for task in tasks:
            task.cancel()
        try:
            async with asyncio.timeout(CLOSE_SECONDS):
                if tasks:
                    await asyncio.wait(tasks)
                for instance in reversed(self._instances.values()):
                    await self._close_instance(instance)
        except TimeoutError:
            logger.error("a session took too long to close", peer=self.context.peer, seconds=CLOSE_SECONDS)
        self._instances.clear()

    async def _instance(self, service: type, make: Make) -> Any:
        instance = self._instances.get(service)
        if instance is None:
            made = make(self.context)
            instance = await made if inspect.isawaitable(made) else made
            self._instances[service] = instance
        return instance

    async def _close_instance(self, instance: object) -> None:
        hook = next((found for name in CLOSE_HOOKS if (found := getattr(instance, name, None))), None)
        if hook is None:
            return
        try:
            closing = hook()
            if inspect.isawaitable(closing):
                await closing
        except Exception as error:  # whatever a hook raises, the others still run
            logger.error("a session's close hook failed", exc_info=error, service=type(instance).__qualname__)


class SessionTable:
    """The sessions of one connection, by number; 0 is the connection's own."""

    def __init__(self, peer: str | None, attributes: Mapping[str, str], limit: int) -> None:
        self._peer = peer
        self._attributes = attributes
        self._limit = limit
        self._open: dict[int, Session] = {}
        self._closing: set[asyncio.Task[None]] = set()

    def __len__(self) -> int:
        return len(self._open)

    @property
    def is_full(self) -> bool:
        """No more sessions can be opened."""
        return len(self._open) - (0 in self._open) >= self._limit

    def open(self, number: int) -> None:
        self._open[number] = Session(SessionContext(number, self._peer, self._attributes))

    def get(self, number: int) -> Session | None:
        """An open session; None for one that is not."""
        if number == 0 and 0 not in self._open:
            self.open(0)
        return self._open.get(number)

    def leave(self, number: int) -> None:
        """End a session; its instances close in a task of their own."""
        session = self._open.pop(number, None)
        if session is not None:
            task = asyncio.get_running_loop().create_task(session.close())
            self._closing.add(task)
            task.add_done_callback(self._closing.discard)

    def leave_all(self) -> None:
        """The connection is over."""
        for number in list(self._open):
            self.leave(number)

    async def closed(self) -> None:
        """Wait for the close hooks of the sessions that have ended."""
        if self._closing:
            await asyncio.wait(self._closing)
