"""Bodies and answers in one piece, where the server has them so: half the Python of ASGI's messages.

uvicorn hands a body over, and takes an answer, in messages that it awaits and checks one by one: a tenth of the work of
a small request. The protocol below is uvicorn's own and offers besides, as an extension in the ASGI scope, what it can
do at once. Whatever is not plain (a body still on its way, HEAD, a connection that closes or is slow to read) goes by
messages, and so does everything on a server without the extension.
"""

import re
from collections.abc import Sequence
from typing import Any

from uvicorn.protocols.http.httptools_impl import STATUS_LINE, HttpToolsProtocol, RequestResponseCycle

from aster.foundation.http.request import EXTENSION

_FORBIDDEN = re.compile(rb"[\x00-\x08\x0a-\x1f\x7f]")


class Whole:
    """One request's shortcut to its connection."""

    __slots__ = ("_cycle",)

    def __init__(self, cycle: RequestResponseCycle) -> None:
        self._cycle = cycle

    def body(self) -> bytes | None:
        """The request's body, once; None when it is not all there: then it comes in messages."""
        cycle = self._cycle
        if cycle.more_body or cycle.disconnected or cycle.response_complete:
            return None
        body, cycle.body = bytes(cycle.body), bytearray()
        cycle.message_event.clear()
        cycle.flow.resume_reading()
        return body

    def answer(self, status: int, headers: Sequence[tuple[bytes, bytes]], body: bytes) -> bool:
        """Write a whole answer, its length among the headers; False with nothing written when it can't go at once."""
        cycle = self._cycle
        if not cycle.keep_alive or cycle.disconnected or cycle.response_started or cycle.flow.write_paused:
            return False
        lines = [b"%b: %b\r\n" % header for header in (*cycle.default_headers, *headers)]
        head = b"".join(lines)
        if _FORBIDDEN.search(head.replace(b"\r\n", b"", len(lines))):
            raise ValueError("a header holds a control character")
        cycle.response_started = cycle.response_complete = True
        cycle.transport.write(b"".join((STATUS_LINE[status], head, b"\r\n", body)))
        cycle.message_event.set()
        cycle.on_response()
        return True


class WholeProtocol(HttpToolsProtocol):
    """uvicorn's HTTP/1.1, which puts a `Whole` into each scope."""

    def _start_asgi_task(self, cycle: RequestResponseCycle, app: Any) -> None:
        # The task has not run yet. Where a uvicorn has no such method there is no extension, and all goes by messages.
        cycle.scope["extensions"] = {EXTENSION: Whole(cycle)}  # type: ignore[dict-item]
        super()._start_asgi_task(cycle, app)
