"""The reference page is held to the code: its policies compile, its cases hold, its tables are complete."""

import json
import re
from pathlib import Path

import pytest

from aster.policy import compile_source

PAGE = Path(__file__).parents[3] / "docs" / "reference" / "policy-language.md"
TEXT = PAGE.read_text(encoding="utf-8")
POLICIES = re.findall(r"```policy ?(\S*)\n(.*?)```(?:\s*```cases\n(.*?)```)?", TEXT, re.DOTALL)


def test_the_page_has_policies() -> None:
    assert len(POLICIES) >= 5


@pytest.mark.parametrize(("locale", "source", "cases"), POLICIES)
def test_policies_of_the_page_decide_as_it_says(locale: str, source: str, cases: str) -> None:
    program = compile_source(source, locale or "en-US")
    assert [found.message for found in program.diagnostics] == []
    for line in cases.splitlines():
        context, value = line.split(" → ")
        assert program.evaluate(context=json.loads(context)).value == json.loads(value)
