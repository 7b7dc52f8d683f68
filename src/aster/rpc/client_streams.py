"""The calling side of streams: requests are sent by a task of their own, answers are an async generator.

Leaving a stream early, by ``break``, an exception or cancellation, cancels the handler.
"""

import asyncio
from collections.abc import AsyncGenerator, AsyncIterable, Awaitable, Callable
from typing import Any

from aster.rpc.client_connection import ClientConnection, StreamCall
from aster.rpc.definition import MethodDefinition
from aster.rpc.flow import StreamClosed
from aster.rpc.metadata import Metadata
from aster.rpc.protocol.wire import Declaration

Route = tuple[ClientConnection, float | None, Metadata]
"""Where a stream is opened, how many seconds it has, and the metadata that it goes out with."""


async def call_with_stream(
    route: Route, declaration: Declaration, method: MethodDefinition, requests: AsyncIterable[Any]
) -> Any:
    """Many requests, one answer. The answer may come before the last request; the rest is then not sent."""
    connection, seconds, metadata = route
    stream = await connection.begin_stream(declaration, method.encoding, seconds, metadata, None)
    sender = asyncio.create_task(_send_all(connection, stream, declaration, method, requests))
    try:
        answer = await stream.outcome
    finally:
        await _leave(connection, stream, sender)
    return method.reply.decode_reply(answer, method.encoding)


async def open_stream(
    route: Callable[[], Awaitable[Route]], declaration: Declaration, method: MethodDefinition, requests: Any
) -> AsyncGenerator[Any, None]:
    """One request, or an async iterable of many, and the answers as they come."""
    connection, seconds, metadata = await route()
    one = None if method.options.pattern.streams_input else connection.encode_request(declaration, method, requests)
    stream = await connection.begin_stream(declaration, method.encoding, seconds, metadata, one)
    sender = None
    if one is None:
        sender = asyncio.create_task(_send_all(connection, stream, declaration, method, requests))
    try:
        inbox, decode, encoding = stream.inbox, method.reply.decode_reply, method.encoding
        async for body in inbox:
            yield decode(body, encoding)
            while (more := inbox.take()) is not None:
                yield decode(more, encoding)
    finally:
        await _leave(connection, stream, sender)


async def _send_all(
    connection: ClientConnection,
    stream: StreamCall,
    declaration: Declaration,
    method: MethodDefinition,
    requests: AsyncIterable[Any],
) -> None:
    try:
        async for request in requests:
            body = connection.encode_request(declaration, method, request)
            if not connection.offer_item(stream.call, stream.window, body):
                await connection.send_item(stream.call, stream.window, body)
        connection.end_input(stream.call)
    except StreamClosed:
        return
    except Exception as error:  # noqa: BLE001  # the caller's own iterable failed; the caller gets its error
        connection.give_up(stream.call, error)


async def _leave(connection: ClientConnection, stream: StreamCall, sender: "asyncio.Task[None] | None") -> None:
    connection.give_up(stream.call)
    if sender is not None and not sender.done():
        sender.cancel()
        await asyncio.wait([sender])
