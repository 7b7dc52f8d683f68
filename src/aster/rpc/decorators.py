"""How a service is written: `@service` on a class, `@rpc` or a stream on its methods; mistakes show at definition.

A method takes one message (a `msgspec.Struct`, a dataclass, or a union of tagged Structs), or parameters of its own, of
any types that can travel; it returns any such type. Streams are ``AsyncIterator[T]``. A parameter annotated
`CallContext` receives the call's context and is no part of the request.
"""

import inspect
import re
import sys
from collections.abc import Callable, Mapping, Sequence
from typing import Any, TypeVar, cast, overload

from aster.rpc.definition import DEFINITION, RpcOptions, Scope, ServiceDefinition
from aster.rpc.descriptions import first_paragraph
from aster.rpc.errors import ServiceDefinitionError
from aster.rpc.method_types import BidiDecorator, ClientStreamDecorator, ServerStreamDecorator, UnaryDecorator
from aster.rpc.patterns import Pattern
from aster.rpc.requirements import Requires, requirement
from aster.rpc.signatures import OPTIONS, defined_methods

AnyClass = TypeVar("AnyClass", bound=type)

_NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_.]{0,127}\Z")


def _rpc(function: Any = None, /, **options: Any) -> Any:
    """Mark a coroutine method as callable: one request in, one reply out.

    ``name`` is its wire name (default: the method's), ``timeout`` the default of its callers in seconds,
    ``idempotent`` says that a call may be repeated, ``requires`` which role its callers need (a text, `any_of` or
    `all_of`). ``description`` (default: the docstring's first paragraph), ``tags`` and ``deprecated`` (what to use
    instead) are for readers and tools.
    """
    return _marker(Pattern.UNARY, function, **options)


def _server_stream(function: Any = None, /, **options: Any) -> Any:
    """Mark an async generator method: one request in, many replies out. Options as for `rpc`."""
    return _marker(Pattern.SERVER_STREAM, function, **options)


def _client_stream(function: Any = None, /, **options: Any) -> Any:
    """Mark a coroutine method that takes an ``AsyncIterator`` and returns one reply. Options as for `rpc`."""
    return _marker(Pattern.CLIENT_STREAM, function, **options)


def _bidi_stream(function: Any = None, /, **options: Any) -> Any:
    """Mark an async generator method that takes an ``AsyncIterator``. Options as for `rpc`."""
    return _marker(Pattern.BIDI_STREAM, function, **options)


# Type checkers see the protocols' overloads, which give each marked method the type of its stub.
rpc = cast("UnaryDecorator", _rpc)
server_stream = cast("ServerStreamDecorator", _server_stream)
client_stream = cast("ClientStreamDecorator", _client_stream)
bidi_stream = cast("BidiDecorator", _bidi_stream)


def _marker(
    pattern: Pattern,
    function: Callable[..., Any] | None,
    *,
    name: str | None = None,
    timeout: float | None = None,
    idempotent: bool = False,
    requires: Requires = None,
    description: str | None = None,
    tags: Sequence[str] = (),
    deprecated: str | None = None,
) -> Any:
    decorator = "@rpc" if pattern is Pattern.UNARY else f"@{pattern}"
    if timeout is not None and not timeout > 0:
        raise ServiceDefinitionError(f"{decorator}: timeout must be above 0 seconds, got {timeout}")
    if name is not None and not _NAME.match(name):
        raise ServiceDefinitionError(f"{decorator}: '{name}' can't be a method's name", hint="letters, digits, _ and .")
    options = RpcOptions(
        pattern, name, timeout, idempotent, requirement(requires), description, _tags(decorator, tags), deprecated
    )

    def mark(method: Callable[..., Any]) -> Any:
        if pattern.streams_output and not inspect.isasyncgenfunction(method):
            raise ServiceDefinitionError(f"{decorator}: {_called(method)} must be an 'async def' function that yields")
        if not pattern.streams_output and not inspect.iscoroutinefunction(method):
            raise ServiceDefinitionError(f"{decorator}: {_called(method)} must be an 'async def' function")
        setattr(method, OPTIONS, options)
        return method

    return mark if function is None else mark(function)


