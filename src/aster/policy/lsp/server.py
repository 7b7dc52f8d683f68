"""The server: documents as editors open and edit them, and an answer for every request that is offered.

Findings are told after each edit, once the editor pauses; a newer version of a file makes those of an older one moot.
"""

import asyncio
from importlib.metadata import version
from typing import Any

from aster.foundation.extras import load_extra
from aster.policy.language.formatter import format_source
from aster.policy.language.lexicon import ENGLISH
from aster.policy.lsp.completion import suggest
from aster.policy.lsp.document import Document
from aster.policy.lsp.hover import describe, describe_used
from aster.policy.lsp.rename import RenameRefused, occurrences_to_rename
from aster.policy.lsp.workspace import WorkspaceModules, path_of, used_at

load_extra("pygls", extra="lsp")

from lsprotocol import types as lsp  # noqa: E402 - after the error that names the extra
from pygls.exceptions import JsonRpcInvalidParams  # noqa: E402 - as above
from pygls.lsp.server import LanguageServer  # noqa: E402 - as above

from aster.policy.lsp.actions import actions_at  # noqa: E402 - needs the extra
from aster.policy.lsp.told import diagnostic_of, range_of  # noqa: E402 - needs the extra

PAUSE = 0.15
"""Seconds without an edit before findings are told."""

_COMPLETIONS = {
    "keyword": lsp.CompletionItemKind.Keyword,
    "rule": lsp.CompletionItemKind.Function,
    "function": lsp.CompletionItemKind.Function,
    "record": lsp.CompletionItemKind.Struct,
    "enum": lsp.CompletionItemKind.Enum,
    "variant": lsp.CompletionItemKind.EnumMember,
    "alias": lsp.CompletionItemKind.Class,
    "type": lsp.CompletionItemKind.Class,
    "field": lsp.CompletionItemKind.Field,
    "variable": lsp.CompletionItemKind.Variable,
    "library": lsp.CompletionItemKind.Module,
}


class PolicyServer(LanguageServer):
    """Keeps the newest version of every open policy."""

    def __init__(self) -> None:
        super().__init__("aster-policy", version("aster-platform"))
        self.locale = ENGLISH
        self._documents: dict[str, Document] = {}
        self._pending: dict[str, asyncio.TimerHandle] = {}

    def document(self, uri: str) -> Document:
        """A file as the editor has it now."""
        text = self.workspace.get_text_document(uri).source
        known = self._documents.get(uri)
        if known is None or known.text != text.replace("\r\n", "\n").replace("\r", "\n"):
            known = self._documents[uri] = Document(uri, text, self.locale, self.modules_for(uri))
        return known

    def modules_for(self, uri: str) -> WorkspaceModules:
        """What finds the modules a file uses."""
        folders = (path_of(folder.uri) for folder in self.workspace.folders.values())
        return WorkspaceModules(uri, [path for path in folders if path is not None], self._open_text, self.locale)

    def _open_text(self, uri: str) -> str | None:
        known = self.workspace.text_documents.get(uri)
        return None if known is None else known.source

    def examine_users(self, changed: str) -> None:
        """Tell the findings of open files anew that use modules, after another file changed."""
        for uri, document in list(self._documents.items()):
            if uri != changed and document.uses_modules:
                del self._documents[uri]
                self.examine(uri)

    def forget(self, uri: str) -> None:
        """A file was closed: what was told about it is withdrawn."""
        self._cancel(uri)
        self._documents.pop(uri, None)
        self.text_document_publish_diagnostics(lsp.PublishDiagnosticsParams(uri=uri, diagnostics=[]))

    def examine_soon(self, uri: str) -> None:
        """Tell the findings of a file when nothing has changed for a moment."""
        self._cancel(uri)
        self._pending[uri] = asyncio.get_running_loop().call_later(PAUSE, self.examine_all, uri)

    def _cancel(self, uri: str) -> None:
        pending = self._pending.pop(uri, None)
        if pending is not None:
            pending.cancel()

    def examine(self, uri: str) -> None:
        """Tell the findings of a file."""
        self._pending.pop(uri, None)
        document = self.document(uri)
        shown = self.workspace.get_text_document(uri).version
        found = [diagnostic_of(document, finding) for finding in document.findings]
        self.text_document_publish_diagnostics(lsp.PublishDiagnosticsParams(uri=uri, diagnostics=found, version=shown))

    def examine_all(self, uri: str) -> None:
        """Tell the findings of a file, and of those that use modules."""
        self.examine(uri)
        self.examine_users(uri)


