"""Modules use one another: in versions, across locales, never in circles."""

from pathlib import Path

import pytest

from aster.policy import PolicyEvaluationError, PolicySyntaxError, Program, compile_source
from aster.policy.language.modules import ModuleFolder, ModuleSource

RISK = """Module risk.core.

Define Band as one of Low, High.

Define Applicant has age as Int, score as Int.

Rule band given applicant as Applicant, produce Band:
  If applicant.score under 600
    Return High.
  Return Low.

Rule ratio given a as Int, b as Int, produce Float:
  Return a divided by b.
"""
LOANS = """Module loans.

Use risk.core version 2 as Risk.

@entry
Rule decide given applicant as Risk.Applicant, produce Text:
  Match Risk.band(applicant):
    When Risk.Band.High, Return "no".
    When Risk.Low, Return "yes".
"""


def linked(source: str, sources: dict[str, str], locale: str = "en-US") -> Program:
    def resolve(name: str, version: int | None) -> ModuleSource | None:
        found = sources.get(f"{name}@{version}" if version is not None else name)
        return None if found is None else ModuleSource(found, version)

    return compile_source(source, locale, modules=resolve)


def both(program: Program, rule: str | None = None, **context: object) -> object:
    outcome = program.evaluate(rule, context=context, trace=True)
    oracle = program.evaluate(rule, context=context, trace=True, interpret=True)
    assert (outcome.value, outcome.trace) == (oracle.value, oracle.trace)
    return outcome.value


def test_rules_records_and_variants_of_a_used_module_are_known() -> None:
    program = linked(LOANS, {"risk.core@2": RISK})
    assert both(program, applicant={"age": 30, "score": 700}) == "yes"
    assert both(program, applicant={"age": 30, "score": 500}) == "no"
    assert [found.message for found in program.diagnostics] == []


def test_only_the_own_rules_are_offered() -> None:
    assert linked(LOANS, {"risk.core@2": RISK}).rules == ("decide",)


def test_what_was_used_is_recorded() -> None:
    (used,) = linked(LOANS, {"risk.core@2": RISK}).imported
    assert (used.name, used.version, len(used.source_hash)) == ("risk.core", 2, 64)


def test_arguments_are_held_to_types_of_used_modules() -> None:
    with pytest.raises(PolicyEvaluationError, match=r'applicant\.score: expected Int, got "x"'):
        linked(LOANS, {"risk.core@2": RISK}).evaluate(context={"applicant": {"age": 1, "score": "x"}})


def test_records_of_used_modules_are_constructed_and_told_by_their_short_name() -> None:
    source = (
        "Use risk.core as Risk.\nRule f, produce Risk.Applicant:\n"
        "  Return Risk.Applicant with age set to 1 and score set to 2."
    )
    assert both(linked(source, {"risk.core": RISK})) == {"__type": "Applicant", "age": 1, "score": 2}


def test_patterns_take_records_of_used_modules_apart() -> None:
    source = (
        "Use risk.core as Risk.\nRule f given who as Risk.Applicant, produce Int:\n"
        "  Match who:\n    When Risk.Applicant(age, score), Return age plus score."
    )
    program = linked(source, {"risk.core": RISK})
    assert both(program, who={"age": 1, "score": 2}) == 3
    assert [found.message for found in program.diagnostics] == []


def test_rules_of_used_modules_are_function_values() -> None:
    source = (
        "Use risk.core as Risk.\nRule f given all as list of Risk.Applicant, produce:\n"
        "  Return List.count(List.map(all, Risk.band), (b) => b is Risk.High)."
    )
    assert both(linked(source, {"risk.core": RISK}), all=[{"age": 1, "score": 2}, {"age": 1, "score": 900}]) == 1


def test_faults_tell_the_rule_and_the_line_of_the_used_module() -> None:
    source = "Use risk.core as Risk.\nRule f, produce:\n  Return Risk.ratio(1, 0)."
    program = linked(source, {"risk.core": RISK})
    for interpret in (False, True):
        with pytest.raises(PolicyEvaluationError) as raised:
            program.evaluate(interpret=interpret)
        assert (raised.value.rule, raised.value.line, raised.value.column) == ("risk.core.ratio", 13, 10)


def test_a_module_may_be_written_in_another_language() -> None:
    fee = "模块 收费。\n\n规则 费用 给定 金额 作为 整数，产出 整数：\n  返回 金额 乘以 2。\n"

    def resolve(name: str, version: int | None) -> ModuleSource | None:
        return ModuleSource(fee, None, "zh-CN") if name == "收费" else None

    source = "Use 收费 as Fees.\nRule f given n as Int, produce Int:\n  Return Fees.费用(n) plus 1."
    assert both(compile_source(source, modules=resolve), n=4) == 9


