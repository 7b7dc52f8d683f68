"""Bytes from outside become values or the right error."""

from typing import Any

import pytest

from aster.rpc import ContractViolationError, InvalidArgumentError, RpcLimits
from aster.rpc.codec import Encoding, MessageType
from aster.rpc.metadata import decode_metadata

DEEP = {Encoding.MSGPACK: b"\x91" * 100_000, Encoding.JSON: b"[" * 100_000}
NO_TEXT = {Encoding.MSGPACK: b"\xa2a\x80", Encoding.JSON: b'"a\x80"'}


@pytest.mark.parametrize("encoding", list(Encoding))
@pytest.mark.parametrize("bodies", [DEEP, NO_TEXT], ids=["lists in lists", "no UTF-8"])
def test_bytes_that_can_not_be_read_are_an_invalid_argument(bodies: dict[Encoding, bytes], encoding: Encoding) -> None:
    with pytest.raises(InvalidArgumentError, match="request is not a"):
        MessageType(Any).decode_request(bodies[encoding], encoding)
    with pytest.raises(ContractViolationError, match="the answer is not a"):
        MessageType(Any).decode_reply(bodies[encoding], encoding)


def test_metadata_that_is_no_text_is_an_invalid_argument() -> None:
    with pytest.raises(InvalidArgumentError, match="not a map of text to text"):
        decode_metadata(b"\x81\xa1a\xa1\x80", RpcLimits())
