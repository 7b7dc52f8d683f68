"""Untrusted sources and arguments: whatever they try, they are refused within the budget."""

import contextlib
import string
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from aster.policy import PolicyEvaluationError, PolicySyntaxError, compile_source
from aster.policy.language import format_source, translate_source
from aster.policy.language.budget import UNCHARGED_LIBRARY
from aster.policy.language.decision_index import row_of
from aster.policy.language.faults import Fault
from aster.policy.language.library import LIBRARY
from aster.policy.language.library_types import SIGNATURES
from aster.policy.language.modules import ModuleSource
from aster.policy.language.whitelist import CompilerDefect, inspect_tree


def ending(source: str, context: dict[str, Any] | None = None, **options: Any) -> str:
    """How both evaluators end: a code, or "value"."""
    program = compile_source(source)
    endings: list[tuple[str, int | None, int | None]] = []
    for interpret in (False, True):
        try:
            program.evaluate("f", context=context or {}, interpret=interpret, **{"max_seconds": 3600.0, **options})
            endings.append(("value", None, None))
        except PolicyEvaluationError as error:
            endings.append((error.code, error.line, error.column))
    assert endings[0] == endings[1]
    return endings[0][0]


def refused(source: str) -> set[str]:
    with pytest.raises(PolicySyntaxError) as raised:
        compile_source(source)
    return {found.code for found in raised.value.diagnostics}


def test_unbounded_recursion_ends_at_the_depth_limit() -> None:
    assert ending("Rule f given n as Int, produce Int:\n  Return 1 plus f(n plus 1).", {"n": 0}) == "DEPTH_LIMIT"


def test_exponential_recursion_ends_at_the_step_limit() -> None:
    source = (
        "Rule f given n as Int, produce Int:\n  If n under 1\n    Return 1.\n  Return f(n minus 1) plus f(n minus 1)."
    )
    assert ending(source, {"n": 60}, max_steps=50_000) == "STEP_LIMIT"


def test_calls_that_double_are_charged_although_nothing_recurs() -> None:
    rules = ["Rule f0, produce Int:\n  Return 1."]
    rules += [f"Rule f{index}, produce Int:\n  Return f{index - 1}() plus f{index - 1}()." for index in range(1, 40)]
    assert ending("\n".join([*rules, "Rule f, produce Int:\n  Return f39()."]), max_steps=50_000) == "STEP_LIMIT"


def test_a_long_chain_of_calls_does_not_break_the_stack() -> None:
    rules = ["Rule f0, produce Int:\n  Return 1."]
    rules += [f"Rule f{index}, produce Int:\n  Return f{index - 1}()." for index in range(1, 1500)]
    source = "\n".join([*rules, "Rule f, produce Int:\n  Return f1499()."])
    assert ending(source) == "DEPTH_LIMIT"


def test_squaring_ends_at_64_bits() -> None:
    lines = ["  Let v0 be 10."] + [f"  Let v{index} be v{index - 1} times v{index - 1}." for index in range(1, 60)]
    assert ending("Rule f, produce:\n" + "\n".join(lines) + "\n  Return v59.") == "INTEGER_OVERFLOW"


def test_decimals_cannot_grow_without_end() -> None:
    lines = ["  Let v0 be 12345678901234567890.5m."]
    lines += [f"  Let v{index} be v{index - 1} times v{index - 1}." for index in range(1, 40)]
    assert ending("Rule f, produce:\n" + "\n".join(lines) + "\n  Return v39.") == "DECIMAL_OVERFLOW"


def test_doubling_a_text_ends_at_the_size_limit() -> None:
    lines = ['  Let s0 be "xxxxxxxxxx".'] + [
        f"  Let s{index} be s{index - 1} plus s{index - 1}." for index in range(1, 40)
    ]
    assert ending("Rule f, produce:\n" + "\n".join(lines) + "\n  Return s39.") in {"SIZE_LIMIT", "STEP_LIMIT"}


