"""The canonical form: what changes, what stays."""

from typing import Any

import pytest

from aster.policy import PolicySyntaxError
from aster.policy.language import format_source, translate_source

MESSY = """\
//head
module   a.b
use risk.core version 2 as Risk.
# about X
define X has a as int required between -1 and 5, // trailing a
    b as Text?,
    # inner
    c as list of   Text.
define E as one of A,B, or C
@entry @note(label:"x")
rule f given x as X and y as @pii(L1,email) Text,produce Int:
    let z be (x.a plus  - 3)*2   // t

    // own
    if z<3 and
       not (x.b is "q\\n“hi”")
        return f(x,[1,
          2,
          3])
    otherwise if z is at least 4 then return if z>4 then 1 else 2 else return 3
    # deep end
# top
rule g<E>, produce:
  match h(1):
    when None, return none
    when Some( x ), return x
    when _:
      return -1
  return driver's age
"""
NEAT = """\
//head
Module a.b.

Use risk.core version 2 as Risk.

# about X
Define X has a as Int required between -1 and 5,  // trailing a
  b as Text?,
  # inner
  c as list of Text.

Define E as one of A, B, or C.

@entry @note(label: "x")
Rule f given x as X and y as @pii(L1, email) Text, produce Int:
  Let z be (x.a plus -3) * 2.  // t

  // own
  If z < 3 and
      not (x.b is "q\\n“hi”")
    Return f(x, [1,
        2,
        3]).
  Otherwise If z is at least 4 then Return if z > 4 then 1 else 2 else Return 3.
  # deep end
# top
Rule g<E>, produce:
  Match h(1):
    When none, Return none.
    When Some(x), Return x.
    When _:
      Return -1.
  Return driver's age.
"""


def test_there_is_one_way_to_write_a_policy() -> None:
    assert format_source(MESSY) == NEAT
    assert format_source(NEAT) == NEAT


def test_words_of_a_locale_are_kept_and_its_punctuation_is_used() -> None:
    source = (
        "规则  运费 给定 量 作为 整数,产出 整数:\n    如果 量 超过 ５００\n        返回 量 加上 1\n    返回 f(量, 2).\n"
    )
    assert format_source(source, "zh-CN") == (
        "规则 运费 给定 量 作为 整数，产出 整数：\n  如果 量 超过 500\n    返回 量 加上 1。\n  返回 f(量, 2)。\n"
    )


def test_english_words_in_other_locales_are_kept() -> None:
    assert format_source("规则 f，produce Int：\n  return 1", "zh-CN") == "规则 f，produce Int：\n  Return 1。\n"


def test_what_cannot_be_parsed_is_not_formatted() -> None:
    with pytest.raises(PolicySyntaxError):
        format_source("Rule f, produce:\n  Return 1 plus.")


def test_a_translation_uses_the_words_and_signs_of_the_other_locale() -> None:
    assert translate_source(NEAT.split("# top")[0], "en-US", "de-DE").split("\n")[5:8] == [
        "# about X",
        "Definiere X hat a als Ganzzahl erforderlich zwischen -1 und 5,  // trailing a",
        "  b als Text?,",
    ]
    assert translate_source('Rule f, produce Text:\n  Return "a".', "en-US", "zh-CN") == (
        "规则 f，产出 文本：\n  返回 「a」。\n"
    )


def test_a_name_that_is_a_keyword_elsewhere_is_told() -> None:
    source = "Rule f given wenn as Int, plus as Int, produce:\n  Return wenn minus nicht (plus).\n"
    with pytest.raises(PolicySyntaxError) as raised:
        translate_source(source.replace("nicht (plus)", "nicht(plus)"), "en-US", "de-DE")
    assert {found.code for found in raised.value.diagnostics} == {"T001"}


def test_articles_go_and_vocabularies_apply() -> None:
    from aster.policy.language import read_vocabulary

    german = read_vocabulary({"id": "t", "structs": [{"canonical": "Applicant", "localized": "Antragsteller"}]})
    source = "Rule f given the applicant as Applicant, produce:\n  Return applicant.age.\n"
    assert translate_source(source, "en-US", "de-DE", target_vocabulary=german) == (
        "Regel f gegeben antragsteller als Antragsteller, liefert:\n  gib zurueck antragsteller.age.\n"
    )
    back = translate_source(
        "Regel f gegeben a als Antragsteller, liefert:\n  gib zurück a.x.", "de-DE", "en-US", vocabulary=german
    )
    assert back == "Rule f given a as Applicant, produce:\n  Return a.x.\n"


def test_possessives_are_translated() -> None:
    english = "Rule f given car, produce Int:\n  Return car's year.\n"
    chinese = translate_source(english, "en-US", "zh-CN")
    assert "返回 car 的 year。" in chinese
    assert format_source(chinese, "zh-CN") == chinese
    assert translate_source(chinese, "zh-CN", "en-US") == english


@pytest.mark.parametrize("limits", [{"max_source": 20}, {"max_tokens": 10}])
def test_tools_keep_to_the_limits_of_compilation(limits: dict[str, Any]) -> None:
    source = "Rule f given n as Int, produce Int:\n  Return n.\n"
    assert format_source(source) == source
    with pytest.raises(PolicySyntaxError, match=r"L01[01]"):
        format_source(source, **limits)
    with pytest.raises(PolicySyntaxError, match=r"L01[01]"):
        translate_source(source, "en-US", "de-DE", **limits)
