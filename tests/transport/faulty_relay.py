"""A network that loses and delays packets, without privileges: relay-only endpoints have no other way than this relay.

async with faulty_relay(loss=0.05, delay=0.03) as relay:
    config = AsterConfig(relay_mode=relay.url, clear_ip_transports=True)
"""

import asyncio
import random
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from aster.transport.relay.frames import Send
from aster.transport.relay.limits import DEFAULT_RELAY_LIMITS
from aster.transport.relay.server import RelayOptions, RelayServer
from aster.transport.relay.switchboard import Client, Switchboard


class FaultySwitchboard(Switchboard):
    """Drops a share ``loss`` of the frames, the same for the same ``seed``; the rest is ``delay`` seconds late."""

    def __init__(self, loss: float, delay: float, seed: int) -> None:
        super().__init__(DEFAULT_RELAY_LIMITS)
        self.loss = loss
        self.delay = delay
        self.lost = 0
        self._random = random.Random(seed)

    def forward(self, source: Client, sent: Send) -> None:
        if self._random.random() < self.loss:
            self.lost += 1
        elif self.delay:
            asyncio.get_running_loop().call_later(self.delay, self._forward_late, source, sent)
        else:
            super().forward(source, sent)

    def _forward_late(self, source: Client, sent: Send) -> None:
        super().forward(source, sent)
        self.flush()


class FaultyRelay:
    """``network`` may be changed while it runs: set its ``loss`` to 1 and back to cut the network for a while."""

    def __init__(self, server: RelayServer, network: FaultySwitchboard) -> None:
        self.url = server.url
        self.network = network


@asynccontextmanager
async def faulty_relay(*, loss: float = 0.0, delay: float = 0.0, seed: int = 1) -> AsyncIterator[FaultyRelay]:
    server = RelayServer(RelayOptions())
    network = server._board = FaultySwitchboard(loss, delay, seed)
    async with server:
        yield FaultyRelay(server, network)
