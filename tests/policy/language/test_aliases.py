"""A user's own words for keywords: read beside the locale's, within strict rules."""

from typing import Any

import pytest

from aster.policy import PolicySyntaxError, compile_source
from aster.policy.language import format_source, read_aliases, read_vocabulary, translate_source
from aster.policy.language.errors import AliasesInvalid

OPERATORS = {"AT_LEAST": ["no less than", "not below"], "PLUS": ["topped up with"]}
SOURCE = """Rule f given n as Int, produce Int:
  If n No Less Than 3
    Return n topped up
      with 1.
  Return n.
"""


def test_aliases_are_read_like_the_words_of_the_locale() -> None:
    program = compile_source(SOURCE.replace("\n      with", " with"), aliases=read_aliases(OPERATORS))
    assert [program.evaluate(args=[n]).value for n in (2, 3)] == [2, 4]
    with pytest.raises(PolicySyntaxError):
        compile_source(SOURCE)


def test_an_administrator_may_rename_what_shapes_a_program() -> None:
    aliases = read_aliases({"FUNC_TO": ["decision rule"], "RETURN": ["we answer"]}, administrator=True)
    program = compile_source("Decision rule f given n as Int, produce Int:\n  We answer n.\n", aliases=aliases)
    assert program.evaluate(args=[2]).value == 2


def test_aliases_work_beside_any_locale_and_are_translated_into_its_own_words() -> None:
    source = "Regel f gegeben n als Ganzzahl, liefert Boolesch:\n  gib zurueck n nicht unter 3.\n"
    aliases = read_aliases({"AT_LEAST": ["nicht unter"]})
    assert format_source(source, "de-DE", aliases=aliases) == source
    assert "Return n at least 3." in translate_source(source, "de-DE", "en-US", aliases=aliases)


def test_equal_sets_have_one_canonical_form() -> None:
    one = read_aliases({"PLUS": ["b c", "a b"], "AT_MOST": ["no more than"], "TIMES": []})
    other = read_aliases({"AT_MOST": ["no more than"], "PLUS": ["a b", "b c"]})
    assert one == other
    assert one.document == {"AT_MOST": ["no more than"], "PLUS": ["a b", "b c"]}


@pytest.mark.parametrize(
    ("document", "reason"),
    [
        ({"RETURN": ["we answer"]}, "administrator"),
        ({"NOT": ["by no means"]}, "can have aliases"),
        ({"TRUE": ["it is so"]}, "can have aliases"),
        ({"PLUS": ["topped"]}, "two lower-case words"),
        ({"PLUS": ["Topped up"]}, "two lower-case words"),
        ({"PLUS": [" topped up"]}, "two lower-case words"),
        ({"PLUS": ["topped  up"]}, "two lower-case words"),
        ({"PLUS": ["topped, up"]}, "two lower-case words"),
        ({"PLUS": ["topped up " + "x" * 64]}, "64 characters"),
        ({"PLUS": [f"more {chr(97 + n)}" for n in range(9)]}, "at most 8"),
        ({"PLUS": "topped up"}, "expected a list"),
        ({"PLUS": ["to it"], "TIMES": ["to it"]}, "twice"),
        ({f"K{n}": [] for n in range(33)}, "more than 32"),
    ],
)
def test_what_is_no_alias_is_refused(document: dict[str, Any], reason: str) -> None:
    with pytest.raises(AliasesInvalid, match=reason):
        read_aliases(document)


def test_an_alias_never_takes_the_place_of_other_words() -> None:
    with pytest.raises(AliasesInvalid, match="is a keyword of en-US"):
        compile_source(SOURCE, aliases=read_aliases({"PLUS": ["divided by"]}))
    words = read_vocabulary({"id": "own", "fields": [{"canonical": "level", "localized": "topped"}]})
    with pytest.raises(AliasesInvalid, match="vocabulary own"):
        compile_source(SOURCE, aliases=read_aliases(OPERATORS), vocabulary=words)
