"""The cache of a provider's keys.

Rules it keeps:

* Keys are used for 10 minutes after they were fetched. Then the next token waits for a new fetch; if that fails, the
  old keys go on being used for a day at most.
* A key id that is not known causes one fetch, so that a rotated key works at once; and then none for 30 seconds,
  however many such tokens come: a stranger's made-up id must not become a stranger's power over the provider. After a
  fetch that failed there is none for 5 seconds.
* At most one fetch runs; whoever needs it waits for the same one, and a caller that goes away does not stop it.
* "I don't know this key" is only said when the provider has answered: while it is down the answer is
  `KeysUnavailable`, because the token may well be good.
"""

import asyncio
import time
from collections.abc import Awaitable, Callable, Sequence
from typing import TYPE_CHECKING

from aster.foundation.errors import AsterError
from aster.foundation.logs import get_logger
from aster.foundation.tokens.fetch import FetchFailed
from aster.foundation.tokens.jwks_document import KeySet, Unusable, parse_keys

if TYPE_CHECKING:
    from cryptography.hazmat.primitives.asymmetric.rsa import RSAPublicKey

FRESH_SECONDS = 600.0
STALE_SECONDS = 24 * 3600.0
COOL_DOWN_SECONDS = 30.0
RETRY_SECONDS = 5.0


class KeysUnavailable(AsterError):
    """A token can't be judged, because its issuer's keys can't be fetched."""

    code = "KEYS_UNAVAILABLE"


class JwksCache:
    """The keys of one provider. ``fetch`` returns the document or raises `FetchFailed`; ``now`` counts seconds.

    A fetch that fails is told to the logger called ``logger_name``.
    """

    def __init__(
        self,
        fetch: Callable[[], Awaitable[bytes]],
        *,
        now: Callable[[], float] = time.monotonic,
        logger_name: str = "aster.tokens",
    ) -> None:
        self._fetch = fetch
        self._logger = get_logger(logger_name)
        self._now = now
        self._keys = KeySet()
        self._fetched_at: float | None = None
        self._searched_at = float("-inf")
        self._failed_at: float | None = None
        self._running: asyncio.Task[None] | None = None

    async def keys(self, kid: str | None) -> "Sequence[RSAPublicKey]":
        """The keys that may have signed a token with this ``kid``; none when the provider has no such key.

        Raises `KeysUnavailable` when that can't be told.
        """
        found = self._keys.find(kid)
        is_fresh = self._age() < FRESH_SECONDS
        if found and is_fresh:
            return found
        await self._refresh(is_search=is_fresh)
        found = self._keys.find(kid)
        if found and self._age() < STALE_SECONDS:
            return found
        if self._failed_at is not None or self._age() >= STALE_SECONDS:
            raise KeysUnavailable("the identity provider's keys are not available")
        return ()

    def _age(self) -> float:
        return float("inf") if self._fetched_at is None else self._now() - self._fetched_at

    async def _refresh(self, *, is_search: bool) -> None:
        if self._running is None:
            now = self._now()
            if self._failed_at is not None and now - self._failed_at < RETRY_SECONDS:
                return
            if is_search:
                if now - self._searched_at < COOL_DOWN_SECONDS:
                    return
                self._searched_at = now
            self._running = asyncio.create_task(self._fetch_once())
        await asyncio.shield(self._running)

    async def _fetch_once(self) -> None:
        try:
            self._keys = parse_keys(await self._fetch())
            self._fetched_at = self._now()
            self._failed_at = None
        except (FetchFailed, Unusable) as error:
            self._failed_at = self._now()
            self._logger.error("the identity provider's keys could not be fetched", reason=str(error))
        finally:
            self._running = None
