"""Sessions with the language server in a process of its own, over its standard input and output."""

import pytest
from lsprotocol import types as lsp
from pygls.exceptions import JsonRpcException
from tests.policy.lsp.conftest import Editor, server

pytestmark = pytest.mark.asyncio(loop_scope="module")

LOAN = """\
Module loan.

# Who asks for money.
Define Applicant has age as Int between 0 and 120, spouse as maybe Applicant, job as Text.
Define Band as one of Low, High.

Rule band given age as Int, produce Band:
  If age under 30
    Return Low.
  Return High.

# The decision.
@entry
Rule decide given applicant as Applicant, amount as Int, produce Text:
  Let limit be amount times 2.
  If applicant.age less than 18
    Return "declined".
  If band(applicant.age) is Low and limit over 10
    Return applicant.job.
  Return "approved".
"""


def applied(text: str, edits: list[lsp.TextEdit]) -> str:
    """The text after edits, as an editor makes them: positions in UTF-16."""
    lines = [line.encode("utf-16-le") for line in text.split("\n")]
    for edit in sorted(edits, key=lambda each: (each.range.start.line, each.range.start.character), reverse=True):
        start, end = edit.range.start, edit.range.end
        assert start.line == end.line
        line = lines[start.line]
        lines[start.line] = line[: start.character * 2] + edit.new_text.encode("utf-16-le") + line[end.character * 2 :]
    return "\n".join(line.decode("utf-16-le") for line in lines)


async def test_findings_come_and_go_with_edits(editor: Editor) -> None:
    assert await editor.open(LOAN) == []
    (found,) = [
        each for each in await editor.edit(7, 9, 14, "beneath") if each.severity == lsp.DiagnosticSeverity.Error
    ]
    assert (found.range.start.line, found.source) == (7, "aster")
    assert await editor.edit(7, 9, 16, "under") == []


async def test_a_name_nobody_defined_is_underlined_where_it_stands(editor: Editor) -> None:
    found = await editor.open('Rule f produce Text:\n  Return "😀界" plus nobody.\n')
    (undefined,) = [each for each in found if each.code == "E101"]
    assert (undefined.range.start.character, undefined.range.end.character) == (20, 26)


async def test_fields_are_offered_after_a_dot_while_the_line_is_unfinished(editor: Editor) -> None:
    await editor.open(LOAN)
    await editor.edit(15, 15, 18, "")
    offered = await editor.complete(15, 15)
    assert [(each.label, each.kind) for each in offered] == [
        (name, lsp.CompletionItemKind.Field) for name in ("age", "spouse", "job")
    ]
    await editor.edit(15, 15, 15, "spouse.j")
    assert [each.label for each in await editor.complete(15, 23)] == ["job"]


async def test_keywords_go_on_from_the_words_that_are_there(editor: Editor) -> None:
    await editor.open(LOAN)
    await editor.edit(7, 9, 17, "at ")
    offered = [each for each in await editor.complete(7, 12) if each.kind == lsp.CompletionItemKind.Keyword]
    labels = {each.label: each for each in offered}
    assert {"at least", "at most"} <= labels.keys()
    edit = labels["at least"].text_edit
    assert isinstance(edit, lsp.TextEdit)
    assert (edit.range.start.character, edit.range.end.character) == (9, 12)


async def test_names_of_the_policy_and_of_the_library_are_offered(editor: Editor) -> None:
    await editor.open(LOAN)
    await editor.edit(18, 11, 24, "")
    offered = {each.label: each.kind for each in await editor.complete(18, 11)}
    assert offered["limit"] == lsp.CompletionItemKind.Variable
    assert offered["band"] == lsp.CompletionItemKind.Function
    assert offered["High"] == lsp.CompletionItemKind.EnumMember
    assert "Text" in offered
    await editor.edit(18, 11, 11, "Text.star")
    assert [each.label for each in await editor.complete(18, 20)] == ["startsWith"]


@pytest.mark.parametrize(
    ("line", "character", "words"),
    [
        (3, 9, ["Define Applicant has age", "Who asks for money."]),
        (13, 6, ["Rule decide given applicant as Applicant, amount as Int, produce Text", "The decision."]),
        (15, 17, ["age as Int between 0 and 120"]),
        (17, 37, ["limit: Int"]),
        (17, 29, ["Define Band as one of Low, High."]),
    ],
)
async def test_hover_tells_what_a_name_is(editor: Editor, line: int, character: int, words: list[str]) -> None:
    await editor.open(LOAN)
    told = await editor.hover(line, character)
    assert told is not None
    assert all(word in told for word in words), told


async def test_hover_tells_the_signature_of_a_library_function(editor: Editor) -> None:
    await editor.open('Rule f given t as Text, produce Bool:\n  Return Text.startsWith(t, "a").\n')
    told = str(await editor.hover(1, 17))
    assert "Text.startsWith(Text, Text) → Bool" in told
    assert "Whether the text begins with another." in told
    assert await editor.hover(1, 4) is None