def test_doubling_a_list_ends_at_the_step_limit() -> None:
    lines = ["  Let s0 be List.range(0, 1000)."]
    lines += [f"  Let s{index} be List.concat(s{index - 1}, s{index - 1})." for index in range(1, 40)]
    assert ending("Rule f, produce:\n" + "\n".join(lines) + "\n  Return List.length(s39).") == "STEP_LIMIT"


def test_nested_folds_are_paid_before_they_run() -> None:
    inner = "List.length(List.map(List.range(0, 10000), (y) => List.length(List.map(List.range(0, 10000), (z) => z))))"
    assert ending(f"Rule f, produce:\n  Return {inner}.") == "STEP_LIMIT"


def test_the_wall_clock_ends_an_evaluation() -> None:
    source = "Rule f given n as Int, produce Int:\n  Return List.length(List.range(0, n))."
    assert ending(source, {"n": 5}, max_seconds=-1.0) == "TIME_LIMIT"


def test_patterns_do_not_backtrack() -> None:
    source = 'Rule f given t as Text, produce:\n  Return Text.matches(t, "^(a+)+$").'
    assert ending(source, {"t": "a" * 20_000 + "b"}) == "value"
    constrained = 'Rule f given t as Text matching pattern "^(a|a)*$", produce:\n  Return t.'
    assert ending(constrained, {"t": "a" * 5_000 + "b"}) == "INPUT_INVALID"


@pytest.mark.parametrize(
    "expression",
    [
        "(" * 500 + "1" + ")" * 500,
        "not " * 600 + "true",
        "- " * 600 + "1",
        "[" * 500,
        "f(" * 500,
        "if true then " * 500,
    ],
)
def test_deep_nesting_is_a_diagnostic(expression: str) -> None:
    assert refused(f"Rule f, produce:\n  Return {expression}.") & {"P015", "P007"}


def test_long_chains_are_a_diagnostic_or_work() -> None:
    assert "P017" in refused("Rule f, produce:\n  Return 1" + " plus 1" * 5_000 + ".")
    assert "P017" in refused("Rule f given a, produce:\n  Return a" + ".a" * 5_000 + ".")
    assert ending("Rule f, produce:\n  Return 1" + " plus 1" * 500 + ".") == "value"
    assert ending("Rule f, produce:\n  Return true" + " and true" * 5_000 + ".") == "value"


def test_deep_blocks_are_a_diagnostic() -> None:
    lines = ["Rule f, produce:"] + [f"{'  ' * depth}If true" for depth in range(1, 300)]
    assert "P015" in refused("\n".join(lines))


def test_one_line_of_a_megabyte_is_refused() -> None:
    assert refused("Rule f, produce: Return " + "1 " * 500_000) == {"L010"}


def test_thousands_of_rules_and_rows_compile() -> None:
    rows = "\n".join(f"  If n is {row} and n is not 3\n    Return {row}." for row in range(2_000))
    assert (
        compile_source(f"Rule f given n as Int, produce Int:\n{rows}\n  Return -1.").evaluate(args=[1999]).value == 1999
    )
    rules = "\n".join(f"Rule f{index}, produce:\n  Return {index}." for index in range(2_000))
    assert compile_source(rules).evaluate("f1999").value == 1999


def test_more_words_than_can_be_compiled_in_time_are_refused_unless_the_caller_allows_them() -> None:
    rows = "\n".join(f"  If n is {row}\n    Return {row}." for row in range(4_000))
    source = f"Rule f given n as Int, produce Int:\n{rows}\n  Return -1."
    assert refused(source) == {"L011"}
    assert compile_source(source, max_tokens=50_000).evaluate(args=[3999]).value == 3999
    with pytest.raises(PolicySyntaxError, match="more than 10 words"):
        compile_source("Rule f, produce:\n  Return 1 plus 2 plus 3.", max_tokens=10)


