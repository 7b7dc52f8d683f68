from typing import Any

import pytest
from hypothesis import HealthCheck, assume, given, settings
from hypothesis import strategies as st
from tests.policy.analysis.generation import HEAD, Writer, contexts

from aster.policy import PolicyEvaluationError, PolicySyntaxError, Program, compile_source
from aster.policy.analysis import RuleAnalysis, analyze_program
from aster.policy.language.errors import RuleNotFound

BRACKETS = """\
Rule tax given income as Int at least 0, produce Int:
  If income at least 0 and income at most 1000
    Return 1.
  If income at least 1000 and income under 5000
    Return 2.
  If income under 1000
    Return 7.
  If income over 5000
    Return 4.
"""


def analysed(source: str, rule: str | None = None, **options: Any) -> RuleAnalysis:
    (found,) = analyze_program(compile_source(source), rule, **options)
    return found


def kinds(found: RuleAnalysis) -> list[tuple[str, int]]:
    return [(finding.kind, finding.line) for finding in found.findings]


def test_a_bracket_table_is_told_its_gap_its_overlap_and_its_dead_row() -> None:
    found = analysed(BRACKETS)
    assert kinds(found) == [("gap", 1), ("overlap", 4), ("unreachable", 6)]
    gap, overlap, dead = found.findings
    assert gap.witness is not None
    assert gap.witness.context == {"income": 5000}
    assert overlap.witness is not None
    assert (overlap.witness.context, overlap.witness.outcome.value) == ({"income": 1000}, 1)
    assert overlap.witness.otherwise is not None
    assert (overlap.witness.otherwise.value, overlap.related_line) == (2, 2)
    assert dead.witness is None
    assert found.complete


def test_a_complete_table_has_nothing_to_report() -> None:
    text = BRACKETS.replace("at most 1000", "under 1000").replace("over 5000", "at least 5000")
    found = analysed(text.replace("  If income under 1000\n    Return 7.\n", ""))
    assert [kind for kind, _ in kinds(found)] == ["always"]


def test_a_row_that_is_a_case_of_a_later_one_is_no_overlap() -> None:
    rows = "  If x under 10\n    Return 1.\n  If x under 20\n    Return 2.\n"
    assert kinds(analysed(f"Rule f given x as Int, produce Int:\n{rows}  Return 3.\n")) == []


def test_ranges_and_enums_bound_what_can_happen() -> None:
    text = (
        "Define C as one of Red, Green.\n"
        "Rule f given age as Int between 18 and 99, c as C, produce Int:\n"
        "  If age under 18\n    Return 1.\n"
        "  If c is Red or c is Green\n    Return 2.\n"
    )
    assert kinds(analysed(text)) == [("unreachable", 3), ("always", 5)]


def test_a_rule_that_others_call_is_not_held_to_its_ranges() -> None:
    text = (
        "Rule inner given age as Int between 18 and 99, produce Int:\n  If age under 18\n    Return 1.\n  Return 2.\n"
        "Rule outer given x as Int, produce Int:\n  Return inner(x).\n"
    )
    assert kinds(analysed(text, "inner")) == []


def test_how_a_rule_can_fail_is_shown() -> None:
    found = analysed("Rule f given x as Int between 0 and 9, produce:\n  Return 10 integer divided by (x minus 7).\n")
    (fault,) = found.findings
    assert (fault.kind, fault.severity, fault.message) == ("fault", "info", "can fail: DIVISION_BY_ZERO")
    assert fault.witness is not None
    assert fault.witness.context == {"x": 7}
    assert fault.witness.outcome.error == "DIVISION_BY_ZERO"


def test_a_match_is_looked_into() -> None:
    text = (
        "Define C as one of Red, Green, Blue.\n"
        "Rule f given c as C, produce Int:\n"
        "  If c is Blue\n    Return 0.\n"
        "  Match c:\n    When Red, Return 1.\n    When Blue, Return 2.\n    When Green, Return 3.\n"
    )
    assert kinds(analysed(text)) == [("unreachable", 7)]


