"""The interceptors that come with Aster, one file each; put them into a list, outermost first.

A server's list runs before a service's own (``@service(interceptors=[...])``); a client's list runs around what its
stubs call. Roles (``requires=``) need none: they are checked before any of these. Names load when they are used.
"""

import importlib
from typing import TYPE_CHECKING, Any

_HOMES = {
    "Audit": "audit",
    "CheckToken": "auth_token",
    "CircuitBreaker": "circuit_breaker",
    "Deadline": "deadline",
    "Metrics": "metrics",
    "RateLimit": "rate_limit",
    "Retry": "retry",
    "SendToken": "auth_token",
    "Tracing": "tracing",
}

if TYPE_CHECKING:
    from aster.rpc.interceptors.audit import Audit
    from aster.rpc.interceptors.auth_token import CheckToken, SendToken
    from aster.rpc.interceptors.circuit_breaker import CircuitBreaker
    from aster.rpc.interceptors.deadline import Deadline
    from aster.rpc.interceptors.metrics import Metrics
    from aster.rpc.interceptors.rate_limit import RateLimit
    from aster.rpc.interceptors.retry import Retry
    from aster.rpc.interceptors.tracing import Tracing

__all__ = [
    "Audit",
    "CheckToken",
    "CircuitBreaker",
    "Deadline",
    "Metrics",
    "RateLimit",
    "Retry",
    "SendToken",
    "Tracing",
]


def __getattr__(name: str) -> Any:
    home = _HOMES.get(name)
    if home is None:
        raise AttributeError(f"module 'aster.rpc.interceptors' has no attribute '{name}'")
    value = getattr(importlib.import_module(f"aster.rpc.interceptors.{home}"), name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return __all__
