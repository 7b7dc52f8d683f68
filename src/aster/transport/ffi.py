"""A lean driver of the bindings' stream operations: the same exported functions, one memory copy, few thread hops.

Linux only, and only with the bindings' version and symbols that this was written for; `load_driver` says why not
otherwise, and the stock path takes over. ``ASTER_TRANSPORT_DRIVER=stock`` switches it off, ``=lean`` makes its absence
an error.

How an operation runs (the bindings' futures, uniffi 0.31):

* Polling a future with a continuation calls it at once with READY when the future is done, at once with WAKE when it
  wants to be polled again, and otherwise keeps it for later. A kept continuation is called once: with WAKE when there
  is news, or with READY when another poll displaces it.
* Both continuations used here are functions of libc, so that neither our thread nor the bindings' enters the
  interpreter for them. ``pthread_barrierattr_setpshared`` stores its second argument, 0 or 1, where the first points:
  every poll goes first with it, and the cell shows READY and WAKE synchronously. Is it kept, a second poll displaces
  it with ``eventfd_write``, and from then on the bindings' thread wakes our loop. ``eventfd_write`` with READY (0)
  adds nothing, hence a poll whose first continuation was not displaced tells nothing, and everything begins again.
* Two cells take turns, so that displacing what an earlier poll left is not read as READY. The bindings' thread may
  store a WAKE late, into either: it costs one more poll. Cells are never freed, for the same reason.

Ownership: `Operation` owns its future until `take` or `drop`, exactly one of which frees it; a buffer passed to the
bindings is theirs, a buffer taken from them is freed here after one copy.
"""

import ctypes
import functools
import importlib.metadata
import os
import sys
from collections.abc import Callable
from typing import Any

from aster.foundation.extras import load_extra
from aster.foundation.logs import get_logger
from aster.transport.binding import error_words, lost
from aster.transport.errors import ConnectionLost, TransportError

SWITCH = "ASTER_TRANSPORT_DRIVER"
KNOWN_VERSIONS = ("1.2.",)
CONTRACT_VERSION = 30
LENGTH_BYTES = 4
MAX_POLLS = 64

READY = 0
WAKE = 1
SILENT = -1
CALL_ERROR = 1
SMALL_BYTES = 4096
"""Up to here putting the length before the bytes in Python is cheaper than copying them in two calls."""

logger = get_logger("aster.transport")


class DriverUnusable(TransportError):
    """The lean driver was asked for and does not fit this machine or these bindings."""

    code = "DRIVER_UNUSABLE"


class RustBuffer(ctypes.Structure):
    """Bytes on the bindings' heap."""

    _fields_ = (("capacity", ctypes.c_uint64), ("len", ctypes.c_uint64), ("data", ctypes.c_void_p))


class CallStatus(ctypes.Structure):
    """How a call into the bindings ended: 0, or 1 with an error object in the buffer."""

    _fields_ = (("code", ctypes.c_int8), ("error", RustBuffer))


_Continuation = ctypes.CFUNCTYPE(None, ctypes.c_uint64, ctypes.c_int8)


class Watch:
    """Where the operations of one stream report: cells for what a poll says at once, an eventfd for what comes later.

    Made once and used again, by one loop at a time; `lean_pipe.WatchPool` says why it is never freed.
    """

    __slots__ = ("_before", "_now", "event", "status", "status_address")

    def __init__(self) -> None:
        self.event = os.eventfd(0, os.EFD_NONBLOCK | os.EFD_CLOEXEC)
        self.status = CallStatus()
        self.status_address = ctypes.addressof(self.status)
        now, before = ctypes.c_int(), ctypes.c_int()
        self._now = now, ctypes.addressof(now)
        self._before = before, ctypes.addressof(before)

    def cell(self) -> tuple[ctypes.c_int, int]:
        """A cell that the last poll did not use, and its address."""
        cell = self._before
        self._before, self._now = self._now, cell
        return cell