async def test_the_definition_of_a_name_is_found(editor: Editor) -> None:
    await editor.open(LOAN)
    found = await editor.client.text_document_definition_async(lsp.DefinitionParams(**editor.at(17, 8)))
    assert isinstance(found, lsp.Location)
    assert (found.range.start.line, found.range.start.character) == (6, 5)
    context = lsp.ReferenceContext(include_declaration=True)
    uses = await editor.client.text_document_references_async(lsp.ReferenceParams(**editor.at(6, 6), context=context))
    assert [each.range.start.line for each in uses or []] == [6, 17]


async def test_the_outline_has_declarations_with_their_parts(editor: Editor) -> None:
    await editor.open(LOAN)
    document = lsp.TextDocumentIdentifier(uri=editor.uri)
    outline = await editor.client.text_document_document_symbol_async(lsp.DocumentSymbolParams(text_document=document))
    assert outline is not None
    assert [each.name for each in outline] == ["Applicant", "Band", "band", "decide"]
    children = outline[0].children  # type: ignore[union-attr]  # the server sends a tree
    assert [each.name for each in children or []] == ["age", "spouse", "job"]


@pytest.mark.parametrize(
    ("line", "character", "name", "count"),
    [(6, 5, "bracket", 2), (3, 9, "Person", 3), (3, 22, "years", 3), (4, 23, "Small", 3), (14, 7, "most", 2)],
)
async def test_a_name_is_renamed_wherever_it_stands(
    editor: Editor, line: int, character: int, name: str, count: int
) -> None:
    await editor.open(LOAN)
    edits = await editor.rename(line, character, name)
    assert len(edits) == count
    assert await editor.open(applied(LOAN, edits), editor.uri.replace("loan", "renamed")) == []


@pytest.mark.parametrize(
    ("line", "character", "name", "words"),
    [
        (14, 7, "amount", "already"),
        (6, 5, "decide", "already"),
        (14, 7, "if", "keyword"),
        (14, 7, "two words", "is not a name"),
        (3, 22, "job", "already"),
        (2, 3, "anything", "no name"),
    ],
)
async def test_a_rename_that_would_change_the_meaning_is_refused(
    editor: Editor, line: int, character: int, name: str, words: str
) -> None:
    await editor.open(LOAN)
    with pytest.raises(JsonRpcException, match=words):
        await editor.rename(line, character, name)


async def test_nothing_is_renamed_in_a_policy_with_errors(editor: Editor) -> None:
    await editor.open(LOAN.replace("times 2", "times"))
    with pytest.raises(JsonRpcException, match="has errors"):
        await editor.rename(6, 5, "bracket")


CHINESE = """\
# locale: zh-CN
模块 快递。

定义 包裹 包含 重量 作为 整数，备注 作为 文本。

规则 运费 给定 包裹单 作为 包裹，产出 文本：
  令 提示 定义为 「😀𠮷」 加上 包裹单.备注。
  如果 包裹单.重量 超过 500
    返回 提示。
  返回 「普通」。
"""


async def test_positions_count_utf_16_units_in_a_chinese_policy(editor: Editor) -> None:
    assert await editor.open(CHINESE) == []
    line = CHINESE.split("\n")[6]
    character = len(line[: line.index("备注")].encode("utf-16-le")) // 2
    assert "备注 作为 文本" in str(await editor.hover(6, character))
    edits = await editor.rename(6, character, "说明")
    renamed = applied(CHINESE, edits)
    assert "包裹单.说明" in renamed
    assert renamed.count("备注") == 0
    assert await editor.open(renamed, editor.uri.replace("loan", "renamed")) == []


async def test_keywords_are_those_of_the_locale(editor: Editor) -> None:
    await editor.open(CHINESE.replace("  返回 「普通」。\n", "  返\n"))
    offered = [each.label for each in await editor.complete(9, 3) if each.kind == lsp.CompletionItemKind.Keyword]
    assert offered == ["返回"]


async def test_the_locale_is_the_editors_setting_unless_the_file_says() -> None:
    german = "Regel porto gegeben gewicht als Ganzzahl, liefert Ganzzahl:\n  gib zurueck gewicht mal 2.\n"
    english = "Rule f produce Int:\n  Return 1 plus.\n"
    async with server({"locale": "de-DE"}) as client:
        editor = Editor(client)
        assert await editor.open(german) == []
        told = await editor.open(english, "file:///policies/x.en-US.aster")
        assert "expected" in told[0].message


async def test_an_answer_is_given_for_a_text_that_is_no_policy(editor: Editor) -> None:
    assert await editor.open("\x00 {{{ “" * 50 + "\n" * 20) != []
    await editor.complete(0, 3)
    assert await editor.hover(0, 3) is None


async def test_a_policy_is_formatted_as_the_command_does(editor: Editor) -> None:
    options = lsp.FormattingOptions(tab_size=2, insert_spaces=True)

    async def formatted(text: str, name: str) -> list[lsp.TextEdit]:
        await editor.open(text, editor.uri.replace("loan", name))
        document = lsp.TextDocumentIdentifier(uri=editor.uri)
        params = lsp.DocumentFormattingParams(text_document=document, options=options)
        return list(await editor.client.text_document_formatting_async(params) or ())

    (edit,) = await formatted("Rule   f  given x   as Int, produce Int:\n    Return x    plus 1.\n", "loan")
    assert edit.new_text == "Rule f given x as Int, produce Int:\n  Return x plus 1.\n"
    assert await formatted("Rule f produce Int:\n  Return 1 plus .\n", "broken") == []
