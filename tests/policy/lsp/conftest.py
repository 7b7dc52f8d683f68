import asyncio
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from itertools import count
from typing import Any

import pytest
import pytest_asyncio
from lsprotocol import types as lsp
from pygls.lsp.client import LanguageClient

URI = "file:///policies/loan.aster"
PATIENCE = 60.0


class Editor:
    """An editor with policies open, speaking to a real server process."""

    def __init__(self, client: LanguageClient, uri: str = URI) -> None:
        self.client = client
        self.uri = uri
        self.version = 0

    async def open(self, text: str, uri: str | None = None) -> list[lsp.Diagnostic]:
        """Open a policy and wait for its findings."""
        self.uri = uri or self.uri
        document = lsp.TextDocumentItem(uri=self.uri, language_id="aster", version=self.version, text=text)
        self.client.text_document_did_open(lsp.DidOpenTextDocumentParams(text_document=document))
        return await self.findings()

    async def edit(self, line: int, start: int, end: int, text: str) -> list[lsp.Diagnostic]:
        """Replace a part of a line and wait for the findings of that version."""
        self.version += 1
        where = lsp.Range(start=lsp.Position(line=line, character=start), end=lsp.Position(line=line, character=end))
        self.client.text_document_did_change(
            lsp.DidChangeTextDocumentParams(
                text_document=lsp.VersionedTextDocumentIdentifier(uri=self.uri, version=self.version),
                content_changes=[lsp.TextDocumentContentChangePartial(range=where, text=text)],
            )
        )
        return await self.findings()

    async def findings(self) -> list[lsp.Diagnostic]:
        async with asyncio.timeout(PATIENCE):
            while True:
                told = await self.told().get()
                if told.uri == self.uri and told.version == self.version:
                    return list(told.diagnostics)

    def told(self) -> asyncio.Queue[lsp.PublishDiagnosticsParams]:
        found: asyncio.Queue[lsp.PublishDiagnosticsParams] = self.client.told  # type: ignore[attr-defined]  # see start
        return found

    def at(self, line: int, character: int) -> dict[str, Any]:
        return {
            "text_document": lsp.TextDocumentIdentifier(uri=self.uri),
            "position": lsp.Position(line=line, character=character),
        }

    async def complete(self, line: int, character: int) -> list[lsp.CompletionItem]:
        found: Any = await self.client.text_document_completion_async(lsp.CompletionParams(**self.at(line, character)))
        return list(found)

    async def hover(self, line: int, character: int) -> str | None:
        found = await self.client.text_document_hover_async(lsp.HoverParams(**self.at(line, character)))
        return None if found is None else found.contents.value  # type: ignore[union-attr]  # the server sends markup

    async def rename(self, line: int, character: int, name: str) -> list[lsp.TextEdit]:
        params = lsp.RenameParams(**self.at(line, character), new_name=name)
        found: Any = await self.client.text_document_rename_async(params)
        return list(found.changes[self.uri])


@asynccontextmanager
async def server(options: dict[str, str] | None = None) -> AsyncIterator[LanguageClient]:
    """A client of a new server process."""
    client = LanguageClient("a test", "1")
    queue: asyncio.Queue[lsp.PublishDiagnosticsParams] = asyncio.Queue()
    client.told = queue  # type: ignore[attr-defined]  # kept with its client

    @client.feature(lsp.TEXT_DOCUMENT_PUBLISH_DIAGNOSTICS)  # type: ignore[untyped-decorator]  # pygls has none
    def told(params: lsp.PublishDiagnosticsParams) -> None:
        queue.put_nowait(params)

    await client.start_io(sys.executable, "-m", "aster", "policy", "lsp")
    await client.initialize_async(
        lsp.InitializeParams(capabilities=lsp.ClientCapabilities(), initialization_options=options)
    )
    client.initialized(lsp.InitializedParams())
    yield client
    await client.shutdown_async(None)
    client.exit(None)
    await client.stop()  # type: ignore[no-untyped-call]  # pygls has no annotation here


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def client() -> AsyncIterator[LanguageClient]:
    async with server() as client:
        yield client


_numbers = count()


@pytest.fixture
def editor(client: LanguageClient) -> Editor:
    return Editor(client, f"file:///policies/loan{next(_numbers)}.aster")
