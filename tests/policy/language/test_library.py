"""The standard library, row by row: every example of the reference and the edges of every function, both evaluators."""

import json
from typing import Any

import pytest

from aster.policy import PolicyEvaluationError, compile_source
from aster.policy.language.library import LIBRARY
from aster.policy.language.library_docs import FUNCTIONS
from aster.policy.language.library_types import SIGNATURES

LONGEST = "9223372036854775807L"


def evaluated(expression: str) -> Any:
    """The value of an expression as JSON, or `! CODE`; the same in both evaluators, traced or not."""
    program = compile_source(f"Rule r, produce:\n  Return {expression}.\n")
    answers = []
    for interpret, trace in ((False, False), (True, False), (False, True)):
        try:
            value = program.evaluate(interpret=interpret, trace=trace).value
            answers.append(json.dumps(value, ensure_ascii=False))
        except PolicyEvaluationError as error:
            answers.append(f"! {error.code}")
    assert len(set(answers)) == 1, answers
    return answers[0] if answers[0].startswith("!") else json.loads(answers[0])


def test_every_function_has_a_signature_and_is_told() -> None:
    assert LIBRARY.keys() == SIGNATURES.keys() == FUNCTIONS.keys()


@pytest.mark.parametrize("name", FUNCTIONS)
def test_parameters_are_named_as_many_as_there_are(name: str) -> None:
    written = FUNCTIONS[name].signature.partition("(")[2].rstrip(")")
    parameters = [part for part in written.split(", ") if part not in {"", "…"}]
    signature = SIGNATURES[name]
    assert len(parameters) == len(signature.parameters)
    assert sum(part.endswith("?") for part in parameters) == signature.optional
    assert written.endswith("…") is signature.variadic


EXAMPLES = [example for told in FUNCTIONS.values() for example in told.examples]


@pytest.mark.parametrize(("expression", "value"), [(each.expression, each.value) for each in EXAMPLES])
def test_examples_are_what_the_reference_says(expression: str, value: str) -> None:
    assert evaluated(expression) == (value if value.startswith("!") else json.loads(value))


