"""Single memories and whole banks over HTTP: list, read, count, take out, put in."""

import asyncio
import os
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING, Any, BinaryIO

import msgspec

from aster.foundation.errors import StorageUnwritable
from aster.foundation.http.files import FileReply
from aster.foundation.http.request import Request
from aster.foundation.http.routes import Route
from astrocyte.banks import BankInfo, BankSettings, BankStatistics, ErasureReport, ImportResult
from astrocyte.errors import BankNotFound, InvalidExport
from astrocyte.gateway.queries import Query
from astrocyte.gateway.routes import CONTEXT, ERRORS
from astrocyte.memories import ForgetResult, MemoryPage, MemoryRecord
from astrocyte.operations import erase
from astrocyte.requests import CreateBankRequest, EraseRequest, UpdateRequest

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

    async def update_memory(self, request: Request, body: UpdateRequest) -> MemoryRecord:
        given = {name: value for name, value in msgspec.structs.asdict(body).items() if value is not msgspec.UNSET}
        wanted = request.path_params["memory_id"]
        return await self._engine.update_memory(_bank(request), wanted, **given, context=_context(request))

    async def archive_memory(self, request: Request, body: Any) -> MemoryRecord:
        wanted = request.path_params["memory_id"]
        await self._engine.archive_memories(_bank(request), [wanted], context=_context(request))
        return await self._engine.get_memory(_bank(request), wanted, context=_context(request))

    async def restore_memory(self, request: Request, body: Any) -> MemoryRecord:
        wanted = request.path_params["memory_id"]
        return await self._engine.restore_memory(_bank(request), wanted, context=_context(request))

    async def create_bank(self, request: Request, body: CreateBankRequest) -> BankInfo:
        return await self._engine.create_bank(body.bank_id, body.settings, context=_context(request))

    async def configure_bank(self, request: Request, body: BankSettings) -> BankInfo:
        return await self._engine.configure_bank(_bank(request), body, context=_context(request))

    async def bank_statistics(self, request: Request, body: Any) -> BankStatistics:
        return await self._engine.bank_statistics(_bank(request), context=_context(request))

    async def erase(self, request: Request, body: EraseRequest) -> ErasureReport:
        return await erase(self._engine, body, _context(request))

    async def forget_memory(self, request: Request, body: Any) -> ForgetResult:
        wanted = [request.path_params["memory_id"]]
        return await self._engine.forget(_bank(request), memory_ids=wanted, context=_context(request))

    async def bank_info(self, request: Request, body: Any) -> BankInfo:
        found = await self._engine.bank_info(_bank(request), context=_context(request))
        if found is None:
            raise BankNotFound(f"nothing was ever retained in bank '{_bank(request)}'")
        return found

    async def delete_bank(self, request: Request, body: Any) -> ForgetResult:
        return await self._engine.delete_bank(_bank(request), context=_context(request))

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
            try:
                with path.open("wb") as file:
                    await self._receive(request, file)
            except OSError as error:
                raise StorageUnwritable(f"an import can't be kept: {error.strerror or error}") from error
            try:
                return await self._engine.import_bank(
                    _bank(request),
                    path,
                    bring_back_forgotten=Query(request).flag("bring_back_forgotten"),
                    context=_context(request),
                )
            except InvalidExport as error:
                raise InvalidExport(error.message.replace(str(path), "body")) from None

    async def _receive(self, request: Request, file: BinaryIO) -> None:
        async for piece in request.body_pieces(cap=self._max_import_bytes):
            await asyncio.to_thread(file.write, piece)


def memory_routes(engine: "Astrocyte", settings: "GatewaySettings") -> list[Route]:
    handlers = MemoryHandlers(engine, settings)
    bank = "/v1/banks/{bank_id}"
    one = f"{bank}/memories/{{memory_id}}"
    limits, back = ("cursor", "limit"), ("bring_back_forgotten",)
    get, post, put, patch, delete = "GET", "POST", "PUT", "PATCH", "DELETE"
    held = (404, 409)
    rows: list[tuple[str, str, Any, str, str, Any, Any, tuple[int, ...], tuple[str, ...]]] = [
        (get, f"{bank}/memories", handlers.list_memories, "List memories", "read", None, MemoryPage, (), limits),
        (get, one, handlers.get_memory, "One memory", "read", None, MemoryRecord, (404,), ()),
        (patch, one, handlers.update_memory, "Change a memory", "write", UpdateRequest, MemoryRecord, held, ()),
        (delete, one, handlers.forget_memory, "Forget one memory", "forget", None, ForgetResult, (409,), ()),
        (post, f"{one}/archive", handlers.archive_memory, "Find it no more", "forget", None, MemoryRecord, held, ()),
        (post, f"{one}/restore", handlers.restore_memory, "Find it again", "write", None, MemoryRecord, held, ()),
        (post, "/v1/banks", handlers.create_bank, "Make a bank", "admin", CreateBankRequest, BankInfo, (409,), ()),
        (get, bank, handlers.bank_info, "What a bank holds", "read", None, BankInfo, (404,), ()),
        (put, bank, handlers.configure_bank, "Replace a bank's settings", "admin", BankSettings, BankInfo, (404,), ()),
        (delete, bank, handlers.delete_bank, "Forget a whole bank", "admin", None, ForgetResult, held, ()),
        (get, f"{bank}/statistics", handlers.bank_statistics, "Count", "read", None, BankStatistics, (404,), ()),
        (get, f"{bank}/export", handlers.export_bank, "A bank as JSON Lines", "admin", None, None, (), ()),
        (post, f"{bank}/import", handlers.import_bank, "Add an exported bank", "admin", None, ImportResult, (), back),
        (post, "/v1/erase", handlers.erase, "Erase a person's data", "admin", EraseRequest, ErasureReport, (409,), ()),
    ]
    return [
        Route(
            method,
            path,
            handler,
            summary=summary,
            access=access,
            body=body,
            answer=answer,
            errors=(*ERRORS, *errors),
            query=query,
        )
        for method, path, handler, summary, access, body, answer, errors, query in rows
    ]


def _bank(request: Request) -> str:
    return request.path_params["bank_id"]


def _context(request: Request) -> Any:
    return request.state[CONTEXT]
