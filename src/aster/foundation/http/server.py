"""One uvicorn server on a socket we bind ourselves, so that a busy port is an error with a name, not a log line."""

import asyncio
import contextlib
import os
import socket
from collections.abc import Iterator
from typing import Any

import uvicorn

from aster.foundation.errors import AsterError

GRACE_SECONDS = 10
BACKLOG = 2048
TRUSTED_PROXIES = "FORWARDED_ALLOW_IPS"
"""uvicorn's variable: addresses of proxies whose ``X-Forwarded-For`` tells who asks. Without it nobody is believed."""


class AddressUnavailable(AsterError):
    """The host and port can't be listened on."""

    code = "ADDRESS_UNAVAILABLE"


class _Server(uvicorn.Server):
    """uvicorn without its signal handlers: the command line owns signals."""

    @contextlib.contextmanager
    def capture_signals(self) -> Iterator[None]:
        yield


class HttpServer:
    """Holds its port from the beginning, serves one ASGI app from `start` until `close`."""

    def __init__(
        self, *, host: str, port: int, socket_bytes: int | None = None, listener: socket.socket | None = None
    ) -> None:
        """``socket_bytes`` bounds a WebSocket message; without it no connection is upgraded.

        ``listener`` is what `listen` gave, possibly to a process that this one was forked from.
        """
        self._socket_bytes = socket_bytes
        self._socket = listener if listener is not None else listen(host, port)
        self.host, self.port = self._socket.getsockname()[:2]
        self._server: _Server | None = None
        self._serving: asyncio.Task[None] | None = None

    @property
    def url(self) -> str:
        host = f"[{self.host}]" if ":" in self.host else self.host
        return f"http://{host}:{self.port}"

    async def start(self, app: Any) -> None:
        """Returns once connections are accepted."""
        self._server = _Server(
            uvicorn.Config(
                app,
                loop="none",
                http=_protocol(),
                ws="none" if self._socket_bytes is None else "websockets-sansio",
                ws_max_size=self._socket_bytes or 0,
                ws_per_message_deflate=False,
                lifespan="off",
                access_log=False,
                log_config=None,
                server_header=False,
                # uvicorn believes every program on this machine; ours count a stranger's X-Forwarded-For as nobody's.
                proxy_headers=TRUSTED_PROXIES in os.environ,
                timeout_graceful_shutdown=GRACE_SECONDS,
            )
        )
        self._serving = asyncio.create_task(self._server.serve(sockets=[self._socket]), name="http")
        while not self._server.started:
            if self._serving.done():
                await self._serving
                raise AddressUnavailable(f"the HTTP server on {self.url} ended while it was starting")
            await asyncio.sleep(0.005)

    async def close(self) -> None:
        """Let requests under way finish, then free the port."""
        if self._server is not None and self._serving is not None:
            self._server.should_exit = True
            await self._serving
        self.release()

    def release(self) -> None:
        """Free the port of a server that never started."""
        self._socket.close()


def _protocol() -> Any:
    """Ours; without httptools, which is not everywhere, whatever uvicorn has."""
    try:
        from aster.foundation.http.whole import WholeProtocol
    except ImportError:
        return "auto"
    return WholeProtocol


def listen(host: str, port: int) -> socket.socket:
    """A socket that holds the port; raises `AddressUnavailable`."""
    try:
        family, kind, protocol, _, address = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)[0]
        listener = socket.socket(family, kind, protocol)
    except OSError as error:
        raise AddressUnavailable(f"'{host}' is not an address of this machine: {error.strerror or error}") from error
    try:
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listener.bind(address)
        listener.listen(BACKLOG)
    except OSError as error:
        listener.close()
        raise AddressUnavailable(
            f"port {port} on {host} can't be used: {error.strerror or error}",
            hint="another program may be listening there; choose another port with --port",
            host=host,
            port=port,
        ) from error
    listener.setblocking(False)
    return listener
