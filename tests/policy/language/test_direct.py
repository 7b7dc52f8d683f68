"""A rule's direct function decides what the interpreter decides, whatever comes in."""

from collections import OrderedDict, defaultdict
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from aster.policy import PolicyEvaluationError, Program, compile_source
from aster.policy.language.entry import WARM

HEAD = """
Module direct.
Define Plan as one of Free, Paid.
Define Home has size as Int between 1 and 500, city as Text.
Define Person has age as Int at least 0, income as Long, ratio as Float, home as Home, plan as Plan, active as Bool.
Rule helper given n as Int, produce Int:
  Return n times 2.
Rule decide given p as Person, amount as Int, rate as Float at most 10.5, note as Text, produce{produce}:
"""

ATOMS = st.sampled_from(
    ["p.age", "p.home.size", "p.income", "amount", "3", "40", "2147483647", "9223372036854775807L", "0 minus 5"]
)
NUMBERS = st.recursive(
    ATOMS,
    lambda inner: st.one_of(
        st.tuples(inner, st.sampled_from(["plus", "minus", "times", "modulo", "integer divided by"]), inner).map(
            lambda parts: f"({' '.join(parts)})"
        ),
        inner.map(lambda text: f"helper({text})"),
    ),
    max_leaves=5,
)
TESTS = st.one_of(
    st.tuples(NUMBERS, st.sampled_from(["less than", "at least", "is", "is not", "over"]), NUMBERS).map(" ".join),
    st.sampled_from(
        [
            "p.active",
            "not p.active",
            'p.home.city is "Bonn"',
            "p.plan is Free",
            "p.plan is not Free",
            "rate over p.ratio",
            "rate times 2.5 under 4.0",
            'note is ""',
        ]
    ),
)
RESULTS = st.one_of(
    NUMBERS,
    st.sampled_from(
        ["true", '"text"', "note", "p.plan", "Free", "rate", "3.0", "1.5m", "null", "p.home", "[1, amount]", "7L"]
    ),
)
ROWS = st.sampled_from(
    [
        "\n".join(f"  If p.age is {row} and amount at least {row}\n    Return {row}.\n" for row in range(7)),
        "\n".join(f"  If amount over {row} and amount under {row + 9}\n    Return {row}.\n" for row in range(7)),
        "\n".join(f'  If note is "n{row}"\n    Return 1.{row}m.\n' for row in range(7)),
        "\n".join(f'  If note is "n{row}" and p.plan is Free\n    Return Paid.\n' for row in range(7)),
    ]
)
INTEGERS = st.one_of(
    st.integers(-3, 60), st.sampled_from([2**30 - 1, 2**30, -(2**30), 2**53, 2**62, 2**63 - 1, 2**63, -(2**63)])
)
ODD: list[Any] = [None, "x", 1.5, 2.0, True, [], {}, "Free", "7", float("inf"), float("nan"), object()]


@st.composite
def bodies(draw: st.DrawFn) -> str:
    lines = []
    for index in range(draw(st.integers(0, 3))):
        form = draw(st.sampled_from(["if", "let", "set", "rows"]))
        if form == "if":
            lines.append(f"  If {draw(TESTS)}\n    Return {draw(RESULTS)}.")
        elif form == "let":
            lines.append(f"  Let v{index} be {draw(NUMBERS)}.\n  If v{index} over 9\n    Return v{index}.")
        elif form == "set":
            lines.append(f"  Set amount to {draw(NUMBERS)}.")
        else:
            lines.append(draw(ROWS))
    return "\n".join([*lines, f"  Return {draw(RESULTS)}."])


@st.composite
def contexts(draw: st.DrawFn) -> Any:
    context: dict[str, Any] = {
        "p": {
            "age": draw(INTEGERS),
            "income": draw(INTEGERS),
            "ratio": draw(st.one_of(st.floats(), st.integers(-3, 3))),
            "home": {"size": draw(st.integers(-1, 600)), "city": draw(st.sampled_from(["Bonn", "Rome"]))},
            "plan": draw(st.sampled_from(["Free", "Paid", "None"])),
            "active": draw(st.booleans()),
        },
        "amount": draw(INTEGERS),
        "rate": draw(st.floats(-1, 12)),
        "note": draw(st.sampled_from(["", "n1", "n3", "x"])),
    }
    if draw(st.integers(0, 3)) == 0:
        where = draw(st.sampled_from([context, context["p"], context["p"]["home"]]))
        name = draw(st.sampled_from([*where, "extra", "__type"]))
        if draw(st.booleans()):
            where.pop(name, None)
        else:
            where[name] = draw(st.sampled_from(ODD))
    return draw(st.sampled_from([context, context, context, OrderedDict(context), defaultdict(int, context)]))


def answer(decide: Any, context: Any) -> Any:
    try:
        return repr(decide(context))
    except PolicyEvaluationError as error:
        return error.code, error.message, error.rule, error.line, error.column


@settings(max_examples=300, deadline=None, suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large])
@given(bodies(), st.sampled_from(["", " Int", " Long"]), st.lists(contexts(), min_size=1, max_size=6))
def test_direct_functions_decide_like_the_interpreter(body: str, produce: str, asked: list[Any]) -> None:
    program = compile_source(HEAD.format(produce=produce) + body)
    decide = program.function("decide")
    for context in asked:
        expected = answer(lambda found: program.evaluate("decide", found, interpret=True).value, context)
        assert answer(decide, context) == expected
        assert answer(lambda found: program.evaluate("decide", found).value, context) == expected


def compiled(body: str, parameters: str = "n as Int, r as R") -> Program:
    return compile_source(f"Define R has x as Int, y as Text.\nRule f given {parameters}, produce:\n{body}")


def is_direct(program: Program, rule: str) -> bool:
    return program.function(rule).__code__.co_filename == "<policy>"


@pytest.mark.parametrize(
    ("body", "parameters", "expected"),
    [
        ("  Return n plus r.x.", "n as Int, r as R", True),
        ("  Return r.", "r as R", False),
        ("  Set r to n.\n  Return 1.", "n as Int, r as R", False),
        ("  Return n.", "n as list of Int", False),
        ("  Return n.", "n as maybe Int", False),
        ("  Return n.", "n", False),
        ("  Return Text.length(n).", "n as Text", False),
        ("  Return p0.", ", ".join(f"p{index} as Int" for index in range(40)), False),
    ],
)
def test_rules_over_simple_values_get_a_direct_function(body: str, parameters: str, expected: bool) -> None:
    assert is_direct(compiled(body, parameters), "f") is expected


def test_a_rule_is_made_direct_once_it_has_decided_often() -> None:
    program = compiled("  Return n plus r.x.")
    context = {"n": 1, "r": {"x": 2, "y": ""}}
    decided = [program.evaluate("f", context).value for _ in range(WARM + 3)]
    assert set(decided) == {3}
    assert is_direct(program, "f")


def test_a_context_that_makes_up_what_it_is_asked_for_is_not_believed() -> None:
    program = compiled("  Return n.", "n as Int")
    context: defaultdict[str, int] = defaultdict(int)
    with pytest.raises(PolicyEvaluationError, match="n: is missing"):
        program.function("f")(context)
    assert not context
