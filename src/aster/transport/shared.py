"""Endpoints that several clients of one process use: those that would have the same key and the same settings.

Two endpoints with one key would steal each other's packets at a relay; one costs a seventh of the memory of an idle
client. Clients without a key of their own get a fresh one together, as long as they show the same: a server knows a
peer by its key, and one client must not be admitted by what another has shown. Clients with the key and the settings
of a server of their process use the server's endpoint.
"""

import asyncio
from collections.abc import Hashable
from dataclasses import dataclass, replace

from aster.transport.endpoint import Endpoint, EndpointSettings

Key = tuple[asyncio.AbstractEventLoop, EndpointSettings, Hashable]


@dataclass(slots=True)
class _Shared:
    binding: "asyncio.Task[Endpoint]"
    users: int = 0


_endpoints: dict[Key, _Shared] = {}
_servers: dict[Key, Endpoint] = {}


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
        if self._key is not None and _leave(self._key):
            await self.endpoint.close()


async def lease_endpoint(settings: EndpointSettings, shown: Hashable = None) -> Lease:
    """An endpoint with these settings, bound if nobody has it; raises what `Endpoint.bind` raises.

    ``shown`` keeps those apart that have no key in their settings.
    """
    key = (asyncio.get_running_loop(), settings, shown if settings.secret_key is None else None)
    if (served := _servers.get(key)) is not None:
        return Lease(served, None)
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


def offer_endpoint(endpoint: Endpoint, settings: EndpointSettings) -> None:
    """Let clients with a server's key and settings use its endpoint, until `withdraw_endpoint`."""
    if settings.secret_key is not None:
        _servers[asyncio.get_running_loop(), replace(settings, alpns=()), None] = endpoint


def withdraw_endpoint(endpoint: Endpoint) -> None:
    """A server's endpoint is about to be closed."""
    for key in [key for key, offered in _servers.items() if offered is endpoint]:
        del _servers[key]


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
