"""The dynamic client: services called by name, with nothing imported; what they take comes from the server itself.

``proxy = client.proxy("Greeter")``, then ``await proxy.hello(name="ann")`` or ``await proxy.hello({"name": "ann"})``,
``async for item in proxy.watch(...)``, ``await proxy.upload(items)``. Values are Python's own: dicts, lists, texts,
numbers, bytes, datetimes. What is sent is checked first, against the described types.
"""

import contextlib
from collections.abc import AsyncGenerator, AsyncIterable, AsyncIterator, Generator, Iterable, Mapping
from typing import TYPE_CHECKING, Any, Self

import msgspec

from aster.rpc.builtin.asking import describe_remote, list_remote
from aster.rpc.builtin.reflection import DescribeService
from aster.rpc.codec import Encoding, EncodingName, MessageType
from aster.rpc.contract.agreement import description_in
from aster.rpc.contract.by_name import by_name, has_places, with_places, without_places
from aster.rpc.contract.description import MethodDescription, ServiceDescription
from aster.rpc.contract.synthesize import PLAIN_TYPES, TypeMaker, plain
from aster.rpc.definition import MethodDefinition, RpcOptions, Scope, ServiceDefinition
from aster.rpc.intercepted import intercepted
from aster.rpc.patterns import Pattern
from aster.rpc.status import InvalidArgumentError, NotFoundError, UnimplementedError

if TYPE_CHECKING:
    from aster.rpc.client_connection import ClientConnection
    from aster.rpc.stub import Caller

_NOTHING: Any = object()


class DynamicService:
    """A described service as definitions that stubs can call, with types made from the description."""

    def __init__(self, description: ServiceDescription, encoding: Encoding = Encoding.MSGPACK) -> None:
        self.description = description
        self._has_places = has_places(description.types)
        sent, read = TypeMaker(description.types), TypeMaker(description.types, for_reading=True)
        methods = {each.name: _definition(each, sent, read, encoding) for each in description.methods}
        self.definition = ServiceDefinition(
            description.name, description.version, methods, description.description, Scope(description.scoped)
        )

    def method(self, name: str) -> MethodDefinition:
        """A method by its wire name; `UnimplementedError` that lists those there are."""
        found = self.definition.methods.get(name)
        if found is None:
            known = ", ".join(self.definition.methods) or "none"
            raise UnimplementedError(
                f"'{self.definition.name}' has no method '{name:.128}' for this caller", hint=f"it has: {known}"
            )
        return found

    def method_description(self, name: str) -> MethodDescription:
        """The same method as it is described."""
        self.method(name)
        return next(each for each in self.description.methods if each.name == name)

    def message(self, name: str, value: Any) -> Any:
        """A plain value as a method's request; `InvalidArgumentError` names the field that does not fit."""
        method = self.method(name)
        if value == {} and method.request.annotation is None:
            return None
        try:
            if self._has_places:
                value = with_places(value, self.method_description(name).request, self.description.types)
            return msgspec.convert(value, method.request.annotation)
        except (msgspec.ValidationError, RecursionError) as error:
            raise InvalidArgumentError(f"{self.definition.name}.{name}: {error}", hint=_takes(method)) from None

    def written(self, name: str) -> Any:
        """The type of a method's request as callers write it, for schemas: every record by name."""
        if not self._has_places:
            return self.method(name).request.annotation
        description = self.description
        return TypeMaker(without_places(description.types)).make(self.method_description(name).request)

    def plain(self, answer: Any) -> Any:
        """An answer as plain values, records by their fields' names."""
        return by_name(answer, PLAIN_TYPES) if self._has_places else plain(answer)


class Proxy:
    """The methods of one service as attributes, and by ``proxy["name"]``. Await it to learn of mistakes early."""

    def __init__(
        self, caller: "Caller", name: str, version: int | None = None, encoding: EncodingName = "msgpack"
    ) -> None:
        self._caller = caller
        self._encoding = Encoding.named(encoding)
        self._name = name
        self._version = version
        self._asked: ClientConnection | None = None
        self._service: DynamicService | None = None

    def __getattr__(self, name: str) -> "ProxyMethod":
        if name.startswith("__"):
            raise AttributeError(name)
        return ProxyMethod(self, name)

    def __getitem__(self, name: str) -> "ProxyMethod":
        return ProxyMethod(self, name)

    def __await__(self) -> Generator[Any, None, Self]:
        return self._loaded().__await__()

    def __repr__(self) -> str:
        return f"<proxy of {self._name}>"

    async def _loaded(self) -> Self:
        await self._described()
        return self

    async def _described(self) -> tuple["ClientConnection", DynamicService]:
        """The service as the server of the present connection describes it; asked once a connection."""
        connection = self._caller.current or await self._caller.connection()
        if connection is not self._asked or self._service is None:
            request = DescribeService(self._name, self._version)
            try:
                answer = await describe_remote(connection, request, self._caller.interceptors)
            except NotFoundError as error:
                offered = (await list_remote(connection, self._caller.interceptors)).services
                known = ", ".join(each.name for each in offered) or "nothing to this caller"
                raise NotFoundError(error.message, hint=f"it offers: {known}") from None
            self._asked, self._service = connection, DynamicService(description_in(answer), self._encoding)
        return connection, self._service


