"""The services of one server, ready to be called: instances bound to their definitions."""

import contextlib
import inspect
from collections.abc import AsyncIterator, Callable, Iterable, Mapping, Sequence
from typing import Any

import msgspec

from aster.rpc.builtin import is_reserved
from aster.rpc.builtin.contract import Contract
from aster.rpc.builtin.health import Health, ServiceHealth
from aster.rpc.builtin.reflection import Reflection
from aster.rpc.codec import MessageType
from aster.rpc.context import CallContext
from aster.rpc.definition import MethodDefinition, Scope, ServiceDefinition, Style, definition_of
from aster.rpc.errors import ServiceDefinitionError
from aster.rpc.interception import Interceptor, intercepted_handler
from aster.rpc.patterns import Pattern
from aster.rpc.protocol.wire import Declaration
from aster.rpc.sessions import Make, Session, SessionFactory, maker_of
from aster.rpc.status import (
    FailedPreconditionError,
    NotFoundError,
    PermissionDeniedError,
    RpcError,
    UnimplementedError,
)

Handler = Callable[[Any, CallContext], Any]
"""Gives the handler's coroutine, or its async generator when it streams."""


class BoundMethod:
    """A method of a service instance, or of a session that has or makes one."""

    def __init__(
        self, service: ServiceDefinition, method: MethodDefinition, call: Handler, interceptors: Sequence[Interceptor]
    ) -> None:
        self.definition = method
        self.service = service.name
        self.method = method.name
        self.request: MessageType = method.request
        self.reply: MessageType = method.reply
        self.pattern = method.options.pattern
        self.is_unary = self.pattern is Pattern.UNARY
        self.streams_input = self.pattern.streams_input
        self.call = intercepted_handler(interceptors, self.pattern, call)
        self.waited = 0
        """Above 0 when a call of this method has waited lately: the next ones may as well."""


class SessionMethod:
    """A method of a session-scoped service, before it is known in which session."""

    def __init__(
        self,
        service: ServiceDefinition,
        method: MethodDefinition,
        cls: type,
        make: Make,
        interceptors: Sequence[Interceptor],
    ) -> None:
        self._service = service
        self._method = method
        self._cls = cls
        self._make = make
        self._interceptors = interceptors

    def within(self, session: Session) -> BoundMethod:
        """The method on this session's instance, in the session's turn."""
        method, cls, make = self._method, self._cls, self._make
        handlers: list[Handler] = []

        def handler(instance: object) -> Handler:
            if not handlers:
                handlers.append(handler_of(method, instance))
            return handlers[0]

        def in_session(context: CallContext) -> CallContext:
            inside = msgspec.structs.replace(context, session_id=session.context.id)
            CallContext.running.set(inside)
            return inside

        async def call(request: Any, context: CallContext) -> Any:
            async with session.turn(cls, make) as instance:
                return await handler(instance)(request, in_session(context))

        async def stream(request: Any, context: CallContext) -> AsyncIterator[Any]:
            async with (
                session.turn(cls, make) as instance,
                contextlib.aclosing(handler(instance)(request, in_session(context))) as answers,
            ):
                async for answer in answers:
                    yield answer

        handle = stream if method.options.pattern.streams_output else call
        return BoundMethod(self._service, method, handle, self._interceptors)


Served = BoundMethod | SessionMethod
Methods = Mapping[str, tuple[MethodDefinition, Served]]


class ServiceTable:
    """Services by name and version."""

    def __init__(
        self, services: Iterable[object], interceptors: Sequence[Interceptor] = (), builtin: Sequence[object] = ()
    ) -> None:
        self.definitions: list[ServiceDefinition] = []
        self._services: dict[
            tuple[str, int], tuple[ServiceDefinition, Mapping[str, tuple[MethodDefinition, Served]]]
        ] = {}
        for target in services:
            self._add(target, interceptors)
        if not self.definitions and not builtin:
            raise ServiceDefinitionError("a server needs at least one service")
        for each in self.definitions:
            if is_reserved(each.name):
                raise ServiceDefinitionError(f"'{each.name}': 'aster.' and one word is reserved for built-in services")
        offered = tuple(self.definitions)
        self.health = ServiceHealth(offered)
        self._add(Contract(offered), ())
        self._add(Reflection(offered, [definition_of(each) for each in (Contract, Health, Reflection)]), interceptors)
        self._add(Health(self.health), interceptors)
        for target in builtin:
            self._add(target, interceptors)
        self.definitions = list(offered)

    def find(self, declaration: Declaration, roles: frozenset[str] | None) -> Served | RpcError:
        """The method that a client declared, or the error that every call of it gets.

        ``roles`` are the client's; None trusts it, as code of the same process is.
        """
        name, version = declaration.service, declaration.version
        service = self._services.get((name, version))
        if service is None:
            return NotFoundError(f"no service '{name:.128}' version {version} here")
        definition, methods = service
        found = methods.get(declaration.method)
        if found is None:
            return UnimplementedError(f"service '{name}' has no method '{declaration.method:.128}'")
        method, served = found
        where, pattern = f"'{name}.{method.name}'", method.options.pattern
        if pattern != declaration.pattern:
            return FailedPreconditionError(f"{where} is {pattern}, not {declaration.pattern:.20}")
        if declaration.session and isinstance(served, BoundMethod):
            return FailedPreconditionError(f"{where} is shared by all sessions", hint="call it on the client itself")
        if roles is not None:
            for requirement in definition.requirements(method):
                if not requirement.is_met_by(roles):
                    return PermissionDeniedError(f"{where} needs {requirement}")
        return served

    def _add(self, target: object, interceptors: Sequence[Interceptor]) -> None:
        definition = definition_of(target.service if isinstance(target, SessionFactory) else target)
        key = (definition.name, definition.version)
        if key in self._services:
            raise ServiceDefinitionError(f"two services named '{key[0]}' version {key[1]}")
        around = (*interceptors, *definition.interceptors)
        serving = _per_session if definition.scope is Scope.SESSION else _shared
        serve = serving(definition, target, around)
        self._services[key] = definition, {each.name: (each, serve(each)) for each in definition.methods.values()}
        self.definitions.append(definition)


Serve = Callable[[MethodDefinition], Served]


def _shared(definition: ServiceDefinition, target: object, around: Sequence[Interceptor]) -> Serve:
    instance = _instance(target)
    return lambda method: BoundMethod(definition, method, handler_of(method, instance), around)


def _per_session(definition: ServiceDefinition, target: object, around: Sequence[Interceptor]) -> Serve:
    if isinstance(target, SessionFactory):
        cls, make = target.service, target.make
    elif isinstance(target, type):
        cls, make = target, maker_of(target)
    else:
        name = type(target).__name__
        raise ServiceDefinitionError(
            f"{name} is made once a session, so an instance can't be served",
            hint=f"pass the class, or per_session({name}, lambda session: {name}(...))",
        )
    return lambda method: SessionMethod(definition, method, cls, make, around)


def _instance(target: object) -> object:
    if not isinstance(target, type):
        return target
    try:
        return target()
    except TypeError as error:
        raise ServiceDefinitionError(
            f"{target.__qualname__} can't be made without arguments: {error}", hint="pass an instance of it"
        ) from error


def handler_of(method: MethodDefinition, instance: object) -> Handler:
    """How a request and a context become the method's arguments; chosen once, so that a call asks nothing."""
    function: Callable[..., Any] = getattr(instance, method.attribute)
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
