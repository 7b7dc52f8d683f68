"""Watching what goes over loopback, and a proxy that speaks CONNECT."""

import asyncio
import socket
import struct
from collections.abc import Iterator
from contextlib import contextmanager, suppress

OUTGOING = 4
ALL_PROTOCOLS = 3


class Sniffer:
    """Counts the UDP datagrams on loopback, by source port."""

    def __init__(self, raw: socket.socket) -> None:
        self._raw = raw

    def sources(self) -> set[int]:
        """The source ports of everything seen until now."""
        ports: set[int] = set()
        with suppress(BlockingIOError):
            while True:
                packet, address = self._raw.recvfrom(65535)
                if address[2] != OUTGOING and (port := _udp_source(packet)):
                    ports.add(port)
        return ports


@contextmanager
def sniffing() -> Iterator[Sniffer]:
    """Raises PermissionError where raw sockets are not allowed."""
    with socket.socket(socket.AF_PACKET, socket.SOCK_RAW, socket.htons(ALL_PROTOCOLS)) as raw:
        raw.bind(("lo", 0))
        raw.setblocking(False)
        yield Sniffer(raw)


def _udp_source(packet: bytes) -> int | None:
    (kind,) = struct.unpack_from("!H", packet, 12)
    if kind == 0x0800 and packet[23] == socket.IPPROTO_UDP:
        offset = 14 + (packet[14] & 0x0F) * 4
    elif kind == 0x86DD and packet[20] == socket.IPPROTO_UDP:
        offset = 54
    else:
        return None
    (port,) = struct.unpack_from("!H", packet, offset)
    return int(port)


class ConnectProxy:
    """An HTTP proxy that knows CONNECT only. ``asked`` is what it was asked for; ``credentials`` what it wants."""

    def __init__(self, credentials: str | None = None) -> None:
        self.asked: list[str] = []
        self._credentials = credentials
        self._tasks: set[asyncio.Task[None]] = set()

    async def __aenter__(self) -> "ConnectProxy":
        self._server = await asyncio.start_server(self._accept, "127.0.0.1", 0)
        self.port = self._server.sockets[0].getsockname()[1]
        return self

    async def __aexit__(self, *error: object) -> None:
        self._server.close()
        for task in list(self._tasks):
            task.cancel()
        if self._tasks:
            await asyncio.wait(self._tasks)

    def _accept(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.create_task(self._serve(reader, writer))
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            head = (await reader.readuntil(b"\r\n\r\n")).decode()
            place = head.split(" ")[1]
            if self._credentials is not None and f"Proxy-Authorization: Basic {self._credentials}" not in head:
                writer.write(b"HTTP/1.1 407 Proxy Authentication Required\r\n\r\n")
                return
            self.asked.append(place)
            host, _, port = place.rpartition(":")
            far_reader, far_writer = await asyncio.open_connection(host, int(port))
            writer.write(b"HTTP/1.1 200 Connection established\r\n\r\n")
            try:
                await asyncio.gather(_copy(reader, far_writer), _copy(far_reader, writer))
            finally:
                far_writer.close()
        except (OSError, EOFError):
            pass
        finally:
            writer.close()


async def _copy(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    while data := await reader.read(65536):
        writer.write(data)
        await writer.drain()
    writer.close()
