"""Methods of a stub with interceptors around them; a client without interceptors has none of these."""

import functools
import time
from collections.abc import AsyncIterator, Mapping, Sequence
from typing import Any

from aster.rpc.definition import MethodDefinition, ServiceDefinition
from aster.rpc.interception import ClientCall, Interceptor, closing, run
from aster.rpc.propagation import call_options

Remote = Any
"""A method of a stub: ``remote(request, timeout=..., metadata=...)``."""


def intercepted(
    remote: Remote, interceptors: Sequence[Interceptor], service: ServiceDefinition, method: MethodDefinition
) -> Any:
    """The same method, through ``interceptors``."""
    if not interceptors:
        return remote
    kind = InterceptedStream if method.options.pattern.streams_output else InterceptedCall
    return kind(remote, tuple(interceptors), service, method)


class _Intercepted:
    def __init__(
        self, remote: Remote, interceptors: Sequence[Interceptor], service: ServiceDefinition, method: MethodDefinition
    ) -> None:
        self._remote = remote
        self._interceptors = interceptors
        self._method = method
        self._new_call = functools.partial(
            ClientCall,
            service=service.name,
            method=method.name,
            pattern=method.options.pattern,
            idempotent=method.options.idempotent,
        )

    def __repr__(self) -> str:
        return repr(self._remote)

    def _call(self, timeout: float | None, metadata: Mapping[str, str] | None) -> ClientCall:
        seconds, sent = call_options(self._method, timeout, metadata)
        deadline = None if seconds is None else time.monotonic() + seconds
        return self._new_call(metadata=dict(sent), deadline=deadline)


class InterceptedCall(_Intercepted):
    """One reply: unary calls and client streams."""

    async def __call__(
        self,
        request: Any,
        /,
        *,
        timeout: float | None = None,  # noqa: ASYNC109  # the name users know; it travels to the server
        metadata: Mapping[str, str] | None = None,
    ) -> Any:
        call, remote = self._call(timeout, metadata), self._remote
        return await run(
            self._interceptors,
            call,
            request,
            lambda request: remote(request, timeout=call.remaining_seconds, metadata=call.metadata),
        )


class InterceptedStream(_Intercepted):
    """Many replies: server streams and those both ways."""

    async def __call__(
        self,
        request: Any,
        /,
        *,
        timeout: float | None = None,  # noqa: ASYNC109  # the name users know; it travels to the server
        metadata: Mapping[str, str] | None = None,
    ) -> AsyncIterator[Any]:
        call, remote = self._call(timeout, metadata), self._remote

        async def begin(request: Any) -> Any:
            return remote(request, timeout=call.remaining_seconds, metadata=call.metadata)

        async with closing(await run(self._interceptors, call, request, begin)) as replies:
            async for reply in replies:
                yield reply
