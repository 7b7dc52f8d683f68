"""Fixes of findings as the editor's code actions."""

import pytest
from lsprotocol import types as lsp
from tests.policy.lsp.conftest import Editor
from tests.policy.lsp.test_session import applied

pytestmark = pytest.mark.asyncio(loop_scope="module")

TYPO = """\
Rule f given amount as Int, large as Bool, produce Bool:
  If large is true
    Return amunt over 99999999999.
  Return false.
"""


async def actions(editor: Editor, line: int, only: list[lsp.CodeActionKind] | None = None) -> list[lsp.CodeAction]:
    where = lsp.Range(start=lsp.Position(line=line, character=0), end=lsp.Position(line=line, character=80))
    params = lsp.CodeActionParams(
        text_document=lsp.TextDocumentIdentifier(uri=editor.uri),
        range=where,
        context=lsp.CodeActionContext(diagnostics=[], only=list(only) if only else None),
    )
    found = await editor.client.text_document_code_action_async(params)
    return [each for each in found or () if isinstance(each, lsp.CodeAction)]


def edits(editor: Editor, action: lsp.CodeAction) -> list[lsp.TextEdit]:
    assert action.edit is not None
    assert action.edit.changes is not None
    return list(action.edit.changes[editor.uri])


async def test_a_finding_offers_its_fix_where_it_stands(editor: Editor) -> None:
    text = TYPO.replace("99999999999", "9")
    await editor.open(text)
    (action,) = await actions(editor, 2, [lsp.CodeActionKind.QuickFix])
    assert action.title == "write 'amount'"
    assert action.is_preferred is False
    assert [each.code for each in action.diagnostics or ()] == ["E101"]
    assert "Return amount over" in applied(text, edits(editor, action))
    assert await actions(editor, 3, [lsp.CodeActionKind.QuickFix]) == []


async def test_safe_fixes_are_made_all_at_once(editor: Editor) -> None:
    text = TYPO.replace("amunt", "amount")
    await editor.open(text)
    (found,) = await actions(editor, 3, [lsp.CodeActionKind.SourceFixAll])
    (edit,) = edits(editor, found)
    assert edit.new_text == text.replace("99999999999", "99999999999L")


async def test_a_policy_without_findings_offers_nothing(editor: Editor) -> None:
    await editor.open("Rule f given n as Int, produce Int:\n  Return n.\n")
    assert await actions(editor, 1) == []
