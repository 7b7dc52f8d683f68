"""Run a command in a network of its own, so that no packet leaves the machine: loopback up, nothing else.

    python tools/private_network.py COMMAND [ARGUMENT ...]

Binding a QUIC endpoint multicasts one port-mapper packet, which the binding can't switch off; in a private network it
goes nowhere. Works on Linux, as root or wherever unprivileged user namespaces are allowed; elsewhere it says so and
runs the command in the network that is there.
"""

import ctypes
import fcntl
import os
import socket
import struct
import sys
from pathlib import Path

CLONE_NEWUSER = 0x10000000
CLONE_NEWNET = 0x40000000
SIOCGIFFLAGS = 0x8913
SIOCSIFFLAGS = 0x8914
IFF_UP = 0x1

ALREADY_PRIVATE = "ASTER_PRIVATE_NETWORK"


def enter() -> None:
    """Move this process into a new network namespace; raises OSError where the kernel does not allow it."""
    libc = ctypes.CDLL(None, use_errno=True)
    uid, gid = os.getuid(), os.getgid()
    if libc.unshare(CLONE_NEWNET) != 0:
        if libc.unshare(CLONE_NEWUSER | CLONE_NEWNET) != 0:
            number = ctypes.get_errno()
            raise OSError(number, os.strerror(number))
        # The same user inside as outside: a database server that refuses to run as root must not see root.
        _write("/proc/self/setgroups", "deny")
        _write("/proc/self/uid_map", f"{uid} {uid} 1")
        _write("/proc/self/gid_map", f"{gid} {gid} 1")
    _bring_up("lo")


def _bring_up(interface: str) -> None:
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as handle:
        request = struct.pack("16sh14x", interface.encode(), 0)
        (flags,) = struct.unpack("16xh14x", fcntl.ioctl(handle, SIOCGIFFLAGS, request))
        fcntl.ioctl(handle, SIOCSIFFLAGS, struct.pack("16sh14x", interface.encode(), flags | IFF_UP))


def _write(path: str, text: str) -> None:
    Path(path).write_text(text, encoding="ascii")


def main(command: list[str]) -> None:
    if not command:
        sys.exit(__doc__)
    if not os.environ.get(ALREADY_PRIVATE):
        try:
            enter()
        except (OSError, AttributeError) as error:
            print(f"note: no private network here ({error}); using the machine's own", file=sys.stderr)
        else:
            os.environ[ALREADY_PRIVATE] = "1"
    os.execvp(command[0], command)


if __name__ == "__main__":
    main(sys.argv[1:])
