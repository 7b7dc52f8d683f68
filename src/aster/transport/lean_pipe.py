"""A QUIC stream on the lean driver: no task and no future a read or write, one eventfd a pipe."""

import asyncio
import os
from typing import Any

from aster.transport.errors import ConnectionLost
from aster.transport.ffi import LENGTH_BYTES, Driver, Operation, Watch
from aster.transport.pipe import OnData, Pipe

READ_BYTES = 64 * 1024
LEAST_READ_BYTES = 2 * 1024
"""The bindings keep a buffer of what a waiting read asks for: an idle connection should ask for little."""
READS_A_TURN = 4


class WatchPool:
    """Watches, used again and never freed.

    A wake-up may still be on its way from the bindings' thread when its pipe is gone; it would write into whatever
    file got the closed eventfd's number next, or into freed memory. In the pool it is at worst a needless wake-up.
    """

    def __init__(self) -> None:
        self._free: list[Watch] = []

    def take(self) -> Watch:
        """A watch; raises OSError when the process has no descriptors left."""
        return self._free.pop() if self._free else Watch()

    def give_back(self, watch: Watch) -> None:
        self._free.append(watch)


WATCHES = WatchPool()


def drain(event: int) -> bool:
    """Take an eventfd's wake-ups; False when there were none."""
    try:
        os.eventfd_read(event)
    except BlockingIOError:
        return False
    return True


class LeanPipe(Pipe):
    """One read and at most one write under way, both polled when the eventfd says so."""

    def __init__(self, driver: Driver, send: Any, receive: Any, watch: Watch) -> None:
        super().__init__()
        self._driver = driver
        self._send_stream = send
        self._receive_stream = receive
        self._watch = watch
        self._on_data: OnData | None = None
        self._reading: Operation | None = None
        self._read_bytes = LEAST_READ_BYTES
        self._writing: Operation | None = None
        self._writing_bytes = 0
        self._again: asyncio.Handle | None = None
        self._loop.add_reader(watch.event, self._woken)

    def _read_into(self, on_data: OnData) -> None:
        self._on_data = on_data
        self._again = self._loop.call_soon(self._pump)

    def _send(self, data: bytes) -> None:
        try:
            self._writing = self._driver.write(self._send_stream, data, self._watch)
        except ConnectionLost as error:
            self._loop.call_soon(self._break, error)
            return
        self._writing_bytes = len(data)
        self._push()

    def _woken(self) -> None:
        if not drain(self._watch.event):
            return
        if self._writing is not None:
            self._push()
        self._pump()

    def _push(self) -> None:
        """Move the write along."""
        operation = self._writing
        if operation is None:
            return
        try:
            state = operation.poll()
            if state:
                self._writing = None
                operation.take()
                self._sent(self._writing_bytes)
            elif state is None:
                self._loop.call_soon(self._push)
        except ConnectionLost as error:
            self._loop.call_soon(self._break, error)

    def _pump(self) -> None:
        """Move the reads along: what has arrived is delivered, a few chunks a turn of the loop."""
        if self._again is not None:
            self._again.cancel()
            self._again = None
        on_data = self._on_data
        if on_data is None:
            return
        try:
            for _ in range(READS_A_TURN):
                if self._lost is not None:
                    return
                chunk = self._next_chunk()
                if chunk is None:
                    return
                if not chunk:
                    # The end of a stream is never the end of a message: a dropped stream looks just like this.
                    self._break(ConnectionLost("the peer dropped the stream"))
                    return
                on_data(chunk)
        except ConnectionLost as error:
            self._break(error)
            return
        if self._lost is None:
            self._again = self._loop.call_soon(self._pump)

    def _next_chunk(self) -> bytes | None:
        """A chunk, nothing at the end of the stream, or None when the eventfd (or the next turn) will tell."""
        if self._reading is None:
            self._reading = self._driver.read(self._receive_stream, self._read_bytes, self._watch)
        state = self._reading.poll()
        if state:
            operation, self._reading = self._reading, None
            chunk = operation.take(LENGTH_BYTES)
            size = len(chunk)
            # All that was asked for came: more is waiting. Else the next chunk is likely to be much like this one.
            self._read_bytes = (
                READ_BYTES if size == self._read_bytes else max(LEAST_READ_BYTES, min(4 * size, READ_BYTES))
            )
            return chunk
        if state is None:
            self._again = self._loop.call_soon(self._pump)
        return None

    def _drop_streams(self) -> None:
        self._send_stream = self._receive_stream = None

    def _break(self, lost: ConnectionLost) -> None:
        if self._lost is None:
            self._loop.remove_reader(self._watch.event)
            for operation in (self._reading, self._writing):
                if operation is not None:
                    operation.drop()
            self._reading = self._writing = None
            if self._again is not None:
                self._again.cancel()
            WATCHES.give_back(self._watch)
            # A dropped stream looks like an end to the peer: first whoever closes the pipe may close its connection.
            self._loop.call_soon(self._drop_streams)
        super()._break(lost)
