"""Running a coroutine from the command line, on uvloop where it is installed."""

import asyncio
import os
import signal
from collections.abc import Coroutine, Sequence
from typing import Any, TypeVar

FORCED = 130

T = TypeVar("T")


def run_async(work: Coroutine[Any, Any, T]) -> T:
    """The work's result. Files it makes are their owner's alone, wherever its data directory lies."""
    os.umask(0o077)
    try:
        import uvloop
    except ImportError:
        return asyncio.run(work)
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        return runner.run(work)


def stop_on_signals(numbers: Sequence[int] = (signal.SIGINT, signal.SIGTERM)) -> asyncio.Event:
    """Set by the first Ctrl-C or SIGTERM; the second ends the process at once."""
    stop = asyncio.Event()

    def on_signal() -> None:
        if stop.is_set():
            os._exit(FORCED)
        stop.set()

    loop = asyncio.get_running_loop()
    for number in numbers:
        loop.add_signal_handler(number, on_signal)
    return stop
