"""How type checkers see methods in service classes and stubs.

A method that takes one message is called with it, call options by keyword. A method with parameters of its own keeps
them; its call options go through ``stub.method.with_options(timeout=1.0)(...)``, because Python's types can't add
keywords to a signature. At run time ``timeout`` and ``metadata`` are keywords of every method. The context goes first,
or after the one message: elsewhere it works too, but type checkers then ask callers for it.
"""

from collections.abc import AsyncGenerator, AsyncIterable, AsyncIterator, Callable, Coroutine, Mapping, Sequence
from typing import Any, ClassVar, Concatenate, ParamSpec, Protocol, Self, TypeVar, overload

import msgspec

from aster.rpc.context import CallContext
from aster.rpc.requirements import Requires

Request = TypeVar("Request", contravariant=True)
Reply = TypeVar("Reply", covariant=True)
Parameters = ParamSpec("Parameters")
Item = TypeVar("Item")
Answer = TypeVar("Answer")


class _Dataclass(Protocol):
    __dataclass_fields__: ClassVar[dict[str, Any]]


Message = TypeVar("Message", bound="msgspec.Struct | _Dataclass")


class Call(Protocol[Request, Reply]):
    """One message in, one reply out; ``timeout`` in seconds."""

    def __call__(
        self, request: Request, /, *, timeout: float | None = None, metadata: Mapping[str, str] | None = None
    ) -> Coroutine[Any, Any, Reply]: ...


class InlineCall(Protocol[Parameters, Reply]):
    """The method's own parameters in, one reply out."""

    def __call__(self, *args: Parameters.args, **kwargs: Parameters.kwargs) -> Coroutine[Any, Any, Reply]: ...

    def with_options(
        self, *, timeout: float | None = None, metadata: Mapping[str, str] | None = None
    ) -> Callable[Parameters, Coroutine[Any, Any, Reply]]: ...


class ServerStreamCall(Protocol[Request, Reply]):
    """One message in, many replies out: ``async for reply in stub.method(request)``.

    Leaving the loop early cancels the handler when the generator is closed, at once with `contextlib.aclosing`.
    """

    def __call__(
        self, request: Request, /, *, timeout: float | None = None, metadata: Mapping[str, str] | None = None
    ) -> AsyncGenerator[Reply, None]: ...


class InlineServerStreamCall(Protocol[Parameters, Reply]):
    """The method's own parameters in, many replies out."""

    def __call__(self, *args: Parameters.args, **kwargs: Parameters.kwargs) -> AsyncGenerator[Reply, None]: ...

    def with_options(
        self, *, timeout: float | None = None, metadata: Mapping[str, str] | None = None
    ) -> Callable[Parameters, AsyncGenerator[Reply, None]]: ...


class ClientStreamCall(Protocol[Request, Reply]):
    """Many items in, one reply out: ``await stub.method(requests)``."""

    def __call__(
        self,
        requests: AsyncIterable[Request],
        /,
        *,
        timeout: float | None = None,
        metadata: Mapping[str, str] | None = None,
    ) -> Coroutine[Any, Any, Reply]: ...


class BidiStreamCall(Protocol[Request, Reply]):
    """Many items both ways: ``async for reply in stub.method(requests)``."""

    def __call__(
        self,
        requests: AsyncIterable[Request],
        /,
        *,
        timeout: float | None = None,
        metadata: Mapping[str, str] | None = None,
    ) -> AsyncGenerator[Reply, None]: ...


class RpcMethod(Protocol[Request, Reply]):
    """An `rpc` method in a service class that takes one message."""

    @overload
    def __get__(self, instance: None, owner: type, /) -> Self: ...
    @overload
    def __get__(self, instance: object, owner: type | None = None, /) -> Call[Request, Reply]: ...


class InlineMethod(Protocol[Parameters, Reply]):
    """An `rpc` method in a service class that has parameters of its own."""

    @overload
    def __get__(self, instance: None, owner: type, /) -> Self: ...
    @overload
    def __get__(self, instance: object, owner: type | None = None, /) -> InlineCall[Parameters, Reply]: ...


class ServerStreamMethod(Protocol[Request, Reply]):
    """A `server_stream` method in a service class that takes one message."""

    @overload
    def __get__(self, instance: None, owner: type, /) -> Self: ...
    @overload
    def __get__(self, instance: object, owner: type | None = None, /) -> ServerStreamCall[Request, Reply]: ...


class InlineServerStreamMethod(Protocol[Parameters, Reply]):
    """A `server_stream` method in a service class that has parameters of its own."""

    @overload
    def __get__(self, instance: None, owner: type, /) -> Self: ...
    @overload
    def __get__(self, instance: object, owner: type | None = None, /) -> InlineServerStreamCall[Parameters, Reply]: ...


class ClientStreamMethod(Protocol[Request, Reply]):
    """A `client_stream` method in a service class."""

    @overload
    def __get__(self, instance: None, owner: type, /) -> Self: ...
    @overload
    def __get__(self, instance: object, owner: type | None = None, /) -> ClientStreamCall[Request, Reply]: ...


