import os

import pytest


@pytest.fixture(autouse=True)
def clean_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    """No variable of the machine that runs the tests reaches a config."""
    for name in os.environ:
        if name.startswith("ASTER_"):
            monkeypatch.delenv(name)
