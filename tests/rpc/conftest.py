import os

import pytest


@pytest.fixture(autouse=True)
def clean_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    """No setting of the machine that runs the tests reaches a server or client."""
    for name in os.environ:
        if name.startswith("ASTER_") and name != "ASTER_PRIVATE_NETWORK":
            monkeypatch.delenv(name)
