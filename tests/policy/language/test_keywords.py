"""Every spelling of every keyword, in every locale, is read as that keyword; and a locale is nothing but data."""

import json
from pathlib import Path
from typing import Any

import pytest

from aster.policy import PolicySyntaxError, compile_source
from aster.policy.language import format_source, lexicon, translate_source
from aster.policy.language.concrete import read_concrete
from aster.policy.language.lexicon import LOCALES, load_lexicon

RULE = "Rule f given n as Int, b as Bool, produce:\n  {}\nRule g, produce:\n  Return 1.\n"
WORKFLOW = """\
Rule f, produce. It performs io:
  workflow:
    step one:
      Return 1.
    compensate:
      Return 2.
    step two depends on ["one"]:
      Return 3.
    retry:
      max attempts: 3.
      backoff: linear.
    timeout: 30 seconds.
"""


def in_workflow(word: str, pattern: str = "{}") -> str:
    assert word in WORKFLOW
    return WORKFLOW.replace(word, pattern)


RESERVED = {"FOR_EACH", "IN"}
PROGRAMS = {
    "MODULE_DECL": "{} a.b.\n",
    "IMPORT": "{} a.b.\n",
    "IMPORT_ALIAS": "use a.b {} c.\n",
    "IMPORT_VERSION": "use a.b {} 2.\n",
    "TYPE_DEF": "{} P has a as Int.\n",
    "TYPE_WITH": "Define P {} a as Int.\n",
    "TYPE_HAS": "Define P {} a as Int.\n",
    "TYPE_ONE_OF": "Define B {} X, Y.\n",
    "TYPE_ALIAS": "{} M as Int.\n",
    "FUNC_TO": "{} f, produce:\n  Return 1.\n",
    "FUNC_GIVEN": "Rule f {} n as Int, produce Int:\n  Return n.\n",
    "FUNC_PRODUCE": "Rule f given n as Int, {} Int:\n  Return n.\n",
    "FUNC_PERFORMS": "Rule f, produce Int. {} io:\n  Return 1.\n",
    "IO": "Rule f, produce Int. It performs {}:\n  Return 1.\n",
    "CPU": "Rule f, produce Int. It performs {}:\n  Return 1.\n",
    "OF": "Rule f {} T given x as T, produce T:\n  Return x.\n",
    "IF": RULE.format("{} b\n    Return 1.\n  Return 2."),
    "THEN": RULE.format("If b {} Return 1.\n  Return 2."),
    "OTHERWISE": RULE.format("If b\n    Return 1.\n  {}\n    Return 2."),
    "MATCH": RULE.format("{} n:\n    When 1, Return 1.\n  Return 2."),
    "WHEN": RULE.format("Match n:\n    {} 1, Return 1.\n  Return 2."),
    "RETURN": RULE.format("{} n."),
    "RESULT_IS": RULE.format("{} n."),
    "LET": RULE.format("{} x be n.\n  Return x."),
    "BE": RULE.format("Let x {} n.\n  Return x."),
    "SET": RULE.format("{} n to 1.\n  Return n."),
    "TO_WORD": RULE.format("Set n {} 1.\n  Return n."),
    "APPLY": RULE.format("Return {} Int.toString to n."),
    "NOT": RULE.format("Return {} b."),
    "AT_LEAST": RULE.format("Return n {} 3."),
    "AT_MOST": RULE.format("Return n {} 3."),
    "IS_ONE_OF": RULE.format("Return n {} [3]."),
    "IS_NOT_ONE_OF": RULE.format("Return n {} [3]."),
    "OR": RULE.format("Return b {} b."),
    "AND": RULE.format("Return b {} b."),
    "FUNCTION": RULE.format("Let x be {} given y:\n    Return y.\n  Return x(1)."),
    "WITHIN": RULE.format("{} scope:\n    Return 1."),
    "SCOPE": RULE.format("Within {}:\n    Return 1."),
    "START": RULE.format("{} a as async g().\n  Return 1."),
    "ASYNC": RULE.format("Start a as {} g().\n  Return 1."),
    "WAIT_FOR": RULE.format("{} a.\n  Return 1."),
    "AWAIT": RULE.format("Return {}(g())."),
    "REQUIRED": "Rule f given n as Int {}, produce:\n  Return n.\n",
    "BETWEEN": "Rule f given n as Int {} 1 and 2, produce:\n  Return n.\n",
    "MATCHING": 'Rule f given n as Text {} "x", produce:\n  Return n.\n',
    "PATTERN": 'Rule f given n as Text matching {} "x", produce:\n  Return n.\n',
    "WORKFLOW": in_workflow("workflow"),
    "STEP": in_workflow("step one", "{} one"),
    "COMPENSATE": in_workflow("compensate"),
    "DEPENDS_ON": in_workflow("depends on"),
    "DEPENDS": in_workflow("depends on", "{} on"),
    "ON": in_workflow("depends on", "depends {}"),
    "RETRY": in_workflow("retry"),
    "MAX_ATTEMPTS": in_workflow("max attempts"),
    "BACKOFF": in_workflow("backoff"),
    "LINEAR": in_workflow("linear"),
    "EXPONENTIAL": in_workflow("linear"),
    "TIMEOUT": in_workflow("timeout"),
    "SECONDS": in_workflow("seconds"),
    **dict.fromkeys(
        ("PLUS", "MINUS_WORD", "TIMES", "DIVIDED_BY", "INTEGER_DIVIDED_BY", "MODULO"), RULE.format("Return n {} 3.")
    ),
    **dict.fromkeys(("LESS_THAN", "GREATER_THAN", "EQUALS_TO", "NOT_EQUAL_TO"), RULE.format("Return n {} 3.")),
    **dict.fromkeys(("IS", "IS_NOT", "UNDER", "OVER", "MORE_THAN"), RULE.format("Return n {} 3.")),
    **dict.fromkeys(("OK_OF", "ERR_OF", "SOME_OF"), RULE.format("Return {} n.")),
    **dict.fromkeys(("NONE", "TRUE", "FALSE", "NULL"), RULE.format("Return {}.")),
    **dict.fromkeys(
        ("MAYBE", "OPTION_OF", "LIST_OF", "RESULT_OF"), "Rule f given n as {} Int, produce:\n  Return n.\n"
    ),
    "MAP_OF": "Rule f given n as {} Text to Int, produce:\n  Return n.\n",
    **dict.fromkeys(("TEXT", "INT_TYPE", "FLOAT_TYPE", "BOOL_TYPE"), "Rule f given n as {}, produce:\n  Return n.\n"),
    **dict.fromkeys(
        ("LONG_TYPE", "DECIMAL_TYPE", "DATETIME_TYPE", "NUMBER_TYPE"), "Rule f given n as {}, produce:\n  Return n.\n"
    ),
}
SPELLINGS = [
    (locale, kind, phrase)
    for locale in LOCALES
    for kind, phrases in load_lexicon(locale).spellings.items()
    for phrase in dict.fromkeys(phrases)
]


