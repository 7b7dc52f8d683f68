"""One connection to one peer: dialled when it is first needed, and again when it is lost."""

import asyncio
from abc import abstractmethod
from collections.abc import Coroutine
from typing import Any

from aster.foundation.logs import get_logger
from aster.rpc.client_connection import ClientConnection
from aster.rpc.reconnection import Reconnect
from aster.rpc.status import FailedPreconditionError, ResourceExhaustedError, RpcError, UnavailableError
from aster.rpc.stub import Caller
from aster.transport.errors import CloseCode

logger = get_logger("aster.rpc")


class Redialing(Caller):
    """A caller whose connection comes back by itself, as ``reconnect`` says (None: not at all)."""

    def __init__(self, reconnect: Reconnect | None) -> None:
        self._reconnect = reconnect
        self._dialling: asyncio.Task[None] | None = None
        self._lanes: set[ClientConnection] = set()
        self._closed = False

    @abstractmethod
    async def _greeted(self) -> ClientConnection:
        """A new connection that the peer has greeted on; raises the `RpcError` of one that can't be had."""

    async def connect(self) -> None:
        """Dial and wait for the server's greeting; does nothing when already connected.

        Raises `UnavailableError` when the server can't be reached, `PermissionDeniedError` when it does not admit this
        client, and `ConfigError` for an address that is none.
        """
        self._check_open()
        if self.current is not None:
            return
        dialling = self._dialling or self._begin(self._dial())
        await asyncio.wait({dialling})
        if dialling.cancelled():
            raise UnavailableError("the client was closed or told to connect anew")
        if error := dialling.exception():
            # Several callers may wait here; each gets an exception of its own.
            raise type(error)(error.message, hint=error.hint) if isinstance(error, RpcError) else error

    async def reconnect(self) -> None:
        """Leave the connection, if there is one, and dial anew at once. Calls under way end with UNAVAILABLE."""
        self._check_open()
        await self._leave("the client connects anew")
        await self.connect()

    async def connection(self) -> ClientConnection:
        await self.connect()
        if self.current is None:
            self._check_open()
            raise UnavailableError("the connection was lost as soon as it was made")
        return self.current

    async def close(self) -> None:
        """Close the connection; calls that wait end with UNAVAILABLE. Safe to call twice."""
        self._closed = True
        await self._leave("the client was closed")

    def _check_open(self) -> None:
        if self._closed:
            raise FailedPreconditionError("the client was closed")

    def _begin(self, dialling: Coroutine[Any, Any, None]) -> "asyncio.Task[None]":
        """One attempt to connect at a time, in a task of its own: no caller's deadline cancels it for the others."""
        task = self._dialling = asyncio.create_task(dialling)
        task.add_done_callback(self._dialled)
        return task

    def _dialled(self, dialling: "asyncio.Task[None]") -> None:
        if self._dialling is dialling:
            self._dialling = None
        if not dialling.cancelled():
            dialling.exception()  # for those who wait; nobody may

    async def _dial(self) -> None:
        lane = await self._greeted()
        self._lanes.add(lane)
        self.current = lane
        lane.when_unusable(self._lost)
        lane.when_over(self._lanes.discard)

    def _lost(self, lane: ClientConnection) -> None:
        """The server is gone, or takes no more calls; a connection that drains goes on until its calls are done."""
        if self.current is lane and self._reconnect is not None:
            self.current = None
            self._begin(self._dial_again(self._reconnect))

    async def _dial_again(self, reconnect: Reconnect) -> None:
        logger.info("connection lost, dialling again")
        loop = asyncio.get_running_loop()
        give_up = loop.time() + reconnect.give_up_seconds
        for pause in reconnect.pauses():
            await asyncio.sleep(pause)
            try:
                await self._dial()
            except (UnavailableError, ResourceExhaustedError) as error:
                if loop.time() >= give_up:
                    logger.warning("giving up dialling", seconds=reconnect.give_up_seconds, reason=error.message)
                    raise
            else:
                logger.info("connected again")
                return

    async def _leave(self, reason: str) -> None:
        if (dialling := self._dialling) is not None:
            dialling.cancel()
            await asyncio.wait({dialling})
        self.current = None
        for lane in list(self._lanes):
            lane.close(CloseCode.DONE, reason)