class FutureKind:
    """The functions for futures of one result type."""

    def __init__(self, library: ctypes.CDLL, suffix: str, result: Any) -> None:
        prefix = "ffi_iroh_ffi_rust_future"
        u64 = ctypes.c_uint64
        self.poll = _function(library, f"{prefix}_poll_{suffix}", None, u64, ctypes.c_void_p, u64)
        self.complete = _function(library, f"{prefix}_complete_{suffix}", result, u64, ctypes.c_void_p)
        self.free = _function(library, f"{prefix}_free_{suffix}", None, u64)


class Driver:
    """The bindings' functions with prototypes of our own; one a process."""

    def __init__(self, generated: Any) -> None:
        library = ctypes.CDLL(generated._UniffiLib._name)
        libc = ctypes.CDLL(None)
        u64, status = ctypes.c_uint64, ctypes.c_void_p
        self._generated = generated
        self._alloc = _function(library, "ffi_iroh_ffi_rustbuffer_alloc", RustBuffer, u64, status)
        self._free_buffer = _function(library, "ffi_iroh_ffi_rustbuffer_free", None, RustBuffer, status)
        self._clone_send = _function(library, "uniffi_iroh_ffi_fn_clone_sendstream", u64, u64, status)
        self._clone_receive = _function(library, "uniffi_iroh_ffi_fn_clone_recvstream", u64, u64, status)
        self._write_all = _function(library, "uniffi_iroh_ffi_fn_method_sendstream_write_all", u64, u64, RustBuffer)
        self._read = _function(library, "uniffi_iroh_ffi_fn_method_recvstream_read", u64, u64, ctypes.c_uint32)
        self._stream_id = _function(library, "uniffi_iroh_ffi_fn_method_sendstream_id", u64, u64)
        self.nothing = FutureKind(library, "void", None)
        self.buffer = FutureKind(library, "rust_buffer", RustBuffer)
        contract = _function(library, "ffi_iroh_ffi_uniffi_contract_version", ctypes.c_uint32)()
        if contract != CONTRACT_VERSION:
            raise DriverUnusable(f"the bindings speak contract version {contract}, not {CONTRACT_VERSION}")
        self.store = ctypes.cast(libc.pthread_barrierattr_setpshared, ctypes.c_void_p).value or 0
        self.signal = ctypes.cast(libc.eventfd_write, ctypes.c_void_p).value or 0
        self._check_continuations()

    def write(self, send_stream: Any, data: bytes, watch: Watch) -> "Operation":
        """Begin to write all of ``data``."""
        size = len(data)
        buffer = self._alloc(LENGTH_BYTES + size, watch.status_address)
        self.check(watch.status)
        start, prefix = buffer.data, size.to_bytes(LENGTH_BYTES, "big")
        if size <= SMALL_BYTES:
            ctypes.memmove(start, prefix + data, LENGTH_BYTES + size)
        else:
            ctypes.memmove(start, prefix, LENGTH_BYTES)
            ctypes.memmove(start + LENGTH_BYTES, data, size)
        buffer.len = LENGTH_BYTES + size
        handle = self._clone_send(send_stream._handle, watch.status_address)
        self.check(watch.status)
        return Operation(self, self.nothing, self._write_all(handle, buffer), watch)

    def read(self, receive_stream: Any, size: int, watch: Watch) -> "Operation":
        """Begin to read up to ``size`` bytes; none is the end of the stream."""
        handle = self._clone_receive(receive_stream._handle, watch.status_address)
        self.check(watch.status)
        return Operation(self, self.buffer, self._read(handle, size), watch)

    def stream_id(self, send_stream: Any, watch: Watch) -> "Operation":
        """Ask a stream's name: a small operation to test the driver with."""
        handle = self._clone_send(send_stream._handle, watch.status_address)
        self.check(watch.status)
        return Operation(self, self.buffer, self._stream_id(handle), watch)

    def lift(self, buffer: RustBuffer, skip: int, watch: Watch) -> bytes:
        """Copy a buffer's bytes from ``skip`` on, and free it."""
        size = buffer.len
        try:
            return ctypes.string_at(buffer.data + skip, size - skip) if size > skip else b""
        finally:
            self._free_buffer(buffer, watch.status_address)

    def check(self, status: CallStatus) -> None:
        """Raise `ConnectionLost` for a call that failed."""
        if status.code:
            words = self._words(status)
            status.code = 0
            raise lost(words)

    def _words(self, status: CallStatus) -> str:
        if status.code != CALL_ERROR:
            return "the bindings gave up"
        generated = self._generated
        raw = status.error
        buffer = generated._UniffiRustBuffer(
            raw.capacity, raw.len, ctypes.cast(raw.data, ctypes.POINTER(ctypes.c_char))
        )
        # The lifted error object dies with this call, as `binding` demands.
        return error_words(generated._UniffiFfiConverterTypeIrohError__as_error.lift(buffer))

    def _check_continuations(self) -> None:
        watch = Watch()
        try:
            signal, store = _Continuation(self.signal), _Continuation(self.store)
            signal(watch.event, READY)
            signal(watch.event, WAKE)
            signal(watch.event, WAKE)
            if os.eventfd_read(watch.event) != 2:
                raise DriverUnusable("eventfd_write does not count as expected")
            for code in (WAKE, READY):
                cell, address = watch.cell()
                cell.value = SILENT
                store(address, code)
                if cell.value != code:
                    raise DriverUnusable("pthread_barrierattr_setpshared does not store as expected")
        finally:
            os.close(watch.event)


