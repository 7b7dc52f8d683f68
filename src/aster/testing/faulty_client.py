"""`FaultyClient`: a client whose real connection has faults on purpose."""

from dataclasses import dataclass, field
from typing import Any

from aster.rpc.client import AsterClient
from aster.rpc.dialing import Dialer, producer_check
from aster.rpc.node import NodeIdentity, own_presentation
from aster.testing.faults import Faults
from aster.transport.endpoint import Connection, Endpoint
from aster.transport.errors import CloseCode
from aster.transport.pipe import Pipe


@dataclass(frozen=True, slots=True)
class FaultyDialer(Dialer):
    """Puts ``faults`` into every connection that it makes."""

    faults: Faults = field(default_factory=Faults)

    async def _pipe(self, connection: Connection) -> Pipe:
        real = await connection.open_pipe()
        return self.faults.splice(real, lambda: connection.close(CloseCode.DONE, "cut on purpose"))


class FaultyClient(AsterClient):
    """``FaultyClient(faults, address=...)``: any server, over QUIC. ``options`` are those of `AsterClient`."""

    def __init__(self, faults: Faults, **options: Any) -> None:
        super().__init__(**options)
        self._faults = faults

    def _dialer_with(self, identity: NodeIdentity, endpoint: Endpoint) -> Dialer:
        shown, producers = own_presentation(self._config, identity), producer_check(self._config, identity)
        return FaultyDialer(endpoint, self._limits, shown, producers, self._faults)