def test_every_keyword_has_a_program() -> None:
    assert PROGRAMS.keys() | RESERVED == load_lexicon("en-US").keywords.keys()


@pytest.mark.parametrize(("locale", "kind", "phrase"), [each for each in SPELLINGS if each[1] not in RESERVED])
def test_a_spelling_is_read_as_its_keyword(locale: str, kind: str, phrase: str) -> None:
    spellings = load_lexicon(locale).spellings
    alike = {other for other, phrases in spellings.items() if phrase.lower() in {each.lower() for each in phrases}}
    alike |= {"IS": {"IS_PREFIX"}, "DEPENDS": {"DEPENDS_ON"}, "ON": {"DEPENDS_ON"}}.get(kind, set())
    for written in {phrase, phrase.upper(), phrase.capitalize()}:
        source = PROGRAMS[kind].replace("{}", written)
        read = {found for found, _ in read_concrete(source, locale).keywords.values()}
        assert read & alike, source


@pytest.mark.parametrize("locale", LOCALES)
def test_a_loop_is_refused_with_the_functions_to_use_instead(locale: str) -> None:
    word = load_lexicon(locale).keywords["FOR_EACH"]
    with pytest.raises(PolicySyntaxError) as refused:
        compile_source(RULE.format(f"{word} x in n:\n    Return x."), locale)
    assert any("List.map" in str(found.help) for found in refused.value.diagnostics)


# --- a locale is one file --------------------------------------------------------------------------------------------


def test_no_code_knows_the_fourth_locale() -> None:
    folder = Path(lexicon.__file__).parent
    named = [path.name for path in folder.rglob("*.py") if "hi-IN" in path.read_text(encoding="utf-8")]
    assert named == ["lexicon.py"]
    devanagari = [
        path.name
        for path in folder.rglob("*.py")
        if any("\u0905" <= char <= "\u0939" for char in path.read_text(encoding="utf-8"))
    ]
    assert devanagari == []


@pytest.fixture
def fifth(monkeypatch: pytest.MonkeyPatch) -> Any:
    """A locale that is not shipped: English, every word backwards."""
    read = lexicon._read

    def backwards(phrase: str) -> str:
        return " ".join(f"zz{word[::-1].lower()}" for word in phrase.split())

    def read_fifth(locale: str) -> dict[str, Any]:
        if locale != "xx-XX":
            return read(locale)
        data = json.loads(json.dumps(read("en-US")))
        data |= {"id": "xx-XX", "name": "Backwards", "sentence_case": [], "inline": {}, "articles": ["eht"]}
        data["keywords"] = {kind: backwards(phrase) for kind, phrase in data["keywords"].items()}
        data["aliases"] = {}
        return dict(data)

    lexicon._load.cache_clear()
    monkeypatch.setattr(lexicon, "_read", read_fifth)
    monkeypatch.setattr(lexicon, "LOCALES", (*LOCALES, "xx-XX"))
    yield
    lexicon._load.cache_clear()


@pytest.mark.usefixtures("fifth")
def test_a_fifth_locale_needs_nothing_but_its_data() -> None:
    source = """\
Define Parcel has weight as Int between 1 and 30, zone as Text.

Rule price given parcel as Parcel, produce Int:
  If parcel.weight at least 20 and parcel.zone is "remote"
    Return parcel.weight times 2.
  Otherwise
    Return parcel.weight integer divided by 3.
"""
    translated = translate_source(source, "en-US", "xx-XX")
    assert translated.startswith("zzenifed Parcel zzsah weight zzsa zztni")
    context = {"parcel": {"weight": 20, "zone": "remote"}}
    assert compile_source(translated, "xx_xx").evaluate(context=context).value == 40
    assert format_source(translated, "xx-XX") == translated
    assert translate_source(translated, "xx-XX", "en-US") == source
