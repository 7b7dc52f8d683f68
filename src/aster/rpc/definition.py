"""How a service is written: `@service` on a class, `@rpc` or a stream on its methods; mistakes show at definition.

Messages (a `msgspec.Struct` or a dataclass) are taken from the annotations; streams are ``AsyncIterator[Message]``. A
parameter annotated `CallContext` receives the call's context and is no part of the request.
"""

import inspect
import re
import sys
from collections.abc import AsyncGenerator, AsyncIterable, AsyncIterator, Callable, Coroutine, Mapping
from dataclasses import dataclass
from typing import Any, Concatenate, TypeVar, cast, get_args, get_origin, get_type_hints, overload

from aster.foundation.errors import AsterError
from aster.rpc.codec import MessageType, is_message_type
from aster.rpc.context import CallContext
from aster.rpc.method_types import (
    BidiStreamMethod,
    ClientStreamMethod,
    Reply,
    Request,
    RpcMethod,
    ServerStreamMethod,
)
from aster.rpc.patterns import Pattern

AnyClass = TypeVar("AnyClass", bound=type)

DEFINITION = "__aster_service__"
OPTIONS = "__aster_rpc__"

STREAMS = (AsyncIterator, AsyncIterable, AsyncGenerator)

_NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_.]{0,127}\Z")


class ServiceDefinitionError(AsterError, TypeError):
    """A service class or method is not written as a service must be."""

    code = "SERVICE_DEFINITION_INVALID"


@dataclass(frozen=True, slots=True)
class RpcOptions:
    """What a decorator says: pattern, wire name, default timeout in seconds, whether repeating does no harm."""

    pattern: Pattern
    name: str | None = None
    timeout: float | None = None
    idempotent: bool = False


@dataclass(frozen=True, slots=True)
class MethodDefinition:
    """One method of a service: its wire name, attribute, message types and options."""

    name: str
    attribute: str
    request: MessageType
    reply: MessageType
    context_parameter: str | None
    options: RpcOptions
    description: str


@dataclass(frozen=True, slots=True)
class ServiceDefinition:
    """A service as the wire knows it: name, version, methods by wire name."""

    name: str
    version: int
    methods: Mapping[str, MethodDefinition]
    description: str


@overload
def rpc(
    function: Callable[Concatenate[Any, Request, ...], Coroutine[Any, Any, Reply]], /
) -> RpcMethod[Request, Reply]: ...
@overload
def rpc(
    *, name: str | None = None, timeout: float | None = None, idempotent: bool = False
) -> Callable[[Callable[Concatenate[Any, Request, ...], Coroutine[Any, Any, Reply]]], RpcMethod[Request, Reply]]: ...


def rpc(function: Any = None, /, **options: Any) -> Any:
    """Mark a coroutine method as callable: one message in, one message out.

    ``name`` is its wire name (default: the method's), ``timeout`` the default of its callers in seconds,
    ``idempotent`` says that a call may be repeated.
    """
    return _marker(Pattern.UNARY, function, **options)


@overload
def server_stream(
    function: Callable[Concatenate[Any, Request, ...], AsyncIterator[Reply]], /
) -> ServerStreamMethod[Request, Reply]: ...
@overload
def server_stream(
    *, name: str | None = None, timeout: float | None = None, idempotent: bool = False
) -> Callable[[Callable[Concatenate[Any, Request, ...], AsyncIterator[Reply]]], ServerStreamMethod[Request, Reply]]: ...


def server_stream(function: Any = None, /, **options: Any) -> Any:
    """Mark an async generator method: one message in, many out. Options as for `rpc`."""
    return _marker(Pattern.SERVER_STREAM, function, **options)


@overload
def client_stream(
    function: Callable[Concatenate[Any, AsyncIterator[Request], ...], Coroutine[Any, Any, Reply]], /
) -> ClientStreamMethod[Request, Reply]: ...
@overload
def client_stream(
    *, name: str | None = None, timeout: float | None = None, idempotent: bool = False
) -> Callable[
    [Callable[Concatenate[Any, AsyncIterator[Request], ...], Coroutine[Any, Any, Reply]]],
    ClientStreamMethod[Request, Reply],
]: ...


def client_stream(function: Any = None, /, **options: Any) -> Any:
    """Mark a coroutine method that takes an ``AsyncIterator`` of messages and returns one. Options as for `rpc`."""
    return _marker(Pattern.CLIENT_STREAM, function, **options)


@overload
def bidi_stream(
    function: Callable[Concatenate[Any, AsyncIterator[Request], ...], AsyncIterator[Reply]], /
) -> BidiStreamMethod[Request, Reply]: ...
@overload
def bidi_stream(
    *, name: str | None = None, timeout: float | None = None, idempotent: bool = False
) -> Callable[
    [Callable[Concatenate[Any, AsyncIterator[Request], ...], AsyncIterator[Reply]]], BidiStreamMethod[Request, Reply]
]: ...


def bidi_stream(function: Any = None, /, **options: Any) -> Any:
    """Mark an async generator method that takes an ``AsyncIterator`` of messages. Options as for `rpc`."""
    return _marker(Pattern.BIDI_STREAM, function, **options)