@pytest.mark.parametrize(
    ("expression", "value"),
    [
        ('Text.concat("a")', "a"),
        ('Text.concat("a", 1.5, 2.50m, [1,2], null, true)', "a1.52.5[1,2]nulltrue"),
        ('Text.toUpper("straße")', "STRASSE"),
        ('Text.toLower("İ")', "i̇"),
        ('Text.length("")', 0),
        ('Text.startsWith("abc", "")', True),
        ('Text.endsWith("abc", "bc")', True),
        ('Text.contains("abc", "")', True),
        ('Text.indexOf("a😀c", "c")', 3),
        ('Text.indexOf("abc", "")', 0),
        ('Text.indexOf("abc", "z")', -1),
        ('Text.equals(1, "1")', True),
        ('Text.split("a,b,,", ",")', ["a", "b", "", ""]),
        ('Text.split("abc", "")', ["a", "b", "c"]),
        ('Text.split("", ",")', [""]),
        ('Text.trim("  a b \\n")', "a b"),
        ('Text.substring("hello", 2)', "llo"),
        ('Text.substring("hello", 5)', ""),
        ('Text.substring("hello", 6)', "! RANGE_INVALID"),
        ('Text.substring("hello", 3, 2)', "! RANGE_INVALID"),
        ('Text.substring("hello", 0 minus 1)', "! RANGE_INVALID"),
        ('Text.substring("a😀c", 1, 3)', "😀"),
        ('Text.replace("aaa", "a", "b")', "bbb"),
        ('Text.replace("a.b", ".", "-")', "a-b"),
        ('Text.replace("abc", "", "-")', "-a-b-c-"),
        ('Text.redact("secret")', "***"),
        ('Text.join(["a", "b"], "-")', "a-b"),
        ('Text.join([], "-")', ""),
        ('Text.matches("abc", "b")', True),
        ('PII.unwrap("x")', "x"),
        ('List.length("abc")', "! ARGUMENT_TYPE"),
        ("List.isEmpty(null)", "! ARGUMENT_TYPE"),
        ("List.get([1,2], 0 minus 1)", "! INDEX_OUT_OF_RANGE"),
        ("List.get([1,2], 1.0)", 2),
        ("List.contains([[1]], [1.0])", True),
        ("List.contains([], null)", False),
        ("List.append([1], [2])", [1, [2]]),
        ("List.concat([1], null)", "! ARGUMENT_TYPE"),
        ("List.slice([1,2,3], 1)", [2, 3]),
        ("List.slice([1,2,3], 3)", []),
        ("List.slice([1,2,3], 2, 5)", "! RANGE_INVALID"),
        ("List.slice([1,2,3], 0 minus 1)", "! RANGE_INVALID"),
        ("List.filter([1,2,3], (x) => x)", []),
        ("List.filter([1,2,3], (x) => x over 1)", [2, 3]),
        ("List.sum([])", 0),
        ("List.sum([1, 2.5])", 3.5),
        ('List.sum([1, "2"])', "! ARGUMENT_TYPE"),
        ("List.sum([0.1m, 1])", "1.1"),
        ("List.sum([0.1m, 0.5])", "! TYPE_MISMATCH"),
        ("List.min([3,1,2])", 1),
        ("List.min([])", "! EMPTY_LIST"),
        ("List.max([1, 2.5m])", "2.5"),
        ('List.min(["b","a"])', "! ARGUMENT_TYPE"),
        ("List.sort([3,1,2])", [1, 2, 3]),
        ("List.sort([2.5, 1m, 2])", ["1", 2, 2.5]),
        ('List.sort(["b","a"])', "! ARGUMENT_TYPE"),
        ('List.distinct([1, 1.0, true, "1", [1], [1]])', [1, True, "1", [1]]),
        ("List.range(3, 3)", []),
        ("List.range(5, 3)", []),
        ("List.range(0, 1000001)", "! SIZE_LIMIT"),
        ("List.combinations([1,2], 3)", []),
        ("List.combinations([1,2], 0)", [[]]),
        ("List.combinations([1,2], 0 minus 1)", "! RANGE_INVALID"),
        ("List.length(List.combinations(List.range(0, 64), 2))", 2016),
        ("List.combinations(List.range(0, 65), 1)", "! SIZE_LIMIT"),
        ("List.combinations(List.range(0, 30), 5)", "! SIZE_LIMIT"),
        ("List.count([1,2,3], (x) => x over 1)", 2),
        ('List.sortBy(["bb","a"], (t) => Text.length(t))', ["a", "bb"]),
        ('List.minBy(["bb","a","c"], (t) => Text.length(t))', "a"),
        ('List.maxBy(["bb","a","cc"], (t) => Text.length(t))', "bb"),
        ("List.maxBy([], (t) => 1)", "! EMPTY_LIST"),
        ('List.groupBy([1,2,3], (x) => if x over 1 then "big" else "small")', {"small": [1], "big": [2, 3]}),
        ("List.groupBy([1], (x) => null)", "! NULL_KEY"),
        ("List.head([])", None),
        ("List.last([1,2])", {"__type": "Some", "value": 2}),
        ("List.reverse([1,2])", [2, 1]),
        ("List.any([], (x) => true)", False),
        ("List.all([], (x) => false)", True),
        ("List.any([1,2], (x) => x over 1)", True),
        ("List.flatten([[1],[2,3]])", [1, 2, 3]),
        ("List.flatten([1])", "! ARGUMENT_TYPE"),
        ("List.take([1,2,3], 2)", [1, 2]),
        ("List.take([1,2,3], 9)", [1, 2, 3]),
        ("List.take([1,2,3], 0 minus 1)", []),
        ("List.drop([1,2,3], 2)", [3]),
        ("List.drop([1,2,3], 0 minus 1)", [1, 2, 3]),
        ('Map.get(Map.empty(), "k")', None),
        ('Map.put(Map.put(Map.empty(), "a", 1), "a", 2)', {"a": 2}),
        ("Map.put(Map.empty(), 1, 2)", {"1": 2}),
        ("Map.put(Map.empty(), null, 2)", "! NULL_KEY"),
        ('Map.remove(Map.put(Map.empty(), "a", 1), "a")', {}),
        ('Map.remove(Map.empty(), "a")', {}),
        ('Map.contains(Map.put(Map.empty(), "a", null), "a")', True),
        ('Map.get(Map.put(Map.empty(), "a", null), "a")', None),
        ("Map.size(Map.empty())", 0),
        ('Map.keys(Map.put(Map.put(Map.empty(), "b", 1), "a", 2))', ["b", "a"]),
        ('Map.values(Map.put(Map.put(Map.empty(), "b", 1), "a", 2))', [1, 2]),
        ('Map.entries(Map.put(Map.empty(), "b", 1))', [{"key": "b", "value": 1}]),
        ("Map.size(null)", "! ARGUMENT_TYPE"),
        ("Maybe.withDefault(null, 1)", 1),
        ("Maybe.withDefault(some of 2, 1)", 2),
        ("Maybe.withDefault(3, 1)", 3),
        ("Maybe.isSome(null)", False),
        ("Maybe.isSome(3)", True),
        ("Maybe.isNone(none)", True),
        ("Maybe.unwrap(none)", "! WRONG_VARIANT"),
        ("Maybe.unwrap(some of 1)", 1),
        ("Maybe.unwrap(1)", 1),
        ("Maybe.map(none, (x) => x plus 1)", None),
        ("Maybe.map(some of 1, (x) => x plus 1)", {"__type": "Some", "value": 2}),
        ("Maybe.map(1, (x) => x plus 1)", {"__type": "Some", "value": 2}),
        ("Option.unwrapOr(none, 5)", 5),
        ("Result.isOk(ok of 1)", True),
        ("Result.isErr(ok of 1)", False),
        ("Result.isOk(1)", "! ARGUMENT_TYPE"),
        ("Result.unwrap(ok of 1)", 1),
        ("Result.unwrapErr(ok of 1)", "! WRONG_VARIANT"),
        ('Result.unwrapErr(err of "e")', "e"),
        ('Result.unwrapOr(err of "e", 2)', 2),
        ("Result.mapOk(ok of 1, (x) => x plus 1)", {"__type": "Ok", "value": 2}),
        ("Result.mapOk(err of 1, (x) => x plus 1)", {"__type": "Err", "value": 1}),
        ("Result.mapErr(err of 1, (x) => x plus 1)", {"__type": "Err", "value": 2}),
        ("Result.tapError(err of 1, (x) => x plus 1)", {"__type": "Err", "value": 1}),
        ('Date.fromISO("0001-01-01")', -719162),
        ('Date.fromISO("2024-1-1")', "! DATE_INVALID"),
        ('Date.fromISO("2023-02-29")', "! DATE_INVALID"),
        ("Date.fromISO(1)", "! DATE_INVALID"),
        ("Date.daysBetween(1, 5)", 4),
        ("Date.addDays(2932896, 1)", "! DATE_OUT_OF_RANGE"),
        ("Date.addDays(0, 0 minus 719163)", "! DATE_OUT_OF_RANGE"),
        ("Date.addDays(0, 0 minus 719162)", -719162),
        ("Date.toISO(0)", "1970-01-01"),
        ("Date.year(0 minus 1)", 1969),
        ("Date.month(59)", 3),
        ("Date.day(59)", 1),
        ('Decimal.round(2.5m, 0, "HALF_EVEN")', "2"),
        ('Decimal.round(2.5m, 0, "HALF_UP")', "3"),
        ('Decimal.round(0 minus 2.5m, 0, "HALF_UP")', "-3"),
        ('Decimal.round(2.59m, 1, "DOWN")', "2.5"),
        ('Decimal.round(2.5, 0, "DOWN")', "! ARGUMENT_TYPE"),
        ('Decimal.round(2, 1, "DOWN")', "2"),
        ('Decimal.round(2m, 19, "DOWN")', "! DECIMAL_SCALE"),
        ('Decimal.round(2m, 1, "UP")', "! DECIMAL_MODE"),
        ('Decimal.divide(1, 3m, 18, "DOWN")', "0.333333333333333333"),
        ('Decimal.divide(1m, 0m, 2, "DOWN")', "! DIVISION_BY_ZERO"),
        ('Decimal.fromText("12.50")', "12.5"),
        ('Decimal.fromText("1e3")', "! NUMBER_INVALID"),
        ('Decimal.fromText(" 1 ")', "! NUMBER_INVALID"),
        ('Decimal.fromText("NaN")', "! NUMBER_INVALID"),
        ("Math.abs(0 minus 3)", 3),
        ("Math.abs(0 minus 9223372036854775807L minus 1)", "! INTEGER_OVERFLOW"),
        ("Math.floor(0 minus 2.5)", -3),
        ("Math.ceil(0 minus 2.5)", -2),
        ("Math.floor(2.5m)", 2),
        ("Math.round(2.5)", 3),
        ("Math.round(0 minus 2.5)", -3),
        ("Math.round(3.5m)", 4),
        ("Math.min(1, 2.5)", 1),
        ("Math.max(1, 2m)", "2"),
        ("Math.max(1.5, 2m)", "2"),
        ("Math.pow(2, 10)", 1024),
        ("Math.pow(2, 0 minus 1)", 0.5),
        ("Math.pow(2, 64)", "! INTEGER_OVERFLOW"),
        ("Math.pow(1.5m, 2)", "2.25"),
        ("Math.pow(0, 0)", 1),
        ('Math.floor("x")', "! ARGUMENT_TYPE"),
        ("Int.toString(0 minus 5)", "-5"),
        ("Int.toString(2.0)", "2"),
        ('Int.parse("42")', 42),
        ('Int.parse("-42")', -42),
        ('Int.parse("4.2")', "! NUMBER_INVALID"),
        ('Int.parse(" 42")', "! NUMBER_INVALID"),
        ('Int.parse("99999999999999999999")', "! NUMBER_INVALID"),
        ('Int.parse("٤٢")', "! NUMBER_INVALID"),
        ("Bool.toString(true)", "true"),
        ("Bool.toString(1)", "! ARGUMENT_TYPE"),
        ('redact("x")', "***"),
        ("tokenize(null)", ""),
    ],
)
def test_edges_of_every_function(expression: str, value: Any) -> None:
    assert evaluated(expression) == value
