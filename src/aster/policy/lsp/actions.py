"""Code actions: the fixes of findings, one by one, and all that can't change the meaning at once."""

from collections.abc import Sequence

from lsprotocol import types as lsp

from aster.policy.language.diagnostics import Edit
from aster.policy.language.fixing import apply_fixes, fixes_of
from aster.policy.lsp.document import Document
from aster.policy.lsp.told import diagnostic_of, position_of, range_of

FIX_ALL = "Fix all that can't change the meaning"


def actions_at(document: Document, where: lsp.Range, only: Sequence[str] | None) -> list[lsp.CodeAction]:
    """The actions for a range; ``only`` are the kinds the editor asks for."""
    actions: list[lsp.CodeAction] = []
    if _wanted(lsp.CodeActionKind.QuickFix, only):
        for finding in document.findings:
            told = diagnostic_of(document, finding)
            if finding.fixes and _meet(told.range, where):
                actions += [
                    lsp.CodeAction(
                        title=fix.title,
                        kind=lsp.CodeActionKind.QuickFix,
                        diagnostics=[told],
                        is_preferred=fix.is_safe,
                        edit=_changes(document, [_edit(document, edit) for edit in fix.edits]),
                    )
                    for fix in finding.fixes
                ]
    if _wanted(lsp.CodeActionKind.SourceFixAll, only):
        text, count = apply_fixes(document.text, fixes_of(document.findings))
        if count:
            whole = lsp.TextEdit(range=range_of(document, 0, len(document.text)), new_text=text)
            kind = lsp.CodeActionKind.SourceFixAll
            actions.append(lsp.CodeAction(title=FIX_ALL, kind=kind, edit=_changes(document, [whole])))
    return actions


def _wanted(kind: str, only: Sequence[str] | None) -> bool:
    return only is None or any(kind == asked or kind.startswith(f"{asked}.") for asked in only)


def _changes(document: Document, edits: list[lsp.TextEdit]) -> lsp.WorkspaceEdit:
    return lsp.WorkspaceEdit(changes={document.uri: edits})


def _edit(document: Document, edit: Edit) -> lsp.TextEdit:
    lines = document.lines
    start = position_of(lines.of_column(edit.start_line, edit.start_column))
    end = position_of(lines.of_column(edit.end_line, edit.end_column))
    return lsp.TextEdit(range=lsp.Range(start=start, end=end), new_text=edit.text)


def _meet(one: lsp.Range, other: lsp.Range) -> bool:
    return not (_key(one.end) < _key(other.start) or _key(other.end) < _key(one.start))


def _key(position: lsp.Position) -> tuple[int, int]:
    return position.line, position.character
