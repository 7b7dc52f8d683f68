"""Grants that follow their file: a change acts within about a second, without a restart.

Rules it keeps:

* Looking costs one ``stat`` a second at most. A changed file is read in a thread; until it is read and found good,
  and whenever it is not, the last good grants hold and an error is logged.
* Only grants and the policy's text follow. A file that says something else about access (enforcement off, another
  default policy, no policy) is not taken over: a file that was cut off while it was written must not open a bank.
"""

import os
import threading
import time
from collections.abc import Callable
from pathlib import Path

import msgspec

from aster.foundation.errors import AsterError
from aster.foundation.logs import get_logger
from astrocyte.access.grants import GrantIndex
from astrocyte.access.rules import AccessRules

SECONDS_BETWEEN_LOOKS = 1.0

logger = get_logger("astrocyte.access")

_Stamp = tuple[tuple[int, int, int] | None, ...]


class FollowedRules:
    """A file with rules. Made before the file is first read, so that no change is missed; used from one thread."""

    def __init__(
        self,
        path: str | os.PathLike[str],
        load: Callable[[str | os.PathLike[str]], AccessRules],
        *,
        now: Callable[[], float] = time.monotonic,
    ) -> None:
        self._path = Path(path).expanduser()
        self._load = load
        self._now = now
        self._policy: Path | None = None
        self._stamp = self._look()
        self._looked_at = now()
        self._reading: threading.Thread | None = None
        self._read: tuple[AccessRules, GrantIndex] | None = None

    def poll(self, current: AccessRules) -> tuple[AccessRules, GrantIndex] | None:
        """New rules once there are any; returns at once, reading goes on in the background."""
        if self._reading is not None:
            if self._reading.is_alive():
                return None
            self._reading = None
            found, self._read = self._read, None
            return found
        if self._now() - self._looked_at < SECONDS_BETWEEN_LOOKS:
            return None
        self._looked_at = self._now()
        policy = current.policy.path if current.policy is not None else None
        if policy != self._policy:  # what it was when `current` was read is not known: read it once more
            self._policy, self._stamp = policy, ()
        stamp = self._look()
        if stamp != self._stamp:
            self._stamp = stamp
            self._reading = threading.Thread(target=self._reload, args=(current,), name="grants", daemon=True)
            self._reading.start()
        return None

    def wait(self) -> None:
        """Return when nothing is being read."""
        if self._reading is not None:
            self._reading.join()

    def _look(self) -> _Stamp:
        return tuple(_stamp(path) for path in (self._path, self._policy) if path is not None)

    def _reload(self, current: AccessRules) -> None:
        try:
            rules = self._load(self._path)
        except AsterError as error:
            logger.error("the changed grants can't be read, the last good ones hold", reason=str(error))
            return
        if _frame(rules) != _frame(current):
            logger.error(
                "the changed file says something else about access than grants and policy, the last good ones hold",
                hint="restart to take it over",
            )
            return
        self._read = (rules, GrantIndex(rules.grants))
        logger.info("grants reloaded", grants=len(rules.grants))


def _stamp(path: Path) -> tuple[int, int, int] | None:
    try:
        found = path.stat()
    except OSError:
        return None
    return found.st_mtime_ns, found.st_size, found.st_ino


def _frame(rules: AccessRules) -> tuple[AccessRules, bool]:
    """What must stay as it is: everything but the grants and the policy's text."""
    return msgspec.structs.replace(rules, grants=(), policy=None), rules.policy is not None