def test_an_imported_module_is_bound_by_the_same_number_of_words() -> None:
    used = "Module Long.\n\nRule f, produce Int:\n  Return 1 plus 2 plus 3 plus 4 plus 5 plus 6 plus 7."
    source = "Module M.\n\nUse Long.\n\nRule g, produce Int:\n  Return Long.f()."

    def resolve(name: str, version: int | None) -> ModuleSource:
        return ModuleSource(used)

    assert compile_source(source, modules=resolve, max_tokens=40).evaluate("g").value == 28
    with pytest.raises(PolicySyntaxError, match="more than 24 words"):
        compile_source(source, modules=resolve, max_tokens=24)


@pytest.mark.parametrize(
    ("source", "code"),
    [
        ("Rule f, produce:\n  Return 99999999999999999999.", "L006"),
        ("Rule f, produce:\n  Return 1" + "0" * 50_000 + ".", "L006"),
        ("Rule f, produce:\n  Return 99999999999999999999L.", "L007"),
        ("Rule f, produce:\n  Return 1" + "0" * 400 + ".5.", "L008"),
        ("Rule f, produce:\n  Return " + "1" * 39 + "m.", "L005"),
        ('Rule f, produce:\n  Return "open.', "L002"),
        ('Rule f, produce:\n  Return "\\q".', "L001"),
        ("Rule f, produce:\n  Return a ; b.", "L001"),
        ("Rule f, produce:\n   Return 1.", "L003"),
        ("Rule f, produce:\n    If true\n        Return 1.\n      Return 2.", "L004"),
        ("Rule f given pаyment, produce:\n  Return 1.", "L009"),
        ('Rule f, produce:\n  Return "user\u202e \u2066// ok".', "L001"),
        ("Rule f, produce:\n  // \u2067 Return 1.\n  Return 2.", "L001"),
        ("Rule f given n, produce:\n  Return 1 < n < 5.", "P016"),
        ("Rule f-g, produce:\n  Return 1.", "P005"),
        ("Rule f, produce:\n", "P013"),
        ("Rule f, produce. It performs io [Magic]:\n  Return 1.", "P014"),
        ("", "P018"),
        ("Rule f, produce:\n  Return 1.\nRule f, produce:\n  Return 2.", "E104"),
    ],
)
def test_what_is_no_program_tells_why(source: str, code: str) -> None:
    assert code in refused(source)


@pytest.mark.parametrize(
    "name", ["__import__", "__builtins__", "eval", "open", "f0", "run", "o_fail", "exec", "class", "None1", "lambda"]
)
def test_names_never_reach_python(name: str) -> None:
    if name.startswith("_"):
        assert "L001" in refused(f"Rule f, produce:\n  Return {name}.")
        return
    with pytest.raises(PolicyEvaluationError) as raised:
        compile_source(f'Rule f, produce:\n  Return {name}("os").').evaluate()
    assert raised.value.code == "UNDEFINED_FUNCTION"
    program = compile_source(f"Rule {name} given {name}x, produce:\n  Let {name} be {name}x.\n  Return {name}.")
    assert program.evaluate(args=[5]).value == 5


def test_fields_never_reach_attributes_of_python() -> None:
    source = "Define R has x as Int.\nRule f given r as R, produce:\n  Return [r.f0, r.attributes, r.made, r.x]."
    assert compile_source(source).evaluate(context={"r": {"x": 1}}).value == [None, None, None, 1]


def test_the_last_pass_refuses_what_the_compiler_never_makes() -> None:
    import ast

    for text in ("import os", "open('x')", "f0.__class__", "def x(): pass", "[x for x in y]", "v0 @ v1"):
        with pytest.raises(CompilerDefect):
            inspect_tree(ast.parse(text))


