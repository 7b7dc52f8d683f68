"""Decisions told in sentences, schemas and samples of rules, cases and the branches they take."""

from itertools import pairwise

import jsonschema  # type: ignore[import-untyped]  # no stubs are installed
import pytest

from aster.policy import compile_source
from aster.policy.language import explain
from aster.policy.language.cases import read_cases, run_cases
from aster.policy.language.coverage import Coverage
from aster.policy.language.errors import CasesInvalid
from aster.policy.language.lexicon import LOCALES
from aster.policy.language.patterns import compile_pattern

LOANS = """Module loans.

Define Kind as one of Good, Bad.

Define Applicant has
  age as Int required between 18 and 120,
  income as Decimal at least 0,
  ssn as @pii(L2, id) Text matching pattern "^[0-9]{3}-[0-9]{2}$",
  kind as Kind,
  tags as list of Text,
  boss as maybe Applicant.

Rule isAdult given age as Int, produce Bool:
  Return age at least 21.

@entry
Rule decide given applicant as Applicant, vip as Bool, produce Text:
  If vip or applicant.income over 700
    Return "yes".
  Otherwise If isAdult(applicant.age) and applicant.ssn is not ""
    Let note be "ok".
    Return note.
  Match applicant.kind:
    When Good, Return if applicant.age over 19 then "maybe" else "no".
    When Bad, Return "bad".
"""


def applicant(**changed: object) -> dict[str, object]:
    return {"age": 20, "income": "1", "ssn": "123-45", "kind": "Good", "tags": [], **changed}


def told(locale: str = "en-US", **context: object) -> list[str]:
    trace = compile_source(LOANS).evaluate(context=context, trace=True).trace
    return [f"{'  ' * sentence.depth}{sentence.text}" for sentence in explain(trace, locale)]


def test_a_decision_is_told_step_by_step() -> None:
    assert told(vip=False, applicant=applicant()) == [
        "decide was asked.",
        '  “vip or applicant.income over 700” does not hold, because vip is false and applicant.income is "1".',
        "  isAdult(applicant.age) answers false, where applicant.age is 20:",
        "    The result is false.",
        (
            '  “isAdult(applicant.age) and applicant.ssn is not ""” does not hold, '
            "because isAdult(applicant.age) is false; applicant.ssn did not matter."
        ),
        "  applicant.kind is Good: “When Good” applies.",
        "    “applicant.age over 19” holds, because applicant.age is 20.",
        '    The result is "maybe".',
        'So decide decides: "maybe".',
    ]


@pytest.mark.parametrize(
    ("locale", "words"),
    [("de-DE", "trifft zu, denn"), ("zh-CN", "成立，因为"), ("hi-IN", "सत्य है, क्योंकि"), ("en-US", "holds, because")],
)
def test_it_is_told_in_the_language_of_the_policy(locale: str, words: str) -> None:
    assert words in told(locale, vip=True, applicant=applicant())[1]


def test_personal_data_stays_masked() -> None:
    story = "\n".join(told(vip=False, applicant=applicant(age=30)))
    assert "applicant.ssn is ***" in story.replace('"***"', "***")
    assert "123-45" not in story


def test_every_locale_tells_with_the_same_places() -> None:
    from string import Formatter

    from aster.policy.language.lexicon import load_lexicon

    places = [
        {
            key: {name for _, name, _, _ in Formatter().parse(text) if name}
            for key, text in load_lexicon(locale).telling.items()
        }
        for locale in LOCALES
    ]
    assert all(first == second for first, second in pairwise(places))


def test_samples_fit_the_schema_and_evaluate() -> None:
    program = compile_source(LOANS)
    accepts = jsonschema.Draft202012Validator(program.input_schema())
    yields = jsonschema.Draft202012Validator(program.output_schema())
    jsonschema.Draft202012Validator.check_schema(program.input_schema())
    found = program.samples(count=8)
    assert len(found) == 8
    for context in found:
        accepts.validate(context)
        yields.validate(program.evaluate(context=context).value)


@pytest.mark.parametrize(
    "broken",
    [{"vip": True}, {"vip": 1, "applicant": applicant()}, {"vip": True, "applicant": applicant(age=3)},
     {"vip": True, "applicant": applicant(ssn="1")}, {"vip": True, "applicant": applicant(kind="Ugly")}],
)  # fmt: skip
def test_the_schema_refuses_what_the_boundary_refuses(broken: dict[str, object]) -> None:
    program = compile_source(LOANS)
    assert list(jsonschema.Draft202012Validator(program.input_schema()).iter_errors(broken))
    assert program.samples(count=1)
    with pytest.raises(Exception, match=r"applicant|vip"):
        program.evaluate(context=broken)


def test_schemas_of_results_describe_how_values_are_handed_out() -> None:
    source = """Define P has d as Decimal, k as maybe K.
Define K as one of A, B.
Rule p, produce P: Return P with d set to 1.50m and k set to A.
Rule r, produce result of Long or Text: Return ok of 9007199254740993L.
Rule o, produce option of Int: Return some of 3.
Rule m, produce map Text to list of Int: Return Map.put(Map.empty(), "a", [1]).
"""
    program = compile_source(source)
    for rule in program.rules:
        jsonschema.Draft202012Validator(program.output_schema(rule)).validate(program.evaluate(rule).value)


@pytest.mark.parametrize("pattern", ["^[0-9]{3}$", "^a+b?c*$", "x", "^(?:ab|cd){2}\\.[^a-z]$", "^\\w\\d\\s$", "", "^$"])
def test_an_example_of_a_pattern_matches_it(pattern: str) -> None:
    compiled = compile_pattern(pattern)
    found = compiled.example()
    assert found is not None
    assert compiled.matches(found)


def test_cases_run_and_branches_are_counted() -> None:
    coverage = Coverage(compile_source(LOANS))
    cases = read_cases(
        '{"policy": "x", "entry": "decide", "cases": ['
        '{"name": "vip", "input": {"vip": true, "applicant": '
        '{"age": 20, "income": 1, "ssn": "123-45", "kind": "Bad", "tags": []}},'
        ' "expectedOutput": "yes"}, {"name": "bad", "input": [1], "expectError": true},'
        ' {"name": "wrong", "input": [2, 3], "expectError": "DIVISION_BY_ZERO"}]}'
    )
    verdicts = run_cases(coverage, cases)
    assert [verdict.reason is None for verdict in verdicts] == [True, True, False]
    assert len(coverage.branches) == 8
    assert len(coverage.missed) == 7
    first = coverage.missed[0]
    assert (first.rule, first.line, first.text, first.way) == (
        "decide", 18, "vip or applicant.income over 700", "does not hold"
    )  # fmt: skip
    assert coverage.percent == 12.5


def test_a_case_that_expects_nothing_is_refused() -> None:
    with pytest.raises(CasesInvalid, match="expects nothing"):
        read_cases('{"policy": "x", "cases": [{"name": "a", "input": []}]}')


def test_every_branch_of_every_construct_can_be_taken() -> None:
    source = """Rule f given n as Int, produce:
  Let k be if n over 5 then 1 else 2.
  If n is 0
    Return 0.
  Otherwise If n is 1
    Return 1.
  Match n:
    When 2, Return 2.
    When _, Return k.
"""
    coverage = Coverage(compile_source(source))
    assert coverage.percent == 0.0
    for number in (0, 1, 2, 3, 9):
        coverage.evaluate("f", {"n": number})
    assert coverage.missed == ()
    assert coverage.percent == 100.0
