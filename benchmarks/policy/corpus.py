"""Check the language against a conformance corpus: every program must parse, every case give its expected value.

Usage: python benchmarks/policy/corpus.py PATH [--locale en-US]

PATH has `policies/*.aster` and `inputs/*.cases.json`; each case has `input` (positional), and `expectedOutput` or
`expectError`. Both evaluators run every case.
"""

import argparse
import json
import math
import sys
import time
from pathlib import Path
from typing import Any

from aster.foundation.errors import AsterError
from aster.policy import PolicySyntaxError, compile_source


def same(found: Any, expected: Any) -> bool:
    if isinstance(expected, bool) or isinstance(found, bool):
        return found is expected
    if isinstance(expected, int | float) and isinstance(found, int | float):
        return math.isclose(found, expected, rel_tol=1e-12)
    if isinstance(expected, dict) and isinstance(found, dict):
        return found.keys() == expected.keys() and all(same(found[key], expected[key]) for key in expected)
    if isinstance(expected, list) and isinstance(found, list):
        return len(found) == len(expected) and all(map(same, found, expected))
    return bool(found == expected)


def decide(program: Any, rule: str, arguments: list[Any], interpret: bool) -> tuple[str, Any]:
    try:
        return "value", program.evaluate(rule, args=arguments, interpret=interpret).value
    except AsterError as error:
        return "error", f"{error.code}: {error}"


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("path", type=Path)
    parser.add_argument("--locale", default="en-US")
    options = parser.parse_args()
    started = time.perf_counter()
    programs: dict[str, Any] = {}
    failures = []
    for path in sorted((options.path / "policies").glob("*.aster")):
        try:
            programs[path.name] = compile_source(path.read_text(encoding="utf-8"), options.locale)
        except PolicySyntaxError as error:
            failures.append(f"{path.name}: {error}")
    cases = 0
    for path in sorted((options.path / "inputs").glob("*.cases.json")):
        document = json.loads(path.read_text(encoding="utf-8"))
        name = Path(document["policy"]).name
        for case in document["cases"]:
            cases += 1
            rule = case.get("entry", document["entry"])
            for interpret in (False, True):
                if name not in programs:
                    failures.append(f"{path.name}: {case['name']}: the program did not compile")
                    break
                kind, found = decide(programs[name], rule, case["input"], interpret)
                expected_kind = "error" if case.get("expectError") else "value"
                if kind != expected_kind or (kind == "value" and not same(found, case["expectedOutput"])):
                    evaluator = "interpreter" if interpret else "compiled"
                    failures.append(f"{path.name}: {case['name']}: {evaluator}: {kind} {found!r}")
    for failure in failures:
        print("FAIL", failure)
    seconds = time.perf_counter() - started
    print(f"{len(programs)} programs, {cases} cases, {len(failures)} failures, {seconds:.2f} s")
    return 1 if failures else 0


if __name__ == "__main__":
    sys.exit(main())
