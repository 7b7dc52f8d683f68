"""Every finding is told with a way out, and every example of the reference has the finding it stands for."""

import pytest

from aster.policy import PolicySyntaxError, compile_source
from aster.policy.language import Diagnostic, ModuleSource, read_manifest, translate_source
from aster.policy.language.diagnostics import CATALOGUE
from aster.policy.language.finding_docs import FINDINGS
from aster.policy.language.modules import Resolver

EXAMPLES = [(code, told.example) for code, told in FINDINGS.items() if told.example is not None]
RULE = "Rule f given n as Int, produce Int:\n  Return n.\n"


def findings(source: str, **options: object) -> tuple[Diagnostic, ...]:
    try:
        return compile_source(source, **options).diagnostics  # type: ignore[arg-type]  # the tests name what it takes
    except PolicySyntaxError as error:
        return error.diagnostics


def test_every_finding_is_told() -> None:
    assert FINDINGS.keys() == CATALOGUE.keys()


@pytest.mark.parametrize(("code", "source"), EXAMPLES)
def test_an_example_has_its_finding_and_no_graver_one(code: str, source: str) -> None:
    found = findings(source)
    assert code in [each.code for each in found]
    assert all(each.message and each.start_line >= 1 and each.start_column >= 1 for each in found)


def using(sources: dict[str, str]) -> Resolver:
    return lambda name, _: ModuleSource(sources[name], 1) if name in sources else None


def test_findings_of_sizes() -> None:
    assert [each.code for each in findings(RULE, max_source=10)] == ["L010"]
    assert [each.code for each in findings(RULE, max_tokens=5)] == ["L011"]
    assert [each.code for each in findings("")] == ["P018"]
    long = f"Rule f, produce:\n  Return {'9' * 500}.5.\n"
    assert "L008" in [each.code for each in findings(long)]
    assert "P015" in [each.code for each in findings("Rule f, produce:\n  Return " + "(" * 100)]
    many = "Rule f, produce:\n  Return 1" + " plus 1" * 600 + ".\n"
    assert "P017" in [each.code for each in findings(many)]


def test_findings_of_modules() -> None:
    source = "Use a.\nRule f, produce: Return 1.\n"
    assert [each.code for each in findings(source, modules=using({}))] == ["M101"]
    assert [each.code for each in findings(source, modules=using({"a": "Use a.\n" + RULE}))] == ["M102"]
    two = "Use b.\nUse a version 1.\nRule f, produce: Return 1.\n"
    newer = using({"a": RULE, "b": "Use a version 2.\n" + RULE})
    assert findings(two, modules=newer)[0].code in {"M101", "M103"}
    assert [each.code for each in findings(source, modules=using({"a": "Rule"}))] == ["M104"]


def test_findings_of_translations_and_manifests() -> None:
    with pytest.raises(PolicySyntaxError, match="T001"):
        translate_source("Rule f given 如果, produce:\n  Return 如果 plus 1.\n", "en-US", "zh-CN")
    source = "Rule f, produce. It performs io [Http]:\n  Return Http.get(1).\n"
    assert "E300" in [each.code for each in findings(source, manifest=read_manifest({"allow": {}}))]
