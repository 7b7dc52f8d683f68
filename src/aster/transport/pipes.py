"""Which pipe carries a QUIC stream: the lean driver where it fits and proves itself, the stock path otherwise."""

from typing import Any

from aster.foundation.logs import get_logger
from aster.transport.binding import called, lost, settled
from aster.transport.errors import ConnectionLost
from aster.transport.ffi import Driver, DriverUnusable, load_driver, self_test
from aster.transport.lean_pipe import WATCHES, LeanPipe
from aster.transport.pipe import Pipe
from aster.transport.stock_pipe import StockPipe

logger = get_logger("aster.transport")

_proven: dict[Driver, bool] = {}


async def make_pipe(stream: Any) -> Pipe:
    """A pipe over the bindings' bidirectional stream."""
    send, receive = called(stream.send, lost), called(stream.recv, lost)
    driver = load_driver()
    if driver is not None and await _is_proven(driver, send):
        try:
            return LeanPipe(driver, send, receive, WATCHES.take())
        except OSError:
            logger.warning("no file descriptors left: using the stock transport driver")
    return StockPipe(send, receive)


def proven_driver() -> Driver | None:
    """The lean driver, once a stream of this process has proven it."""
    driver = load_driver()
    return driver if driver is not None and _proven.get(driver) else None


async def _is_proven(driver: Driver, send: Any) -> bool:
    """The driver's first stream of this process tests it against the stock path."""
    if driver not in _proven:
        expected = await settled(send.id(), ConnectionLost)
        try:
            self_test(driver, send, expected)
            _proven[driver] = True
        except DriverUnusable as error:
            logger.warning("using the stock transport driver", reason=error.message)
            _proven[driver] = False
    return _proven[driver]
