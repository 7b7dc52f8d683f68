from hypothesis import given
from hypothesis import strategies as st

from aster.transport.meter import Meter


class Hand:
    """A clock that is moved by hand."""

    def __init__(self) -> None:
        self.now = 0.0

    def __call__(self) -> float:
        return self.now


def test_a_burst_is_free_and_the_rest_is_waited_for() -> None:
    clock = Hand()
    meter = Meter(1000, burst_seconds=2, clock=clock)
    assert meter.spend(2000) == 0
    assert meter.spend(500) == 0.5
    clock.now += 0.5
    assert meter.spend(0) == 0


def test_time_that_was_not_used_is_saved_up_to_the_burst_only() -> None:
    clock = Hand()
    meter = Meter(1000, burst_seconds=1, clock=clock)
    clock.now += 3600
    assert meter.spend(1500) == 0.5


@given(st.lists(st.tuples(st.integers(0, 5000), st.floats(0, 2)), max_size=50))
def test_who_waits_as_told_never_exceeds_burst_and_rate(spendings: list[tuple[int, float]]) -> None:
    clock = Hand()
    meter = Meter(1000, burst_seconds=1, clock=clock)
    total = 0
    for amount, idle in spendings:
        clock.now += idle
        total += amount
        clock.now += meter.spend(amount)
        assert total <= 1000 + 1000 * clock.now + 1e-3


def test_what_would_make_a_debt_is_not_allowed_and_costs_nothing() -> None:
    clock = Hand()
    meter = Meter(10, burst_seconds=1, clock=clock)
    assert [meter.allows(5) for _ in range(3)] == [True, True, False]
    clock.now += 0.5
    assert meter.allows(5)
    assert not meter.allows(1)
