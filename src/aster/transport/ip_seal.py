"""Taking the IP sockets away from an endpoint that shall use relays only.

The bindings can't be told to do without. So they are bound to loopback, from where the kernel sends nothing to another
machine, and then, for peers on the same machine, shut for writing and given a filter that drops whatever arrives.
What the bindings still try to send to a peer fails inside this process, and paths that don't work are not used.
"""

import ctypes
import errno
import os
import socket
import struct
import sys
from collections.abc import Iterable, Iterator
from pathlib import Path

from aster.transport.errors import BindFailed

SO_ATTACH_FILTER = 26
BPF_RETURN = 0x06
LOOPBACK = ("127.0.0.1:0", "[::1]:0")
_DESCRIPTORS = Path("/proc/self/fd")


def check_can_seal() -> None:
    """Raise `BindFailed` where this can't be done."""
    if not (sys.platform.startswith("linux") and _DESCRIPTORS.is_dir()):
        raise BindFailed(
            "direct IP transports can be disabled on Linux only", hint="unset clear_ip_transports, or use a firewall"
        )


class Seal:
    """Keeps this process's UDP sockets at some addresses from sending and receiving until it is closed.

    It holds them itself, too: when the network changes the bindings bind anew, and fail as long as the ports are taken.
    """

    def __init__(self, addresses: Iterable[str]) -> None:
        """Seal all of them, or raise `BindFailed` and hold none."""
        self._held: list[socket.socket] = []
        try:
            self._hold(set(addresses))
        except BaseException:
            self.close()
            raise

    def close(self) -> None:
        """Let the ports go, once the endpoint is closed."""
        while self._held:
            self._held.pop().close()

    def _hold(self, missing: set[str]) -> None:
        for each in _datagram_sockets():
            name = _name(each)
            if name not in missing:
                each.close()
                continue
            self._held.append(each)
            missing.discard(name)
            _drop_everything(each)
            _shut(each)
        if missing:
            raise BindFailed(f"the sockets at {', '.join(sorted(missing))} can't be shut")


def _datagram_sockets() -> Iterator[socket.socket]:
    """Second handles to the UDP sockets of this process."""
    for entry in _DESCRIPTORS.iterdir():
        try:
            if not str(entry.readlink()).startswith("socket:"):
                continue
            handle = socket.socket(fileno=os.dup(int(entry.name)))
        except OSError:
            continue  # closed since it was listed
        if handle.type == socket.SOCK_DGRAM and handle.family in (socket.AF_INET, socket.AF_INET6):
            yield handle
        else:
            handle.close()


def _name(handle: socket.socket) -> str:
    host, port = handle.getsockname()[:2]
    return f"[{host}]:{port}" if handle.family == socket.AF_INET6 else f"{host}:{port}"


def _drop_everything(handle: socket.socket) -> None:
    """Attach the program ``return 0``: keep no byte of any packet."""
    program = ctypes.create_string_buffer(struct.pack("HBBI", BPF_RETURN, 0, 0, 0))
    handle.setsockopt(socket.SOL_SOCKET, SO_ATTACH_FILTER, struct.pack("HL", 1, ctypes.addressof(program)))


def _shut(handle: socket.socket) -> None:
    try:
        handle.shutdown(socket.SHUT_WR)
    except OSError as error:
        # Linux says so of every socket without a peer, after it has shut it: sending fails with EPIPE from here on.
        if error.errno != errno.ENOTCONN:
            raise
    try:
        handle.sendto(b"", handle.getsockname())
    except BrokenPipeError:
        return
    raise BindFailed("this kernel keeps a shut UDP socket open", hint="unset clear_ip_transports, or use a firewall")
