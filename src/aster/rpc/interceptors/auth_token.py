"""A bearer token in a call's metadata: a client sends it, a server asks for it.

Peers are known by their keys already; a token adds who uses a peer, or serves deployments without credentials.
"""

import hmac
import inspect
from collections.abc import Awaitable, Callable, Iterable
from typing import Any

from aster.foundation.errors import ConfigError
from aster.rpc.context import CallContext
from aster.rpc.interception import ClientCall, Proceed
from aster.rpc.status import UnauthenticatedError

KEY = "authorization"
SCHEME = "Bearer"

TokenSource = str | Callable[[], str | Awaitable[str]]
TokenCheck = Callable[[str, CallContext], bool | Awaitable[bool]]


class SendToken:
    """A client's: send ``token``, a text or a function (also async) that is asked before each call."""

    def __init__(self, token: TokenSource, *, key: str = KEY, scheme: str = SCHEME) -> None:
        self._token = token
        self._key = key
        self._scheme = scheme

    async def __call__(self, call: ClientCall, request: Any, proceed: Proceed) -> Any:
        token: Any = self._token() if callable(self._token) else self._token
        if inspect.isawaitable(token):
            token = await token
        call.metadata[self._key] = f"{self._scheme} {token}"
        return await proceed(request)

    def __repr__(self) -> str:
        return f"SendToken(key={self._key!r})"


class CheckToken:
    """A server's: UNAUTHENTICATED without one of ``tokens``, or when ``check(token, context)`` does not return True.

    Every token of the list is compared, each in constant time, so time tells neither which one fits nor how much of it.
    """

    def __init__(
        self,
        tokens: Iterable[str] = (),
        *,
        check: TokenCheck | None = None,
        key: str = KEY,
        scheme: str = SCHEME,
    ) -> None:
        self._tokens = tuple(token.encode() for token in tokens)
        if (check is None) == (not self._tokens) or not all(self._tokens):
            raise ConfigError("CheckToken needs tokens or check=, and no token may be empty")
        self._check = check
        self._key = key
        self._scheme = scheme.lower()

    async def __call__(self, call: CallContext, request: Any, proceed: Proceed) -> Any:
        scheme, _, token = call.metadata.get(self._key, "").partition(" ")
        if scheme.lower() != self._scheme or not token or not await self._is_good(token, call):
            raise UnauthenticatedError("a valid token is needed", hint=f"metadata '{self._key}'")
        return await proceed(request)

    def __repr__(self) -> str:
        return f"CheckToken(key={self._key!r})"

    async def _is_good(self, token: str, call: CallContext) -> bool:
        if self._check is None:
            given = token.encode()
            return sum(hmac.compare_digest(given, known) for known in self._tokens) > 0
        answer = self._check(token, call)
        return (await answer if inspect.isawaitable(answer) else answer) is True
