"""Tickets: where something is, what it is, and the secret that lets one have it, as a text that can be sent.

``asterblob1…`` and ``asterdoc1…`` are base32 of: version, MessagePack of the fields, 4 bytes of BLAKE3 of both.
Whoever has a ticket may do what it says: treat it like a password.
"""

import base64
import binascii
from typing import Annotated, TypeVar

import msgspec
from blake3 import blake3

from aster.storage.blobs.chunks import HASH_BYTES
from aster.storage.errors import TicketInvalid

VERSION = 1
CHECKSUM_BYTES = 4
MAX_TEXT = 8192
SECRET_BYTES = 16

Key = Annotated[bytes, msgspec.Meta(min_length=HASH_BYTES, max_length=HASH_BYTES)]
Secret = Annotated[bytes, msgspec.Meta(max_length=64)]
Addresses = Annotated[tuple[str, ...], msgspec.Meta(max_length=16)]


class BlobTicket(msgspec.Struct, frozen=True, array_like=True, forbid_unknown_fields=True):
    """A blob or collection at one or several addresses, and the secret that opens it there (empty for a public one)."""

    digest: Key
    size: Annotated[int, msgspec.Meta(ge=0)]
    is_collection: bool
    secret: Secret
    addresses: Addresses

    @property
    def hash(self) -> str:
        """The blob's hash, 64 hex characters."""
        return self.digest.hex()

    def __str__(self) -> str:
        return _written("asterblob1", self)


class DocTicket(msgspec.Struct, frozen=True, array_like=True, forbid_unknown_fields=True):
    """A document at one or several addresses: to read it, or with ``write_key`` (a 32-byte seed) to write it too."""

    namespace: Key
    write_key: Secret
    addresses: Addresses

    @property
    def doc_id(self) -> str:
        """The document's id, 64 hex characters."""
        return self.namespace.hex()

    def __str__(self) -> str:
        return _written("asterdoc1", self)


AnyTicket = TypeVar("AnyTicket", BlobTicket, DocTicket)


def parse_blob_ticket(text: str) -> BlobTicket:
    """Read an ``asterblob1…`` ticket; `TicketInvalid` says what is wrong with it."""
    return _read("asterblob1", text, BlobTicket)


def parse_doc_ticket(text: str) -> DocTicket:
    """Read an ``asterdoc1…`` ticket; `TicketInvalid` says what is wrong with it."""
    return _read("asterdoc1", text, DocTicket)


def _written(prefix: str, ticket: msgspec.Struct) -> str:
    payload = bytes([VERSION]) + msgspec.msgpack.encode(ticket)
    return prefix + base64.b32encode(payload + _checksum(prefix, payload)).decode().rstrip("=").lower()


def _read(prefix: str, text: str, kind: type[AnyTicket]) -> AnyTicket:
    text = text.strip()
    if len(text) > MAX_TEXT or text[: len(prefix)].lower() != prefix:
        raise TicketInvalid(f"'{text[:16]}…' is no ticket of this kind", hint=f"it begins with {prefix}")
    body = text[len(prefix) :]
    try:
        payload = base64.b32decode(body.upper() + "=" * (-len(body) % 8))
    except (ValueError, binascii.Error):
        raise TicketInvalid("the ticket has characters that don't belong there") from None
    payload, checksum = payload[:-CHECKSUM_BYTES], payload[-CHECKSUM_BYTES:]
    if not payload or checksum != _checksum(prefix, payload):
        raise TicketInvalid("the ticket is incomplete or mistyped: its checksum does not fit")
    if payload[0] != VERSION:
        raise TicketInvalid(f"the ticket has version {payload[0]}, this program reads version {VERSION}")
    try:
        return msgspec.msgpack.decode(payload[1:], type=kind)
    except msgspec.DecodeError as error:
        raise TicketInvalid(f"the ticket can't be read: {error}") from None


def _checksum(prefix: str, payload: bytes) -> bytes:
    return blake3(prefix.encode() + payload).digest(CHECKSUM_BYTES)
