"""The multicast sockets of local discovery: both IP families, every interface, one hop."""

import socket
import struct
import sys
from collections.abc import Callable, Iterator
from contextlib import suppress

GROUP_4 = "239.255.84.65"
GROUP_6 = "ff02::a573:7001"
PORT = 24153
MAX_DATAGRAM = 2048
IPV6_FAMILY = socket.AF_INET6


def interfaces() -> list[int]:
    """The indices of this machine's interfaces."""
    return [index for index, _ in socket.if_nameindex()]


def listening_sockets(indices: list[int]) -> list[socket.socket]:
    """Sockets that receive what is sent to the groups, and nothing else: they are bound to the groups' addresses."""
    found = list(_each(_listen_4, indices)) if indices else []
    return found + [handle for index in indices for handle in _each(_listen_6, index)]


def asking_sockets() -> list[socket.socket]:
    """A socket for each IP family, to ask from and to be answered at."""
    return [*_each(_ask_4, None), *_each(_ask_6, None)]


def send_to_group(handle: socket.socket, message: bytes) -> int:
    """Send through every interface that takes it; says how many did."""
    sent = 0
    for index in interfaces():
        with suppress(OSError):  # an interface that is down, or without this family
            if handle.family == IPV6_FAMILY:
                handle.sendto(message, (GROUP_6, PORT, 0, index))
            else:
                handle.setsockopt(socket.IPPROTO_IP, socket.IP_MULTICAST_IF, _interface_request("0.0.0.0", index))  # noqa: S104
                handle.sendto(message, (GROUP_4, PORT))
            sent += 1
    return sent


def _each(make: Callable[[object], socket.socket], argument: object) -> Iterator[socket.socket]:
    """The socket, unless this machine has none of its kind."""
    with suppress(OSError):
        yield make(argument)


def _listen_4(indices: object) -> socket.socket:
    handle = _datagram(socket.AF_INET)
    try:
        handle.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        handle.bind((GROUP_4, PORT))
        joined = 0
        for index in indices if isinstance(indices, list) else []:
            with suppress(OSError):
                handle.setsockopt(socket.IPPROTO_IP, socket.IP_ADD_MEMBERSHIP, _interface_request(GROUP_4, index))
                joined += 1
        if not joined:
            raise OSError("no interface takes part in IPv4 multicast")
    except BaseException:
        handle.close()
        raise
    return handle


def _listen_6(index: object) -> socket.socket:
    handle = _datagram(socket.AF_INET6)
    try:
        handle.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        handle.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 1)
        handle.bind((GROUP_6, PORT, 0, index))
        request = socket.inet_pton(socket.AF_INET6, GROUP_6) + struct.pack("@I", index)
        handle.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_JOIN_GROUP, request)
    except BaseException:
        handle.close()
        raise
    return handle


def _ask_4(_: object) -> socket.socket:
    handle = _datagram(socket.AF_INET)
    handle.setsockopt(socket.IPPROTO_IP, socket.IP_MULTICAST_TTL, 1)
    handle.bind(("0.0.0.0", 0))  # noqa: S104 - answers come to whichever address the question left from
    return handle


def _ask_6(_: object) -> socket.socket:
    handle = _datagram(socket.AF_INET6)
    handle.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 1)
    handle.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_MULTICAST_HOPS, 1)
    handle.bind(("::", 0))
    return handle


def _datagram(family: socket.AddressFamily) -> socket.socket:
    handle = socket.socket(family, socket.SOCK_DGRAM)
    handle.setblocking(False)
    return handle


def _interface_request(group: str, index: int) -> bytes:
    """``struct ip_mreqn``: group, local address, interface."""
    order = "=" if sys.byteorder == "little" else ">"
    return struct.pack(f"{order}4s4si", socket.inet_aton(group), bytes(4), index)
