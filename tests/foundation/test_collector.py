"""What a serving process asks of the garbage collector."""

import gc
import weakref
from collections.abc import Iterator

import pytest

from aster.foundation.collector import YOUNG_OBJECTS, spare_what_stays


class Node:
    """Refers to itself: only the collector frees it."""

    def __init__(self) -> None:
        self.itself = self


@pytest.fixture(autouse=True)
def as_before() -> Iterator[None]:
    threshold = gc.get_threshold()
    yield
    gc.set_threshold(*threshold)
    gc.unfreeze()


def test_what_exists_is_spared_and_cycles_made_later_are_still_freed() -> None:
    spare_what_stays()
    assert gc.get_freeze_count() > 1000
    gone = weakref.ref(Node())
    made = [Node() for _ in range(YOUNG_OBJECTS + 1)]
    assert gone() is None
    assert made