def test_deep_and_strange_arguments_are_refused() -> None:
    deep: Any = 1
    for _ in range(200):
        deep = [deep]
    program = compile_source("Rule f given x, produce:\n  Return x.")
    for value in (deep, 2**70, float("inf"), float("nan"), object(), {1: 2}, b"bytes"):
        with pytest.raises(PolicyEvaluationError) as raised:
            program.evaluate(context={"x": value})
        assert raised.value.code == "INPUT_INVALID"


WORDS = """Module Rule Define given produce If Otherwise Match When Return Let be Set to has as one of Int Text
list maybe and or not plus times divided by at least is null some ok with set function apply workflow
step It performs io @entry
"""


@settings(max_examples=300, deadline=None)
@given(
    st.one_of(
        st.text(max_size=200),
        st.text(alphabet=string.printable + "。，：、「」“”＂１（）　", max_size=200),
        st.lists(
            st.sampled_from(
                [*WORDS.split(), ".", ",", ":", "\n", "\n  ", "\n    ", "(", ")", "[", "]", "x", "y", "1", '"t"']
            )
        ).map(" ".join),
    ),
    st.sampled_from(["en-US", "zh-CN", "de-DE", "hi-IN"]),
)
def test_any_text_gives_a_program_or_diagnostics(text: str, locale: str) -> None:
    try:
        program = compile_source(text, locale)
    except PolicySyntaxError as error:
        findings = error.diagnostics
    else:
        findings = program.diagnostics
    lines = text.replace("\r\n", "\n").replace("\r", "\n").split("\n")
    for found in findings:
        assert 1 <= found.start_line <= len(lines)
        assert 1 <= found.start_column <= len(lines[found.start_line - 1]) + 1


@pytest.mark.parametrize("expression", ["await()", "await(1, 2)", "ok of", "[", "(x) =>", "if true then 1"])
def test_unfinished_expressions_are_diagnostics(expression: str) -> None:
    assert refused(f"Rule f, produce:\n  Return {expression}.")


def shared(name: str, make: str) -> str:
    """Lets that make a value of few parts, each held twice by the next: 2**40 of them when walked through."""
    lines = [f"  Let {name}0 be [1]."]
    return "\n".join(lines + [f"  Let {name}{n} be {make.format(f'{name}{n - 1}')}." for n in range(1, 41)])


@pytest.mark.parametrize(
    "make", ["[{0}, {0}]", "ok of [{0}, {0}]", 'Map.put(Map.put(Map.empty(), "a", {0}), "b", {0})']
)
def test_comparing_values_that_share_their_parts_ends_at_the_step_limit(make: str) -> None:
    body = f"{shared('a', make)}\n{shared('b', make)}"
    assert ending(f"Rule f, produce:\n{body}\n  Return a40 equals to b40.", max_steps=50_000) == "STEP_LIMIT"
    contained = f"Rule f, produce:\n{body}\n  Return List.contains([a40], b40)."
    assert ending(contained, max_steps=50_000) == "STEP_LIMIT"


def test_a_result_that_shares_its_parts_ends_at_the_size_limit() -> None:
    body = shared("a", "[{0}, {0}]")
    assert ending(f"Rule f, produce:\n{body}\n  Return a40.") == "SIZE_LIMIT"
    assert ending(f'Rule f, produce:\n{body}\n  Return "a" plus a40.') == "SIZE_LIMIT"
    traced = compile_source(f"Rule f, produce:\n{body}\n  Return List.length(a40).").evaluate(trace=True)
    assert (traced.value, traced.trace["truncated"]) == (2, True)


def test_a_result_that_repeats_a_long_text_ends_at_the_size_limit() -> None:
    source = "Rule f given t as Text, produce:\n  Return List.map(List.range(0, 1000), (x) => t)."
    assert ending(source, {"t": "x" * 100_000}) == "SIZE_LIMIT"
    assert ending(source, {"t": "x"}) == "value"


