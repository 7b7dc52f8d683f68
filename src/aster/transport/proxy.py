"""Which HTTP proxy a relay is reached through."""

import base64
import ssl
import urllib.request
from asyncio import StreamReader, StreamWriter, open_connection
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Protocol
from urllib.parse import urlsplit

from aster.foundation.urls import DEFAULT_PORTS, split_userinfo
from aster.transport.errors import BindFailed, ConnectFailed

MAX_HEAD = 16 * 1024
END_OF_HEAD = b"\r\n\r\n"


@dataclass(frozen=True, slots=True)
class HttpProxy:
    """A proxy that is asked to CONNECT."""

    host: str
    port: int
    tls: bool = False
    credentials: str | None = field(default=None, repr=False)

    @classmethod
    def parse(cls, url: str) -> "HttpProxy":
        """From ``http://user:password@host:port``; raises `BindFailed` without repeating the URL."""
        try:
            parts = urlsplit(url if "://" in url else f"http://{url}")
            _, user, password = split_userinfo(parts.geturl())
            port = parts.port
        except ValueError:
            raise BindFailed("the proxy URL is malformed", hint=EXPECTED) from None
        if parts.scheme not in DEFAULT_PORTS or not parts.hostname or port == 0:
            raise BindFailed(f"a proxy of kind '{parts.scheme[:20]}' can't be used", hint=EXPECTED)
        credentials = None if user is None else base64.b64encode(f"{user}:{password or ''}".encode()).decode()
        return cls(parts.hostname, port or DEFAULT_PORTS[parts.scheme], parts.scheme == "https", credentials)

    async def connect(self, host: str, port: int) -> tuple[StreamReader, StreamWriter]:
        """A tunnel to ``host:port``; raises `ConnectFailed` with the proxy's refusal."""
        where = f"the proxy {self.host}:{self.port}"
        try:
            context = ssl.create_default_context() if self.tls else None
            reader, writer = await open_connection(self.host, self.port, ssl=context, limit=MAX_HEAD)
        except OSError as error:
            raise ConnectFailed(f"{where} can't be reached: {error.strerror or error}") from error
        try:
            writer.write(self._request(host, port))
            head = await reader.readuntil(END_OF_HEAD)
        except (EOFError, OSError, ValueError) as error:
            writer.close()
            raise ConnectFailed(f"{where} gave no answer") from error
        status = head.split(b"\r\n", 1)[0].split(b" ")
        if len(status) < 2 or not status[0].startswith(b"HTTP/1.") or status[1] != b"200":
            writer.close()
            code = status[1][:3].decode("ascii", "replace") if len(status) > 1 else "nothing that is HTTP"
            raise ConnectFailed(f"{where} refused to connect to {host}:{port}: it answered {code}")
        return reader, writer

    def _request(self, host: str, port: int) -> bytes:
        place = f"[{host}]:{port}" if ":" in host else f"{host}:{port}"
        lines = [f"CONNECT {place} HTTP/1.1", f"Host: {place}"]
        if self.credentials is not None:
            lines.append(f"Proxy-Authorization: Basic {self.credentials}")
        return "\r\n".join([*lines, "", ""]).encode()


EXPECTED = "expected http://host:port or https://host:port, with user:password@ before the host if need be"


class ProxyChoice(Protocol):
    """Decides how a relay is reached."""

    def __call__(self, relay_url: str) -> HttpProxy | None:
        """The proxy, or None for a direct connection."""


def one_proxy(url: str) -> ProxyChoice:
    """Always the same proxy."""
    proxy = HttpProxy.parse(url)
    return lambda relay_url: proxy


def proxy_from_environment() -> ProxyChoice:
    """What ``HTTP_PROXY``, ``HTTPS_PROXY``, ``ALL_PROXY`` and ``NO_PROXY`` say now, in either case of letters."""
    found = urllib.request.getproxies_environment()
    proxies = {
        scheme: HttpProxy.parse(url) for scheme in DEFAULT_PORTS if (url := found.get(scheme) or found.get("all"))
    }

    def choose(relay_url: str) -> HttpProxy | None:
        parts = urlsplit(relay_url)
        host = parts.hostname or ""
        if _is_bypassed(f"{host}:{parts.port or DEFAULT_PORTS[parts.scheme]}", host, found):
            return None
        return proxies.get(parts.scheme)

    return choose


def _is_bypassed(place: str, host: str, found: Mapping[str, str]) -> bool:
    return any(urllib.request.proxy_bypass(name, dict(found)) for name in (host, place))
