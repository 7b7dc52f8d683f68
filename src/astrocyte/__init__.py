"""Long-term memory for agents. Names are loaded when they are first used, so importing this package is quick."""

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from astrocyte.access.identity import ActorIdentity as ActorIdentity
    from astrocyte.access.identity import AstrocyteContext as AstrocyteContext
    from astrocyte.banks import BankSettings as BankSettings
    from astrocyte.banks import ErasureReport as ErasureReport
    from astrocyte.errors import AccessDenied as AccessDenied
    from astrocyte.errors import AstrocyteError as AstrocyteError
    from astrocyte.memories import Dispositions as Dispositions
    from astrocyte.memories import ForgetResult as ForgetResult
    from astrocyte.memories import HealthStatus as HealthStatus
    from astrocyte.memories import HistoryResult as HistoryResult
    from astrocyte.memories import MemoryHit as MemoryHit
    from astrocyte.memories import NewMemory as NewMemory
    from astrocyte.memories import RecallResult as RecallResult
    from astrocyte.memories import ReflectResult as ReflectResult
    from astrocyte.memories import RetainResult as RetainResult
    from astrocyte.memory import Astrocyte as Astrocyte
    from astrocyte.sync import SyncAstrocyte as SyncAstrocyte

_HOMES = {
    "AccessDenied": "astrocyte.errors",
    "ActorIdentity": "astrocyte.access.identity",
    "Astrocyte": "astrocyte.memory",
    "AstrocyteContext": "astrocyte.access.identity",
    "AstrocyteError": "astrocyte.errors",
    "BankSettings": "astrocyte.banks",
    "Dispositions": "astrocyte.memories",
    "ErasureReport": "astrocyte.banks",
    "ForgetResult": "astrocyte.memories",
    "HealthStatus": "astrocyte.memories",
    "HistoryResult": "astrocyte.memories",
    "MemoryHit": "astrocyte.memories",
    "NewMemory": "astrocyte.memories",
    "RecallResult": "astrocyte.memories",
    "ReflectResult": "astrocyte.memories",
    "RetainResult": "astrocyte.memories",
    "SyncAstrocyte": "astrocyte.sync",
}

__all__ = sorted(_HOMES)


def __getattr__(name: str) -> Any:
    home = _HOMES.get(name)
    if home is None:
        raise AttributeError(f"module 'astrocyte' has no attribute '{name}'")
    return getattr(importlib.import_module(home), name)


def __dir__() -> list[str]:
    return sorted(_HOMES)
