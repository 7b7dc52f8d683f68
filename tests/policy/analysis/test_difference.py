from typing import Any

import pytest
from hypothesis import HealthCheck, assume, given, settings
from hypothesis import strategies as st
from tests.policy.analysis.generation import Writer, contexts, mutated

from aster.policy import PolicyEvaluationError, PolicySyntaxError, Program, compile_source
from aster.policy.analysis import Comparison, compare_programs
from aster.policy.analysis.replay import differ, replay
from aster.policy.language.errors import RuleNotFound

LOAN = """\
Module loan.

Define Applicant has age as Int between 0 and 120, income as Int between 0 and 1000000, job as Text.

@entry
Rule decide given applicant as Applicant, amount as Int between 0 and 1000000, produce Text:
  If applicant.age less than 18
    Return "too young".
  If amount more than applicant.income times 3
    Return "too much for " plus applicant.job.
  If applicant.job is "gambler"
    Return "no".
  Return "yes".
"""


def compared(old: str, new: str, rule: str | None = None, **options: Any) -> Comparison:
    return compare_programs(compile_source(old), compile_source(new), rule, **options)


def answered(program: Program, context: dict[str, Any], interpret: bool) -> str:
    """What one of the evaluators says."""
    try:
        value = program.evaluate("main", context, interpret=interpret, max_seconds=3600).value
        return f"{type(value).__name__} {value!r}"
    except PolicyEvaluationError as error:
        return f"error {error.code}"


def body(text: str, given: str = "x as Int between -100 and 100") -> str:
    return f"Rule f given {given}, produce:\n  {text}\n"


def test_a_program_decides_like_itself() -> None:
    found = compared(LOAN, LOAN)
    assert (found.verdict, found.differences, found.reasons) == ("same", (), ())


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ("Return x times 2.", "Return x plus x."),
        ("Return x less than 5.", "Return x at most 4."),
        ("Return not (x over 1 and x under 9).", "Return x at most 1 or x at least 9."),
        ("Return if x over 3 then x over 2 else false.", "Return x over 3."),
        ("Return x modulo 7.", "Return x minus (x integer divided by 7) times 7."),
        ("Return List.sum([x, 1, 2]).", "Return x plus 3."),
        ("Return x divided by 4 over 1.5.", "Return x over 6."),
        ("Return x plus 0.5m over 2.", "Return x at least 2."),
        ('Return Decimal.round(x times 0.1m, 0, "DOWN").', 'Return Decimal.divide(x, 10, 0, "DOWN").'),
        ("Return Text.toUpper(Int.toString(x)).", "Return Text.toUpper(Int.toString(x)).\n  Return 5."),
    ],
)
def test_other_words_for_the_same_decision_are_proved_the_same(old: str, new: str) -> None:
    found = compared(body(old), body(new))
    assert (found.verdict, found.reasons) == ("same", ())


@pytest.mark.parametrize(
    ("old", "new", "given"),
    [
        ("Return x over 5.", "Return x at least 5.", "x as Int"),
        ("Return 10 integer divided by x.", "Return 10 integer divided by (x plus 1).", "x as Int between -5 and 5"),
        ("Return x plus 1.", "Return x plus 1L plus 1L minus 1L.", "x as Long"),
        ("Return x times 0.1.", "Return x divided by 10.", "x as Int between 0 and 10"),
        ("Return x.", "Return x plus 0m.", "x as Int"),
        ('Return Text.startsWith(x, "ab").', 'Return Text.startsWith(x, "abc").', "x as Text"),
        ("Return Text.length(x) over 3.", "Return Text.length(x) over 4.", "x as Text"),
        ("Return x is null.", "Return Maybe.withDefault(x, 0) is 0.", "x as maybe Int"),
        ("Return List.length(x) over 2.", "Return List.length(x) over 5.", "x as list of Int"),
        ("Return List.any(x, (n) => n over 2).", "Return List.all(x, (n) => n over 2).", "x as list of Int"),
        ("Return x over 1.5m.", "Return x over 1.55m.", "x as Decimal"),
        ("Return x over 0.5.", "Return x at least 0.5.", "x as Float between 0.0 and 1.0"),
        ("Return x is true.", "Return x.", "x"),
        ("Match x:\n    When Ok(n), Return n.\n  Return 0.", "Return 0.", "x as result of Int or Text"),
        ('Return x is "2024-01-01".', "Return false.", "x as DateTime"),
    ],
)
def test_a_difference_comes_with_an_input_that_shows_it(old: str, new: str, given: str) -> None:
    first, second = compile_source(body(old, given)), compile_source(body(new, given))
    found = compare_programs(first, second)
    assert found.verdict == "differ", found
    context = found.differences[0].context
    assert differ(replay(first, "f", context), replay(second, "f", context))


def test_all_differences_are_in_different_branches() -> None:
    new = LOAN.replace("less than 18", "less than 21").replace("times 3", "times 4")
    found = compared(LOAN, new, find_all=True)
    pairs = {(str(each.old), str(each.new)) for each in found.differences}
    assert {('"yes"', '"too young"'), ('"no"', '"too young"')} <= pairs
    assert len(found.differences) >= 4


def test_an_input_that_only_one_version_accepts_is_a_difference_and_told() -> None:
    found = compared(LOAN, LOAN.replace("between 0 and 120", "between 0 and 130"))
    assert found.verdict == "differ"
    assert found.differences[0].old.error == "INPUT_INVALID"
    assert found.differences[0].context["applicant"]["age"] > 120
    assert [change.path for change in found.signature] == ["applicant.age"]


