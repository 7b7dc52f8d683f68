"""The services of one server, ready to be called: instances bound to their definitions."""

import inspect
from collections.abc import Callable, Iterable, Mapping
from typing import Any

from aster.rpc.codec import MessageType
from aster.rpc.context import CallContext
from aster.rpc.definition import MethodDefinition, ServiceDefinition, Style, definition_of
from aster.rpc.errors import ServiceDefinitionError
from aster.rpc.protocol.wire import Declaration
from aster.rpc.status import (
    FailedPreconditionError,
    NotFoundError,
    PermissionDeniedError,
    RpcError,
    UnimplementedError,
)

Handler = Callable[[Any, CallContext], Any]


class BoundMethod:
    """A method of a service instance."""

    def __init__(self, service: ServiceDefinition, method: MethodDefinition, instance: object) -> None:
        self.service = service.name
        self.method = method.name
        self.request: MessageType = method.request
        self.reply: MessageType = method.reply
        self.pattern = method.options.pattern
        self.requirements = service.requirements(method)
        self.call: Handler = _handler(method, getattr(instance, method.attribute))
        """Gives the handler's coroutine, or its async generator when it streams."""


class ServiceTable:
    """Services by name and version."""

    def __init__(self, services: Iterable[object]) -> None:
        self.definitions: list[ServiceDefinition] = []
        self._methods: dict[tuple[str, int], Mapping[str, BoundMethod]] = {}
        for target in services:
            self._add(definition_of(target), _instance(target))
        if not self.definitions:
            raise ServiceDefinitionError("a server needs at least one service")

    def find(self, declaration: Declaration, roles: frozenset[str] | None) -> BoundMethod | RpcError:
        """The method that a client declared, or the error that every call of it gets.

        ``roles`` are the client's; None trusts it, as code of the same process is.
        """
        name, version = declaration.service, declaration.version
        methods = self._methods.get((name, version))
        if methods is None:
            return NotFoundError(f"no service '{name:.128}' version {version} here")
        method = methods.get(declaration.method)
        if method is None:
            return UnimplementedError(f"service '{name}' has no method '{declaration.method:.128}'")
        if method.pattern != declaration.pattern:
            return FailedPreconditionError(
                f"'{name}.{method.method}' is {method.pattern}, not {declaration.pattern:.20}"
            )
        for requirement in method.requirements if roles is not None else ():
            if not requirement.is_met_by(roles or frozenset()):
                return PermissionDeniedError(f"'{name}.{method.method}' needs {requirement}")
        return method

    def _add(self, definition: ServiceDefinition, instance: object) -> None:
        key = (definition.name, definition.version)
        if key in self._methods:
            raise ServiceDefinitionError(f"two services named '{key[0]}' version {key[1]}")
        self._methods[key] = {m.name: BoundMethod(definition, m, instance) for m in definition.methods.values()}
        self.definitions.append(definition)


def _instance(target: object) -> object:
    if not isinstance(target, type):
        return target
    try:
        return target()
    except TypeError as error:
        raise ServiceDefinitionError(
            f"{target.__qualname__} can't be made without arguments: {error}", hint="pass an instance of it"
        ) from error


def _handler(method: MethodDefinition, function: Callable[..., Any]) -> Handler:
    """How a request and a context become the method's arguments; chosen once, so that a call asks nothing."""
    context_name = method.context_parameter
    if method.style is Style.INLINE:
        return _inline_handler(method, function)
    if method.positional == 0:
        (name,) = _data_names(function, context_name)
        return lambda request, context: function(**{name: request}, **_named(context_name, context))
    if context_name is None:
        return lambda request, context: function(request)
    return lambda request, context: function(request, **{context_name: context})


def _inline_handler(method: MethodDefinition, function: Callable[..., Any]) -> Handler:
    names = [parameter.name for parameter in method.parameters]
    by_position, by_name = names[: method.positional], names[method.positional :]
    context_name = method.context_parameter

    def call(request: Any, context: CallContext) -> Any:
        return function(
            *[getattr(request, name) for name in by_position],
            **{name: getattr(request, name) for name in by_name},
            **_named(context_name, context),
        )

    return call


def _named(name: str | None, context: CallContext) -> dict[str, CallContext]:
    return {} if name is None else {name: context}


def _data_names(function: Callable[..., Any], context_name: str | None) -> list[str]:
    return [name for name in inspect.signature(function).parameters if name != context_name]
