import ctypes
import gc
from types import SimpleNamespace

import pytest

from aster.transport.binding import copy_at_once, error_words, load_binding, lost, settled
from aster.transport.errors import ConnectFailed


def test_the_byte_loop_is_replaced_and_whatever_else_is_left_alone() -> None:
    class Builder:
        def write(self, value: bytes) -> None:
            for _ in enumerate(value):
                pass

    class Fixed:
        def write(self, value: bytes) -> None:
            ctypes.memmove(0, 0, 0)

    assert copy_at_once(SimpleNamespace(_UniffiRustBufferBuilder=Builder)) is True
    assert copy_at_once(SimpleNamespace(_UniffiRustBufferBuilder=Builder)) is False
    assert copy_at_once(SimpleNamespace(_UniffiRustBufferBuilder=Fixed)) is False
    assert copy_at_once(SimpleNamespace()) is False


@pytest.mark.parametrize("size", [0, 1, 15, 16, 17, 4096, 1_000_000])
def test_bytes_cross_the_binding_whole(size: int) -> None:
    iroh = load_binding()
    message = bytes(range(256)) * (size // 256 + 1)
    key = iroh.SecretKey.generate()
    signature = key.sign(message[:size])
    key.public().verify(message[:size], signature)


@pytest.mark.parametrize(
    ("words", "code", "reason"),
    [
        ('ApplicationClosed(ApplicationClose { error_code: 403, reason: b"not admitted" })', 403, "not admitted"),
        ("closed by peer: the server was closed (code 1)", 1, "the server was closed"),
        ("timed out", None, ""),
    ],
)
def test_the_peers_close_code_and_reason_are_read_out_of_the_words(words: str, code: int | None, reason: str) -> None:
    error = lost(words)
    assert (error.close_code, error.reason) == (code, reason)


async def test_an_error_of_the_binding_leaves_as_ours_with_nothing_attached() -> None:
    iroh = load_binding()

    async def fail() -> None:
        iroh.EndpointId.from_string("zz" * 32)

    with pytest.raises(ConnectFailed, match="hex") as caught:
        await settled(fail(), ConnectFailed)
    assert caught.value.__context__ is None
    assert ".rs:" not in caught.value.message
    gc.collect()
    assert [thing for thing in gc.get_objects() if isinstance(thing, iroh.IrohError)] == []


def test_words_of_other_errors_are_their_text() -> None:
    assert error_words(ValueError("so\nso")) == "so so"
