"""The services of one server, ready to be called: instances bound to their definitions."""

from collections.abc import Callable, Iterable, Mapping
from typing import Any

from aster.rpc.codec import MessageType
from aster.rpc.context import CallContext
from aster.rpc.definition import MethodDefinition, ServiceDefinition, ServiceDefinitionError, definition_of
from aster.rpc.protocol.wire import Declaration
from aster.rpc.status import FailedPreconditionError, NotFoundError, RpcError, UnimplementedError


class BoundMethod:
    """A method of a service instance."""

    def __init__(self, service: ServiceDefinition, method: MethodDefinition, instance: object) -> None:
        self.service = service.name
        self.method = method.name
        self.request: MessageType = method.request
        self.reply: MessageType = method.reply
        self.pattern = method.options.pattern
        self._function: Callable[..., Any] = getattr(instance, method.attribute)
        self._context_parameter = method.context_parameter

    def call(self, request: Any, context: CallContext) -> Any:
        """The handler's coroutine, or its async generator when it streams."""
        if self._context_parameter is None:
            return self._function(request)
        return self._function(request, **{self._context_parameter: context})


class ServiceTable:
    """Services by name and version."""

    def __init__(self, services: Iterable[object]) -> None:
        self.definitions: list[ServiceDefinition] = []
        self._methods: dict[tuple[str, int], Mapping[str, BoundMethod]] = {}
        for target in services:
            self._add(definition_of(target), _instance(target))
        if not self.definitions:
            raise ServiceDefinitionError("a server needs at least one service")

    def find(self, declaration: Declaration) -> BoundMethod | RpcError:
        """The method that a client declared, or the error that every call of it gets."""
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
