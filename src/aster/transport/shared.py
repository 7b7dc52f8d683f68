"""Endpoints that several clients of one process use: those that would have the same key and the same settings.

Two endpoints with one key would steal each other's packets at a relay; one costs a seventh of the memory of an idle
client. An endpoint without a key of its own gets a fresh one and is never shared.
"""

import asyncio
from dataclasses import dataclass

from aster.transport.endpoint import Endpoint, EndpointSettings

Key = tuple[asyncio.AbstractEventLoop, EndpointSettings]


@dataclass(slots=True)
class _Shared:
    binding: "asyncio.Task[Endpoint]"
    users: int = 0


_endpoints: dict[Key, _Shared] = {}


class Lease:
    """One user's share of an endpoint; the last one to `release` closes it."""

    def __init__(self, endpoint: Endpoint, key: Key | None) -> None:
        self.endpoint = endpoint
        self._key = key
        self._released = False

    async def release(self) -> None:
        """Give the share back; safe to call twice."""
        if self._released:
            return
        self._released = True
        if self._key is None or _leave(self._key):
            await self.endpoint.close()


async def lease_endpoint(settings: EndpointSettings) -> Lease:
    """An endpoint with these settings, bound if nobody has it; raises what `Endpoint.bind` raises."""
    if settings.secret_key is None:
        return Lease(await Endpoint.bind(settings), None)
    key = (asyncio.get_running_loop(), settings)
    shared = _endpoints.get(key)
    if shared is None:
        shared = _endpoints[key] = _Shared(asyncio.create_task(Endpoint.bind(settings)))
    shared.users += 1
    try:
        return Lease(await asyncio.shield(shared.binding), key)
    except BaseException:
        if _leave(key):
            shared.binding.add_done_callback(_unused)
        raise


def _leave(key: Key) -> bool:
    """One user less; True when it was the last."""
    shared = _endpoints[key]
    shared.users -= 1
    if shared.users == 0:
        del _endpoints[key]
    return shared.users == 0


def _unused(binding: "asyncio.Task[Endpoint]") -> None:
    """Everyone who waited for this endpoint was cancelled, or it could not be bound."""
    if not binding.cancelled() and binding.exception() is None:
        _closing.add(task := asyncio.get_running_loop().create_task(binding.result().close()))
        task.add_done_callback(_closing.discard)


_closing: set["asyncio.Task[None]"] = set()
