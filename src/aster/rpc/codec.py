"""Messages as bytes: MessagePack between programs, JSON from the same types; validated while decoding.

An ill-typed value is INVALID_ARGUMENT with its ``$.path``; a field that a type forbids (``forbid_unknown_fields``) is a
CONTRACT_VIOLATION.
"""

from collections.abc import Callable
from enum import IntEnum
from typing import Any, Literal

import msgspec

from aster.rpc.protocol.wire import UNREADABLE
from aster.rpc.status import ContractViolationError, InvalidArgumentError, RpcError
from aster.rpc.wire_types import instance_classes, type_name


class Encoding(IntEnum):
    """How a call's messages are written; the answer is written like the request."""

    MSGPACK = 0
    JSON = 1

    @classmethod
    def named(cls, name: str) -> "Encoding":
        """The one of that name; `InvalidArgumentError` for any other."""
        found = cls.__members__.get(name.upper())
        if found is None:
            raise InvalidArgumentError(f"'{name:.20}' is no encoding", hint="msgpack or json")
        return found


EncodingName = Literal["msgpack", "json"]

_encode_msgpack = msgspec.msgpack.Encoder().encode
_encode_json = msgspec.json.Encoder().encode

ENCODERS: tuple[Callable[[Any], bytes], ...] = (_encode_msgpack, _encode_json)


class MessageType:
    """One type of request, reply or stream item, with its decoders."""

    def __init__(self, annotation: Any) -> None:
        self.annotation = annotation
        self.name = type_name(annotation)
        self._classes = instance_classes(annotation)
        self.decoders: tuple[Callable[[bytes], Any], ...] = (
            msgspec.msgpack.Decoder(annotation).decode,
            msgspec.json.Decoder(annotation).decode,
        )

    def accepts(self, value: object) -> bool:
        """Is ``value`` an instance of this type? What it holds is checked where it is decoded."""
        return isinstance(value, self._classes)

    def decode_request(self, body: bytes, encoding: int) -> Any:
        """What a server makes of a request's bytes."""
        try:
            return self.decoders[encoding](body)
        except UNREADABLE as error:
            raise _refused(error, InvalidArgumentError, f"request is not a {self.name}") from None

    def decode_reply(self, body: bytes, encoding: int) -> Any:
        """What a client makes of an answer's bytes."""
        try:
            return self.decoders[encoding](body)
        except UNREADABLE as error:
            raise _refused(error, ContractViolationError, f"the answer is not a {self.name}") from None


def _refused(error: Exception, kind: type[RpcError], what: str) -> RpcError:
    words = str(error)[:500]
    if "unknown field" in words:
        return ContractViolationError(f"{what}: {words}")
    return kind(f"{what}: {words}")
