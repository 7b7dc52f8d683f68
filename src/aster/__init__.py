"""Aster: identity-first RPC, policies in plain language, and (as `astrocyte`) long-term memory for AI agents.

Names load when they are used, so importing this package costs nothing.
"""

import importlib
from typing import TYPE_CHECKING, Any

__version__ = "0.1.0"

_HOMES = {
    "aster.config": ("AsterConfig",),
    "aster.foundation.errors": ("AsterError", "ConfigError", "MissingExtra", "StorageError"),
}
_HOME_OF = {name: home for home, names in _HOMES.items() for name in names}

if TYPE_CHECKING:
    from aster.config import AsterConfig
    from aster.foundation.errors import AsterError, ConfigError, MissingExtra, StorageError

__all__ = [
    "AsterConfig",
    "AsterError",
    "ConfigError",
    "MissingExtra",
    "StorageError",
    "__version__",
]


def __getattr__(name: str) -> Any:
    home = _HOME_OF.get(name)
    if home is None:
        raise AttributeError(f"module 'aster' has no attribute '{name}'")
    value = getattr(importlib.import_module(home), name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return __all__
