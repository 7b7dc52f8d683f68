"""A QUIC stream driven through the bindings' own awaitables: works everywhere."""

import asyncio
from typing import Any

from aster.transport.binding import lost, settled
from aster.transport.errors import ConnectionLost
from aster.transport.pipe import OnData, Pipe

READ_BYTES = 64 * 1024


class StockPipe(Pipe):
    """One reader task for the life of the stream, one writer task at a time; neither is ever cancelled."""

    def __init__(self, send: Any, receive: Any) -> None:
        super().__init__()
        self._send_stream = send
        self._receive_stream = receive
        self._tasks: set[asyncio.Task[None]] = set()

    def _read_into(self, on_data: OnData) -> None:
        self._spawn(self._read(on_data))

    def _send(self, data: bytes) -> None:
        self._spawn(self._write(data))

    async def _read(self, on_data: OnData) -> None:
        try:
            while chunk := await settled(self._receive_stream.read(READ_BYTES), lost):
                if self._lost is not None:
                    return
                on_data(chunk)
        except ConnectionLost as error:
            self._break(error)
        else:
            # The end of a stream is never the end of a message: a dropped stream looks just like this.
            self._break(ConnectionLost("the peer dropped the stream"))

    async def _write(self, data: bytes) -> None:
        try:
            await settled(self._send_stream.write_all(data), lost)
        except ConnectionLost as error:
            self._break(error)
        else:
            self._sent(len(data))

    def _spawn(self, work: Any) -> None:
        task = self._loop.create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
