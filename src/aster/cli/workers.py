"""Several processes behind one port: a supervisor forks them, replaces one that dies, and ends them together.

The listening socket and the lock of the data directory are the supervisor's; workers inherit both, so a connection
waits for whichever worker takes it, and none is lost when one dies. The supervisor serves nothing and opens nothing
else: a replacement starts from what the first workers started from.
"""

import asyncio
import contextlib
import os
import selectors
import signal
import socket
import time
from collections.abc import Callable
from dataclasses import dataclass, field

from aster.foundation.logs import get_logger

STOPPING = (signal.SIGINT, signal.SIGTERM)
FIRST_PAUSE, LONGEST_PAUSE = 0.5, 30.0
"""Seconds before a replacement that did not get ready is replaced itself; doubled each time."""

logger = get_logger("aster.workers")


@dataclass(frozen=True, slots=True)
class Worker:
    """What a worker knows of itself: its place, where it tells that it is ready, what ends with the supervisor."""

    number: int
    told: int
    life: int

    def ready(self, words: bytes) -> None:
        """Tell the supervisor, in one line that a pipe takes whole."""
        os.write(self.told, b"%d %b\n" % (self.number, words.replace(b"\n", b" ")))
        os.close(self.told)

    def end_with_supervisor(self, stop: asyncio.Event) -> None:
        """Also when that was killed: nobody writes to the pipe, so all there is to read is its end."""
        asyncio.get_running_loop().add_reader(self.life, stop.set)


@dataclass(slots=True)
class _Place:
    """One worker's: who holds it now, whether it got ready, when to fill it again."""

    process: int | None = None
    is_ready: bool = False
    due: float = 0.0
    pause: float = FIRST_PAUSE


@dataclass(slots=True)
class Supervisor:
    """`supervise` returns in every worker, and in the supervisor when all have ended."""

    count: int
    announce: Callable[[bytes], None]
    code: int = 0
    _places: list[_Place] = field(default_factory=list)
    _stopping: bool = False
    _announced: bool = False

    def supervise(self) -> Worker | None:
        self._places = [_Place() for _ in range(self.count)]
        signals, ready, life = socket.socketpair(), os.pipe(), os.pipe()
        for end in signals:
            end.setblocking(False)
        before = {number: signal.signal(number, self._on_signal) for number in STOPPING}
        before[signal.SIGCHLD] = signal.signal(signal.SIGCHLD, lambda *_: None)
        signal.set_wakeup_fd(signals[1].fileno(), warn_on_full_buffer=False)
        try:
            number = self._watch(signals[0], ready, life)
        finally:
            signal.set_wakeup_fd(-1)
            for each, handler in before.items():
                signal.signal(each, handler)
            for end in signals:
                end.close()
            os.close(ready[0])
            os.close(life[1])
        if number is None:
            os.close(ready[1])
            os.close(life[0])
            return None
        signal.signal(signal.SIGINT, signal.SIG_IGN)  # a terminal sends Ctrl-C to all: the supervisor passes it on
        signal.pthread_sigmask(signal.SIG_UNBLOCK, STOPPING)
        return Worker(number, ready[1], life[0])

    def _watch(self, signals: socket.socket, ready: tuple[int, int], life: tuple[int, int]) -> int | None:
        """Returns the number in a worker that was forked, None once every worker has ended."""
        heard = b""
        with selectors.DefaultSelector() as selector:
            selector.register(signals, selectors.EVENT_READ)
            selector.register(ready[0], selectors.EVENT_READ)
            while True:
                for number, place in enumerate(self._places):
                    is_due = place.process is None and place.due <= time.monotonic()
                    if is_due and not self._stopping and self._fork(place):
                        return number
                if all(place.process is None for place in self._places) and self._stopping:
                    return None
                for key, _ in selector.select(self._pause()):
                    if key.fileobj is signals:
                        with contextlib.suppress(BlockingIOError):
                            signals.recv(4096)
                    else:
                        *lines, heard = (heard + os.read(ready[0], 65536)).split(b"\n")
                        self._hear(lines)
                self._reap()

    def _fork(self, place: _Place) -> bool:
        """True in the new worker, which hears no signal before it has handlers of its own."""
        before = signal.pthread_sigmask(signal.SIG_BLOCK, STOPPING)
        process = os.fork()
        if process == 0:
            return True
        place.process = process
        signal.pthread_sigmask(signal.SIG_SETMASK, before)
        return False

    def _pause(self) -> float | None:
        """Until the next place is due; for ever, when none is empty."""
        due = [place.due for place in self._places if place.process is None and not self._stopping]
        return max(0.0, min(due) - time.monotonic()) if due else None

    def _hear(self, lines: list[bytes]) -> None:
        for line in lines:
            number, _, words = line.partition(b" ")
            place = self._places[int(number)]
            place.is_ready, place.pause = True, FIRST_PAUSE
            if not self._announced and all(each.is_ready for each in self._places):
                self._announced = True
                self.announce(words)

    def _reap(self) -> None:
        for number, place in enumerate(self._places):
            if place.process is None:
                continue
            process, status = os.waitpid(place.process, os.WNOHANG)
            if process == 0:
                continue
            self._ended(number, place, os.waitstatus_to_exitcode(status))

    def _ended(self, number: int, place: _Place, code: int) -> None:
        was_ready, place.process, place.is_ready = place.is_ready, None, False
        if self._stopping:
            self.code = self.code or (0 if code == -signal.SIGTERM else code)
            return
        if not self._announced:  # it has told why; what can't start now would not start later
            self.code = code or 1
            self._stop()
            return
        logger.error("a worker ended and is replaced", worker=number, exit_code=code)
        place.due = time.monotonic() + (0.0 if was_ready else place.pause)
        place.pause = FIRST_PAUSE if was_ready else min(2 * place.pause, LONGEST_PAUSE)

    def _on_signal(self, *_: object) -> None:
        self._stop()

    def _stop(self) -> None:
        """Once: let them finish what is under way. Again: at once."""
        self._stopping = True
        for place in self._places:
            if place.process is not None:
                with contextlib.suppress(ProcessLookupError):
                    os.kill(place.process, signal.SIGTERM)
