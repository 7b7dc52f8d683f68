"""A source becomes a program, and a program decides."""

import pytest

from aster.policy import PolicyEvaluationError, PolicySyntaxError, UnsupportedLocale, compile_source

PING = 'Module demo.\n\nRule ping produce Text:\n  Return "pong".'

LOAN = """
Module loans.

Define Applicant has
  age as Int,
  creditScore as Int between 300 and 850,
  income as Int,
  bankrupt as Bool.

Define Decision has approved as Bool, reason as Text, limit as Int.

Rule affordable given income as Int, amount as Int, produce Bool:
  Return amount at most income times 3.

@entry
Rule decide given applicant as Applicant, amount as Int, produce Decision:
  Let limit be applicant.income times 3.
  If applicant.age less than 18
    Return Decision with approved set to false, reason set to "minor", limit set to 0.
  If applicant.bankrupt or applicant.creditScore under 600
    Set limit to limit integer divided by 2.
  If not affordable(applicant.income, amount)
    Return Decision with approved set to false, reason set to "too much", limit set to limit.
  Return Decision with approved set to true, reason set to "ok", limit set to limit.
"""

APPLICANT = {"age": 33, "creditScore": 700, "income": 1000, "bankrupt": False}


def test_the_contracts_program_answers_pong() -> None:
    program = compile_source(PING, "en-US")
    assert program.module == "demo"
    assert program.rules == ("ping",)
    assert program.evaluate("ping", context={}).value == "pong"
    assert program.evaluate().value == "pong"


def test_a_loan_is_decided_with_records_conditions_and_calls() -> None:
    program = compile_source(LOAN)
    assert program.diagnostics == ()
    decided = program.evaluate(context={"applicant": APPLICANT, "amount": 2500})
    assert decided.value == {"__type": "Decision", "approved": True, "reason": "ok", "limit": 3000}
    assert decided.rule == "decide"
    poor = program.evaluate(context={"applicant": {**APPLICANT, "bankrupt": True}, "amount": 9000})
    assert poor.value == {"__type": "Decision", "approved": False, "reason": "too much", "limit": 1500}


def test_every_violation_of_the_declared_types_is_told_at_once() -> None:
    with pytest.raises(PolicyEvaluationError) as raised:
        compile_source(LOAN).evaluate(context={"applicant": {**APPLICANT, "age": "old", "creditScore": 900}})
    assert raised.value.code == "INPUT_INVALID"
    assert raised.value.details["violations"] == [
        'applicant.age: expected Int, got "old"',
        "applicant.creditScore: must be between 300 and 850, got 900",
        "amount: is missing",
    ]


def test_a_fault_tells_its_rule_line_and_column() -> None:
    source = "Rule half given n as Int, produce Float:\n  Let two be 2.\n  Return two divided by n."
    with pytest.raises(PolicyEvaluationError) as raised:
        compile_source(source).evaluate(context={"n": 0})
    assert (raised.value.code, raised.value.rule, raised.value.line, raised.value.column) == (
        "DIVISION_BY_ZERO",
        "half",
        3,
        10,
    )


def test_without_a_name_several_rules_are_ambiguous() -> None:
    program = compile_source("Rule a, produce:\n  Return 1.\nRule b, produce:\n  Return 2.")
    with pytest.raises(PolicyEvaluationError) as raised:
        program.evaluate()
    assert raised.value.code == "ENTRY_AMBIGUOUS"
    assert raised.value.details["candidates"] == ["a", "b"]


def test_an_unknown_rule_is_refused_with_the_rules_there_are() -> None:
    with pytest.raises(PolicyEvaluationError, match="it has: ping") as raised:
        compile_source(PING).evaluate("pong")
    assert raised.value.code == "RULE_NOT_FOUND"


def test_a_source_that_does_not_parse_tells_every_error_with_its_place() -> None:
    with pytest.raises(PolicySyntaxError) as raised:
        compile_source("Module m.\n\nRule a, produce:\n  Return 1 plus.\n\nRule b, produce:\n  Let x 2.\n  Return x.")
    assert [(found.code, found.start_line) for found in raised.value.diagnostics] == [("P007", 4), ("P004", 7)]


def test_an_unsupported_locale_is_an_error() -> None:
    with pytest.raises(UnsupportedLocale, match="fr-FR"):
        compile_source(PING, "fr-FR")
