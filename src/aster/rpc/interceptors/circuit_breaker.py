"""A fuse for each service: after failures in a row calls fail at once, until a probe shows that it answers again.

A client's. Closed: calls pass. Open: calls are UNAVAILABLE without being made. Half-open, after ``recovery_seconds``: a
few probes pass; one success closes the circuit, one failure opens it again. (M. Nygard, "Release It!", chapter 5.)
"""

import time
from collections.abc import Callable, Collection
from enum import StrEnum
from typing import Any

from aster.foundation.errors import ConfigError
from aster.rpc.interception import Call, Proceed, status_of, until_end
from aster.rpc.interceptors.rate_limit import RETRY_AFTER
from aster.rpc.status import StatusCode, UnavailableError

FAILURES = (StatusCode.UNAVAILABLE, StatusCode.INTERNAL, StatusCode.UNKNOWN, StatusCode.DEADLINE_EXCEEDED)


class State(StrEnum):
    """Where a circuit is."""

    CLOSED = "closed"
    OPEN = "open"
    HALF_OPEN = "half-open"


class Circuit:
    """The state of one service's circuit."""

    def __init__(self) -> None:
        self.failures = 0
        self.opened_at: float | None = None
        self.probes = 0


class CircuitBreaker:
    """Opens after ``threshold`` failures in a row with one of ``codes``; ``clock`` gives seconds."""

    def __init__(
        self,
        threshold: int = 5,
        *,
        recovery_seconds: float = 5.0,
        probes: int = 1,
        codes: Collection[StatusCode] = FAILURES,
        clock: Callable[[], float] | None = None,
    ) -> None:
        if threshold < 1 or probes < 1 or not recovery_seconds > 0:
            raise ConfigError("CircuitBreaker: threshold and probes from 1, recovery_seconds above 0")
        self._threshold = threshold
        self._recovery = recovery_seconds
        self._probes = probes
        self._codes = frozenset(codes)
        self._clock = clock or (lambda: time.monotonic())
        self._circuits: dict[str, Circuit] = {}

    def state(self, service: str) -> State:
        """The state of a service's circuit."""
        circuit = self._circuits.get(service)
        if circuit is None or circuit.opened_at is None:
            return State.CLOSED
        return State.OPEN if self._clock() - circuit.opened_at < self._recovery else State.HALF_OPEN

    async def __call__(self, call: Call, request: Any, proceed: Proceed) -> Any:
        circuit = self._circuits.setdefault(call.service, Circuit())
        state = self.state(call.service)
        if state is State.OPEN or (state is State.HALF_OPEN and circuit.probes >= self._probes):
            left = self._recovery - (self._clock() - (circuit.opened_at or 0.0))
            raise UnavailableError(
                f"'{call.service}' has failed {circuit.failures} times in a row: not called",
                details={RETRY_AFTER: str(max(1, round(left * 1000)))},
            )
        is_probe = state is State.HALF_OPEN
        circuit.probes += is_probe

        def ended(error: BaseException | None) -> None:
            circuit.probes -= is_probe
            self._record(circuit, status_of(error, call), is_probe=is_probe)

        return await until_end(call, request, proceed, ended)

    def _record(self, circuit: Circuit, status: StatusCode, *, is_probe: bool) -> None:
        if status in self._codes:
            circuit.failures += 1
            if is_probe or circuit.failures >= self._threshold:
                circuit.opened_at = self._clock()
        elif status is not StatusCode.CANCELLED and (is_probe or circuit.opened_at is None):
            circuit.failures, circuit.opened_at = 0, None
