"""Modules that a policy in the editor uses."""

from pathlib import Path

import pytest
from lsprotocol import types as lsp
from tests.policy.lsp.conftest import Editor

pytestmark = pytest.mark.asyncio(loop_scope="module")

RISK = """\
Module risk.core.

Define Band as one of Low, High.

# How risky somebody is.
Rule score given age as Int, produce Int:
  Return age times 2.
"""
USER = """\
Use risk.core as Risk.

Rule decide given age as Int, produce Bool:
  Return Risk.score(age) over 20.
"""


@pytest.fixture
def folder(tmp_path: Path, editor: Editor) -> Path:
    (tmp_path / "risk").mkdir()
    (tmp_path / "risk" / "core.aster").write_text(RISK)
    editor.uri = (tmp_path / "decide.aster").as_uri()
    return tmp_path


async def test_what_a_module_beside_the_policy_declares_is_known(editor: Editor, folder: Path) -> None:
    assert await editor.open(USER) == []
    assert "Rule score given age as Int, produce Int" in (await editor.hover(3, 16) or "")
    assert "How risky somebody is." in (await editor.hover(3, 16) or "")
    names = [each.label for each in await editor.complete(3, 14)]
    assert {"score", "Band", "Low"} <= set(names)
    found = await editor.client.text_document_definition_async(lsp.DefinitionParams(**editor.at(3, 16)))
    assert isinstance(found, lsp.Location)
    assert (found.uri, found.range.start.line) == ((folder / "risk" / "core.aster").resolve().as_uri(), 5)


async def test_a_module_that_is_not_there_is_told_at_the_import(editor: Editor, folder: Path) -> None:
    found = await editor.open(USER.replace("risk.core", "risk.other"))
    assert [(each.code, each.range.start.line) for each in found if each.code == "M101"] == [("M101", 0)]


async def test_an_open_module_counts_as_it_is_in_the_editor(editor: Editor, folder: Path) -> None:
    assert await editor.open(USER) == []
    module = Editor(editor.client, (folder / "risk" / "core.aster").resolve().as_uri())
    document = lsp.TextDocumentItem(uri=module.uri, language_id="aster", version=0, text=RISK.replace("score", "rank"))
    editor.client.text_document_did_open(lsp.DidOpenTextDocumentParams(text_document=document))
    found = await editor.findings()
    assert [each.code for each in found] == ["E212"]
    closed = lsp.DidCloseTextDocumentParams(text_document=lsp.TextDocumentIdentifier(uri=module.uri))
    editor.client.text_document_did_close(closed)
    assert await editor.findings() == []
