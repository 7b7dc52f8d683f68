"""Locales are data: complete, unambiguous and translated with the right placeholders."""

import re
import string
from pathlib import Path

import pytest

from aster.policy import PolicyEvaluationError, PolicySyntaxError, UnsupportedLocale, compile_source, language
from aster.policy.language.conversions import VIOLATIONS
from aster.policy.language.diagnostics import CATALOGUE, FIXES
from aster.policy.language.faults import FAULTS
from aster.policy.language.lexicon import LOCALES, load_lexicon
from aster.policy.language.terms import TERMS

MESSAGES = {**{code: message for code, (_, message) in CATALOGUE.items()}, **FIXES, **FAULTS, **VIOLATIONS}
SHARED = [{"FUNC_TO", "TO_WORD"}, {"IS", "EQUALS_TO"}, {"TYPE_HAS", "TYPE_WITH"}]


def placeholders(template: str) -> set[str]:
    return {name for _, name, _, _ in string.Formatter().parse(template) if name}


@pytest.mark.parametrize("locale", LOCALES)
def test_every_locale_has_every_keyword_once(locale: str) -> None:
    keywords = load_lexicon(locale).keywords
    assert keywords.keys() == load_lexicon("en-US").keywords.keys()
    spelled: dict[str, set[str]] = {}
    for kind, phrase in keywords.items():
        assert re.fullmatch(r"\S+( \S+)*", phrase)
        spelled.setdefault(phrase.lower(), set()).add(kind)
    doubled = [kinds for kinds in spelled.values() if len(kinds) > 1]
    assert all(any(kinds <= shared for shared in SHARED) for kinds in doubled)


@pytest.mark.parametrize("locale", LOCALES)
def test_translations_fill_the_same_places(locale: str) -> None:
    for code, template in load_lexicon(locale).messages.items():
        assert placeholders(template) <= placeholders(MESSAGES[code]), code
        assert placeholders(MESSAGES[code]) - placeholders(template) <= {"name"}, code


@pytest.mark.parametrize("locale", [locale for locale in LOCALES if locale != "en-US"])
def test_every_message_is_translated(locale: str) -> None:
    lexicon = load_lexicon(locale)
    assert MESSAGES.keys() == lexicon.messages.keys()
    assert set(TERMS) <= lexicon.terms.keys()


def test_every_fragment_of_a_message_is_a_known_term() -> None:
    folder = Path(language.__file__).parent
    written = {found for path in folder.glob("*.py") for found in re.findall(r'Term\("([^"]+)"\)', path.read_text())}
    assert written <= {*TERMS, "null"}


def test_types_and_fragments_are_told_in_the_words_of_the_locale() -> None:
    source = "Regel f gegeben n als Liste von Ganzzahl, liefert Text:\n  gib zurück n plus wahr."
    messages = [found.message for found in compile_source(source, "de-DE").diagnostics]
    assert messages == [
        "Typ passt nicht: eine Zahl erwartet, Liste von Ganzzahl gefunden",
        "Typ passt nicht: eine Zahl erwartet, Boolesch gefunden",
    ]
    with pytest.raises(PolicyEvaluationError, match='n: Liste von Ganzzahl erwartet, "x" erhalten'):
        compile_source(source, "de-DE").evaluate(context={"n": "x"})


def test_diagnostics_speak_the_language_of_the_policy() -> None:
    with pytest.raises(PolicySyntaxError, match="应为表达式"):
        compile_source("规则 看，产出 整数：\n  返回 1 加上。", "zh-CN")
    with pytest.raises(PolicySyntaxError, match="Ausdruck erwartet"):
        compile_source("Regel f, liefert Ganzzahl:\n  gib zurueck 1 plus.", "de-DE")


def test_faults_speak_the_language_of_the_policy() -> None:
    program = compile_source("Regel f gegeben n als Ganzzahl, liefert:\n  gib zurück 1 geteilt durch n.", "de-DE")
    with pytest.raises(PolicyEvaluationError, match="Division durch null"):
        program.evaluate(args=[0])


@pytest.mark.parametrize(("tag", "locale"), [("ZH_cn", "zh-CN"), ("en-us", "en-US"), ("hi-IN", "hi-IN")])
def test_locale_tags_are_read_generously(tag: str, locale: str) -> None:
    assert load_lexicon(tag).id == locale


@pytest.mark.parametrize("tag", ["zh", "fr-FR", "", "../en-US"])
def test_other_tags_are_refused(tag: str) -> None:
    with pytest.raises(UnsupportedLocale):
        load_lexicon(tag)


@pytest.mark.parametrize("locale", LOCALES)
def test_every_keyword_may_be_a_name(locale: str) -> None:
    """A parameter called like any single-word keyword keeps its value."""
    skipped = {"NONE", "NULL", "TRUE", "FALSE"}
    for kind, phrase in load_lexicon(locale).keywords.items():
        if " " in phrase or kind in skipped:
            continue
        program = compile_source(f"Rule f given {phrase} as Int, produce Int:\n  Return 1 + {phrase}.", locale)
        assert program.evaluate(args=[4]).value == 5, (kind, phrase)