def _marker(
    pattern: Pattern,
    function: Callable[..., Any] | None,
    *,
    name: str | None = None,
    timeout: float | None = None,
    idempotent: bool = False,
) -> Any:
    decorator = "@rpc" if pattern is Pattern.UNARY else f"@{pattern}"
    if timeout is not None and not timeout > 0:
        raise ServiceDefinitionError(f"{decorator}: timeout must be above 0 seconds, got {timeout}")
    if name is not None and not _NAME.match(name):
        raise ServiceDefinitionError(f"{decorator}: '{name}' can't be a method's name")

    def mark(method: Callable[..., Any]) -> Any:
        if pattern.streams_output and not inspect.isasyncgenfunction(method):
            raise ServiceDefinitionError(f"{decorator}: {_called(method)} must be an 'async def' function that yields")
        if not pattern.streams_output and not inspect.iscoroutinefunction(method):
            raise ServiceDefinitionError(f"{decorator}: {_called(method)} must be an 'async def' function")
        setattr(method, OPTIONS, RpcOptions(pattern, name, timeout, idempotent))
        return method

    return mark if function is None else mark(function)


@overload
def service(cls: AnyClass, /) -> AnyClass: ...
@overload
def service(name: str | None = None, /, *, version: int = 1) -> Callable[[AnyClass], AnyClass]: ...


def service(target: Any = None, /, *, name: str | None = None, version: int = 1) -> Any:
    """Make a class a service: ``@service``, ``@service("Name")`` or ``@service(name=..., version=2)``."""
    local_names = sys._getframe(1).f_locals
    wire_name = target if isinstance(target, str) else name

    def define(cls: type) -> type:
        setattr(cls, DEFINITION, _define(cls, wire_name, version, local_names))
        return cls

    if isinstance(target, type):
        return define(target)
    if target is None or isinstance(target, str):
        return define
    raise ServiceDefinitionError(f"@service goes on a class, not on {_called(target)}")


def definition_of(target: object) -> ServiceDefinition:
    """The definition of a service class or instance; `ServiceDefinitionError` for anything else."""
    cls = target if isinstance(target, type) else type(target)
    definition = vars(cls).get(DEFINITION)
    if definition is None:
        raise ServiceDefinitionError(f"{cls.__qualname__} is no service", hint="put @service on the class")
    return cast("ServiceDefinition", definition)


def _define(cls: type, wire_name: str | None, version: object, local_names: Mapping[str, Any]) -> ServiceDefinition:
    name = wire_name or cls.__name__
    if not _NAME.match(name):
        raise ServiceDefinitionError(f"@service: '{name}' can't be a service's name")
    if isinstance(version, bool) or not isinstance(version, int) or not 0 < version < 2**31:
        raise ServiceDefinitionError(f"{cls.__qualname__}: version must be a whole number from 1, got {version!r}")
    methods: dict[str, MethodDefinition] = {}
    for attribute in dir(cls):
        function = inspect.getattr_static(cls, attribute)
        options = getattr(function, OPTIONS, None)
        if options is None:
            continue
        method = _define_method(cls, attribute, function, options, local_names)
        if method.name in methods:
            raise ServiceDefinitionError(f"{cls.__qualname__} has two methods named '{method.name}'")
        methods[method.name] = method
    if not methods:
        raise ServiceDefinitionError(f"{cls.__qualname__} has no methods", hint="put @rpc on its methods")
    return ServiceDefinition(name, version, methods, _first_paragraph(cls.__doc__))


def _define_method(
    cls: type, attribute: str, function: Callable[..., Any], options: RpcOptions, local_names: Mapping[str, Any]
) -> MethodDefinition:
    where = f"{cls.__qualname__}.{attribute}"
    try:
        hints = get_type_hints(function, localns=dict(local_names))
    except NameError as error:
        raise ServiceDefinitionError(f"{where}: an annotation names '{error.name}', which is not defined") from None
    parameters = list(inspect.signature(function).parameters.values())[1:]
    context = [p.name for p in parameters if hints.get(p.name) is CallContext]
    data = [p for p in parameters if p.name not in context]
    if len(context) > 1:
        raise ServiceDefinitionError(f"{where} takes more than one CallContext")
    if len(data) != 1 or data[0].kind not in (data[0].POSITIONAL_ONLY, data[0].POSITIONAL_OR_KEYWORD):
        raise ServiceDefinitionError(f"{where} must take one request message, it takes {len(data)} parameters")
    asked, answered = hints.get(data[0].name), hints.get("return")
    if options.pattern.streams_input:
        asked = _streamed(where, f"parameter '{data[0].name}'", asked)
    if options.pattern.streams_output:
        answered = _streamed(where, "the returned value", answered)
    request = _message(where, f"parameter '{data[0].name}'", asked)
    reply = _message(where, "the returned value", answered)
    return MethodDefinition(
        name=options.name or attribute,
        attribute=attribute,
        request=request,
        reply=reply,
        context_parameter=context[0] if context else None,
        options=options,
        description=_first_paragraph(function.__doc__),
    )


def _streamed(where: str, what: str, annotation: Any) -> Any:
    """The message type in ``AsyncIterator[Message]``."""
    if get_origin(annotation) not in STREAMS or not get_args(annotation):
        raise ServiceDefinitionError(f"{where}: {what} must be annotated as AsyncIterator[Message]")
    return get_args(annotation)[0]


def _message(where: str, what: str, annotation: object) -> MessageType:
    if annotation is None:
        raise ServiceDefinitionError(f"{where}: {what} has no annotation", hint="use a msgspec.Struct or a dataclass")
    if not is_message_type(annotation):
        raise ServiceDefinitionError(
            f"{where}: {what} is {getattr(annotation, '__qualname__', annotation)}, not a message",
            hint="use a msgspec.Struct or a dataclass",
        )
    try:
        return MessageType(annotation)
    except (TypeError, NameError) as error:
        raise ServiceDefinitionError(f"{where}: {what} can't be a message: {error}") from None


def _first_paragraph(docstring: str | None) -> str:
    return " ".join(inspect.cleandoc(docstring or "").partition("\n\n")[0].split())


def _called(thing: object) -> str:
    return str(getattr(thing, "__qualname__", type(thing).__name__))
