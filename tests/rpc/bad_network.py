"""A UDP proxy between a client and a server that loses, delays, repeats and reorders packets.

Its front is on ``::1``, its back on ``127.0.0.1``. QUIC would find the direct path around it, so the client keeps its
IPv6 socket only and the server its IPv4 one; the others are sealed.
"""

import asyncio
import random
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

from aster.config import AsterConfig
from aster.rpc import AsterServer
from aster.rpc.node import NodeIdentity, endpoint_settings
from aster.transport.address import NodeAddress, parse_address
from aster.transport.endpoint import Endpoint
from aster.transport.ip_seal import Seal
from aster.transport.shared import lease_endpoint
from aster.trust.keys import SigningKey

Place = tuple[str, int]


class BadNetwork:
    """``lost`` and ``repeated`` are shares of the packets, ``delay`` the longest in seconds; ``is_cut`` loses all."""

    def __init__(self, server: Place, *, lost: float, repeated: float, delay: float, seed: int) -> None:
        self._server = server
        self._lost = lost
        self._repeated = repeated
        self._delay = delay
        self._random = random.Random(seed)  # the same faults in each run
        self._loop = asyncio.get_running_loop()
        self._towards: dict[Place, asyncio.DatagramTransport] = {}
        self.passed = self.dropped = 0
        self.is_cut = False

    async def from_client(self, front: asyncio.DatagramTransport, data: bytes, client: Place) -> None:
        """Each client has a socket of its own towards the server, so answers find their way back."""
        if client not in self._towards:

            def back(answer: bytes, _: Place) -> None:
                self._pass_on(lambda: front.sendto(answer, client))

            made, _ = await self._loop.create_datagram_endpoint(lambda: _Receiver(back), remote_addr=self._server)
            self._towards[client] = made
        towards = self._towards[client]
        self._pass_on(lambda: towards.sendto(data))

    def close(self) -> None:
        for transport in self._towards.values():
            transport.close()

    def _pass_on(self, send: Any) -> None:
        if self.is_cut or self._random.random() < self._lost:
            self.dropped += 1
            return
        self.passed += 1
        for _ in range(2 if self._random.random() < self._repeated else 1):
            self._loop.call_later(self._random.uniform(0, self._delay), send)


class _Receiver(asyncio.DatagramProtocol):
    def __init__(self, received: Any) -> None:
        self._received = received

    def datagram_received(self, data: bytes, address: Any) -> None:
        self._received(data, address)


@asynccontextmanager
async def bad_network(
    server: AsterServer, *, lost: float = 0.0, repeated: float = 0.0, delay: float = 0.0, seed: int = 1
) -> AsyncIterator[tuple[AsterConfig, BadNetwork]]:
    """The settings of a client that reaches ``server`` through a bad network only, and that network."""
    address = parse_address(server.address)
    [place] = [each for each in address.direct if each.startswith("127.0.0.1:")]
    network = BadNetwork(
        ("127.0.0.1", int(place.rpartition(":")[2])), lost=lost, repeated=repeated, delay=delay, seed=seed
    )
    tasks: set[asyncio.Task[None]] = set()

    def received(data: bytes, client: Place) -> None:
        task = asyncio.create_task(network.from_client(front, data, client))
        tasks.add(task)
        task.add_done_callback(tasks.discard)

    loop = asyncio.get_running_loop()
    front, _ = await loop.create_datagram_endpoint(lambda: _Receiver(received), local_addr=("::1", 0))
    port = front.get_extra_info("sockname")[1]
    config = AsterConfig(
        bind_addr="[::1]:0",
        secret_key=SigningKey.generate().seed,
        endpoint_addr=NodeAddress(address.endpoint_id, None, (f"[::1]:{port}",)).ticket(),
    )
    # The client will share this endpoint, for it has the same key.
    lease = await lease_endpoint(endpoint_settings(config, NodeIdentity()))
    seals = [_sealed(lease.endpoint, "127.0.0.1"), _sealed(server._started(), "[::1]")]
    try:
        yield config, network
    finally:
        await lease.release()
        for seal in seals:
            seal.close()
        front.close()
        network.close()


def _sealed(endpoint: Endpoint, host: str) -> Seal:
    return Seal(address for address in endpoint._raw.bound_sockets() if address.startswith(f"{host}:"))
