"""The compiled code and the reference interpreter decide alike: random programs, random arguments."""

from typing import Any

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from aster.policy import PolicyEvaluationError, Program, compile_source

PATIENT = 3600.0
"""A busy machine must not look like a disagreement."""

NUMBERS = st.one_of(
    st.integers(-4, 40).map(str),
    st.sampled_from(["2147483647", "9223372036854775807L", "0.5", "1.25m", "1000000.0"]),
)
ATOMS = st.one_of(
    NUMBERS,
    st.sampled_from(["a", "b", "t", "flag", "r.x", "r.name", "u", "u.x", '"x"', '""', "true", "false", "null", "none"]),
)


def _expressions(inner: st.SearchStrategy[str]) -> st.SearchStrategy[str]:
    operators = ["plus", "minus", "times", "divided by", "integer divided by", "modulo", "and", "or"]
    compare = ["less than", "at least", "is", "is not", "over", "at most"]
    return st.one_of(
        st.tuples(inner, st.sampled_from(operators), inner).map(lambda parts: f"({' '.join(parts)})"),
        st.tuples(inner, st.sampled_from(compare), inner).map(lambda parts: f"({' '.join(parts)})"),
        inner.map(lambda text: f"(not {text})"),
        st.tuples(inner, inner, inner).map(lambda parts: "(if {} then {} else {})".format(*parts)),
        st.tuples(inner, inner).map(lambda parts: f"helper({parts[0]}, {parts[1]})"),
        st.lists(inner, max_size=3).map(lambda items: f"List.sum([{', '.join(items)}])"),
        inner.map(lambda text: f"List.map([a, b], (x) => x plus {text})"),
        inner.map(lambda text: f"Text.concat({text}, a)"),
        inner.map(lambda text: f"(some of {text})"),
        inner.map(lambda text: f"Maybe.withDefault({text}, 0)"),
    )


EXPRESSIONS = st.recursive(ATOMS, _expressions, max_leaves=6)


@st.composite
def statements(draw: st.DrawFn, indent: int = 1) -> str:
    blank = "  " * indent
    lines = []
    for index in range(draw(st.integers(1, 3))):
        kind = draw(st.sampled_from(["let", "set", "if", "match", "rows"] if indent < 3 else ["let", "set"]))
        value = draw(EXPRESSIONS)
        if kind == "let":
            lines.append(f"{blank}Let v{indent}{index} be {value}.")
        elif kind == "set":
            lines.append(f"{blank}Set total to {value}.")
        elif kind == "if":
            lines.append(f"{blank}If {value}")
            lines.append(draw(statements(indent + 1)))
            if draw(st.booleans()):
                lines.append(f"{blank}Otherwise")
                lines.append(draw(statements(indent + 1)))
        elif kind == "match":
            lines.append(f"{blank}Match {value}:")
            for pattern in ("null", "3", '"x"', "Some(inner)", "other"):
                lines.append(f"{blank}  When {pattern},")
                lines.append(draw(statements(indent + 2)))
        else:
            for row in range(7):
                lines.append(f"{blank}If a is {row} and r.x at least {row} and r.x under {row + 9}")
                lines.append(f"{blank}  Return {row * 10}.")
    if draw(st.booleans()):
        lines.append(f"{blank}Return {draw(EXPRESSIONS)}.")
    return "\n".join(lines)


HEAD = """
Module random.programs.
Define R has x as Int, name as Text.
Rule helper given p, q as Int, produce:
  If q over 10
    Return p.
  Return q plus 1.
@entry
Rule main given a as Int, b as Float, t as Text, flag as Bool, r as R, u, produce:
  Let total be 0.
"""
CONTEXTS = st.fixed_dictionaries(
    {
        "a": st.one_of(st.integers(-3, 10), st.just(2**62)),
        "b": st.one_of(st.floats(allow_nan=False, allow_infinity=False), st.integers(-3, 3)),
        "t": st.sampled_from(["x", "", "other"]),
        "flag": st.booleans(),
        "r": st.fixed_dictionaries({"x": st.integers(-3, 20), "name": st.sampled_from(["x", "n"])}),
        "u": st.one_of(
            st.none(),
            st.integers(),
            st.booleans(),
            st.text(max_size=3),
            st.just({"x": 3}),
            st.just({"x": None}),
            st.just([1]),
        ),
    }
)


def answer(program: Program, context: dict[str, Any], **options: Any) -> Any:
    try:
        outcome = program.evaluate(context=context, max_seconds=PATIENT, **options)
    except PolicyEvaluationError as error:
        return error.code, error.message, error.rule, error.line, error.column
    return repr(outcome.value), outcome.steps


def story(program: Program, context: dict[str, Any], **options: Any) -> Any:
    try:
        return program.evaluate(context=context, max_seconds=PATIENT, trace=True, **options).trace
    except PolicyEvaluationError as error:
        return error.code


@settings(max_examples=250, deadline=None, suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large])
@given(statements(), st.lists(CONTEXTS, min_size=1, max_size=4))
def test_both_evaluators_give_the_same_value_fault_and_steps(body: str, contexts: list[dict[str, Any]]) -> None:
    program = compile_source(HEAD + body + "\n  Return total.\n")
    for context in contexts:
        compiled = answer(program, context)
        assert compiled == answer(program, context, interpret=True)
        assert compiled == answer(program, context, trace=True)
        assert story(program, context) == story(program, context, interpret=True)


@settings(max_examples=60, deadline=None)
@given(
    st.lists(st.tuples(st.integers(0, 5), st.integers(-5, 20), st.integers(0, 12)), min_size=8, max_size=40),
    st.lists(st.tuples(st.sampled_from(["r0", "r1", "r2", "r3", "r9"]), st.integers(-8, 40)), min_size=5),
)
def test_the_decision_index_decides_like_the_rows(
    rows: list[tuple[int, int, int]], asked: list[tuple[str, int]]
) -> None:
    keyed = [f'  If k is "r{key}" and n at least {low} and n less than {low + width}\n    Return {index}.'
             for index, (key, low, width) in enumerate(rows)]  # fmt: skip
    plain = [f"  If n over {low} and n at most {low + width}\n    Return {index}."
             for index, (_, low, width) in enumerate(rows)]  # fmt: skip
    tested = [f'  If k is "r{key}" and n is not {low} and flag\n    Return {index}.'
              for index, (key, low, width) in enumerate(rows)]  # fmt: skip
    for body in (keyed, plain, tested):
        source = "Rule f given k as Text, n as Int, flag as Bool, produce Int:\n" + "\n".join(body) + "\n  Return -1."
        program = compile_source(source)
        for key, number in asked:
            context = {"k": key, "n": number, "flag": number % 3 != 0}
            assert answer(program, context) == answer(program, context, interpret=True)


def test_trim_takes_off_the_white_space_of_the_language_and_nothing_else() -> None:
    program = compile_source("Rule f given t as Text, produce Text:\n  Return Text.trim(t).\n")
    modes: list[dict[str, Any]] = [{}, {"interpret": True}, {"trace": True}]
    for text, trimmed in (("\ufeff\u3000 x y\t\u00a0\n", "x y"), ("\x1cx\x85", "\x1cx\x85"), ("\u200bx", "\u200bx")):
        for options in modes:
            assert program.evaluate(context={"t": text}, **options).value == trimmed