class BidiStreamMethod(Protocol[Request, Reply]):
    """A `bidi_stream` method in a service class."""

    @overload
    def __get__(self, instance: None, owner: type, /) -> Self: ...
    @overload
    def __get__(self, instance: object, owner: type | None = None, /) -> BidiStreamCall[Request, Reply]: ...


class UnaryDecorator(Protocol):
    """The type of `rpc`, bare or with options."""

    @overload
    def __call__(
        self, function: Callable[[Any, CallContext, Message], Coroutine[Any, Any, Answer]], /
    ) -> RpcMethod[Message, Answer]: ...
    @overload
    def __call__(
        self, function: Callable[Concatenate[Any, CallContext, Parameters], Coroutine[Any, Any, Answer]], /
    ) -> InlineMethod[Parameters, Answer]: ...
    @overload
    def __call__(
        self, function: Callable[[Any, Message], Coroutine[Any, Any, Answer]], /
    ) -> RpcMethod[Message, Answer]: ...
    @overload
    def __call__(
        self, function: Callable[[Any, Message, CallContext], Coroutine[Any, Any, Answer]], /
    ) -> RpcMethod[Message, Answer]: ...
    @overload
    def __call__(
        self, function: Callable[Concatenate[Any, Parameters], Coroutine[Any, Any, Answer]], /
    ) -> InlineMethod[Parameters, Answer]: ...
    @overload
    def __call__(
        self,
        *,
        name: str | None = None,
        timeout: float | None = None,
        idempotent: bool = False,
        requires: Requires = None,
        description: str | None = None,
        tags: Sequence[str] = (),
        deprecated: str | None = None,
    ) -> Self: ...


class ServerStreamDecorator(Protocol):
    """The type of `server_stream`, bare or with options."""

    @overload
    def __call__(
        self, function: Callable[[Any, CallContext, Message], AsyncIterator[Answer]], /
    ) -> ServerStreamMethod[Message, Answer]: ...
    @overload
    def __call__(
        self, function: Callable[Concatenate[Any, CallContext, Parameters], AsyncIterator[Answer]], /
    ) -> InlineServerStreamMethod[Parameters, Answer]: ...
    @overload
    def __call__(
        self, function: Callable[[Any, Message], AsyncIterator[Answer]], /
    ) -> ServerStreamMethod[Message, Answer]: ...
    @overload
    def __call__(
        self, function: Callable[[Any, Message, CallContext], AsyncIterator[Answer]], /
    ) -> ServerStreamMethod[Message, Answer]: ...
    @overload
    def __call__(
        self, function: Callable[Concatenate[Any, Parameters], AsyncIterator[Answer]], /
    ) -> InlineServerStreamMethod[Parameters, Answer]: ...
    @overload
    def __call__(
        self,
        *,
        name: str | None = None,
        timeout: float | None = None,
        idempotent: bool = False,
        requires: Requires = None,
        description: str | None = None,
        tags: Sequence[str] = (),
        deprecated: str | None = None,
    ) -> Self: ...


class ClientStreamDecorator(Protocol):
    """The type of `client_stream`, bare or with options."""

    @overload
    def __call__(
        self, function: Callable[[Any, AsyncIterator[Item]], Coroutine[Any, Any, Answer]], /
    ) -> ClientStreamMethod[Item, Answer]: ...
    @overload
    def __call__(
        self, function: Callable[[Any, AsyncIterator[Item], CallContext], Coroutine[Any, Any, Answer]], /
    ) -> ClientStreamMethod[Item, Answer]: ...
    @overload
    def __call__(
        self, function: Callable[[Any, CallContext, AsyncIterator[Item]], Coroutine[Any, Any, Answer]], /
    ) -> ClientStreamMethod[Item, Answer]: ...
    @overload
    def __call__(
        self,
        *,
        name: str | None = None,
        timeout: float | None = None,
        idempotent: bool = False,
        requires: Requires = None,
        description: str | None = None,
        tags: Sequence[str] = (),
        deprecated: str | None = None,
    ) -> Self: ...


class BidiDecorator(Protocol):
    """The type of `bidi_stream`, bare or with options."""

    @overload
    def __call__(
        self, function: Callable[[Any, AsyncIterator[Item]], AsyncIterator[Answer]], /
    ) -> BidiStreamMethod[Item, Answer]: ...
    @overload
    def __call__(
        self, function: Callable[[Any, AsyncIterator[Item], CallContext], AsyncIterator[Answer]], /
    ) -> BidiStreamMethod[Item, Answer]: ...
    @overload
    def __call__(
        self, function: Callable[[Any, CallContext, AsyncIterator[Item]], AsyncIterator[Answer]], /
    ) -> BidiStreamMethod[Item, Answer]: ...
    @overload
    def __call__(
        self,
        *,
        name: str | None = None,
        timeout: float | None = None,
        idempotent: bool = False,
        requires: Requires = None,
        description: str | None = None,
        tags: Sequence[str] = (),
        deprecated: str | None = None,
    ) -> Self: ...
