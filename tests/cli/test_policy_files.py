import json
import subprocess
from pathlib import Path

import pytest
from tests.cli.in_process import run_here

LOAN = """\
Module loan.

Rule decide given age as Int, produce Text:
  If age less than 18
    Return "declined".
  Return "approved".
"""


def aster(*arguments: str, text: str | None = None) -> subprocess.CompletedProcess[str]:
    return run_here("policy", *arguments, stdin=text or "")


@pytest.fixture
def loan(tmp_path: Path) -> str:
    file = tmp_path / "loan.aster"
    file.write_text(LOAN)
    return str(file)


def test_a_good_policy_has_no_findings(loan: str) -> None:
    result = aster("check", loan)
    assert (result.returncode, result.stdout) == (0, f"{loan}: no findings\n")


def test_a_finding_has_its_place_and_the_line_it_is_about(tmp_path: Path) -> None:
    file = tmp_path / "broken.aster"
    file.write_text(LOAN.replace("less than 18", "less than"))
    result = aster("check", str(file))
    assert result.returncode == 1
    assert f"{file}:4:" in result.stdout
    assert "   4 |   If age less than" in result.stdout
    assert "^" in result.stdout
    assert "\x1b" not in result.stdout


def test_findings_as_json_have_codes(tmp_path: Path) -> None:
    result = aster("check", "-", "--json", text="Module x.\n\nRule f produce Int:\n  Return 1 plus .\n")
    assert result.returncode == 1
    assert all(finding["code"] for finding in json.loads(result.stdout))


def test_a_rule_is_evaluated_with_named_arguments(loan: str) -> None:
    assert json.loads(aster("eval", loan, "--context", '{"age": 17}').stdout) == "declined"
    traced = json.loads(aster("eval", loan, "--context", '{"age": 30}', "--trace").stdout)
    assert traced["value"] == "approved"
    assert traced["trace"]


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["--context", "{"], "not JSON"),
        (["--context", "[1]"], "JSON object"),
        (["--context", '{"age": "old"}'], "age"),
        (["--rule", "nothing"], "nothing"),
        (["--locale", "fr-FR"], "fr-FR"),
    ],
)
def test_bad_input_explains_itself(loan: str, arguments: list[str], words: str) -> None:
    result = aster("eval", loan, *arguments)
    assert result.returncode == 1
    assert words in result.stderr
    assert "Traceback" not in result.stderr


BROKEN = """\
Rule f given n as Int, ok as Bool, produce Bool:
  If n > 99999999999
    Return ok is true.
  Return amunt is 3.
"""


def test_safe_fixes_are_written_and_the_rest_is_told(tmp_path: Path) -> None:
    file = tmp_path / "f.aster"
    file.write_bytes(BROKEN.replace("\n", "\r\n").encode())
    result = aster("check", str(file), "--fix")
    assert result.returncode == 1
    assert result.stderr == f"{file}: fixed 2\n"
    assert "E101" in result.stdout
    mended = BROKEN.replace("99999999999", "99999999999L").replace("ok is true", "ok").replace("\n", "\r\n")
    assert file.read_bytes().decode() == mended


def test_standard_input_is_fixed_to_standard_output() -> None:
    result = aster("check", "-", "--fix", "--unsafe-fixes", text=BROKEN.replace("amunt", "okk"))
    assert result.stdout.endswith("  Return ok is 3.\n")
    assert "fixed 3" in result.stderr


def test_a_finding_tells_its_fix(tmp_path: Path) -> None:
    result = aster("check", "-", text=BROKEN)
    assert "  fix: insert 'L'\n" in result.stdout
    found = json.loads(aster("check", "-", "--json", text=BROKEN).stdout)
    assert found[0]["fixes"][0]["edits"][0]["text"] == "L"


def test_a_finding_is_explained_with_its_way_out() -> None:
    result = aster("finding", "e032")
    assert result.returncode == 0
    assert "error E032: a Decimal is divided by Decimal.divide" in result.stdout
    assert "  Rule f given a as Decimal, produce:\n" in result.stdout
    assert json.loads(aster("finding", "E032", "--json", "--locale", "de-DE").stdout)["message"].startswith("ein")
    unknown = aster("finding", "E033")
    assert unknown.returncode == 1
    assert "did you mean" in unknown.stderr
