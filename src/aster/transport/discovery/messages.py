"""The two messages of local discovery, without I/O.

=======  ==============================================================================================
message  bytes
=======  ==============================================================================================
QUERY    ``asterlan``, version 1, 1, 32-byte key, 16-byte nonce, zeros up to 512 bytes
ANSWER   ``asterlan``, version 1, 2, key, nonce, u16 seconds, u8 count, addresses, 64-byte signature
=======  ==============================================================================================

An address is a byte 4 or 6, the packed IP and a big-endian port. The signature is the key's, over a domain and all that
precedes it. The nonce makes an answer good for one question, so nothing recorded can be replayed; the padding makes
every question larger than its answer, so nobody's answers can be turned on a third.
"""

import ipaddress
import struct
from collections.abc import Sequence
from dataclasses import dataclass

from aster.transport.errors import FramingError

MAGIC = b"asterlan\x01"
DOMAIN = b"aster local discovery 1\x00"
QUERY, ANSWER = 1, 2
KEY_BYTES = 32
NONCE_BYTES = 16
SIGNATURE_BYTES = 64
QUERY_BYTES = 512
MAX_ADDRESSES = 16
MAX_SECONDS = 300

_HEAD = len(MAGIC) + 1 + KEY_BYTES + NONCE_BYTES
_LIFE = struct.Struct(">HB")
_PORT = struct.Struct(">H")


@dataclass(frozen=True, slots=True)
class Query:
    """Who has this key?"""

    key: bytes
    nonce: bytes


@dataclass(frozen=True, slots=True)
class Answer:
    """The holder of ``key`` is at ``addresses`` (``ip:port``) for the next ``seconds``; see ``signed`` before use."""

    key: bytes
    nonce: bytes
    seconds: int
    addresses: tuple[str, ...]
    signed: bytes
    signature: bytes


def query_message(query: Query) -> bytes:
    return (MAGIC + bytes([QUERY]) + query.key + query.nonce).ljust(QUERY_BYTES, b"\0")


def answer_to_sign(query: Query, seconds: int, addresses: Sequence[str]) -> bytes:
    """The bytes to sign for an answer; at most `MAX_ADDRESSES` addresses are told."""
    told = [_packed(address) for address in addresses[:MAX_ADDRESSES]]
    body = MAGIC + bytes([ANSWER]) + query.key + query.nonce + _LIFE.pack(seconds, len(told)) + b"".join(told)
    return DOMAIN + body


def answer_message(signed: bytes, signature: bytes) -> bytes:
    return signed.removeprefix(DOMAIN) + signature


def parse_message(data: bytes) -> Query | Answer:
    """Read either message; raises `FramingError` for anything else, other versions included."""
    if len(data) < _HEAD or not data.startswith(MAGIC):
        raise FramingError("that is no message of local discovery")
    kind = data[len(MAGIC)]
    key = data[len(MAGIC) + 1 : len(MAGIC) + 1 + KEY_BYTES]
    nonce = data[_HEAD - NONCE_BYTES : _HEAD]
    if kind == QUERY and len(data) == QUERY_BYTES and not any(data[_HEAD:]):
        return Query(key, nonce)
    if kind == ANSWER and len(data) <= QUERY_BYTES:
        return _answer(data, key, nonce)
    raise FramingError("that is no message of local discovery")


def _answer(data: bytes, key: bytes, nonce: bytes) -> Answer:
    body, signature = data[:-SIGNATURE_BYTES], data[-SIGNATURE_BYTES:]
    try:
        seconds, count = _LIFE.unpack_from(body, _HEAD)
        position = _HEAD + _LIFE.size
        addresses = []
        for _ in range(count):
            address, position = _unpacked(body, position)
            addresses.append(address)
    except (struct.error, ValueError, IndexError):
        raise FramingError("the answer ends too early") from None
    if position != len(body) or count > MAX_ADDRESSES or not 0 < seconds <= MAX_SECONDS:
        raise FramingError("the answer is malformed")
    return Answer(key, nonce, seconds, tuple(addresses), DOMAIN + body, signature)


def _packed(address: str) -> bytes:
    host, _, port = address.rpartition(":")
    ip = ipaddress.ip_address(host.removeprefix("[").removesuffix("]"))
    return bytes([ip.version]) + ip.packed + _PORT.pack(int(port))


def _unpacked(body: bytes, position: int) -> tuple[str, int]:
    size = {4: 4, 6: 16}.get(body[position])
    if size is None:
        raise ValueError("an address of an unknown kind")
    ip = ipaddress.ip_address(body[position + 1 : position + 1 + size])
    (port,) = _PORT.unpack_from(body, position + 1 + size)
    host = f"[{ip}]" if size == 16 else str(ip)
    return f"{host}:{port}", position + 1 + size + _PORT.size
