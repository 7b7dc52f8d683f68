"""Decision tables are settled without the solver, and agree with trying every input."""

import math
from collections.abc import Callable
from decimal import Decimal
from itertools import product
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from aster.policy import Program, compile_source
from aster.policy.analysis import analyze_program, compare_programs
from aster.policy.analysis.cells import Domain, NotSettled, implies, some_value
from aster.policy.analysis.decision_table import decision_table
from aster.policy.language.values import FLOAT_MAX

HEAD = """
Define Colour as one of Red, Green or Blue.
Define Point has x as Float between {low} and 3, on as Bool.
Rule main given a as Int between {low} and {high}, p as Point, c as Colour, t as Text, produce Int:
"""
CONDITIONS: dict[str, Callable[[dict[str, Any], int], bool]] = {
    "a at least {}": lambda context, bound: context["a"] >= bound,
    "a under {}": lambda context, bound: context["a"] < bound,
    "a is {}": lambda context, bound: context["a"] == bound,
    "a is not {}": lambda context, bound: context["a"] != bound,
    "{} under p.x": lambda context, bound: context["p"]["x"] > bound,
    "p.x at most {}": lambda context, bound: context["p"]["x"] <= bound,
    "p.on": lambda context, _: context["p"]["on"],
    "not p.on": lambda context, _: not context["p"]["on"],
    "c is Red": lambda context, _: context["c"] == "Red",
    "c is not Green": lambda context, _: context["c"] != "Green",
    't is "x"': lambda context, _: context["t"] == "x",
    't is not "y"': lambda context, _: context["t"] != "y",
}
TABLES = st.lists(
    st.tuples(
        st.lists(st.tuples(st.sampled_from(sorted(CONDITIONS)), st.integers(0, 3)), min_size=1, max_size=3),
        st.integers(1, 3),
    ),
    min_size=1,
    max_size=7,
)
Table = list[tuple[list[tuple[str, int]], int]]


def source(table: Table, otherwise: int | None, low: int = 0, high: int = 3) -> str:
    rows = "".join(
        f"  If {' and '.join(words.format(bound) for words, bound in tests)}\n    Return {result}.\n"
        for tests, result in table
    )
    return HEAD.format(low=low, high=high) + rows + ("" if otherwise is None else f"  Return {otherwise}.\n")


def inputs(low: int = -1, high: int = 4) -> list[dict[str, Any]]:
    """Every input up to what the conditions can tell apart."""
    halves = [step / 2 for step in range(2 * low, 2 * high + 1)]
    values = (range(low, high + 1), halves, (True, False), ("Red", "Green", "Blue"), ("x", "y", "z"))
    return [{"a": a, "p": {"x": x, "on": on}, "c": c, "t": t} for a, x, on, c, t in product(*values)]


def holds(tests: list[tuple[str, int]], context: dict[str, Any]) -> bool:
    return all(CONDITIONS[words](context, bound) for words, bound in tests)


def asked(tests: list[tuple[str, int]]) -> set[str]:
    """The inputs that a row asks about."""
    return {next(name for name in ("p.x", "p.on", "a ", "c ", "t ") if name in words + " ") for words, _ in tests}


def line_of(row: int) -> int:
    return HEAD.count("\n") + 1 + 2 * row


@settings(max_examples=120, deadline=None)
@given(TABLES, st.sampled_from([None, 1, 2]))
def test_claims_about_tables_agree_with_trying_every_input(table: Table, otherwise: int | None) -> None:
    program = compile_source(source(table, otherwise))
    assert decision_table(program.checked, program.checked_rule("main")) is not None
    (found,) = analyze_program(program, "main", seconds=3600)
    assert found.complete
    within = inputs(0, 3)
    held = [[row for row, (tests, _) in enumerate(table) if holds(tests, each)] for each in within]
    winners = {rows[0] if rows else len(table) for rows in held}
    last = max(winners)
    expected = {("unreachable", line_of(row)) for row in range(min(last, len(table))) if row not in winners}
    expected |= {("always", line_of(last))} if last < len(table) else set()
    expected |= {("gap", 4)} if last == len(table) and otherwise is None else set()
    assert {(each.kind, each.line) for each in found.findings if each.kind != "overlap"} == expected
    truths = [{index for index, rows in enumerate(held) if row in rows} for row in range(len(table))]
    overlapping = {
        later
        for rows in held
        for later in rows[1:]
        if later in winners and table[later][1] != table[rows[0]][1] and not truths[rows[0]] <= truths[later]
        if asked(table[later][0]) == asked(table[rows[0]][0])
    }
    assert {each.line for each in found.findings if each.kind == "overlap"} == {line_of(row) for row in overlapping}
    for each in found.findings:
        if each.kind == "overlap" and each.witness is not None:
            assert program.evaluate("main", each.witness.context).value == each.witness.outcome.value