async def described(proxy: Proxy) -> DynamicService:
    """What a proxy's service is, as its server describes it. (A proxy's own attributes are its methods.)"""
    return (await proxy._described())[1]


class ProxyMethod:
    """One method of a proxy. Call it with a message, an iterable of messages, or the message's fields by name."""

    def __init__(self, proxy: Proxy, name: str) -> None:
        self._proxy = proxy
        self._name = name

    def __call__(
        self,
        request: Any = _NOTHING,
        /,
        *,
        timeout: float | None = None,
        metadata: Mapping[str, str] | None = None,
        **fields: Any,
    ) -> "ProxyCall":
        if request is not _NOTHING and fields:
            raise InvalidArgumentError(f"{self!r} takes a message or fields by name, not both")
        return ProxyCall(self._proxy, self._name, fields if request is _NOTHING else request, timeout, metadata)

    def __repr__(self) -> str:
        return f"<method {self._proxy._name}.{self._name}>"


class ProxyCall:
    """One call: awaited for one answer, iterated for many. Nothing is sent before."""

    def __init__(
        self, proxy: Proxy, name: str, request: Any, seconds: float | None, metadata: Mapping[str, str] | None
    ) -> None:
        self._proxy = proxy
        self._name = name
        self._request = request
        self._seconds = seconds
        self._metadata = metadata

    def __await__(self) -> Generator[Any, None, Any]:
        return self._answer().__await__()

    async def __aiter__(self) -> AsyncGenerator[Any, None]:
        remote, request, pattern, service = await self._prepared()
        if not pattern.streams_output:
            raise InvalidArgumentError(f"{self._where} answers once", hint=f"await proxy.{self._name}(...)")
        answers = remote(request, timeout=self._seconds, metadata=self._metadata)
        async with contextlib.aclosing(answers):
            async for answer in answers:
                yield service.plain(answer)

    @property
    def _where(self) -> str:
        return f"{self._proxy._name}.{self._name}"

    async def _answer(self) -> Any:
        remote, request, pattern, service = await self._prepared()
        if pattern.streams_output:
            raise InvalidArgumentError(
                f"{self._where} answers many times", hint=f"async for answer in proxy.{self._name}(...)"
            )
        return service.plain(await remote(request, timeout=self._seconds, metadata=self._metadata))

    async def _prepared(self) -> tuple[Any, Any, Pattern, DynamicService]:
        from aster.rpc.stub import REMOTE

        connection, service = await self._proxy._described()
        method = service.method(self._name)
        pattern = method.options.pattern
        caller = self._proxy._caller
        remote: Any = REMOTE[pattern](caller, service.definition, method, agreed=connection)
        remote = intercepted(remote, caller.interceptors, service.definition, method)
        if pattern.streams_input:
            return remote, self._items(service), pattern, service
        return remote, service.message(self._name, self._request), pattern, service

    async def _items(self, service: DynamicService) -> AsyncIterator[Any]:
        items = self._request
        if isinstance(items, AsyncIterable):
            async for item in items:
                yield service.message(self._name, item)
        elif isinstance(items, Iterable) and not isinstance(items, str | bytes | Mapping):
            for item in items:
                yield service.message(self._name, item)
        else:
            raise InvalidArgumentError(f"{self._where} takes many messages", hint="a list or an async generator")


def _takes(method: MethodDefinition) -> str:
    names = getattr(method.request.annotation, "__struct_encode_fields__", None)
    return "it takes " + (method.request.name if names is None else ", ".join(names) or "no fields")


def _definition(method: MethodDescription, sent: TypeMaker, read: TypeMaker, encoding: Encoding) -> MethodDefinition:
    return MethodDefinition(
        name=method.name,
        attribute=method.name,
        request=MessageType(sent.make(method.request)),
        reply=MessageType(read.make(method.reply)),
        context_parameter=None,
        options=RpcOptions(Pattern(method.pattern), timeout=method.timeout, idempotent=method.idempotent),
        description=method.description,
        encoding=encoding,
    )