def _offset(document: Document, position: lsp.Position) -> int:
    return document.lines.offset(position.line, position.character)


def make_server() -> PolicyServer:
    """A server with everything it offers."""
    server = PolicyServer()

    @server.feature(lsp.INITIALIZE)
    def initialize(params: lsp.InitializeParams) -> None:
        options: Any = params.initialization_options
        locale = options.get("locale") if isinstance(options, dict) else getattr(options, "locale", None)
        server.locale = str(locale) if locale else ENGLISH

    @server.feature(lsp.TEXT_DOCUMENT_DID_OPEN)
    def opened(params: lsp.DidOpenTextDocumentParams) -> None:
        server.examine_all(params.text_document.uri)

    @server.feature(lsp.TEXT_DOCUMENT_DID_CHANGE)
    async def changed(params: lsp.DidChangeTextDocumentParams) -> None:
        server.examine_soon(params.text_document.uri)

    @server.feature(lsp.TEXT_DOCUMENT_DID_CLOSE)
    def closed(params: lsp.DidCloseTextDocumentParams) -> None:
        server.forget(params.text_document.uri)
        server.examine_users(params.text_document.uri)

    @server.feature(lsp.WORKSPACE_DID_CHANGE_WATCHED_FILES)
    def watched(params: lsp.DidChangeWatchedFilesParams) -> None:
        server.examine_users("")

    _offer_reading(server)
    _offer_editing(server)
    _offer_actions(server)
    return server


def _offer_reading(server: PolicyServer) -> None:
    @server.feature(lsp.TEXT_DOCUMENT_COMPLETION, lsp.CompletionOptions(trigger_characters=["."]))
    def complete(params: lsp.CompletionParams) -> list[lsp.CompletionItem]:
        document = server.document(params.text_document.uri)
        return [
            lsp.CompletionItem(
                label=each.label,
                kind=_COMPLETIONS[each.kind],
                detail=each.detail or None,
                filter_text=document.text[each.start : each.end] + each.label[each.end - each.start :],
                sort_text=f"{each.kind == 'keyword':d}{each.label}",
                text_edit=lsp.TextEdit(range=range_of(document, each.start, each.end), new_text=each.label),
            )
            for each in suggest(document, _offset(document, params.position), server.modules_for(document.uri))
        ]

    @server.feature(lsp.TEXT_DOCUMENT_HOVER)
    def hover(params: lsp.HoverParams) -> lsp.Hover | None:
        document = server.document(params.text_document.uri)
        offset = _offset(document, params.position)
        found = describe(document, offset) or describe_used(document, offset, server.modules_for(document.uri))
        if found is None:
            return None
        text, start, end = found
        content = lsp.MarkupContent(kind=lsp.MarkupKind.Markdown, value=text)
        return lsp.Hover(contents=content, range=range_of(document, start, end))

    @server.feature(lsp.TEXT_DOCUMENT_DEFINITION)
    def define(params: lsp.DefinitionParams) -> lsp.Location | None:
        document = server.document(params.text_document.uri)
        found = document.symbols.at(_offset(document, params.position))
        declared = document.symbols.declaration(found.symbol) if found is not None else None
        if declared is None:
            offset = _offset(document, params.position)
            used = used_at(document, offset, server.modules_for(params.text_document.uri))
            if used is None:
                return None
            start, end = (0, 0) if used.declared is None else (used.declared.start, used.declared.end)
            return lsp.Location(uri=used.document.uri, range=range_of(used.document, start, end))
        return lsp.Location(uri=params.text_document.uri, range=range_of(document, declared.start, declared.end))

    @server.feature(lsp.TEXT_DOCUMENT_REFERENCES)
    def refer(params: lsp.ReferenceParams) -> list[lsp.Location]:
        document = server.document(params.text_document.uri)
        found = document.symbols.at(_offset(document, params.position))
        if found is None:
            return []
        wanted = [
            each
            for each in document.symbols.of(found.symbol)
            if params.context.include_declaration or not each.declares
        ]
        return [
            lsp.Location(uri=params.text_document.uri, range=range_of(document, each.start, each.end))
            for each in wanted
        ]

    @server.feature(lsp.TEXT_DOCUMENT_DOCUMENT_SYMBOL)
    def outline(params: lsp.DocumentSymbolParams) -> list[lsp.DocumentSymbol]:
        return _outline(server.document(params.text_document.uri))