def outcome(program: Program, context: dict[str, Any], *, interpret: bool = False) -> Any:
    try:
        return program.evaluate("main", context, interpret=interpret).value
    except Exception as error:  # noqa: BLE001 - any refusal counts
        return type(error)


@settings(max_examples=120, deadline=None)
@given(TABLES, TABLES, st.integers(0, 7), st.booleans(), st.booleans())
def test_two_tables_are_the_same_or_differ_as_trying_every_input_says(
    table: Table, other: Table, kept: int, wider: bool, otherwise: bool
) -> None:
    last = 1 if otherwise else None
    old = compile_source(source(table, last))
    new = compile_source(source(table[:kept] + other[kept:], last, -1 if wider else 0, 4 if wider else 3))
    found = compare_programs(old, new, "main", seconds=3600, find_all=True)
    really = any(outcome(old, each) != outcome(new, each) for each in inputs())
    assert found.verdict == ("differ" if really else "same")
    for difference in found.differences:
        for interpret in (False, True):
            answers = [outcome(each, difference.context, interpret=interpret) for each in (old, new)]
            assert answers[0] != answers[1]


def brackets(count: int) -> str:
    rows = "".join(
        f'  If region is "r{row // 50}" and income at least {row % 50 * 10} and income under {row % 50 * 10 + 10}\n'
        f"    Return {row}.\n"
        for row in range(count)
    )
    return f"Rule main given region as Text, income as Int, produce Int:\n{rows}  Return 0 minus 1.\n"


def test_a_table_of_a_thousand_rows_is_analysed_and_compared() -> None:
    text = brackets(1000)
    (found,) = analyze_program(compile_source(text))
    assert (found.complete, found.findings) == (True, ())
    shadowed = text.replace("income at least 370 and income under 380", "income at least 350 and income under 360", 1)
    (found,) = analyze_program(compile_source(shadowed))
    assert [(each.kind, each.line) for each in found.findings] == [("unreachable", 2 + 2 * 37)]
    changed = compare_programs(compile_source(text), compile_source(text.replace("Return 777.", "Return 778.")))
    assert [each.context for each in changed.differences] == [{"region": "r15", "income": 270}]
    assert compare_programs(compile_source(text), compile_source(text)).verdict == "same"


def test_rows_of_several_shapes_in_any_order_are_one_table() -> None:
    rows = "".join(f"  If n is {row}\n    Return {row}.\n" for row in range(30))
    keyed = "".join(f'  If k is "k{row}" and n over {row}\n    Return {row}.\n' for row in range(30))
    one, two = (f"Rule main given k as Text, n as Int, produce Int:\n{text}  Return 99.\n"
                for text in (rows + keyed, keyed + rows))  # fmt: skip
    assert analyze_program(compile_source(one))[0].complete
    found = compare_programs(compile_source(one), compile_source(two))
    assert found.verdict == "differ"


def test_conditions_that_cross_too_often_are_left_to_the_solver() -> None:
    names = [f"x{index}" for index in range(24)]
    given_ = ", ".join(f"{name} as Int" for name in names)
    rows = "".join(
        f"  If {name} over {index} and {names[-1 - index]} under {index}\n    Return {index}.\n"
        for index, name in enumerate(names)
    )
    program = compile_source(f"Rule main given {given_}, produce Int:\n{rows}  Return 99.\n")
    (found,) = analyze_program(program, seconds=3.0)
    assert {each.kind for each in found.findings} <= {"overlap"}


@pytest.mark.parametrize(
    "body",
    ["  If Text.length(t) over 3\n    Return 1.\n", "  If a over b\n    Return 1.\n", "  If a over 1\n    Return b.\n"],
)
def test_other_conditions_and_results_make_no_table(body: str) -> None:
    program = compile_source(f"Rule main given a as Int, b as Int, t as Text, produce Int:\n{body}  Return 0.\n")
    assert decision_table(program.checked, program.checked_rule("main")) is None


def test_values_between_numbers_are_found_where_there_are_any() -> None:
    floats = Domain("float", -FLOAT_MAX, FLOAT_MAX)
    assert some_value(((">", 1e300), ("<", 1.5e300)), floats) is not None
    assert some_value(((">", 1.0), ("<", math.nextafter(1.0, 2.0))), floats) is None
    assert some_value(((">", FLOAT_MAX),), floats) is None
    assert some_value((("<", 1e300),), Domain("float", -FLOAT_MAX, FLOAT_MAX)) is not None
    assert some_value(((">", 3), ("<", 4)), Domain("int", 0, 9)) is None
    assert some_value((("<=", 0),), Domain("int", 0, 9)) == 0
    assert implies(((">", 3),), ((">=", 4),), Domain("int", 0, 9))
    assert not implies(((">", 3),), ((">=", 4),), floats)
    near = Decimal("1.0000000000000000000000000000000000001")
    with pytest.raises(NotSettled):
        some_value(((">", 1), ("<", near)), Domain("decimal", Decimal(-9), Decimal(9)))
