"""The trace tells which way a decision went, in the policy's own words."""

import json
from typing import Any

from aster.policy import compile_source
from aster.policy.language.trace import MAX_SHOWN

SOURCE = """Module loans.

Rule isAdult given age as Int, produce Bool:
  Return age at least 18.

@entry
Rule decide given age as Int, score as Int, vip as Bool, produce Text:
  If vip or score over 700
    Return "yes".
  Otherwise If isAdult(age) and score over 600
    Let note be "ok".
    Return note.
  Match score:
    When 0, Return "none".
    When other, Return if other over 500 then "maybe" else "no".
"""


def story(**context: Any) -> dict[str, Any]:
    program = compile_source(SOURCE)
    told = program.evaluate(context=context, trace=True).trace
    assert told == program.evaluate(context=context, trace=True, interpret=True).trace
    assert told == compile_source(SOURCE).evaluate(context=context, trace=True).trace
    json.dumps(told)
    found: dict[str, Any] = told
    return found


def test_what_was_not_evaluated_is_told() -> None:
    told = story(age=20, score=300, vip=True)
    (step,) = told["steps"]
    assert step["expression"] == "vip or score over 700"
    assert (step["kind"], step["line"], step["column"]) == ("if", 8, 6)
    assert (step["condition"], step["branch"], step["matched"], step["result"]) == (True, "then", True, "yes")
    assert step["operands"] == {"vip": True}
    assert step["notEvaluated"] == ["score"]
    assert [child["expression"] for child in step["children"]] == ['Return "yes"']
    assert told["finalResult"] == "yes"


def test_called_rules_nest_in_the_step_that_called_them() -> None:
    first = story(age=20, score=650, vip=False)["steps"][0]
    assert first["branch"] == "otherwise"
    second = first["children"][0]
    assert second["operands"] == {"isAdult(age)": True, "score": 650}
    call, let, returned = second["children"]
    assert (call["kind"], call["expression"], call["operands"]) == ("call", "isAdult(age)", {"age": 20})
    assert [(child["kind"], child["depth"]) for child in call["children"]] == [("return", 2)]
    assert (let["kind"], let["result"], returned["result"]) == ("let", "ok", "ok")


def test_matches_tell_their_arm() -> None:
    match = story(age=20, score=550, vip=False)["steps"][1]
    assert (match["kind"], match["operands"], match["branch"]) == ("match", {"score": 550}, "When other")
    (returned,) = match["children"]
    assert returned["children"][0]["kind"] == "if-expr"
    assert match["result"] == "maybe"


def test_long_traces_are_cut_and_say_so() -> None:
    lines = "\n".join(f"  Let v{index} be {index}." for index in range(600))
    told = compile_source(f"Rule f, produce:\n{lines}\n  Return 1.").evaluate(trace=True).trace
    assert told["truncated"] is True
    assert len(told["steps"]) == 500


def test_a_large_value_is_written_out_a_few_times_only() -> None:
    lines = "\n".join(f"  Let v{index} be List.append(v{index - 1}, 1)." for index in range(1, 40))
    program = compile_source(
        f"Rule f, produce:\n  Let v0 be List.range(0, 10000).\n{lines}\n  Return List.length(v39)."
    )
    told = program.evaluate(trace=True).trace
    shown = [step["result"] for step in told["steps"] if isinstance(step["result"], list)]
    assert (told["truncated"], told["finalResult"]) == (True, 10_039)
    assert shown
    assert sum(map(len, shown)) <= MAX_SHOWN
    assert [step["result"] for step in told["steps"][-3:]] == [{"truncated": True}, {"truncated": True}, 10_039]
