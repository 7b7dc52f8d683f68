"""Paying for work: steps, depth of calls and wall clock, charged to the `Run` of an evaluation."""

import threading
import time

from aster.policy.language.faults import Fault
from aster.policy.language.values import Run

TEXT_STEP = 16
"""Characters a step pays for when texts are joined."""


def charge(run: Run, steps: int) -> None:
    """Pay steps; called before the work they stand for."""
    run.steps += steps
    if run.steps > run.limit:
        raise Fault("STEP_LIMIT", limit=run.limit)
    if time.monotonic() > run.until:
        raise Fault("TIME_LIMIT")


def enter(run: Run, steps: int) -> None:
    """Begin a call that is not bounded by the program's text; `leave` ends it."""
    charge(run, steps)
    run.depth += 1
    if run.depth > run.max_depth:
        raise Fault("DEPTH_LIMIT", limit=run.max_depth)


def leave(run: Run) -> None:
    run.depth -= 1


class _Current(threading.local):
    """The run that this thread is in: comparisons pay it for values, which may hold one part many times over."""

    run: Run | None = None


current = _Current()


def spend(steps: int) -> None:
    """`charge` the run that this thread is in, if there is one."""
    if current.run is not None:
        charge(current.run, steps)
