"""The words of a domain stand for its canonical names."""

from typing import Any

import pytest

from aster.policy import compile_source
from aster.policy.language import VOCABULARIES, format_source, load_vocabulary, read_vocabulary, translate_source
from aster.policy.language.errors import VocabularyInvalid

LOANS: dict[str, Any] = {
    "id": "test.loans",
    "structs": [{"canonical": "Applicant", "localized": "申请人", "aliases": ["借款人"]}],
    "fields": [{"canonical": "creditScore", "localized": "信用评分", "parent": "Applicant"}],
    "functions": [{"canonical": "evaluateLoan", "localized": "评估贷款"}],
    "literals": [{"canonical": "LOW", "localized": "低风险"}],
}
SOURCE = """定义 申请人 包含 信用评分 作为 整数。

规则 评估贷款 给定 甲 作为 借款人，产出 文本：
  如果 甲.信用评分 至少 700
    返回 低风险。
  返回 「HIGH」。
"""


def test_a_localized_policy_takes_canonical_names() -> None:
    program = compile_source(SOURCE, "zh-CN", vocabulary=read_vocabulary(LOANS))
    assert program.rules == ("evaluateLoan",)
    assert program.evaluate(context={"甲": {"creditScore": 720}}).value == "LOW"
    assert program.evaluate(context={"甲": {"creditScore": 620}}).value == "HIGH"


def test_a_second_vocabulary_shadows_the_first() -> None:
    other = read_vocabulary({"id": "own", "functions": [{"canonical": "assess", "localized": "评估贷款"}]})
    program = compile_source(SOURCE, "zh-CN", vocabulary=read_vocabulary(LOANS) | other)
    assert program.rules == ("assess",)


@pytest.mark.parametrize(
    "terms",
    [
        {"fields": [{"canonical": "größe", "localized": "x"}]},
        {"fields": [{"canonical": "a", "localized": "two words"}]},
        {"fields": [{"canonical": "a", "localized": "x"}, {"canonical": "b", "localized": "X"}]},
        {"fields": [{"canonical": "a", "localized": "x"}], "literals": [{"canonical": "t", "localized": "x"}]},
        {"literals": [{"canonical": 'quo"te', "localized": "x"}]},
        {"fields": "x"},
        {"locale": "zh-CN", "fields": [{"canonical": "a", "localized": "如果"}]},
    ],
)
def test_malformed_vocabularies_are_refused(terms: dict[str, Any]) -> None:
    with pytest.raises(VocabularyInvalid):
        read_vocabulary(terms)


GERMAN = """Definiere Antragsteller hat bonitätsnote als Ganzzahl, alter als Ganzzahl.

Regel KreditBewerten gegeben antragsteller als Antragsteller, liefert Boolesch:
  gib zurueck antragsteller.bonitaetsnote mindestens 700 und antragsteller.alter mindestens 18.
"""


def test_a_shipped_vocabulary_names_types_values_and_rules() -> None:
    program = compile_source(GERMAN, "de-DE", vocabulary=load_vocabulary("finance.loan", "de_de"))
    assert program.rules == ("evaluateLoan",)
    assert program.evaluate(context={"applicant": {"creditScore": 701, "age": 20}}).value is True


def test_a_policy_of_a_trade_is_translated_with_its_words_and_back() -> None:
    german, english = (load_vocabulary("finance.loan+insurance.auto", locale) for locale in ("de-DE", "en-US"))
    told = translate_source(GERMAN, "de-DE", "en-US", vocabulary=german, target_vocabulary=english)
    assert "Rule evaluateLoan given applicant as Applicant, produce Bool:" in told
    back = translate_source(told, "en-US", "de-DE", vocabulary=english, target_vocabulary=german)
    assert back == format_source(GERMAN.replace("ä", "ae"), "de-DE")


@pytest.mark.parametrize("name", VOCABULARIES)
def test_shipped_vocabularies_have_every_term_in_three_locales(name: str) -> None:
    english, chinese, german = (load_vocabulary(name, locale) for locale in ("en-US", "zh-CN", "de-DE"))
    assert english.words.keys() == chinese.words.keys() == german.words.keys()
    assert all(english.name_of(word) == word and english.word_for(word) == word for word in english.words)
    assert all(german.name_of(german.word_for(word)) == word for word in english.words)


@pytest.mark.parametrize(("name", "locale"), [("finance.stocks", "en-US"), ("finance.loan", "hi-IN"), ("", "de-DE")])
def test_a_vocabulary_that_is_not_shipped_is_refused(name: str, locale: str) -> None:
    with pytest.raises(VocabularyInvalid):
        load_vocabulary(name, locale)
