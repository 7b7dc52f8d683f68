"""What must hold of every program: both evaluators agree, and neither format nor translation changes its meaning.

`ASTER_EXAMPLES=20000 pytest tests/policy/language/test_properties.py` looks longer.
"""

import os
import random
from collections.abc import Sequence
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from tests.policy.language.programs import CONTEXTS, programs

from aster.policy import Diagnostic, PolicyEvaluationError, PolicySyntaxError, Program, compile_source
from aster.policy.language import explain, format_source, translate_source
from aster.policy.language.concrete import meaning, read_concrete
from aster.policy.language.lexicon import LOCALES, load_lexicon
from aster.policy.language.tokens import TEXT

EXAMPLES = int(os.environ.get("ASTER_EXAMPLES", "60"))
SLOW = [HealthCheck.too_slow, HealthCheck.data_too_large]
PATIENT = 3600.0
"""A busy machine must not look like a disagreement."""


def answer(program: Program, context: dict[str, Any], **options: Any) -> Any:
    try:
        outcome = program.evaluate("main", context=context, max_seconds=PATIENT, **options)
    except PolicyEvaluationError as error:
        return error.code, error.message, error.rule, error.line, error.column
    return outcome.value, outcome.steps


@settings(max_examples=EXAMPLES, deadline=None, suppress_health_check=SLOW)
@given(programs(), st.lists(CONTEXTS, min_size=1, max_size=3))
def test_typed_programs_have_no_type_errors_and_both_evaluators_agree(
    source: str, contexts: list[dict[str, Any]]
) -> None:
    program = compile_source(source, strict=True)
    for context in contexts:
        compiled = answer(program, context)
        assert compiled == answer(program, context, interpret=True)
        assert compiled == answer(program, context, trace=True)
        if not isinstance(compiled[1], str):
            told = program.evaluate("main", context=context, trace=True, max_seconds=PATIENT).trace
            oracle = program.evaluate("main", context=context, trace=True, interpret=True, max_seconds=PATIENT).trace
            assert told == oracle
            assert all(explain(told, locale) for locale in LOCALES)


@settings(max_examples=EXAMPLES, deadline=None, suppress_health_check=SLOW)
@given(programs())
def test_formats_keep_the_meaning_and_stay_as_they_are(source: str) -> None:
    formatted = format_source(source)
    assert meaning(read_concrete(formatted, "en-US").tree) == meaning(read_concrete(source, "en-US").tree)
    assert format_source(formatted) == formatted


def scattered(source: str, chance: random.Random) -> str:
    """The same tokens with other blanks, comments and cases, where the language does not mind."""
    lines = []
    for line in source.split("\n"):
        blank = line[: len(line) - len(line.lstrip())]
        words = line.strip().split(" ")
        body = (
            " ".join(word + " " * chance.randrange(3) for word in words).rstrip() if '"' not in line else line.strip()
        )
        lines.append(blank * 2 + body + ("  # c" if chance.random() < 0.2 and body else ""))
        if chance.random() < 0.2:
            lines.append("" if chance.random() < 0.5 else f"{blank}// own")
    return "\n".join(lines)


@settings(max_examples=EXAMPLES, deadline=None, suppress_health_check=SLOW)
@given(programs(), st.integers())
def test_a_format_does_not_depend_on_blanks_and_keeps_comments(source: str, seed: int) -> None:
    messy = scattered(source, random.Random(seed))
    formatted = format_source(messy)
    assert meaning(read_concrete(formatted, "en-US").tree) == meaning(read_concrete(source, "en-US").tree)
    assert formatted.count("# c") == messy.count("# c")
    assert formatted.count("// own") == messy.count("// own")
    assert format_source(formatted) == formatted


@pytest.mark.parametrize("locale", [locale for locale in LOCALES if locale != "en-US"])
@settings(max_examples=max(10, EXAMPLES // 3), deadline=None, suppress_health_check=SLOW)
@given(source=programs(), context=CONTEXTS)
def test_translations_decide_alike_and_translate_back(locale: str, source: str, context: dict[str, Any]) -> None:
    translated = translate_source(source, "en-US", locale)
    assert format_source(translated, locale) == translated
    original, other = compile_source(source), compile_source(translated, locale)
    mine, theirs = answer(original, context), answer(other, context)
    assert mine[0] == theirs[0]
    back = translate_source(translated, locale, "en-US")
    assert meaning(read_concrete(back, "en-US").tree) == meaning(read_concrete(source, "en-US").tree)


WORDS = sorted({phrase for locale in LOCALES for phrase in load_lexicon(locale).keywords.values()})
SIGNS = [
    "\n",
    "\n  ",
    "\n    ",
    "\n\n",
    ".",
    ",",
    ":",
    "(",
    ")",
    "[",
    "]",
    "@",
    "?",
    "=>",
    "-",
    '"',
    "“",
    "。",
    "，",
    "\t",
]
PIECES = ["x", "Item", "3", "2.5m", "7L", '"t"', "x.y", "f(", "_", "#c", "//d", "'s "]
SOUP = st.lists(st.one_of(st.sampled_from(WORDS + SIGNS + PIECES), st.sampled_from(SIGNS), st.text(max_size=3))).map(
    " ".join
)


def read(text: str, locale: str = "en-US") -> tuple[Program | None, Sequence[Diagnostic]]:
    """The program, or none and why."""
    try:
        program = compile_source(text, locale)
    except PolicySyntaxError as error:
        return None, error.diagnostics
    return program, program.diagnostics


@settings(max_examples=EXAMPLES * 5, deadline=None, suppress_health_check=SLOW)
@given(st.one_of(st.text(max_size=80), SOUP), st.sampled_from(LOCALES))
def test_any_text_is_a_program_or_has_findings(text: str, locale: str) -> None:
    program, findings = read(text, locale)
    if program is None:
        assert any(found.severity == "error" for found in findings)
        return
    formatted = format_source(text, locale)
    assert format_source(formatted, locale) == formatted


@settings(max_examples=EXAMPLES, deadline=None, suppress_health_check=SLOW)
@given(programs(), st.data())
def test_damaged_programs_have_findings_or_still_run(source: str, data: st.DataObject) -> None:
    place = data.draw(st.integers(0, len(source)))
    length = data.draw(st.integers(0, 6))
    put = data.draw(st.sampled_from(["", "(", ".", " not ", "\n", "  ", '"']))
    program, findings = read(source[:place] + put + source[place + length :])
    assert program is not None or findings
    assert all(found.start_line >= 1 and found.start_column >= 1 for found in findings)


def test_texts_survive_translation_byte_for_byte() -> None:
    source = 'Rule f, produce Text:\n  Return "a \\"q\\" 「x」 \\u0041" plus "plain" plus “typo”.\n'
    for locale in LOCALES:
        translated = translate_source(source, "en-US", locale)
        texts = [token.value for token in read_concrete(translated, locale).tokens if token.kind is TEXT]
        assert texts == ['a "q" 「x」 A', "plain", "typo"]
