"""Gate 0: user code that decides on a connection before anything else may happen on it. It fails closed."""

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import dataclass

from aster.foundation.logs import get_logger

logger = get_logger("aster.trust")


@dataclass(frozen=True, slots=True)
class ConnectionAttempt:
    """A peer whose key QUIC has proven (64 hex characters), and the protocol it asks for."""

    peer: str
    alpn: bytes


ConnectionHook = Callable[[ConnectionAttempt], Awaitable[bool]]
"""Returns True to let a connection pass; anything else, an exception, or taking too long refuses it."""


async def passes(hook: ConnectionHook | None, attempt: ConnectionAttempt, timeout_ms: int) -> bool:
    """Ask the hook, for at most ``timeout_ms`` milliseconds."""
    if hook is None:
        return True
    try:
        async with asyncio.timeout(timeout_ms / 1000):
            return await hook(attempt) is True
    except TimeoutError:
        logger.warning("the connection hook took too long: refused", peer=attempt.peer, timeout_ms=timeout_ms)
    except asyncio.CancelledError as error:
        task = asyncio.current_task()
        if task is not None and task.cancelling():
            raise
        logger.error("the connection hook was cancelled from inside: refused", exc_info=error, peer=attempt.peer)
    except Exception as error:  # a hook is user code; whatever it raises refuses
        logger.error("the connection hook failed: refused", exc_info=error, peer=attempt.peer)
    return False