@pytest.mark.parametrize(
    "look",
    ["Text.contains(t, p)", "Text.indexOf(t, p)", "Text.trim(t)", 'Text.replace(t, p, "")', "Text.substring(t, 0, 1)"],
)
def test_looking_through_a_long_text_is_paid(look: str) -> None:
    looked = f"List.length(List.map(List.range(0, 1000), (x) => {look}))"
    source = f"Rule f given t as Text, p as Text, produce:\n  Return {looked}."
    assert ending(source, {"t": "ab" * 5_000, "p": "ba" * 100 + "c"}, max_steps=50_000) == "STEP_LIMIT"
    assert ending(source, {"t": "ab", "p": "b"}, max_steps=50_000) == "value"


def test_a_text_that_is_too_long_for_its_pattern_is_refused() -> None:
    slow = 'Rule f given t as Text matching pattern "(a?){200}(a?){200}(a?){200}b", produce:\n  Return 1.'
    with pytest.raises(PolicyEvaluationError, match="too long for its pattern"):
        compile_source(slow).evaluate("f", context={"t": "a" * 1_000_000})
    assert compile_source(slow).evaluate("f", context={"t": "aab"}).value == 1


def test_what_is_told_of_bad_arguments_is_short() -> None:
    bad = {"K" * 100_000: [2**70] * 1_000}
    for kind in ("", " as map Text to list of Int"):
        with pytest.raises(PolicyEvaluationError) as raised:
            compile_source(f"Rule f given x{kind}, produce:\n  Return 1.").evaluate("f", context={"x": bad})
        assert raised.value.code == "INPUT_INVALID"
        assert len(raised.value.message) < 10_000


def test_rows_that_make_no_table_are_each_looked_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    looked = 0

    def counted(statement: Any) -> Any:
        nonlocal looked
        looked += 1
        return row_of(statement)

    monkeypatch.setattr("aster.policy.language.decision_index.row_of", counted)
    rows = "\n".join(f"  If n at least {row} and m at least {row}\n    Return {row}." for row in range(100))
    program = compile_source(f"Rule f given n as Int, m as Int, produce Int:\n{rows}\n  Return -1.")
    assert program.evaluate("f", args=[5, 0]).value == 0
    assert looked <= 2 * 101


def test_thousands_of_function_values_compile_side_by_side() -> None:
    """None of them is nested in another Python function: CPython's time for that grows with the square."""
    lines = "".join(f"  Let g{index} be (x) => x plus n plus {index}.\n" for index in range(3_000))
    program = compile_source(f"Rule f given n as Int, produce:\n{lines}  Return g2999(1).\n", max_tokens=100_000)
    assert program.evaluate(context={"n": 2}, max_seconds=3600.0).value == 3_002
    functions = [made for name, made in program._functions.items() if name.startswith("l0_")]
    assert len(functions) == 3_000
    assert all(made.__code__.co_freevars == () for made in functions)


@pytest.mark.parametrize("function", sorted(UNCHARGED_LIBRARY))
def test_library_functions_that_are_never_paid_need_no_run(function: str) -> None:
    values: dict[str, Any] = {"Text": "1", "Int": 1, "Any": 2, "List": [1], "Map": {}}
    arguments = [values[kind] for kind in SIGNATURES[function].parameters]
    with contextlib.suppress(Fault):
        LIBRARY[function](None, *arguments)


HOSTILE = [
    "Rule f, produce: Return " + "(" * 5_000,
    "Rule f, produce: Return " + "[" * 9_000,
    "Rule f given a, produce: Return a" + "'s a" * 20_000,
    "Define R has " + "a as Int, " * 9_000,
    "@a " * 20_000,
    "“" * 50_000,
]


@pytest.mark.parametrize("source", HOSTILE, ids=range(len(HOSTILE)))
def test_hostile_texts_are_refused_by_the_tools_too(source: str) -> None:
    for tool in (format_source, lambda text: translate_source(text, "en-US", "zh-CN")):
        with pytest.raises(PolicySyntaxError):
            tool(source)
