"""What every test shares: a cache for converted models that outlives the run, and no settings from the outside."""

import os
from pathlib import Path

import pytest

CACHE = Path(__file__).resolve().parent.parent / ".venv" / "cache"
OURS = ("ASTER_", "ASTROCYTE_")
KEPT = ("ASTER_CACHE_DIR", "ASTER_PRIVATE_NETWORK")


def pytest_configure(config: pytest.Config) -> None:
    """Before any test or fixture: a developer's own settings must not decide what passes."""
    for name in [name for name in os.environ if name.startswith(OURS) and name not in KEPT]:
        del os.environ[name]
    os.environ.setdefault("ASTER_CACHE_DIR", str(CACHE))
