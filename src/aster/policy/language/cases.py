"""Cases: what a policy must decide on given inputs (the corpus' `*.cases.json`, specification §21).

`{"policy": "loan.aster", "entry": "decide", "locale"?: "en-US", "cases": [{"name", "input": [positional] or {by name},
"expectedOutput": any | "expectError": true or a code, "entry"?}]}`
"""

import math
from collections.abc import Mapping, Sequence
from typing import Any

import msgspec

from aster.policy.language.coverage import Coverage
from aster.policy.language.errors import CasesInvalid, PolicyEvaluationError


class Case(msgspec.Struct, frozen=True, rename="camel"):
    """One input and what is expected of it. ``expect_error`` is true for any error, or an error's code."""

    name: str = ""
    input: Any = None
    expected_output: Any = msgspec.UNSET
    expect_error: bool | str = False
    entry: str | None = None


class CaseFile(msgspec.Struct, frozen=True):
    """Cases of one policy; ``policy`` is a path beside or above the file."""

    policy: str
    cases: list[Case]
    entry: str | None = None
    locale: str = "en-US"


class Verdict(msgspec.Struct, frozen=True):
    """How a case ended: ``reason`` says what differs, None when it passed."""

    name: str
    rule: str | None
    reason: str | None = None


def read_cases(text: str) -> CaseFile:
    """Cases from their JSON form. Raises `CasesInvalid`."""
    try:
        found = msgspec.json.decode(text, type=CaseFile)
    except msgspec.DecodeError as error:
        raise CasesInvalid(f"not a file of cases: {error}") from None
    for case in found.cases:
        if case.expected_output is msgspec.UNSET and not case.expect_error:
            raise CasesInvalid(f"case {case.name!r} expects nothing", hint="give it expectedOutput or expectError")
    return found


def run_cases(coverage: Coverage, file: CaseFile) -> list[Verdict]:
    """Decide every case; the branches they take are noted."""
    return [_run(coverage, case, case.entry or file.entry, index) for index, case in enumerate(file.cases, 1)]


def _run(coverage: Coverage, case: Case, rule: str | None, index: int) -> Verdict:
    name = case.name or f"case {index}"
    by_name = isinstance(case.input, Mapping)
    positional = case.input if isinstance(case.input, Sequence) and not isinstance(case.input, str) else None
    try:
        value = coverage.evaluate(rule, case.input if by_name else None, positional)
    except PolicyEvaluationError as error:
        if case.expect_error is True or case.expect_error == error.code:
            return Verdict(name, rule)
        place = "" if error.line is None else f" (line {error.line})"
        return Verdict(name, rule, f"{error.code}: {error.message}{place}")
    if case.expect_error:
        return Verdict(name, rule, f"expected an error, got {shown(value)}")
    if same(value, case.expected_output):
        return Verdict(name, rule)
    return Verdict(name, rule, f"expected {shown(case.expected_output)}, got {shown(value)}")


def shown(value: Any) -> str:
    return msgspec.json.encode(value).decode()


def same(found: Any, expected: Any) -> bool:
    """Whether two JSON values are equal: numbers by value (the last bits of a float aside), never true and 1."""
    if isinstance(expected, bool) or isinstance(found, bool):
        return found is expected
    if isinstance(expected, int | float) and isinstance(found, int | float):
        return found == expected or math.isclose(found, expected, rel_tol=1e-12)
    if isinstance(expected, dict) and isinstance(found, dict):
        return found.keys() == expected.keys() and all(same(found[key], expected[key]) for key in expected)
    if isinstance(expected, list) and isinstance(found, list):
        return len(found) == len(expected) and all(map(same, found, expected))
    return bool(found == expected)
