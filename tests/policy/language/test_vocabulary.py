"""The words of a domain stand for its canonical names."""

from typing import Any

import pytest

from aster.policy import compile_source
from aster.policy.language import read_vocabulary
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
    ],
)
def test_malformed_vocabularies_are_refused(terms: dict[str, Any]) -> None:
    with pytest.raises(VocabularyInvalid):
        read_vocabulary(terms)
