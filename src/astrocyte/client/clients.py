"""The two clients: the same calls, one blocking, one awaited; what may be sent twice is tried again."""

import asyncio
import functools
import os
import random
import tempfile
import time
from collections.abc import AsyncIterator, Callable, Coroutine, Generator, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING, Any, BinaryIO, Concatenate, ParamSpec, Self, TypeVar

import msgspec

from aster.foundation.extras import load_extra
from astrocyte.banks import ImportResult
from astrocyte.client import calls, operator_calls
from astrocyte.client.calls import Call
from astrocyte.client.errors import GatewayUnreachable, error_of
from astrocyte.client.identity import Credentials

if TYPE_CHECKING:
    import httpx

T = TypeVar("T")
P = ParamSpec("P")

DEFAULT_URL = "http://127.0.0.1:8080"
SECONDS = 30.0
ATTEMPTS = 4
FIRST_PAUSE = 0.1
LONGEST_PAUSE = 10.0
BUSY = frozenset({429, 503})
SUCCESS = range(200, 300)
PIECE_BYTES = 256 * 1024

_encode = msgspec.json.Encoder().encode


class _Sending:
    """What both clients know: where to, as whom, how a call becomes a request, and what its answer means."""

    def __init__(self, url: str | None, credentials: Credentials | None, timeout: float) -> None:
        self._httpx = load_extra("httpx", extra="memory")
        self.url = url or os.environ.get("ASTROCYTE_URL") or DEFAULT_URL
        who = credentials if credentials is not None else Credentials.from_environment(os.environ)
        self._options: dict[str, Any] = {
            "base_url": self.url.rstrip("/"),
            "headers": who.headers(),
            "timeout": timeout,
        }

    def _conversation(self, call: Call[T]) -> Generator[float, "httpx.Response | Exception", T]:
        """Yields seconds to wait before (re)sending the call and takes what came of it; returns the answer's value."""
        pause = 0.0
        for attempt in range(ATTEMPTS):
            came = yield pause
            is_last = attempt + 1 == ATTEMPTS
            if isinstance(came, Exception):
                if is_last or not call.repeatable:
                    raise self._unreachable(came) from came
                pause = _pause(attempt, None)
            elif came.status_code in BUSY and not is_last:  # refused for now, and so not carried out
                pause = _pause(attempt, came.headers.get("retry-after"))
            else:
                return self._value(came, call.answer)
        raise AssertionError("the last attempt returns or raises")

    @staticmethod
    def _request(call: Call[Any]) -> dict[str, Any]:
        if call.body is None:
            return {"method": call.method, "url": call.path}
        headers: Mapping[str, str] = {"Content-Type": "application/json"}
        return {"method": call.method, "url": call.path, "headers": headers, "content": _encode(call.body)}

    def _value(self, answer: "httpx.Response", kind: type[T]) -> T:
        if answer.status_code not in SUCCESS:
            raise error_of(answer.status_code, answer.content)
        try:
            return msgspec.json.decode(answer.content, type=kind)
        except msgspec.MsgspecError as error:
            raise GatewayUnreachable(f"{self.url} does not answer as a gateway of this version: {error}") from None

    def _unreachable(self, error: Exception) -> GatewayUnreachable:
        return GatewayUnreachable(
            f"{self.url} can't be reached: {type(error).__name__}", hint="is `astrocyte serve` running there?"
        )


def _blocking(build: Callable[P, Call[T]]) -> Callable[Concatenate["AstrocyteClient", P], T]:
    @functools.wraps(build)
    def method(self: "AstrocyteClient", /, *args: P.args, **kwargs: P.kwargs) -> T:
        return self.send(build(*args, **kwargs))

    return method


def _awaited(
    build: Callable[P, Call[T]],
) -> Callable[Concatenate["AsyncAstrocyteClient", P], Coroutine[Any, Any, T]]:
    @functools.wraps(build)
    async def method(self: "AsyncAstrocyteClient", /, *args: P.args, **kwargs: P.kwargs) -> T:
        return await self.send(build(*args, **kwargs))

    return method


