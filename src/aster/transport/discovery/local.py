"""Local discovery: `Responder` answers for one endpoint, `find` asks for another.

A stranger can't point a key anywhere: an answer counts when the key has signed it together with this question's nonce,
and QUIC proves the key again when it is dialled. What strangers can send is looked at a bounded number of times.
"""

import asyncio
import secrets
import socket
from collections.abc import Callable, Sequence
from contextlib import suppress
from typing import Any

from aster.foundation.logs import get_logger
from aster.transport.binding import called, load_binding
from aster.transport.discovery.messages import (
    NONCE_BYTES,
    Answer,
    Query,
    answer_message,
    answer_to_sign,
    parse_message,
    query_message,
)
from aster.transport.discovery.multicast import (
    MAX_DATAGRAM,
    asking_sockets,
    interfaces,
    listening_sockets,
    send_to_group,
)
from aster.transport.errors import BindFailed, FramingError, TransportError
from aster.transport.meter import Meter

logger = get_logger("aster.transport")

ANSWER_SECONDS = 30
ANSWERS_PER_SECOND = 20
MAX_AT_ONCE = 64
"""Datagrams taken from one socket in one turn of the loop."""
MAX_CHECKED = 64
"""Signatures that one question checks: whoever sends more false ones can only keep it from being answered."""
REFRESH_SECONDS = 30.0
ASK_AGAIN_SECONDS = 0.5
MAX_NEIGHBOURS = 256

Sign = Callable[[bytes], bytes]
SocketAddress = tuple[Any, ...]
"""As the socket module gives it: its length depends on the IP family."""
Addresses = Callable[[], Sequence[str]]


class Responder:
    """Answers questions for ``key`` with ``addresses()``, signed with ``sign``, at most 20 a second."""

    def __init__(self, key: bytes, sign: Sign, addresses: Addresses) -> None:
        self._key = key
        self._sign = sign
        self._addresses = addresses
        self._meter = Meter(ANSWERS_PER_SECOND, burst_seconds=1)
        self._loop = asyncio.get_running_loop()
        self._interfaces: list[int] = []
        self._sockets: list[socket.socket] = []
        self._timer: asyncio.TimerHandle | None = None

    def start(self) -> None:
        """Listen on every interface; raises `BindFailed` when none takes part in multicast."""
        self._refresh()
        if not self._sockets:
            self.close()
            raise BindFailed("local discovery: no interface takes part in multicast", hint="unset local_discovery")

    def close(self) -> None:
        """Stop answering. Safe to call twice."""
        if self._timer is not None:
            self._timer.cancel()
        self._drop()

    def _refresh(self) -> None:
        """Follow interfaces that come and go."""
        current = interfaces()
        if current != self._interfaces:
            self._drop()
            self._interfaces = current
            self._sockets = listening_sockets(current)
            for handle in self._sockets:
                self._loop.add_reader(handle, self._take, handle)
        self._timer = self._loop.call_later(REFRESH_SECONDS, self._refresh)

    def _drop(self) -> None:
        for handle in self._sockets:
            self._loop.remove_reader(handle)
            handle.close()
        self._sockets.clear()

    def _take(self, handle: socket.socket) -> None:
        for data, sender in _received(handle):
            try:
                message = parse_message(data)
            except FramingError:
                continue
            if isinstance(message, Query) and message.key == self._key and self._meter.allows(1):
                signed = answer_to_sign(message, ANSWER_SECONDS, self._addresses())
                with suppress(OSError):
                    handle.sendto(answer_message(signed, self._sign(signed)), sender)


async def find(key: bytes, within: float) -> Answer | None:
    """Ask the networks of this machine where ``key`` is; None when nobody has proven to have it within ``within`` s."""
    query = Query(key, secrets.token_bytes(NONCE_BYTES))
    loop = asyncio.get_running_loop()
    found: asyncio.Future[Answer] = loop.create_future()
    checked = 0

    def take(handle: socket.socket) -> None:
        nonlocal checked
        for data, _ in _received(handle):
            with suppress(FramingError):
                message = parse_message(data)
                if not isinstance(message, Answer) or (message.key, message.nonce) != (key, query.nonce):
                    continue
                checked += 1
                if checked <= MAX_CHECKED and not found.done() and is_genuine(message):
                    found.set_result(message)

    handles = asking_sockets()
    try:
        for handle in handles:
            loop.add_reader(handle, take, handle)
        async with asyncio.timeout(within):
            while True:
                for handle in handles:
                    send_to_group(handle, query_message(query))
                done, _ = await asyncio.wait([found], timeout=ASK_AGAIN_SECONDS)
                if done:
                    return found.result()
    except TimeoutError:
        return None
    finally:
        for handle in handles:
            loop.remove_reader(handle)
            handle.close()


class Neighbours:
    """What was found on the network, for as long as the answers say."""

    def __init__(self) -> None:
        self._known: dict[str, tuple[float, tuple[str, ...]]] = {}

    async def look_for(self, endpoint_id: str, within: float) -> tuple[str, ...]:
        """The direct addresses of a neighbour; none when it does not answer."""
        now = asyncio.get_running_loop().time
        expires, addresses = self._known.get(endpoint_id, (0.0, ()))
        if expires > now():
            return addresses
        answer = await find(bytes.fromhex(endpoint_id), within)
        if answer is None:
            return ()
        if len(self._known) >= MAX_NEIGHBOURS:
            self._known.clear()
        self._known[endpoint_id] = (now() + answer.seconds, answer.addresses)
        return answer.addresses

    def forget(self, endpoint_id: str) -> None:
        """Ask again next time."""
        self._known.pop(endpoint_id, None)


def is_genuine(answer: Answer) -> bool:
    """Whether the key that the answer is about has signed it."""
    iroh = load_binding()
    try:
        signature = called(lambda: iroh.Signature.from_bytes(answer.signature), TransportError)
        key = called(lambda: iroh.EndpointId.from_bytes(answer.key), TransportError)
        called(lambda: key.verify(answer.signed, signature), TransportError)
    except TransportError:
        return False
    return True


def _received(handle: socket.socket) -> list[tuple[bytes, SocketAddress]]:
    """What waits on a socket, `MAX_AT_ONCE` datagrams at most."""
    found: list[tuple[bytes, SocketAddress]] = []
    with suppress(OSError):
        while len(found) < MAX_AT_ONCE:
            found.append(handle.recvfrom(MAX_DATAGRAM))
    return found
