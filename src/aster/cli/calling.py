"""One call from a terminal or a pipe: made by name, its answers printed as they come."""

import asyncio
import sys
from collections.abc import AsyncIterator, Iterator, Mapping, Sequence
from typing import IO, Any

import msgspec

from aster.cli.arguments import request_from
from aster.foundation.errors import ConfigError
from aster.rpc.patterns import Pattern
from aster.rpc.proxy import DynamicService, Proxy, described
from aster.rpc.status import RpcError, StatusCode

STATUS_EXIT = 64
"""A call that failed ends with this plus its status's number, as other tools for calls from a shell do."""


def exit_code(error: RpcError) -> int:
    """64 + the status; contract violations are 81."""
    return STATUS_EXIT + (17 if error.status is StatusCode.CONTRACT_VIOLATION else int(error.status))


def split_target(target: str) -> tuple[str, str]:
    """A service's name and a method's, from ``Service.method``."""
    service, separator, method = target.rpartition(".")
    if not separator or not service or not method:
        raise ConfigError(f"'{target}' is no method", hint="Service.method, such as Greeter.hello")
    return service, method


async def call_and_print(
    proxy: Proxy,
    method: str,
    words: Sequence[str],
    *,
    as_lines: bool,
    seconds: float | None = None,
    metadata: Mapping[str, str] | None = None,
    stdin: IO[str] | None = None,
) -> None:
    """Call, and print every answer: JSON that people read, or ``as_lines`` one JSON value a line."""
    service = await described(proxy)
    request = await prepared_request(service, method, words, stdin)
    call = proxy[method](request, timeout=seconds, metadata=metadata)
    if Pattern(service.method(method).options.pattern).streams_output:
        async for answer in call:
            print_value(answer, as_line=as_lines)
    else:
        print_value(await call, as_line=as_lines)


async def prepared_request(
    service: DynamicService, method: str, words: Sequence[str], stdin: IO[str] | None = None
) -> Any:
    """The message that words mean for a method; for a stream an async iterator that waits in a thread, not here."""
    found = request_from(words, service.description, service.method_description(method), stdin)
    return in_thread(found) if isinstance(found, Iterator) else found


async def in_thread(values: Iterator[Any]) -> AsyncIterator[Any]:
    """Values of an iterator that may wait for its reader's typing."""
    ended = object()
    while (value := await asyncio.to_thread(next, values, ended)) is not ended:
        yield value


def print_value(value: Any, *, as_line: bool) -> None:
    """One answer on standard output, at once."""
    text = msgspec.json.encode(value)
    sys.stdout.write((text if as_line else msgspec.json.format(text, indent=2)).decode() + "\n")
    sys.stdout.flush()
