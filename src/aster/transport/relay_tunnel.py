"""A way through an HTTP proxy to one relay, which the bindings take for the relay itself.

The bindings can't be given a proxy. They dial this listener on loopback; each of their requests goes through the proxy
to the relay, over TLS where the relay's URL says https, with its certificate checked for its real name. Who does not
know the pass in the listener's URL, another program on this machine, is turned away.
"""

import asyncio
import hmac
import secrets
import ssl
from urllib.parse import parse_qs, urlsplit

from aster.foundation.logs import get_logger
from aster.foundation.urls import DEFAULT_PORTS
from aster.transport.errors import ConnectFailed
from aster.transport.proxy import END_OF_HEAD, MAX_HEAD, HttpProxy

logger = get_logger("aster.transport")

PASS = "pass"  # noqa: S105 - the name of a query field
OPEN_PATHS = frozenset({"/ping", "/generate_204"})
"""Probes, which the bindings send without the pass; they tell nothing and cost little."""
CHUNK = 64 * 1024
HEAD_SECONDS = 10.0
CONNECT_SECONDS = 20.0
MAX_CONNECTIONS = 16
DROPPED_FIELDS = frozenset({b"host", b"authorization", b"connection"})

REFUSED = b"HTTP/1.1 403 Forbidden\r\nContent-Length: 0\r\nConnection: close\r\n\r\n"
UNREACHED = b"HTTP/1.1 502 Bad Gateway\r\nContent-Length: 0\r\nConnection: close\r\n\r\n"


class RelayTunnel:
    """One listener, for one relay. ``token`` is presented to the relay, in place of what the bindings present."""

    def __init__(self, relay_url: str, proxy: HttpProxy, token: str | None) -> None:
        self.relay_url = relay_url
        parts = urlsplit(relay_url)
        self._host = parts.hostname or ""
        self._port = parts.port or DEFAULT_PORTS[parts.scheme]
        self._netloc = parts.netloc
        self._tls = ssl.create_default_context() if parts.scheme == "https" else None
        self._proxy = proxy
        self._token = token
        self._pass = secrets.token_urlsafe(24)
        self._server: asyncio.Server | None = None
        self._running: set[asyncio.Task[None]] = set()
        self._is_broken = False

    @property
    def url(self) -> str:
        """What the bindings dial."""
        if self._server is None:
            raise ConnectFailed("the tunnel is closed")
        port = self._server.sockets[0].getsockname()[1]
        return f"http://127.0.0.1:{port}/?{PASS}={self._pass}"

    async def start(self) -> None:
        self._server = await asyncio.start_server(self._accept, "127.0.0.1", 0, limit=MAX_HEAD)

    async def close(self) -> None:
        """End every connection. Safe to call twice."""
        if self._server is not None:
            self._server.close()
        for task in list(self._running):
            task.cancel()
        if self._running:
            await asyncio.wait(self._running)

    def _accept(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        if len(self._running) >= MAX_CONNECTIONS:
            writer.transport.abort()
            return
        task = asyncio.get_running_loop().create_task(self._serve(reader, writer))
        self._running.add(task)
        task.add_done_callback(self._running.discard)

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            async with asyncio.timeout(HEAD_SECONDS):
                head = await reader.readuntil(END_OF_HEAD)
            request = self._rewritten(head)
            if request is None:
                writer.write(REFUSED)
                return
            far_reader, far_writer = await self._reach()
        except (EOFError, OSError, ValueError, TimeoutError):
            return  # no request that we can make sense of
        except ConnectFailed as error:
            self._tell(error)
            writer.write(UNREACHED)
            return
        else:
            self._is_broken = False
            far_writer.write(request)
            try:
                await _join((reader, writer), (far_reader, far_writer))
            finally:
                far_writer.transport.abort()
        finally:
            writer.close()

    async def _reach(self) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
        try:
            async with asyncio.timeout(CONNECT_SECONDS):
                reader, writer = await self._proxy.connect(self._host, self._port)
                if self._tls is not None:
                    try:
                        await writer.start_tls(self._tls, server_hostname=self._host)
                    except BaseException:
                        writer.transport.abort()
                        raise
                return reader, writer
        except TimeoutError:
            raise ConnectFailed(f"no connection through the proxy within {CONNECT_SECONDS:g} s") from None
        except (OSError, ssl.SSLError) as error:
            raise ConnectFailed(f"no TLS with {self._host} through the proxy: {error}") from error

    def _rewritten(self, head: bytes) -> bytes | None:
        """The request as the relay shall see it; None for one that may not go through."""
        first, *fields = head[: -len(END_OF_HEAD)].split(b"\r\n")
        method, _, rest = first.partition(b" ")
        target, _, version = rest.partition(b" ")
        path, _, query = target.decode("ascii", "replace").partition("?")
        if method != b"GET" or version != b"HTTP/1.1" or not self._may_pass(path, query):
            return None
        kept = [line for line in fields if line.partition(b":")[0].strip().lower() not in DROPPED_FIELDS]
        upgrades = any(line.lower().startswith(b"upgrade:") for line in kept)
        lines = [f"GET {path} HTTP/1.1".encode(), f"Host: {self._netloc}".encode(), *kept]
        # One request a connection: only its head was looked at.
        lines.append(b"Connection: Upgrade" if upgrades else b"Connection: close")
        if self._token is not None and path not in OPEN_PATHS:
            lines.append(f"Authorization: Bearer {self._token}".encode())
        return b"\r\n".join(lines) + END_OF_HEAD

    def _may_pass(self, path: str, query: str) -> bool:
        given = parse_qs(query, max_num_fields=4).get(PASS, [""])[0]
        return path in OPEN_PATHS or hmac.compare_digest(given.encode(), self._pass.encode())

    def _tell(self, error: ConnectFailed) -> None:
        """Once until it works again: the bindings try without end."""
        if not self._is_broken:
            logger.error("the relay can't be reached through the proxy", relay=self.relay_url, error=error.message)
        self._is_broken = True


async def _join(
    near: tuple[asyncio.StreamReader, asyncio.StreamWriter], far: tuple[asyncio.StreamReader, asyncio.StreamWriter]
) -> None:
    """Copy both ways until either side ends."""
    copies = [asyncio.create_task(_copy(near[0], far[1])), asyncio.create_task(_copy(far[0], near[1]))]
    try:
        await asyncio.wait(copies, return_when=asyncio.FIRST_COMPLETED)
    finally:
        for copy in copies:
            copy.cancel()
        await asyncio.wait(copies)


async def _copy(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    try:
        while data := await reader.read(CHUNK):
            writer.write(data)
            await writer.drain()
    except OSError:
        pass  # the other side went away: so does this one
