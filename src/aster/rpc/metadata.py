"""Metadata of a call: short text keys and values, checked on the way out and on the way in."""

import re
from collections.abc import Mapping
from typing import Any

import msgspec

from aster.rpc.limits import RpcLimits
from aster.rpc.protocol.wire import UNREADABLE
from aster.rpc.status import InvalidArgumentError, ResourceExhaustedError

Metadata = Mapping[str, str]

NO_METADATA: Metadata = {}
MAX_KEY = 256
MAX_VALUE = 4096

_KEY = re.compile(r"[a-z0-9][a-z0-9._-]*\Z")
_encode = msgspec.msgpack.Encoder().encode
_decode = msgspec.msgpack.Decoder(dict[str, str]).decode


def encode_metadata(metadata: Metadata, limits: RpcLimits) -> bytes:
    """The wire form; raises for a key, value or size that is not allowed."""
    check_metadata(metadata, limits)
    wire = _encode(dict(metadata))
    if len(wire) > limits.max_metadata_bytes:
        raise ResourceExhaustedError(f"metadata has {len(wire)} bytes, the limit is {limits.max_metadata_bytes}")
    return wire


def decode_metadata(wire: bytes, limits: RpcLimits) -> Metadata:
    """Read the wire form, under the same rules."""
    if len(wire) > limits.max_metadata_bytes:
        raise ResourceExhaustedError(f"metadata has {len(wire)} bytes, the limit is {limits.max_metadata_bytes}")
    try:
        metadata = _decode(wire)
    except UNREADABLE:
        raise InvalidArgumentError("metadata is not a map of text to text") from None
    check_metadata(metadata, limits)
    return metadata


def check_metadata(metadata: Mapping[Any, Any], limits: RpcLimits) -> None:
    """Keys are lower-case words (``traceparent``, ``x-tenant``), values text; both short, and not too many."""
    if len(metadata) > limits.max_metadata_entries:
        raise ResourceExhaustedError(
            f"metadata has {len(metadata)} entries, the limit is {limits.max_metadata_entries}"
        )
    for key, value in metadata.items():
        if not isinstance(key, str) or len(key) > MAX_KEY or not _KEY.match(key):
            raise InvalidArgumentError(
                f"metadata key {key!r:.80} is not allowed", hint=f"a-z, 0-9, '.', '_', '-', at most {MAX_KEY}"
            )
        if not isinstance(value, str):
            raise InvalidArgumentError(f"metadata '{key}' is not text")
        if len(value) > MAX_VALUE:
            raise ResourceExhaustedError(f"metadata '{key}' has {len(value)} characters, the limit is {MAX_VALUE}")