def test_used_modules_use_others() -> None:
    middle = "Use risk.core as Core.\nRule ask given a as Core.Applicant, produce:\n  Return Core.band(a) is Core.High."
    source = (
        "Use middle.\nUse risk.core.\nRule f given n as Int, produce:\n"
        "  Let a be core.Applicant with age set to 1 and score set to n.\n  Return middle.ask(a)."
    )
    program = linked(source, {"middle": middle, "risk.core": RISK})
    assert both(program, n=3) is True
    assert sorted(used.name for used in program.imported) == ["middle", "risk.core"]


def test_recursion_across_modules_is_metered() -> None:
    deep = "Rule down given n as Int, produce Int:\n  If n under 1\n    Return 0.\n  Return 1 plus down(n minus 1)."
    program = linked("Use deep.\nRule f given n as Int, produce Int:\n  Return deep.down(n).", {"deep": deep})
    assert both(program, n=50) == 50
    with pytest.raises(PolicyEvaluationError, match="nested deeper than 200"):
        program.evaluate(context={"n": 500})


@pytest.mark.parametrize(
    ("sources", "code", "message"),
    [
        ({}, "M101", "the module a is not found"),
        ({"a": "Use b.\nRule f, produce: Return 1.", "b": "Use a.\nRule f, produce: Return 1."}, "M102", "a → b → a"),
        (
            {"a": "Use b version 1.\nUse c.", "b@1": "Rule f.", "c": "Use b version 2.", "b@2": "Rule f."},
            "M103",
            "b is",
        ),
        ({"a": "Rule f, produce:\n  Return 1 plus."}, "M104", "2:16: expected an expression"),
    ],
)
def test_what_cannot_be_used_is_told_at_the_import(sources: dict[str, str], code: str, message: str) -> None:
    with pytest.raises(PolicySyntaxError) as raised:
        linked("Module m.\nUse a.\nRule f, produce:\n  Return 1.", sources)
    (found,) = raised.value.diagnostics
    assert (found.code, found.start_line, found.start_column) == (code, 2, 1)
    assert message in found.message


def test_a_module_that_uses_itself_is_refused() -> None:
    with pytest.raises(PolicySyntaxError, match="m uses itself: m → m"):
        linked("Module m.\nUse m.\nRule f, produce: Return 1.", {"m": "Rule f."})


def test_findings_of_a_used_module_name_it() -> None:
    program = linked("Use a.\nRule f, produce:\n  Return a.g().", {"a": "Rule g, produce:\n  Let x be 1.\n  Return 2."})
    assert [(found.module, found.code, found.start_line) for found in program.diagnostics] == [("a", "W001", 2)]


def test_effects_and_personal_data_are_followed_across_modules() -> None:
    used = (
        "Rule send given t as Text, produce Text, it performs io with Http:\n  Return Http.post(t).\n"
        "Rule secret, produce @pii(L2, name) Text:\n  Return name()."
    )
    source = "Use a.\nRule f given t as Text, produce Text:\n  Let x be a.send(t).\n  Return a.secret()."
    codes = [found.code for found in linked(source, {"a": used}).diagnostics if found.module is None]
    assert codes == ["E205", "W001", "E070"]


def test_many_modules_are_refused() -> None:
    sources = {f"m{index}": f"Use m{index + 1}.\nRule f, produce: Return 1." for index in range(100)}
    with pytest.raises(PolicySyntaxError, match="more than 64 modules"):
        linked("Use m0.\nRule f, produce: Return 1.", sources)


def test_a_folder_holds_modules_and_their_versions(tmp_path: Path) -> None:
    (tmp_path / "risk").mkdir()
    (tmp_path / "risk" / "core@1.aster").write_text("Rule f, produce: Return 1.")
    (tmp_path / "risk" / "core@12.aster").write_text("Rule f, produce: Return 12.")
    (tmp_path / "risk.tax.aster").write_text("Rule f, produce: Return 99.")
    folder = ModuleFolder(tmp_path)
    for head, value in (("risk.core version 1 as x", 1), ("risk.core as x", 12), ("risk.tax as x", 99)):
        program = compile_source(f"Use {head}.\nRule g, produce: Return x.f().", modules=folder)
        assert program.evaluate().value == value
    with pytest.raises(PolicySyntaxError, match=r"the module risk\.core 3 is not found"):
        compile_source("Use risk.core version 3.\nRule g, produce: Return 1.", modules=folder)


def test_without_a_resolver_imports_stay_unknown() -> None:
    program = compile_source("Use a.\nRule f, produce:\n  Return a.g().")
    with pytest.raises(PolicyEvaluationError, match=r"'a\.g' is not a function"):
        program.evaluate()