@overload
def service(cls: AnyClass, /) -> AnyClass: ...
@overload
def service(
    name: str | None = None,
    /,
    *,
    version: int = 1,
    scoped: str = Scope.SHARED,
    requires: Requires = None,
    public: bool = False,
    description: str | None = None,
    tags: Sequence[str] = (),
    deprecated: str | None = None,
    interceptors: Sequence[Any] = (),
) -> Callable[[AnyClass], AnyClass]: ...
@overload
def service(
    *,
    name: str | None = None,
    version: int = 1,
    scoped: str = Scope.SHARED,
    requires: Requires = None,
    public: bool = False,
    description: str | None = None,
    tags: Sequence[str] = (),
    deprecated: str | None = None,
    interceptors: Sequence[Any] = (),
) -> Callable[[AnyClass], AnyClass]: ...


def service(target: Any = None, /, *, name: str | None = None, version: int = 1, **options: Any) -> Any:
    """Make a class a service: ``@service``, ``@service("Name")`` or ``@service(name=..., version=2)``.

    ``scoped="session"`` makes an instance a session instead of one for all; ``requires`` holds for every method;
    ``public=True`` says that strangers may call it, which silences the warning about open gates.
    ``interceptors`` stand around its methods; ``description``, ``tags`` and ``deprecated`` are for readers and tools.
    """
    local_names = sys._getframe(1).f_locals
    wire_name = target if isinstance(target, str) else name

    def define(cls: type) -> type:
        setattr(cls, DEFINITION, _define(cls, wire_name, version, local_names, **options))
        return cls

    if isinstance(target, type):
        return define(target)
    if target is None or isinstance(target, str):
        return define
    raise ServiceDefinitionError(f"@service goes on a class, not on {_called(target)}")


def _define(
    cls: type,
    wire_name: str | None,
    version: object,
    local_names: Mapping[str, Any],
    *,
    scoped: str = Scope.SHARED,
    requires: Requires = None,
    public: bool = False,
    description: str | None = None,
    tags: Sequence[str] = (),
    deprecated: str | None = None,
    interceptors: Sequence[Any] = (),
) -> ServiceDefinition:
    name, where = wire_name or cls.__name__, cls.__qualname__
    if not _NAME.match(name):
        raise ServiceDefinitionError(f"@service: '{name}' can't be a service's name", hint="letters, digits, _ and .")
    if isinstance(version, bool) or not isinstance(version, int) or not 0 < version < 2**31:
        raise ServiceDefinitionError(f"{where}: version must be a whole number from 1, got {version!r}")
    if scoped not in tuple(Scope):
        raise ServiceDefinitionError(
            f"{where}: scoped={scoped!r} is no scope", hint=" or ".join(f"scoped='{scope}'" for scope in Scope)
        )
    if public and requires is not None:
        raise ServiceDefinitionError(f"{where} is public and requires something", hint="say one of the two")
    return ServiceDefinition(
        name=name,
        version=version,
        methods=defined_methods(cls, local_names),
        description=first_paragraph(cls.__doc__) if description is None else description,
        scope=Scope(scoped),
        requires=requirement(requires),
        public=public,
        tags=_tags(where, tags),
        deprecated=deprecated,
        interceptors=tuple(interceptors),
    )


def _tags(where: str, tags: Sequence[str]) -> tuple[str, ...]:
    if isinstance(tags, str) or not all(isinstance(tag, str) for tag in tags):
        raise ServiceDefinitionError(f"{where}: tags={tags!r} is no list of texts", hint="tags=['billing']")
    return tuple(tags)


def _called(thing: object) -> str:
    return str(getattr(thing, "__qualname__", type(thing).__name__))
