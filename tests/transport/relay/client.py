"""A client of the relay protocol, on the `websockets` client: independent of the relay's own reading and writing."""

import asyncio

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from websockets.asyncio.client import ClientConnection, connect
from websockets.exceptions import ConnectionClosed
from websockets.typing import Subprotocol

from aster.transport.relay.challenge import message_to_sign
from aster.transport.relay.frames import VERSION_2

OPENED: list[ClientConnection] = []


class RelayClient:
    """One connection with a key of its own."""

    def __init__(self, socket: ClientConnection, secret: Ed25519PrivateKey) -> None:
        self.socket = socket
        self.secret = secret
        self.key = secret.public_key().public_bytes_raw()

    async def prove(self) -> bytes:
        """Answer the challenge; the relay's reply."""
        challenge = await self.next()
        assert challenge[0] == 0
        signature = self.secret.sign(message_to_sign(challenge[1:]))
        await self.socket.send(b"\x01" + self.key + b"\x40" + signature)
        return await self.next()

    async def send(self, destination: bytes, datagram: bytes) -> None:
        await self.socket.send(b"\x04" + destination + b"\x00" + datagram)

    async def ended(self) -> ConnectionClosed:
        """Read until the relay ends the connection, and say how it did."""
        while True:
            try:
                await asyncio.wait_for(self.socket.recv(), 20)
            except ConnectionClosed as closed:
                return closed

    async def next(self) -> bytes:
        """The next frame that is no ping."""
        while True:
            message = await asyncio.wait_for(self.socket.recv(), 20)
            assert isinstance(message, bytes)
            if message[0] != 9:
                return message


async def open_client(
    url: str, secret: Ed25519PrivateKey | None = None, token: str | None = None, version: str = VERSION_2
) -> RelayClient:
    """Connect, up to the challenge."""
    headers = {"Authorization": f"Bearer {token}"} if token else {}
    socket = await connect(
        url.replace("http", "ws", 1) + "relay",
        subprotocols=[Subprotocol(version)],
        additional_headers=headers,
        compression=None,
        proxy=None,
        ping_interval=None,
    )
    OPENED.append(socket)
    return RelayClient(socket, secret or Ed25519PrivateKey.generate())


async def join(url: str, secret: Ed25519PrivateKey | None = None, version: str = VERSION_2) -> RelayClient:
    """Connect and prove the key."""
    client = await open_client(url, secret, version=version)
    assert await client.prove() == b"\x02"
    return client


async def end_all() -> None:
    """Cut every connection that a test left open."""
    while OPENED:
        socket = OPENED.pop()
        socket.transport.abort()
        await socket.wait_closed()
