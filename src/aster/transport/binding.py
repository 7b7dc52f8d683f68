"""The QUIC bindings (the ``iroh`` package), loaded when an endpoint is made, with their traps taken out.

* Their byte lowering copies one byte at a time in interpreted Python; it is replaced by one memory copy, only where
  that loop is found.
* Their error object is freed twice when it ends in a garbage cycle, which corrupts the heap. So every awaitable and
  every call of the bindings goes through `settled` or `called`, which read the error, drop it, and raise one of ours.
"""

import ctypes
import functools
import re
from collections.abc import Awaitable, Callable
from types import ModuleType
from typing import Any, TypeVar

from aster.foundation.extras import load_extra
from aster.transport.errors import ConnectionLost, TransportError

T = TypeVar("T")

_SOURCE_PLACE = re.compile(r"\s*\([^()\s]*\.rs:\d+:\d+\)")
_CLOSED_BY_PEER = re.compile(r'error_code: (\d+), reason: b"((?:[^"\\]|\\.)*)"')
_CLOSED_IN_WORDS = re.compile(r"closed by peer: (.*?) ?\(code (\d+)\)", re.DOTALL)


@functools.cache
def load_binding() -> ModuleType:
    """The ``iroh`` module, ready for use; `MissingExtra` where it is not installed."""
    module = load_extra("iroh", extra="rpc")
    copy_at_once(load_extra("iroh.iroh_ffi", extra="rpc"))
    return module


def copy_at_once(generated: Any) -> bool:
    """Replace the byte-by-byte copy in the generated code by one ``memmove``; False when there is no such loop."""
    builder = getattr(generated, "_UniffiRustBufferBuilder", None)
    write = getattr(builder, "write", None)
    if builder is None or "enumerate" not in getattr(getattr(write, "__code__", None), "co_names", ()):
        return False

    def write_at_once(self: Any, value: bytes) -> None:
        size = len(value)
        with self._reserve(size):
            start = ctypes.cast(self.rbuf.data, ctypes.c_void_p).value or 0
            ctypes.memmove(start + self.rbuf.len, bytes(value), size)

    builder.write = write_at_once
    return True


async def settled(awaitable: Awaitable[T], failure: Callable[[str], TransportError]) -> T:
    """Await one operation of the bindings; its errors leave as ``failure(words)``."""
    try:
        return await awaitable
    except _binding_errors() as error:
        words = error_words(error)
    # Raised outside the handler: as context of ours, the bindings' error would outlive this call.
    raise failure(words)


def called(operation: Callable[[], T], failure: Callable[[str], TransportError]) -> T:
    """Run one immediate operation of the bindings; its errors leave as ``failure(words)``."""
    try:
        return operation()
    except _binding_errors() as error:
        words = error_words(error)
    raise failure(words)


def lost(words: str) -> ConnectionLost:
    """`ConnectionLost` with the peer's close code and reason, when ``words`` carry them."""
    if found := _CLOSED_BY_PEER.search(words):
        return _closed(int(found[1]), found[2])
    if found := _CLOSED_IN_WORDS.search(words):
        return _closed(int(found[2]), found[1])
    return ConnectionLost(f"the connection was lost: {words}")


def error_words(error: Any) -> str:
    """The text of one of the bindings' errors, without places in their source."""
    message = getattr(error, "message", None)
    text = message() if callable(message) else str(error)
    return " ".join(_SOURCE_PLACE.sub("", text).split())


def _closed(code: int, reason: str) -> ConnectionLost:
    return ConnectionLost(
        f"closed by the peer: {reason or 'no reason given'} (code {code})", close_code=code, reason=reason
    )


@functools.cache
def _binding_errors() -> tuple[type[BaseException], ...]:
    generated = load_extra("iroh.iroh_ffi", extra="rpc")
    return (generated.IrohError, generated.InternalError)
