"""Typed stubs: a service class's methods, called on the other side of a connection."""

import asyncio
import functools
from abc import ABC, abstractmethod
from collections.abc import AsyncGenerator, AsyncIterable, Coroutine, Mapping, Sequence
from types import TracebackType
from typing import Any, Self, TypeVar, cast

from aster.rpc.client_connection import ClientConnection
from aster.rpc.client_streams import Route, call_with_stream, open_stream
from aster.rpc.codec import EncodingName
from aster.rpc.contract.agreement import AGREEMENTS
from aster.rpc.definition import MethodDefinition, Scope, ServiceDefinition, Style, definition_of
from aster.rpc.intercepted import intercepted
from aster.rpc.interception import Interceptor
from aster.rpc.metadata import Metadata
from aster.rpc.patterns import Pattern
from aster.rpc.propagation import call_options
from aster.rpc.protocol.wire import Declaration
from aster.rpc.proxy import Proxy
from aster.rpc.status import DeadlineExceededError, FailedPreconditionError, InvalidArgumentError

ServiceClass = TypeVar("ServiceClass")


class Caller(ABC):
    """Something that has a connection and makes stubs for it."""

    current: ClientConnection | None = None
    """The connection in use, once there is one."""

    session: int = 0
    """The session that stubs call in; 0 is the connection's own."""

    interceptors: Sequence[Interceptor] = ()
    """Around every call of its stubs, outermost first."""

    @abstractmethod
    async def connection(self) -> ClientConnection:
        """The connection to call on; raises the `RpcError` of a connection that can't be had."""

    async def client(self, service: type[ServiceClass]) -> ServiceClass:
        """A stub with the methods of ``service``: ``await stub.method(request, timeout=1.0, metadata={...})``.

        A method that the server means otherwise, in a way that breaks this client, raises `ContractMismatchError`.
        """
        definition = definition_of(service)
        await AGREEMENTS.check(await self.connection(), definition, interceptors=self.interceptors)
        return cast("ServiceClass", Stub(self, definition))

    def proxy(self, name: str, version: int | None = None, *, encoding: EncodingName = "msgpack") -> Proxy:
        """A dynamic client of the service of that name, in its newest version unless one is given.

        ``encoding`` is how its messages travel, ``msgpack`` or ``json``; what callers see is the same.
        """
        return Proxy(self, name, version, encoding)

    async def open_session(self) -> "ClientSession":
        """One more session: ``async with await client.open_session() as session: ...``.

        Raises `ResourceExhaustedError` when the server lets one connection have no more of them.
        """
        connection = await self.connection()
        return ClientSession(connection, await connection.open_session(), self.interceptors)


class ClientSession(Caller):
    """A session besides the connection's own: session-scoped services have instances of their own in it.

    Its calls run one after the other on the server; calls of several sessions run side by side. It ends with `close`,
    or with its connection: a client that connects again opens sessions again.
    """

    def __init__(self, connection: ClientConnection, number: int, interceptors: Sequence[Interceptor] = ()) -> None:
        self.current = connection
        self.interceptors = interceptors
        self.session = number
        self._connection = connection

    async def connection(self) -> ClientConnection:
        if self.current is None:
            raise FailedPreconditionError("the session is closed", hint="open another one")
        return self.current

    async def client(self, service: type[ServiceClass]) -> ServiceClass:
        """A stub of a session-scoped ``service`` that calls in this session."""
        definition = definition_of(service)
        if definition.scope is not Scope.SESSION:
            raise FailedPreconditionError(
                f"'{definition.name}' is shared by all sessions", hint="ask the client itself for its stub"
            )
        return await super().client(service)

    async def open_session(self) -> "ClientSession":
        raise FailedPreconditionError("sessions are opened by the client, not by a session")

    async def close(self) -> None:
        """End the session: running calls are cancelled, the server closes its instances. Safe to call twice."""
        if self.current is not None:
            self.current = None
            self._connection.leave_session(self.session)

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.close()


class Stub:
    """The methods of one service as attributes."""

    def __init__(self, caller: Caller, service: ServiceDefinition) -> None:
        self._service = service
        for method in service.methods.values():
            plain = REMOTE[method.options.pattern](caller, service, method)
            remote = intercepted(plain, caller.interceptors, service, method)
            setattr(self, method.attribute, Inline(remote, method) if method.style is Style.INLINE else remote)

    def __repr__(self) -> str:
        return f"<stub of {self._service.name} version {self._service.version}>"