class AstrocyteClient(_Sending):
    """A blocking client; ``with`` closes its connections. Safe to share between threads.

    ``url`` is the gateway's, ``ASTROCYTE_URL`` or http://127.0.0.1:8080 when left out; ``credentials`` come from the
    environment when left out. Raises the engine's own errors, `GatewayRefused` or `GatewayUnreachable`.
    """

    def __init__(
        self, url: str | None = None, *, credentials: Credentials | None = None, timeout: float = SECONDS
    ) -> None:
        super().__init__(url, credentials, timeout)
        self._http = self._httpx.Client(**self._options)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def close(self) -> None:
        self._http.close()

    retain = _blocking(calls.retain)
    retain_batch = _blocking(calls.retain_batch)
    recall = _blocking(calls.recall)
    reflect = _blocking(calls.reflect)
    history = _blocking(calls.history)
    forget = _blocking(calls.forget)
    preview_forget = _blocking(calls.preview_forget)
    get_memory = _blocking(calls.get_memory)
    list_memories = _blocking(calls.list_memories)
    bank_info = _blocking(calls.bank_info)
    whoami = _blocking(calls.whoami)
    check_access = _blocking(calls.check_access)
    list_banks = _blocking(calls.list_banks)
    erase = _blocking(calls.erase)
    update_memory = _blocking(calls.update_memory)
    create_bank = _blocking(calls.create_bank)
    configure_bank = _blocking(calls.configure_bank)
    delete_bank = _blocking(calls.delete_bank)
    bank_statistics = _blocking(calls.bank_statistics)
    archive_memory = _blocking(operator_calls.archive_memory)
    restore_memory = _blocking(operator_calls.restore_memory)
    list_derived = _blocking(operator_calls.list_derived)
    provenance = _blocking(operator_calls.provenance)
    refresh_derived = _blocking(operator_calls.refresh_derived)
    waiting = _blocking(operator_calls.waiting)
    place_hold = _blocking(operator_calls.place_hold)
    lift_hold = _blocking(operator_calls.lift_hold)
    legal_holds = _blocking(operator_calls.legal_holds)
    run_lifecycle = _blocking(operator_calls.run_lifecycle)
    reembed = _blocking(operator_calls.reembed)
    doctor = _blocking(operator_calls.doctor)

    def send(self, call: Call[T]) -> T:
        """Send a call, again where that is safe."""
        conversation = self._conversation(call)
        pause = next(conversation)
        while True:
            time.sleep(pause)
            try:
                came: Any = self._http.request(**self._request(call))
            except self._httpx.HTTPError as error:
                came = error
            try:
                pause = conversation.send(came)
            except StopIteration as done:
                return done.value  # type: ignore[no-any-return]

    def export_bank(self, bank_id: str, path: str | os.PathLike[str]) -> int:
        """Write a bank's JSON Lines to a file; returns its bytes. The file appears when it is whole."""
        with self._http.stream("GET", calls.export_path(bank_id)) as answer:
            if answer.status_code not in SUCCESS:
                raise error_of(answer.status_code, answer.read())
            with _whole_file(Path(path)) as file:
                return sum(map(file.write, answer.iter_bytes(PIECE_BYTES)))

    def import_bank(
        self, bank_id: str, path: str | os.PathLike[str], *, bring_back_forgotten: bool = False
    ) -> ImportResult:
        """Add an exported file's memories to a bank; not those that are there already, nor what was forgotten since."""
        with Path(path).open("rb") as file:
            try:
                answer = self._http.post(calls.import_path(bank_id, bring_back_forgotten), content=file)
            except self._httpx.HTTPError as error:
                raise self._unreachable(error) from error
        return self._value(answer, ImportResult)


