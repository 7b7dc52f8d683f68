"""The calls as methods: one table for both clients, which differ in how they send and in nothing else.

``client.evaluate`` has the parameters of `calls.evaluate`; on a blocking client it answers, on the other it is to be
awaited. The type checker knows which by the client's ``send``.
"""

import functools
from collections.abc import Awaitable, Callable
from typing import Any, Generic, ParamSpec, Protocol, TypeVar, overload

from aster.policy.client import calls
from aster.policy.client.calls import Call

P = ParamSpec("P")
T = TypeVar("T")


class _Sends(Protocol):
    def send(self, call: Call[T]) -> T: ...


class _SendsLater(Protocol):
    def send(self, call: Call[T]) -> Awaitable[T]: ...


class Method(Generic[P, T]):
    """``evaluate = Method(calls.evaluate)``: makes the call and sends it."""

    def __init__(self, make: Callable[P, Call[T]]) -> None:
        self._make = make
        self.__doc__ = make.__doc__

    @overload
    def __get__(self, client: _Sends, owner: type[Any]) -> Callable[P, T]: ...
    @overload
    def __get__(self, client: _SendsLater, owner: type[Any]) -> Callable[P, Awaitable[T]]: ...
    def __get__(self, client: Any, owner: type[Any]) -> Callable[P, Any]:
        @functools.wraps(self._make)
        def method(*arguments: P.args, **named: P.kwargs) -> Any:
            return client.send(self._make(*arguments, **named))

        return method


class Methods:
    """What both clients can do."""

    evaluate = Method(calls.evaluate)
    evaluate_source = Method(calls.evaluate_source)
    evaluate_source_batch = Method(calls.evaluate_source_batch)
    evaluate_batch = Method(calls.evaluate_batch)
    evaluate_chain = Method(calls.evaluate_chain)
    evaluate_json = Method(calls.evaluate_json)
    deploy = Method(calls.deploy)
    policies = Method(calls.policies)
    policy = Method(calls.policy)
    delete_policy = Method(calls.delete_policy)
    versions = Method(calls.versions)
    activations = Method(calls.activations)
    activate = Method(calls.activate)
    submit = Method(calls.submit)
    approve = Method(calls.approve)
    reject = Method(calls.reject)
    rollback = Method(calls.rollback)
    audit = Method(calls.audit)
    audit_head = Method(calls.audit_head)
    verify_audit = Method(calls.verify_audit)
    export_audit = Method(calls.export_audit)
    audit_table = Method(calls.audit_table)
    version_usage = Method(calls.version_usage)
    compare_versions = Method(calls.compare_versions)
    request = Method(calls.request)
