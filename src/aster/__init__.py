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
    from aster.rpc import (
        AbortedError,
        AlreadyExistsError,
        AsterClient,
        AsterServer,
        CallContext,
        CancelledError,
        ClientSession,
        ContractViolationError,
        DataLossError,
        DeadlineExceededError,
        Description,
        FailedPreconditionError,
        InternalError,
        InvalidArgumentError,
        NotFoundError,
        OutOfRangeError,
        PermissionDeniedError,
        ResourceExhaustedError,
        RpcError,
        SessionContext,
        StatusCode,
        UnauthenticatedError,
        UnavailableError,
        UnimplementedError,
        UnknownRpcError,
        all_of,
        any_of,
        bidi_stream,
        client_stream,
        per_session,
        rpc,
        server_stream,
        service,
    )

__all__ = [
    "AbortedError",
    "AlreadyExistsError",
    "AsterClient",
    "AsterConfig",
    "AsterError",
    "AsterServer",
    "CallContext",
    "CancelledError",
    "ClientSession",
    "ConfigError",
    "ContractViolationError",
    "DataLossError",
    "DeadlineExceededError",
    "Description",
    "FailedPreconditionError",
    "InternalError",
    "InvalidArgumentError",
    "MissingExtra",
    "NotFoundError",
    "OutOfRangeError",
    "PermissionDeniedError",
    "ResourceExhaustedError",
    "RpcError",
    "SessionContext",
    "StatusCode",
    "StorageError",
    "UnauthenticatedError",
    "UnavailableError",
    "UnimplementedError",
    "UnknownRpcError",
    "__version__",
    "all_of",
    "any_of",
    "bidi_stream",
    "client_stream",
    "per_session",
    "rpc",
    "server_stream",
    "service",
]


def __getattr__(name: str) -> Any:
    if name not in __all__:
        raise AttributeError(f"module 'aster' has no attribute '{name}'")
    if name == "rpc":
        # The package and the decorator share a name; the package can be called like the decorator.
        return importlib.import_module("aster.rpc")
    value = getattr(importlib.import_module(_HOME_OF.get(name, "aster.rpc")), name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return __all__
