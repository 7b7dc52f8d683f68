"""Where an endpoint is: its key, its relay, its direct addresses; and the three ways to write that as text.

===========  =========================================================================================
form         meaning
===========  =========================================================================================
ticket       ``aster1`` + base32 of: version, key, relay URL, addresses, 4-byte BLAKE2s checksum
NodeAddr     standard base64 of UTF-8 lines: hex key, relay URL or empty, then one ``ip:port`` a line
EndpointId   64 hex characters; found through discovery or the caller's other knowledge
===========  =========================================================================================
"""

import base64
import binascii
import hashlib
import ipaddress
import struct
from dataclasses import dataclass
from urllib.parse import urlsplit

from aster.transport.errors import InvalidAddress

PREFIX = "aster1"
VERSION = 1
KEY_BYTES = 32
CHECKSUM_BYTES = 4
MAX_TEXT = 4096
MAX_DIRECT = 32
MAX_RELAY = 255


@dataclass(frozen=True, slots=True)
class NodeAddress:
    """An endpoint's hex key (64 characters), relay URL, and direct ``ip:port`` addresses."""

    endpoint_id: str
    relay_url: str | None = None
    direct: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        _check_key(self.endpoint_id)
        if self.relay_url is not None:
            _check_relay(self.relay_url)
        if len(self.direct) > MAX_DIRECT:
            raise InvalidAddress(f"expected at most {MAX_DIRECT} direct addresses, got {len(self.direct)}")
        for address in self.direct:
            _split(address)

    def ticket(self) -> str:
        """The ``aster1…`` form: what `AsterServer.address` hands out."""
        relay = (self.relay_url or "").encode()
        parts = [
            bytes([VERSION]),
            bytes.fromhex(self.endpoint_id),
            bytes([len(relay)]),
            relay,
            bytes([len(self.direct)]),
        ]
        for address in self.direct:
            ip, port = _split(address)
            parts.append(bytes([ip.version]) + ip.packed + struct.pack(">H", port))
        payload = b"".join(parts)
        return PREFIX + base64.b32encode(payload + _checksum(payload)).decode().rstrip("=").lower()

    def node_addr(self) -> str:
        """The base64 NodeAddr form."""
        lines = [self.endpoint_id, self.relay_url or "", *self.direct]
        return base64.b64encode("\n".join(lines).encode()).decode()


def parse_address(text: str) -> NodeAddress:
    """Read any of the three forms; raises `InvalidAddress` saying what is wrong with it."""
    text = text.strip()
    if len(text) > MAX_TEXT:
        raise InvalidAddress(f"an address has at most {MAX_TEXT} characters, got {len(text)}")
    if text[: len(PREFIX)].lower() == PREFIX:
        return _parse_ticket(text[len(PREFIX) :])
    if _is_hex_key(text):
        return NodeAddress(text.lower())
    return _parse_node_addr(text)


def _parse_ticket(text: str) -> NodeAddress:
    try:
        payload = base64.b32decode(text.upper() + "=" * (-len(text) % 8))
    except (ValueError, binascii.Error):
        raise InvalidAddress("the aster1 ticket has characters that don't belong there") from None
    body, checksum = payload[:-CHECKSUM_BYTES], payload[-CHECKSUM_BYTES:]
    if len(body) < 1 or checksum != _checksum(body):
        raise InvalidAddress("the aster1 ticket is incomplete or mistyped: its checksum does not fit")
    if body[0] != VERSION:
        raise InvalidAddress(f"the aster1 ticket has version {body[0]}, this program reads version {VERSION}")
    reader = _Reader(body, 1)
    key = reader.take(KEY_BYTES).hex()
    try:
        relay = reader.take(reader.byte()).decode() or None
    except UnicodeDecodeError:
        raise InvalidAddress("the aster1 ticket's relay URL is not text") from None
    direct = tuple(reader.socket_address() for _ in range(reader.byte()))
    reader.expect_end()
    return NodeAddress(key, relay, direct)


def _parse_node_addr(text: str) -> NodeAddress:
    try:
        lines = base64.b64decode(text, validate=True).decode().split("\n")
    except (ValueError, binascii.Error):
        raise InvalidAddress(
            f"'{text[:24]}' is no address", hint="expected an aster1 ticket, 64 hex characters, or a base64 NodeAddr"
        ) from None
    if not _is_hex_key(lines[0]):
        raise InvalidAddress("the NodeAddr does not begin with an EndpointId of 64 hex characters")
    relay = lines[1] if len(lines) > 1 else ""
    return NodeAddress(lines[0].lower(), relay or None, tuple(line for line in lines[2:] if line))


class _Reader:
    def __init__(self, body: bytes, offset: int) -> None:
        self._body = body
        self._offset = offset

    def take(self, size: int) -> bytes:
        piece = self._body[self._offset : self._offset + size]
        if len(piece) != size:
            raise InvalidAddress("the aster1 ticket ends too early")
        self._offset += size
        return piece

    def byte(self) -> int:
        return self.take(1)[0]

    def socket_address(self) -> str:
        version = self.byte()
        if version not in (4, 6):
            raise InvalidAddress(f"the aster1 ticket has an address of unknown kind {version}")
        ip = ipaddress.ip_address(self.take(4 if version == 4 else 16))
        (port,) = struct.unpack(">H", self.take(2))
        return f"[{ip}]:{port}" if version == 6 else f"{ip}:{port}"

    def expect_end(self) -> None:
        if self._offset != len(self._body):
            raise InvalidAddress("the aster1 ticket has bytes after its end")


def _checksum(payload: bytes) -> bytes:
    return hashlib.blake2s(payload, digest_size=CHECKSUM_BYTES, person=b"asterTkt").digest()


def _is_hex_key(text: str) -> bool:
    return len(text) == 2 * KEY_BYTES and all(c in "0123456789abcdefABCDEF" for c in text)


def _check_key(text: str) -> None:
    if not _is_hex_key(text):
        raise InvalidAddress(f"an EndpointId has 64 hex characters, got {len(text)} characters")


def _check_relay(url: str) -> None:
    try:
        fits = urlsplit(url).scheme in ("http", "https") and bool(urlsplit(url).hostname)
    except ValueError:
        fits = False
    if not fits or len(url.encode()) > MAX_RELAY:
        raise InvalidAddress(f"'{url[:60]}' is no relay URL of at most {MAX_RELAY} bytes")


def _split(address: str) -> tuple[ipaddress.IPv4Address | ipaddress.IPv6Address, int]:
    host, _, port = address.rpartition(":")
    try:
        ip = ipaddress.ip_address(host.removeprefix("[").removesuffix("]"))
    except ValueError:
        raise InvalidAddress(f"'{address[:60]}' is no ip:port address") from None
    if not (port.isascii() and port.isdigit() and len(port) <= 5 and int(port) <= 65535):
        raise InvalidAddress(f"'{address[:60]}' is no ip:port address")
    return ip, int(port)
