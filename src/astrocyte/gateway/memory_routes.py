"""Single memories and whole banks over HTTP: list, read, count, take out, put in."""

import asyncio
import os
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING, Any, BinaryIO

from aster.foundation.http.files import FileReply
from aster.foundation.http.request import Request
from aster.foundation.http.routes import Route
from astrocyte.banks import BankInfo
from astrocyte.errors import BankNotFound, InvalidExport
from astrocyte.gateway.queries import Query
from astrocyte.gateway.routes import CONTEXT, ERRORS
from astrocyte.memories import ForgetResult, MemoryPage, MemoryRecord
from astrocyte.portability import ImportResult

if TYPE_CHECKING:
    from astrocyte.gateway.settings import GatewaySettings
    from astrocyte.memory import Astrocyte

JSON_LINES = b"application/jsonl"
PAGE = 100


class MemoryHandlers:
    """One method a route; the engine asks for access."""

    def __init__(self, engine: "Astrocyte", settings: "GatewaySettings") -> None:
        self._engine = engine
        self._max_import_bytes = settings.max_import_bytes

    async def list_memories(self, request: Request, body: Any) -> MemoryPage:
        query = Query(request)
        return await self._engine.list_memories(
            _bank(request), cursor=query.text("cursor"), limit=query.number("limit", PAGE), context=_context(request)
        )

    async def get_memory(self, request: Request, body: Any) -> MemoryRecord:
        return await self._engine.get_memory(
            _bank(request), request.path_params["memory_id"], context=_context(request)
        )

    async def forget_memory(self, request: Request, body: Any) -> ForgetResult:
        wanted = [request.path_params["memory_id"]]
        return await self._engine.forget(_bank(request), memory_ids=wanted, context=_context(request))

    async def bank_info(self, request: Request, body: Any) -> BankInfo:
        found = await self._engine.bank_info(_bank(request), context=_context(request))
        if found is None:
            raise BankNotFound(f"nothing was ever retained in bank '{_bank(request)}'")
        return found

    async def delete_bank(self, request: Request, body: Any) -> ForgetResult:
        return await self._engine.forget(_bank(request), scope="all", context=_context(request))

    async def export_bank(self, request: Request, body: Any) -> FileReply:
        """The file is written whole before its first byte is sent: an answer of 200 is a complete export."""
        with tempfile.TemporaryDirectory(prefix="astrocyte-export-") as folder:
            path = Path(folder) / "bank.jsonl"
            await self._engine.export_bank(_bank(request), path, context=_context(request))
            file = await asyncio.to_thread(path.open, "rb")
        name = f'attachment; filename="{_bank(request)}.jsonl"'.encode()
        return FileReply(
            200,
            content_type=JSON_LINES,
            headers=[(b"content-disposition", name)],
            file=file,
            length=os.fstat(file.fileno()).st_size,
        )

    async def import_bank(self, request: Request, body: Any) -> ImportResult:
        """The body is kept in a file until it is whole, and checked whole before anything is imported."""
        await self._engine.require_access(_context(request), "import", [_bank(request)])
        with tempfile.TemporaryDirectory(prefix="astrocyte-import-") as folder:
            path = Path(folder) / "bank.jsonl"
            with path.open("wb") as file:
                await self._receive(request, file)
            try:
                return await self._engine.import_bank(_bank(request), path, context=_context(request))
            except InvalidExport as error:
                raise InvalidExport(error.message.replace(str(path), "body")) from None

    async def _receive(self, request: Request, file: BinaryIO) -> None:
        async for piece in request.body_pieces(cap=self._max_import_bytes):
            await asyncio.to_thread(file.write, piece)


def memory_routes(engine: "Astrocyte", settings: "GatewaySettings") -> list[Route]:
    handlers = MemoryHandlers(engine, settings)
    bank = "/v1/banks/{bank_id}"
    one = f"{bank}/memories/{{memory_id}}"
    rows: list[tuple[str, str, Any, str, str, Any, tuple[int, ...], tuple[str, ...]]] = [
        (
            "GET",
            f"{bank}/memories",
            handlers.list_memories,
            "List memories",
            "read",
            MemoryPage,
            (),
            ("cursor", "limit"),
        ),
        ("GET", one, handlers.get_memory, "One memory", "read", MemoryRecord, (404,), ()),
        ("DELETE", one, handlers.forget_memory, "Forget one memory", "forget", ForgetResult, (), ()),
        ("GET", bank, handlers.bank_info, "What a bank holds", "read", BankInfo, (404,), ()),
        ("DELETE", bank, handlers.delete_bank, "Forget a whole bank", "admin", ForgetResult, (), ()),
        ("GET", f"{bank}/export", handlers.export_bank, "A bank as JSON Lines", "admin", None, (), ()),
        (
            "POST",
            f"{bank}/import",
            handlers.import_bank,
            "Add an exported bank's memories",
            "admin",
            ImportResult,
            (),
            (),
        ),
    ]
    return [
        Route(
            method,
            path,
            handler,
            summary=summary,
            access=access,
            answer=answer,
            errors=(*ERRORS, *errors),
            query=query,
        )
        for method, path, handler, summary, access, answer, errors, query in rows
    ]


def _bank(request: Request) -> str:
    return request.path_params["bank_id"]


def _context(request: Request) -> Any:
    return request.state[CONTEXT]
