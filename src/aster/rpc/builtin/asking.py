"""Asking a server's built-in services, over a connection that is there."""

import time
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from aster.rpc.builtin.contract import CheckContract, Contract, ContractChecked
from aster.rpc.builtin.reflection import DescribedService, DescribeService, ListServices, Reflection, ServiceList
from aster.rpc.definition import definition_of
from aster.rpc.interception import ClientCall, Interceptor, run
from aster.rpc.protocol.wire import Declaration

if TYPE_CHECKING:
    from aster.rpc.client_connection import ClientConnection

ASK_SECONDS = 10.0


async def is_same_contract(connection: "ClientConnection", request: CheckContract) -> bool:
    """Does the server serve the contract that this client knows?"""
    answer: ContractChecked = await _ask(connection, Contract, "check", request, ())
    return answer.is_same


async def describe_remote(
    connection: "ClientConnection", request: DescribeService, interceptors: Sequence[Interceptor]
) -> DescribedService:
    """One service, in full or only as its contract id; a server that asks for a token asks for it here as well."""
    answer: DescribedService = await _ask(connection, Reflection, "describe", request, interceptors)
    return answer


async def list_remote(connection: "ClientConnection", interceptors: Sequence[Interceptor]) -> ServiceList:
    """What this caller may call."""
    answer: ServiceList = await _ask(connection, Reflection, "list_services", ListServices(), interceptors)
    return answer


async def _ask(
    connection: "ClientConnection", service: type, name: str, request: Any, interceptors: Sequence[Interceptor]
) -> Any:
    definition = definition_of(service)
    method = definition.methods[name]
    pattern = method.options.pattern
    declaration = Declaration(definition.name, definition.version, name, pattern)
    call = ClientCall(
        service=definition.name,
        method=name,
        pattern=pattern,
        idempotent=True,
        metadata={},
        deadline=time.monotonic() + ASK_SECONDS,
    )
    return await run(
        interceptors,
        call,
        request,
        lambda request: connection.call(declaration, method, request, call.remaining_seconds, call.metadata),
    )
