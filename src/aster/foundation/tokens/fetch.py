"""One request for a small document: with limits on time and size, off nobody's thread but the loop's own waiting."""

import asyncio
import functools
import ssl
from collections.abc import Mapping

import httpx

SECONDS = 5.0
MAX_BYTES = 256 * 1024
OK = 200


class FetchFailed(Exception):
    """Why there is no document, in words that may be logged."""


@functools.cache
def _tls() -> ssl.SSLContext:
    """One for all: reading the machine's certificates takes tens of milliseconds."""
    return httpx.create_ssl_context()


class Fetcher:
    """Asks one address. Redirects are not followed: the answer comes from there, or there is none.

    The environment's proxies are used unless ``through_proxy`` is False.
    """

    def __init__(
        self,
        url: str,
        *,
        method: str = "GET",
        headers: Mapping[str, str] | None = None,
        seconds: float = SECONDS,
        max_bytes: int = MAX_BYTES,
        through_proxy: bool = True,
    ) -> None:
        self._url = url
        self._method = method
        self._through_proxy = through_proxy
        # Uncompressed, so that a small answer can't unfold into a large one.
        self._headers = {"accept": "application/json", "accept-encoding": "identity", **(headers or {})}
        self._seconds = seconds
        self._max_bytes = max_bytes

    async def __call__(self) -> bytes:
        """The document; raises `FetchFailed` after at most ``seconds``."""
        try:
            async with asyncio.timeout(self._seconds):
                return await self._get()
        except TimeoutError:
            raise FetchFailed(f"no complete answer within {self._seconds:g} s") from None
        except (httpx.HTTPError, httpx.InvalidURL, OSError) as error:
            raise FetchFailed(type(error).__name__) from None

    async def _get(self) -> bytes:
        tls, proxies = await asyncio.to_thread(_tls), self._through_proxy
        async with (
            httpx.AsyncClient(verify=tls, timeout=self._seconds, follow_redirects=False, trust_env=proxies) as client,
            client.stream(self._method, self._url, headers=self._headers) as answer,
        ):
            if answer.status_code != OK:
                raise FetchFailed(f"status {answer.status_code}")
            body = bytearray()
            async for part in answer.aiter_raw():
                body += part
                if len(body) > self._max_bytes:
                    raise FetchFailed(f"more than {self._max_bytes} bytes")
            return bytes(body)
