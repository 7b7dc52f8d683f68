"""What one source address may use of a relay: connections at once, new ones a second, bytes a second.

An IPv6 address counts with its /64, of which a single machine has all. What is known of an address is kept while it is
connected and for a while after that, so that coming back does not renew its allowance; the table is bounded.
"""

import ipaddress
import time
from collections import OrderedDict

from aster.transport.meter import Clock, Meter
from aster.transport.relay.limits import RelayLimits

MAX_KNOWN = 16_384
"""Addresses without a connection that are remembered, those that left last."""

IPV6_PREFIX_BITS = 64
ANYWHERE = "?"


class Address:
    """One source address: how many connections it has, and what it has used."""

    __slots__ = ("arrivals", "bytes", "connections", "name")

    def __init__(self, name: str, limits: RelayLimits, clock: Clock) -> None:
        self.name = name
        self.connections = 0
        self.arrivals = Meter(limits.max_new_per_second_of_address, limits.burst_of_address_seconds, clock)
        self.bytes = Meter(limits.max_bytes_per_second_of_address, limits.burst_seconds, clock)


class Addresses:
    """Every source address that has a connection, and those that had one lately."""

    def __init__(self, limits: RelayLimits, clock: Clock = time.monotonic) -> None:
        self._limits = limits
        self._clock = clock
        self._connected: dict[str, Address] = {}
        self._left: OrderedDict[str, Address] = OrderedDict()

    @property
    def connected(self) -> int:
        """How many addresses have a connection."""
        return len(self._connected)

    def arrive(self, host: object) -> tuple[Address, str | None]:
        """A connection from ``host``, which `leave` ends, and why it must not stay: ``address`` or ``rate``."""
        name = _group(host)
        address = self._connected.get(name) or self._left.pop(name, None) or Address(name, self._limits, self._clock)
        self._connected[name] = address
        address.connections += 1
        if address.connections > self._limits.max_connections_of_address:
            return address, "address"
        return address, None if address.arrivals.allows(1) else "rate"

    def leave(self, address: Address) -> None:
        """One connection less."""
        address.connections -= 1
        if address.connections == 0:
            del self._connected[address.name]
            self._left[address.name] = address
            if len(self._left) > MAX_KNOWN:
                self._left.popitem(last=False)


def _group(host: object) -> str:
    try:
        ip = ipaddress.ip_address(str(host).partition("%")[0])
    except ValueError:
        return ANYWHERE
    if isinstance(ip, ipaddress.IPv6Address):
        if ip.ipv4_mapped is not None:
            return str(ip.ipv4_mapped)
        return str(ipaddress.ip_network((ip, IPV6_PREFIX_BITS), strict=False))
    return str(ip)