def _outline(document: Document) -> list[lsp.DocumentSymbol]:
    kinds = {
        "record": lsp.SymbolKind.Struct,
        "enum": lsp.SymbolKind.Enum,
        "rule": lsp.SymbolKind.Function,
        "alias": lsp.SymbolKind.Class,
        "field": lsp.SymbolKind.Field,
        "variant": lsp.SymbolKind.EnumMember,
    }
    declared = [each for each in document.symbols.occurrences if each.declares and each.symbol.kind in kinds]

    def symbol(each: Any, inner: list[lsp.DocumentSymbol]) -> lsp.DocumentSymbol:
        name = range_of(document, each.start, each.end)
        whole = name if each.symbol.owner else range_of(document, each.node.start, each.node.end)
        return lsp.DocumentSymbol(
            name=each.symbol.name, kind=kinds[each.symbol.kind], range=whole, selection_range=name, children=inner
        )

    return [
        symbol(each, [symbol(part, []) for part in declared if part.symbol.owner == each.symbol.name])
        for each in declared
        if not each.symbol.owner
    ]


def _offer_editing(server: PolicyServer) -> None:
    @server.feature(lsp.TEXT_DOCUMENT_PREPARE_RENAME)
    def prepare(params: lsp.PrepareRenameParams) -> lsp.Range | None:
        document = server.document(params.text_document.uri)
        found = document.symbols.at(_offset(document, params.position))
        return None if found is None else range_of(document, found.start, found.end)

    @server.feature(lsp.TEXT_DOCUMENT_RENAME, lsp.RenameOptions(prepare_provider=True))
    def rename(params: lsp.RenameParams) -> lsp.WorkspaceEdit:
        uri = params.text_document.uri
        document = server.document(uri)
        try:
            places = occurrences_to_rename(document, _offset(document, params.position), params.new_name)
        except RenameRefused as error:
            raise JsonRpcInvalidParams(message=error.message) from None
        edits = [
            lsp.TextEdit(range=range_of(document, place.start, place.end), new_text=params.new_name) for place in places
        ]
        return lsp.WorkspaceEdit(changes={uri: edits})

    @server.feature(lsp.TEXT_DOCUMENT_FORMATTING)
    def format_document(params: lsp.DocumentFormattingParams) -> list[lsp.TextEdit]:
        document = server.document(params.text_document.uri)
        if document.program is None:
            return []
        formatted = format_source(document.text, document.locale)
        if formatted == document.text:
            return []
        return [lsp.TextEdit(range=range_of(document, 0, len(document.text)), new_text=formatted)]


def _offer_actions(server: PolicyServer) -> None:
    kinds = [lsp.CodeActionKind.QuickFix, lsp.CodeActionKind.SourceFixAll]

    @server.feature(lsp.TEXT_DOCUMENT_CODE_ACTION, lsp.CodeActionOptions(code_action_kinds=kinds))
    def act(params: lsp.CodeActionParams) -> list[lsp.CodeAction]:
        return actions_at(server.document(params.text_document.uri), params.range, params.context.only)


def serve() -> None:
    """Speak the protocol over standard input and output until the editor ends it."""
    make_server().start_io()
