"""The local sockets of an endpoint: which are bound, and which of them are told to others."""

import ipaddress
import socket
from collections.abc import Iterable, Sequence
from typing import Any

from aster.transport.binding import called, load_binding, settled
from aster.transport.errors import BindFailed
from aster.transport.ip_seal import LOOPBACK
from aster.transport.relays import Relays

LOOPBACK_4, LOOPBACK_6 = LOOPBACK


def local_addresses(bind_addr: str | None) -> tuple[str, ...]:
    """What to bind. The bindings add a socket for every address of the family that is not named, so that a single
    address would not be the only one: one of the other family on loopback keeps them from it.
    """
    if bind_addr is None:
        return ()
    ip = _ip_of(bind_addr)
    if ip.is_unspecified:
        return (bind_addr,)
    return (bind_addr, LOOPBACK_6 if ip.version == 4 else LOOPBACK_4)


def announced(direct: Iterable[str], bind_addr: str | None) -> list[str]:
    """The direct addresses to tell others: those of the address that was asked for."""
    ip = None if bind_addr is None else _ip_of(bind_addr)
    if ip is None or ip.is_unspecified:
        return list(direct)
    return [address for address in direct if _ip_of(address).version == ip.version]


async def bind(*, addresses: Sequence[str], alpns: Sequence[bytes], secret_key: bytes | None, relays: Relays) -> Any:
    """The bindings' endpoint at these addresses; raises `BindFailed`."""
    usable = [address for address in addresses if _obstacle(address) is None]
    if addresses and addresses[0] not in usable:
        raise BindFailed(f"can't bind {addresses[0]}: {_obstacle(addresses[0])}")
    # A machine without IPv6 has no loopback of it either, and nothing that would have to be kept off.
    return await _bind(usable, alpns, secret_key, relays)


def _obstacle(address: str) -> str | None:
    """Why an address can't be bound, in the words of the operating system; the bindings' do not say."""
    if "%" in address:
        return None  # a link-local address: let the bindings resolve its zone
    ip = _ip_of(address)
    family = socket.AF_INET if ip.version == 4 else socket.AF_INET6
    try:
        with socket.socket(family, socket.SOCK_DGRAM) as probe:
            if family == socket.AF_INET6:
                probe.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 1)
            probe.bind((str(ip), int(address.rpartition(":")[2])))
    except OSError as error:
        return str(error.strerror or error).lower()
    return None


async def _bind(addresses: Sequence[str], alpns: Sequence[bytes], secret_key: bytes | None, relays: Relays) -> Any:
    where = addresses[0] if addresses else "any address"

    def failed(words: str) -> BindFailed:
        return BindFailed(f"can't bind {where}: {words}")

    builder = load_binding().EndpointBuilder()
    await relays.configure(builder)
    builder.alpns(list(alpns))
    if secret_key is not None:
        called(lambda: builder.secret_key(secret_key), failed)
    for address in addresses:
        called(lambda address=address: builder.bind_addr(address), failed)  # type: ignore[misc]
    return await settled(builder.bind(), failed)


def _ip_of(address: str) -> ipaddress.IPv4Address | ipaddress.IPv6Address:
    return ipaddress.ip_address(address.rpartition(":")[0].removeprefix("[").removesuffix("]").partition("%")[0])