def test_a_new_variant_a_field_that_is_gone_and_a_new_parameter_are_told() -> None:
    rule = "Rule f given r as R, produce Bool:\n  Return r.c is Red.\n"
    old = f"Define C as one of Red, Green.\nDefine R has c as C, n as Int.\n{rule}"
    new = f"Define C as one of Red, Blue.\nDefine R has c as C.\n{rule.replace('as R,', 'as R, k as Int,')}"
    found = compared(old, new)
    told = [f"{change.path} {change.message}" for change in found.signature]
    assert "r.c variants of C are new: Blue" in told
    assert "r.c variants of C are gone: Green" in told
    assert any(line.startswith("r.n is gone") for line in told)
    assert any(line.startswith("k is new") for line in told)
    assert found.verdict == "differ"


def test_types_that_exclude_each_other_are_told_and_never_called_the_same() -> None:
    found = compared(body("Return 1.", "x as Int"), body("Return 1.", "x as Text"))
    assert found.verdict == "differ"
    assert found.signature[0].incompatible


def test_what_is_not_modelled_is_unknown_with_its_place() -> None:
    found = compared(
        body('Return Text.toUpper(x) is "A".', "x as Text"), body('Return Text.toLower(x) is "a".', "x as Text")
    )
    assert found.verdict == "unknown"
    assert {(place.version, place.line, place.what) for place in found.unmodelled} == {
        ("old", 2, "Text.toUpper"),
        ("new", 2, "Text.toLower"),
    }
    assert found.reasons


def test_recursion_is_followed_as_far_as_inputs_reach() -> None:
    text = (
        "Rule fact given n as Int, produce Int:\n  If n at most 1\n    Return 1.\n  Return n times fact(n minus 1).\n"
        "Rule f given n as Int between 0 and 8, produce Int:\n  Return fact(n).\n"
    )
    assert compared(text, text.replace("at most 1", "under 2"), "f").verdict == "same"
    assert compared(text, text.replace("    Return 1.", "    Return 2."), "f").verdict == "differ"


def test_a_changed_rule_that_is_called_counts_even_where_it_is_not_modelled() -> None:
    old = (
        "Rule g given t as Text, produce Text:\n  Return Text.trim(t).\n"
        "Rule f given xs as list of Text, produce:\n  Return List.map(xs, (x) => g(x)).\n"
    )
    assert compared(old, old, "f").verdict == "same"
    assert compared(old, old.replace("Text.trim(t)", "Text.toUpper(t)"), "f").verdict != "same"


DATES = """\
Rule f given start as DateTime, finish as Text, produce Int:
  If Date.daysBetween(Date.fromISO(start), Date.fromISO(finish)) over 30
    Return 1.
  If Date.fromISO(start) under Date.fromISO("2024-02-29")
    Return 2.
  Return 3.
"""


@pytest.mark.parametrize(("old", "new"), [("over 30", "over 31"), ("under Date", "at most Date"), ("2024-02-29", "x")])
def test_dates_are_days(old: str, new: str) -> None:
    assert compared(DATES, DATES, "f").verdict == "same"
    assert compared(DATES, DATES.replace("over 30", "at least 31"), "f").verdict == "same"
    assert compared(DATES, DATES.replace(old, new), "f").verdict == "differ"


def test_the_inputs_that_a_verdict_is_about_are_told() -> None:
    found = compared(LOAN, LOAN)
    assert [(each.path, each.allowed) for each in found.inputs] == [
        ("applicant.age", "Int, at least 0 and at most 120"),
        ("applicant.income", "Int, at least 0 and at most 1000000"),
        ("applicant.job", "Text"),
        ("amount", "Int, at least 0 and at most 1000000"),
    ]


def test_time_that_is_over_is_unknown() -> None:
    found = compared(LOAN, LOAN.replace('"no"', '"nope"'), seconds=0.0)
    assert found.verdict == "unknown"
    assert "the time is over" in found.reasons[0]


def test_a_rule_that_is_in_one_version_only_is_refused() -> None:
    with pytest.raises(RuleNotFound):
        compared(body("Return 1."), body("Return 1.").replace("Rule f", "Rule g"), "f")


def test_a_table_of_hundreds_of_rows_is_compared() -> None:
    rows = "".join(
        f'  If region is "r{row // 50}" and income at least {row % 50 * 100} and income under {row % 50 * 100 + 100}\n'
        f"    Return {row}.\n"
        for row in range(400)
    )
    text = f"Rule f given region as Text, income as Int, produce Int:\n{rows}  Return 0 minus 1.\n"
    assert compared(text, text).verdict == "same"
    found = compared(text, text.replace("    Return 377.", "    Return 378."))
    assert [(each.context["region"], each.old.value, each.new.value) for each in found.differences] == [
        ("r7", 377, 378)
    ]


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.too_slow, HealthCheck.filter_too_much])
@given(st.integers(0, 10**6), st.integers(0, 10**6))
def test_random_programs_and_mutations_agree_with_trying_every_input(seed: int, change: int) -> None:
    source = Writer(seed).program()
    try:
        old, new = compile_source(source), compile_source(mutated(source, change))
    except PolicySyntaxError:
        assume(False)
    found = compare_programs(old, new, "main", seconds=3600)
    really = any(differ(replay(old, "main", each, 3600), replay(new, "main", each, 3600)) for each in contexts())
    assert found.verdict == ("differ" if really else "same"), (found, source)
    for difference in found.differences:
        for interpret in (False, True):
            assert answered(old, difference.context, interpret) != answered(new, difference.context, interpret)
