"""Unusual but legal programs of every construct: they decide alike in both evaluators, formatted, and translated.

A file of `legal/` holds programs of one locale: a title (and the rule, if it is not the entry), a context with the
value that is expected, the source.
"""

import json
import re
from pathlib import Path
from typing import Any, NamedTuple

import pytest

from aster.policy import compile_source
from aster.policy.language import format_source, translate_source
from aster.policy.language.lexicon import LOCALES

FOLDER = Path(__file__).parent / "legal"


class Legal(NamedTuple):
    locale: str
    title: str
    rule: str | None
    context: dict[str, Any]
    value: Any
    source: str


def programs() -> list[Legal]:
    found = []
    for path in sorted(FOLDER.glob("*.txt")):
        for block in re.split(r"^=== ", path.read_text(encoding="utf-8"), flags=re.MULTILINE)[1:]:
            head, line, source = block.split("\n", 2)
            title, _, rule = head.partition(" @")
            context, value = map(json.loads, line.split(" → "))
            found.append(Legal(path.stem, title, rule or None, context, value, source.rstrip("\n") + "\n"))
    return found


PROGRAMS = programs()
every_program = pytest.mark.parametrize("legal", PROGRAMS, ids=lambda legal: f"{legal.locale} {legal.title}")


def decided(legal: Legal, source: str, locale: str, **options: Any) -> Any:
    return compile_source(source, locale).evaluate(legal.rule, legal.context, **options).value


@every_program
def test_it_decides_as_it_says_in_both_evaluators(legal: Legal) -> None:
    for options in ({}, {"interpret": True}, {"trace": True}):
        assert decided(legal, legal.source, legal.locale, **options) == legal.value


@every_program
def test_its_format_is_stable_and_decides_alike(legal: Legal) -> None:
    formatted = format_source(legal.source, legal.locale)
    assert format_source(formatted, legal.locale) == formatted
    assert decided(legal, formatted, legal.locale) == legal.value


@every_program
def test_its_translations_decide_alike_and_come_back(legal: Legal) -> None:
    for locale in LOCALES:
        translated = translate_source(legal.source, legal.locale, locale)
        assert decided(legal, translated, locale) == legal.value
        back = translate_source(translated, locale, legal.locale)
        assert translate_source(back, legal.locale, locale) == translated