def test_short_circuit_keeps_what_stands_behind_from_failing() -> None:
    text = "Rule f given x as Int between 0 and 9, produce Bool:\n  Return x is 0 or 10 integer divided by x over 2.\n"
    assert kinds(analysed(text)) == []


def test_what_is_not_modelled_is_told_at_its_place() -> None:
    found = analysed('Rule f given t as Text, produce Bool:\n  Return Text.toUpper(t) is "A".\n')
    assert [(place.line, place.column, place.what) for place in found.not_analysed] == [(2, 10, "Text.toUpper")]
    assert not found.complete


def test_texts_are_looked_into_where_it_matters() -> None:
    text = (
        'Rule f given t as Text matching pattern "^[a-c]{2}$", produce Int:\n'
        "  If Text.length(t) is not 2\n    Return 1.\n"
        '  If Text.startsWith(t, "d")\n    Return 2.\n'
        '  If Text.endsWith(t, "c")\n    Return 3.\n'
        "  Return 4.\n"
    )
    assert kinds(analysed(text)) == [("unreachable", 2), ("unreachable", 4)]


def test_a_text_that_is_read_as_a_date_may_be_none() -> None:
    found = analysed("Rule f given t as DateTime, produce Int:\n  Return Date.fromISO(t).\n")
    assert [(each.kind, each.message) for each in found.findings] == [("fault", "can fail: DATE_INVALID")]
    assert found.complete


def test_time_that_is_over_is_told() -> None:
    found = analysed(BRACKETS, seconds=0.0)
    assert not found.complete
    assert "the time is over" in found.not_analysed[0].what


def test_every_rule_is_analysed_unless_one_is_named() -> None:
    program = compile_source(BRACKETS + BRACKETS.replace("tax", "duty"))
    assert [found.rule for found in analyze_program(program)] == ["tax", "duty"]
    with pytest.raises(RuleNotFound):
        analyze_program(program, "nothing")


def _steps(nodes: Any) -> Any:
    for node in nodes:
        yield node
        yield from _steps(node["children"])


def _tried(program: Program) -> tuple[dict[tuple[int, int], set[bool]], set[str]]:
    """What every condition was for every input, and how the rule failed."""
    seen: dict[tuple[int, int], set[bool]] = {}
    codes: set[str] = set()
    for context in contexts():
        try:
            trace: Any = program.evaluate("main", context, trace=True, max_seconds=3600).trace
        except PolicyEvaluationError as error:
            codes.add(error.code)
            continue
        for step in _steps(trace["steps"]):
            if step["kind"] in {"if", "if-expr"}:
                seen.setdefault((step["line"], step["column"]), set()).add(step["condition"])
    return seen, codes - {"INPUT_INVALID"}


@settings(max_examples=20, deadline=None, suppress_health_check=[HealthCheck.too_slow, HealthCheck.filter_too_much])
@given(st.integers(0, 10**6))
def test_claims_about_random_programs_agree_with_trying_every_input(seed: int) -> None:
    source = Writer(seed).program()
    try:
        program = compile_source(source)
    except PolicySyntaxError:
        assume(False)
    (found,) = analyze_program(program, "main", seconds=3600)
    assert found.complete, found.not_analysed
    seen, codes = _tried(program)
    claims = {(claim.line, claim.column): claim.kind for claim in found.findings}
    for place, outcomes in seen.items():
        assert not (claims.get(place) == "unreachable" and True in outcomes), (place, source)
        assert not (claims.get(place) == "always" and False in outcomes), (place, source)
        in_function = "=>" in source.split("\n")[place[0] - 1]
        if not codes and place[0] > HEAD.count("\n") and not in_function:
            expected = None if len(outcomes) == 2 else "always" if True in outcomes else "unreachable"
            assert claims.get(place) == expected, (place, source)
    assert {claim.message.rpartition(" ")[2] for claim in found.findings if claim.kind == "fault"} == codes
