"""The client for asyncio."""

import asyncio
from types import TracebackType
from typing import Self, TypeVar

import httpx

from aster.policy.client.calls import Call
from aster.policy.client.exchange import Exchange, Outcome, Signer
from aster.policy.client.methods import Methods

T = TypeVar("T")
TIMEOUT_SECONDS = 30.0


class AsyncPolicyClient(Methods):
    """Signs and sends. For one event loop.

    ``url`` is ``http://host:port`` or ``https://host``. ``signature_version`` 2 also signs tenant, role and user;
    ``key_id`` names the key that ``secret`` is of, where that is not the tenant's own. ``http`` is your own
    `httpx.AsyncClient`, for proxies, certificates or transports; it stays open when this client is closed.
    """

    def __init__(
        self,
        url: str,
        *,
        tenant: str,
        secret: str,
        role: str = "MEMBER",
        user: str | None = None,
        key_id: str | None = None,
        signature_version: int = 1,
        retries: int = 2,
        timeout: float = TIMEOUT_SECONDS,
        http: httpx.AsyncClient | None = None,
    ) -> None:
        self._url = url.rstrip("/")
        self._signer = Signer(tenant, secret, role, user, key_id, signature_version, retries)
        self._http = http or httpx.AsyncClient(timeout=timeout)
        self._owns_http = http is None

    async def send(self, call: Call[T]) -> T:
        """Send a call of `aster.policy.client.calls`; raises a `PolicyClientError` for whatever is not its answer."""
        exchange = Exchange(self._signer, call)
        answer: T = exchange.read(await self._outcome(exchange))
        return answer

    async def _outcome(self, exchange: Exchange) -> Outcome:
        """Attempts until one is the last."""
        while True:
            request = self._http.build_request(
                exchange.call.method, f"{self._url}{exchange.call.target}", content=exchange.payload
            )
            request.headers.update(exchange.headers(request.url.raw_path))
            request.headers.encoding = "utf-8"
            try:
                outcome: Outcome = await self._http.send(request)
            except httpx.TransportError as error:
                outcome = error
            pause = exchange.pause_after(outcome)
            if pause is None:
                return outcome
            await asyncio.sleep(pause)

    async def aclose(self) -> None:
        """Close the connections, if they are this client's own."""
        if self._owns_http:
            await self._http.aclose()

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.aclose()
