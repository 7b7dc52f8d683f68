"""Aster RPC: typed services between peers that know each other by key.

Names load when they are used; the QUIC bindings load when an endpoint is made. The package can be called like its
decorator `rpc`, because ``from aster import rpc`` finds the package of that name.
"""

import importlib
import sys
from types import ModuleType
from typing import TYPE_CHECKING, Any

_HOMES = {
    "aster.rpc.client": ("AsterClient",),
    "aster.rpc.context": ("CallContext",),
    "aster.rpc.contract.agreement": ("ContractMismatchError",),
    "aster.rpc.contract.drift": ("ContractDrift",),
    "aster.rpc.hooks": ("ConnectionAttempt",),
    "aster.rpc.limits": ("RpcLimits",),
    "aster.rpc.reconnection": ("Reconnect",),
    "aster.rpc.local": ("LocalClient",),
    "aster.rpc.server": ("AsterServer",),
    "aster.rpc.decorators": ("bidi_stream", "client_stream", "rpc", "server_stream", "service"),
    "aster.rpc.descriptions": ("Description",),
    "aster.rpc.errors": ("ServiceDefinitionError",),
    "aster.rpc.requirements": ("all_of", "any_of"),
    "aster.rpc.sessions": ("SessionContext", "per_session"),
    "aster.rpc.stub": ("ClientSession",),
    "aster.rpc.status": (
        "AbortedError",
        "AlreadyExistsError",
        "CancelledError",
        "ContractViolationError",
        "DataLossError",
        "DeadlineExceededError",
        "FailedPreconditionError",
        "InternalError",
        "InvalidArgumentError",
        "NotFoundError",
        "OutOfRangeError",
        "PermissionDeniedError",
        "ResourceExhaustedError",
        "RpcError",
        "StatusCode",
        "UnauthenticatedError",
        "UnavailableError",
        "UnimplementedError",
        "UnknownRpcError",
    ),
}
_HOME_OF = {name: home for home, names in _HOMES.items() for name in names}

if TYPE_CHECKING:
    from aster.rpc.client import AsterClient
    from aster.rpc.context import CallContext
    from aster.rpc.contract.agreement import ContractMismatchError
    from aster.rpc.contract.drift import ContractDrift
    from aster.rpc.decorators import bidi_stream, client_stream, rpc, server_stream, service
    from aster.rpc.descriptions import Description
    from aster.rpc.errors import ServiceDefinitionError
    from aster.rpc.hooks import ConnectionAttempt
    from aster.rpc.limits import RpcLimits
    from aster.rpc.local import LocalClient
    from aster.rpc.reconnection import Reconnect
    from aster.rpc.requirements import all_of, any_of
    from aster.rpc.server import AsterServer
    from aster.rpc.sessions import SessionContext, per_session
    from aster.rpc.status import (
        AbortedError,
        AlreadyExistsError,
        CancelledError,
        ContractViolationError,
        DataLossError,
        DeadlineExceededError,
        FailedPreconditionError,
        InternalError,
        InvalidArgumentError,
        NotFoundError,
        OutOfRangeError,
        PermissionDeniedError,
        ResourceExhaustedError,
        RpcError,
        StatusCode,
        UnauthenticatedError,
        UnavailableError,
        UnimplementedError,
        UnknownRpcError,
    )
    from aster.rpc.stub import ClientSession

__all__ = [
    "AbortedError",
    "AlreadyExistsError",
    "AsterClient",
    "AsterServer",
    "CallContext",
    "CancelledError",
    "ClientSession",
    "ConnectionAttempt",
    "ContractDrift",
    "ContractMismatchError",
    "ContractViolationError",
    "DataLossError",
    "DeadlineExceededError",
    "Description",
    "FailedPreconditionError",
    "InternalError",
    "InvalidArgumentError",
    "LocalClient",
    "NotFoundError",
    "OutOfRangeError",
    "PermissionDeniedError",
    "Reconnect",
    "ResourceExhaustedError",
    "RpcError",
    "RpcLimits",
    "ServiceDefinitionError",
    "SessionContext",
    "StatusCode",
    "UnauthenticatedError",
    "UnavailableError",
    "UnimplementedError",
    "UnknownRpcError",
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
    home = _HOME_OF.get(name)
    if home is None:
        raise AttributeError(f"module 'aster.rpc' has no attribute '{name}'")
    value = getattr(importlib.import_module(home), name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return __all__


class _CallablePackage(ModuleType):
    def __call__(self, *arguments: Any, **options: Any) -> Any:
        return __getattr__("rpc")(*arguments, **options)


sys.modules[__name__].__class__ = _CallablePackage