class RemoteMethod:
    """One method of a stub."""

    __slots__ = ("_agreed", "_caller", "_declaration", "_method", "_service")

    def __init__(
        self,
        caller: Caller,
        service: ServiceDefinition,
        method: MethodDefinition,
        agreed: ClientConnection | None = None,
    ) -> None:
        self._caller = caller
        self._declaration = Declaration(
            service.name, service.version, method.name, method.options.pattern, caller.session
        )
        self._method = method
        self._service = service
        self._agreed = agreed

    async def _agree(self, connection: ClientConnection) -> None:
        """Once a connection; raises `ContractMismatchError` when the server means something else by this method."""
        await AGREEMENTS.check(connection, self._service, self._method.name, self._caller.interceptors)
        self._agreed = connection

    async def _ready(self, seconds: float | None) -> tuple[ClientConnection, float | None]:
        """A connection whose server means the same by this method, and what is left of ``seconds``."""
        if seconds is not None and seconds <= 0:
            raise DeadlineExceededError("the deadline had passed before the call")
        clock = asyncio.get_running_loop().time
        began = clock()
        try:
            async with asyncio.timeout(seconds):
                connection = await self._caller.connection()
                if connection is not self._agreed:
                    await self._agree(connection)
        except TimeoutError:
            raise DeadlineExceededError(f"no connection within {seconds or 0:g} s") from None
        return connection, None if seconds is None else seconds - (clock() - began)

    async def _route(self, timeout: float | None, metadata: Mapping[str, str] | None) -> Route:  # noqa: ASYNC109
        """Where and with what a stream of this method is opened now."""
        seconds, sent = call_options(self._method, timeout, metadata)
        connection = self._caller.current
        if connection is None or connection is not self._agreed:
            connection, seconds = await self._ready(seconds)
        return connection, seconds, sent

    def __repr__(self) -> str:
        return f"<method {self._declaration.service}.{self._method.name}>"


class RemoteUnary(RemoteMethod):
    """``await method(request)``."""

    __slots__ = ()

    def __call__(
        self, request: Any, /, *, timeout: float | None = None, metadata: Mapping[str, str] | None = None
    ) -> Coroutine[Any, Any, Any]:
        seconds, sent = call_options(self._method, timeout, metadata)
        connection = self._caller.current
        if connection is None or connection is not self._agreed:
            return self._call_when_ready(request, seconds, sent)
        return connection.call(self._declaration, self._method, request, seconds, sent)

    async def _call_when_ready(self, request: Any, seconds: float | None, metadata: Metadata) -> Any:
        connection, left = await self._ready(seconds)
        return await connection.call(self._declaration, self._method, request, left, metadata)


class RemoteClientStream(RemoteMethod):
    """``await method(requests)``."""

    __slots__ = ()

    async def __call__(
        self,
        requests: AsyncIterable[Any],
        /,
        *,
        timeout: float | None = None,  # noqa: ASYNC109  # the name users know; it travels to the server
        metadata: Mapping[str, str] | None = None,
    ) -> Any:
        return await call_with_stream(await self._route(timeout, metadata), self._declaration, self._method, requests)


class RemoteStream(RemoteMethod):
    """``async for answer in method(request)``; for both patterns in which the server streams."""

    __slots__ = ()

    def __call__(
        self, requests: Any, /, *, timeout: float | None = None, metadata: Mapping[str, str] | None = None
    ) -> AsyncGenerator[Any, None]:
        route = functools.partial(self._route, timeout, metadata)
        return open_stream(route, self._declaration, self._method, requests)


class Inline:
    """A method with parameters of its own: called as the handler is, the arguments become the request."""

    __slots__ = ("_metadata", "_method", "_remote", "_timeout")

    def __init__(
        self,
        remote: Any,
        method: MethodDefinition,
        timeout: float | None = None,
        metadata: Mapping[str, str] | None = None,
    ) -> None:
        self._remote = remote
        self._method = method
        self._timeout = timeout
        self._metadata = metadata

    def __call__(
        self, *args: Any, timeout: float | None = None, metadata: Mapping[str, str] | None = None, **kwargs: Any
    ) -> Any:
        try:
            request = self._method.request.annotation(*args, **kwargs)
        except TypeError as error:
            raise InvalidArgumentError(f"{self._remote!r}: {error}", hint=self._takes()) from None
        return self._remote(
            request,
            timeout=self._timeout if timeout is None else timeout,
            metadata=self._metadata if metadata is None else metadata,
        )

    def with_options(self, *, timeout: float | None = None, metadata: Mapping[str, str] | None = None) -> "Inline":
        """The same method with call options; type checkers see its parameters unchanged."""
        return Inline(self._remote, self._method, timeout, metadata)

    def __repr__(self) -> str:
        return repr(self._remote)

    def _takes(self) -> str:
        return "it takes " + (", ".join(each.name for each in self._method.parameters) or "no arguments")


REMOTE: Mapping[Pattern, type[RemoteMethod]] = {
    Pattern.UNARY: RemoteUnary,
    Pattern.CLIENT_STREAM: RemoteClientStream,
    Pattern.SERVER_STREAM: RemoteStream,
    Pattern.BIDI_STREAM: RemoteStream,
}