class Operation:
    """One future of the bindings, polled from one loop."""

    __slots__ = ("_driver", "_future", "_kind", "_watch")

    def __init__(self, driver: Driver, kind: FutureKind, future: int, watch: Watch) -> None:
        self._driver = driver
        self._kind = kind
        self._future = future
        self._watch = watch

    def poll(self) -> bool | None:
        """True: done, call `take`. False: the watch's eventfd will be written. None: too lively, poll again soon."""
        driver, poll, future, watch = self._driver, self._kind.poll, self._future, self._watch
        for _ in range(MAX_POLLS):
            cell, address = watch.cell()
            cell.value = SILENT
            poll(future, driver.store, address)
            code = cell.value
            if code == READY:
                return True
            if code == SILENT:
                poll(future, driver.signal, watch.event)
                if cell.value == READY:
                    return False
        return None

    def take(self, skip: int = 0) -> bytes:
        """The result of a done operation without its first ``skip`` bytes; raises `ConnectionLost` when it failed."""
        watch = self._watch
        buffer = self._kind.complete(self._future, watch.status_address)
        self.drop()
        self._driver.check(watch.status)
        return b"" if buffer is None else self._driver.lift(buffer, skip, watch)

    def drop(self) -> None:
        """Free the future; a read or write under way is given up."""
        future, self._future = self._future, 0
        if future:
            self._kind.free(future)


@functools.cache
def load_driver() -> Driver | None:
    """The driver, or None where the stock path must do; the log says why."""
    wish = os.environ.get(SWITCH, "")
    if wish == "stock":
        return None
    try:
        return _fitting_driver()
    except DriverUnusable as error:
        if wish == "lean":
            raise
        logger.debug("using the stock transport driver", reason=error.message)
        return None


def _fitting_driver() -> Driver:
    if sys.platform != "linux" or not hasattr(os, "eventfd"):
        raise DriverUnusable("the lean driver needs Linux")
    version = importlib.metadata.version("iroh")
    if not version.startswith(KNOWN_VERSIONS):
        raise DriverUnusable(f"the lean driver does not know version {version} of the bindings")
    try:
        return Driver(load_extra("iroh.iroh_ffi", extra="rpc"))
    except (AttributeError, OSError) as error:
        raise DriverUnusable(f"the bindings are not as expected: {error}") from None


def _function(library: ctypes.CDLL, name: str, result: Any, *arguments: Any) -> Callable[..., Any]:
    function = library[name]
    function.argtypes = arguments
    function.restype = result
    return function


def self_test(driver: Driver, send_stream: Any, expected_id: str) -> None:
    """Run one operation on a live stream and compare with what the stock path says; `DriverUnusable` if it differs."""
    operation = driver.stream_id(send_stream, _scratch_watch())
    try:
        answered = operation.poll() is True and operation.take().decode() == expected_id
    except (ConnectionLost, UnicodeDecodeError):
        answered = False
    finally:
        operation.drop()
    if not answered:
        raise DriverUnusable("the lean driver and the stock path answer differently")


@functools.cache
def _scratch_watch() -> Watch:
    return Watch()