class AsyncAstrocyteClient(_Sending):
    """`AstrocyteClient` for an event loop; ``async with`` closes its connections.

    ``transport`` replaces the network, e.g. by an ``httpx.ASGITransport`` of a gateway in this process.
    """

    def __init__(
        self,
        url: str | None = None,
        *,
        credentials: Credentials | None = None,
        timeout: float = SECONDS,
        transport: "httpx.AsyncBaseTransport | None" = None,
    ) -> None:
        super().__init__(url, credentials, timeout)
        self._http = self._httpx.AsyncClient(**self._options, transport=transport)

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.close()

    async def close(self) -> None:
        await self._http.aclose()

    retain = _awaited(calls.retain)
    retain_batch = _awaited(calls.retain_batch)
    recall = _awaited(calls.recall)
    reflect = _awaited(calls.reflect)
    history = _awaited(calls.history)
    forget = _awaited(calls.forget)
    preview_forget = _awaited(calls.preview_forget)
    get_memory = _awaited(calls.get_memory)
    list_memories = _awaited(calls.list_memories)
    bank_info = _awaited(calls.bank_info)
    whoami = _awaited(calls.whoami)
    check_access = _awaited(calls.check_access)
    list_banks = _awaited(calls.list_banks)
    erase = _awaited(calls.erase)
    update_memory = _awaited(calls.update_memory)
    create_bank = _awaited(calls.create_bank)
    configure_bank = _awaited(calls.configure_bank)
    delete_bank = _awaited(calls.delete_bank)
    bank_statistics = _awaited(calls.bank_statistics)
    archive_memory = _awaited(operator_calls.archive_memory)
    restore_memory = _awaited(operator_calls.restore_memory)
    list_derived = _awaited(operator_calls.list_derived)
    provenance = _awaited(operator_calls.provenance)
    refresh_derived = _awaited(operator_calls.refresh_derived)
    waiting = _awaited(operator_calls.waiting)
    place_hold = _awaited(operator_calls.place_hold)
    lift_hold = _awaited(operator_calls.lift_hold)
    legal_holds = _awaited(operator_calls.legal_holds)
    run_lifecycle = _awaited(operator_calls.run_lifecycle)
    reembed = _awaited(operator_calls.reembed)
    doctor = _awaited(operator_calls.doctor)

    async def ask(self, method: str, path: str, body: bytes | None, headers: Mapping[str, str]) -> tuple[int, bytes]:
        """Pass a request on as it is; the status and body of whatever is answered."""
        try:
            answer = await self._http.request(method, path, content=body, headers=headers)
        except self._httpx.HTTPError as error:
            raise self._unreachable(error) from error
        return answer.status_code, answer.content

    async def export_bank(self, bank_id: str, path: str | os.PathLike[str]) -> int:
        """Write a bank's JSON Lines to a file; returns its bytes. The file appears when it is whole."""
        async with self._http.stream("GET", calls.export_path(bank_id)) as answer:
            if answer.status_code not in SUCCESS:
                raise error_of(answer.status_code, await answer.aread())
            with _whole_file(Path(path)) as file:
                return sum([file.write(piece) async for piece in answer.aiter_bytes(PIECE_BYTES)])

    async def import_bank(
        self, bank_id: str, path: str | os.PathLike[str], *, bring_back_forgotten: bool = False
    ) -> ImportResult:
        """Add an exported file's memories to a bank; not those that are there already, nor what was forgotten since."""
        with await asyncio.to_thread(Path(path).open, "rb") as file:
            try:
                path_of = calls.import_path(bank_id, bring_back_forgotten)
                answer = await self._http.post(path_of, content=_pieces(file))
            except self._httpx.HTTPError as error:
                raise self._unreachable(error) from error
        return self._value(answer, ImportResult)

    async def send(self, call: Call[T]) -> T:
        """Send a call, again where that is safe."""
        conversation = self._conversation(call)
        pause = next(conversation)
        while True:
            await asyncio.sleep(pause)
            try:
                came: Any = await self._http.request(**self._request(call))
            except self._httpx.HTTPError as error:
                came = error
            try:
                pause = conversation.send(came)
            except StopIteration as done:
                return done.value  # type: ignore[no-any-return]


def _pause(attempt: int, retry_after: str | None) -> float:
    """Seconds before the next attempt: what the gateway asks for, or a doubling time with jitter."""
    if retry_after is not None and retry_after.isascii() and retry_after.isdigit():
        return min(float(retry_after), LONGEST_PAUSE)
    doubled: float = min(FIRST_PAUSE * 2**attempt, LONGEST_PAUSE)
    return doubled * random.uniform(0.5, 1.0)  # noqa: S311 - spreads load only


async def _pieces(file: BinaryIO) -> AsyncIterator[bytes]:
    while piece := await asyncio.to_thread(file.read, PIECE_BYTES):
        yield piece


@contextmanager
def _whole_file(path: Path) -> Iterator[BinaryIO]:
    """A file that appears under its name once it is complete, readable by its owner alone."""
    descriptor, name = tempfile.mkstemp(prefix=f".{path.name}.", dir=path.parent)
    partial = Path(name)
    try:
        with os.fdopen(descriptor, "wb") as file:
            yield file
        partial.replace(path)
    except BaseException:
        partial.unlink(missing_ok=True)
        raise
