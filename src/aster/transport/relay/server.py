"""`RelayServer`: the sockets of a relay, and their orderly end."""

import asyncio
import socket
import ssl
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from types import TracebackType
from typing import Self

from prometheus_client import CollectorRegistry

from aster.foundation.errors import ConfigError
from aster.foundation.logs import get_logger
from aster.transport.errors import BindFailed
from aster.transport.relay.http_face import PlainSession
from aster.transport.relay.limits import DEFAULT_RELAY_LIMITS, RelayLimits
from aster.transport.relay.session import RelaySession
from aster.transport.relay.statistics import RelayCollector, RelayStatistics
from aster.transport.relay.switchboard import Switchboard

logger = get_logger("aster.relay")

RECONNECT_IN_SECONDS = 1.0
TRY_FOR_SECONDS = 120.0
BACKLOG = 1024


@dataclass(frozen=True, slots=True)
class RelayOptions:
    """Where to listen, whom to serve. ``tokens`` empty: everyone; ``metrics_port`` None: no metrics; 0: a free port."""

    host: str = "127.0.0.1"
    port: int = 0
    tokens: tuple[bytes, ...] = field(default=(), repr=False)
    tls_certificate: str | None = None
    tls_key: str | None = None
    metrics_host: str = "127.0.0.1"
    metrics_port: int | None = None
    limits: RelayLimits = DEFAULT_RELAY_LIMITS


class RelayServer:
    """A relay. Use it as ``async with RelayServer(options) as relay``."""

    def __init__(self, options: RelayOptions) -> None:
        self._options = options
        self._board = Switchboard(options.limits)
        self._sessions: set[RelaySession] = set()
        self._tls = _tls_context(options.tls_certificate, options.tls_key)
        self._registry = CollectorRegistry(auto_describe=False)
        self._registry.register(RelayCollector(self._board.statistics))
        self._server: asyncio.Server | None = None
        self._metrics: asyncio.Server | None = None

    @property
    def statistics(self) -> RelayStatistics:
        return self._board.statistics

    @property
    def url(self) -> str:
        """What ``relay_mode`` is set to, when the listening address is one that clients reach."""
        return f"{'https' if self._tls else 'http'}://{_place(self._server)}/"

    @property
    def metrics_url(self) -> str | None:
        return None if self._metrics is None else f"http://{_place(self._metrics)}/metrics"

    async def start(self) -> None:
        """Listen; raises `BindFailed` when a port can't be had."""
        options, within = self._options, self._options.limits.proof_seconds

        def session() -> RelaySession:
            return RelaySession(self._board, options.tokens, self._sessions)

        self._server = await _listen(session, options.host, options.port, self._tls, within)
        if options.metrics_port is not None:
            try:
                self._metrics = await _listen(
                    lambda: PlainSession(self._registry, within),
                    options.metrics_host,
                    options.metrics_port,
                    None,
                    within,
                )
            except BaseException:
                await self.close()
                raise

    def reload_certificate(self) -> None:
        """Read the certificate and key again, for new connections; raises `ConfigError` and keeps the old ones."""
        if self._tls is not None:
            _load_certificate(self._tls, self._options.tls_certificate, self._options.tls_key)

    async def close(self) -> None:
        """Tell every client to come back later, and end once they have heard. Safe to call twice."""
        for server in (self._server, self._metrics):
            if server is not None:
                server.close()
        for session in list(self._sessions):
            session.go_away(RECONNECT_IN_SECONDS, TRY_FOR_SECONDS)
        deadline = asyncio.get_running_loop().time() + self._options.limits.drain_seconds
        while self._sessions:
            if asyncio.get_running_loop().time() > deadline:
                for session in list(self._sessions):
                    session.abort()
            await asyncio.sleep(0.01)
        for server in (self._server, self._metrics):
            if server is not None:
                await server.wait_closed()

    async def __aenter__(self) -> Self:
        await self.start()
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.close()


async def _listen(
    factory: Callable[[], asyncio.Protocol], host: str, port: int, tls: ssl.SSLContext | None, within: float
) -> asyncio.Server:
    loop = asyncio.get_running_loop()
    try:
        return await loop.create_server(
            factory, host, port, ssl=tls, ssl_handshake_timeout=within if tls else None, backlog=BACKLOG
        )
    except (OSError, UnicodeError) as error:
        words = error.strerror if isinstance(error, OSError) and error.strerror else str(error)
        raise BindFailed(f"can't listen on {host}:{port}: {words}", hint="choose another --host or --port") from error


def _place(server: asyncio.Server | None) -> str:
    if server is None:
        raise BindFailed("the relay is not started")
    listening: Sequence[socket.socket] = server.sockets
    host, port = listening[0].getsockname()[:2]
    return f"[{host}]:{port}" if ":" in host else f"{host}:{port}"


def _tls_context(certificate: str | None, key: str | None) -> ssl.SSLContext | None:
    if certificate is None:
        if key is not None:
            raise ConfigError("a TLS key without a certificate", hint="--tls-cert names the certificate chain")
        return None
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    _load_certificate(context, certificate, key)
    return context


def _load_certificate(context: ssl.SSLContext, certificate: str | None, key: str | None) -> None:
    try:
        context.load_cert_chain(certificate or "", key)
    except (OSError, ssl.SSLError) as error:
        raise ConfigError(
            f"the TLS certificate {certificate} can't be used: {error.strerror or error}",
            hint="PEM files: the chain, and an unencrypted key that only this user can read",
        ) from error
