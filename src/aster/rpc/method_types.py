"""How type checkers see methods in service classes and stubs: messages in, messages out, call options by keyword."""

from collections.abc import AsyncIterable, AsyncIterator, Coroutine, Mapping
from typing import Any, Protocol, Self, TypeVar, overload

Request = TypeVar("Request", contravariant=True)
Reply = TypeVar("Reply", covariant=True)


class Call(Protocol[Request, Reply]):
    """One message in, one out; ``timeout`` in seconds."""

    def __call__(
        self, request: Request, /, *, timeout: float | None = None, metadata: Mapping[str, str] | None = None
    ) -> Coroutine[Any, Any, Reply]: ...


class ServerStreamCall(Protocol[Request, Reply]):
    """One message in, many out: ``async for reply in stub.method(request)``."""

    def __call__(
        self, request: Request, /, *, timeout: float | None = None, metadata: Mapping[str, str] | None = None
    ) -> AsyncIterator[Reply]: ...


class ClientStreamCall(Protocol[Request, Reply]):
    """Many messages in, one out: ``await stub.method(requests)``."""

    def __call__(
        self,
        requests: AsyncIterable[Request],
        /,
        *,
        timeout: float | None = None,
        metadata: Mapping[str, str] | None = None,
    ) -> Coroutine[Any, Any, Reply]: ...


class BidiStreamCall(Protocol[Request, Reply]):
    """Many messages both ways: ``async for reply in stub.method(requests)``."""

    def __call__(
        self,
        requests: AsyncIterable[Request],
        /,
        *,
        timeout: float | None = None,
        metadata: Mapping[str, str] | None = None,
    ) -> AsyncIterator[Reply]: ...


class RpcMethod(Protocol[Request, Reply]):
    """An `rpc` method in a service class."""

    @overload
    def __get__(self, instance: None, owner: type, /) -> Self: ...
    @overload
    def __get__(self, instance: object, owner: type | None = None, /) -> Call[Request, Reply]: ...


class ServerStreamMethod(Protocol[Request, Reply]):
    """A `server_stream` method in a service class."""

    @overload
    def __get__(self, instance: None, owner: type, /) -> Self: ...
    @overload
    def __get__(self, instance: object, owner: type | None = None, /) -> ServerStreamCall[Request, Reply]: ...


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
