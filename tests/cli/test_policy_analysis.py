import json
import re
import subprocess
import sys
from pathlib import Path

import pytest
from tests.cli.in_process import run_here

LOAN = """\
Module loan.

Rule decide given age as Int between 0 and 120, produce Text:
  If age less than 18
    Return "declined".
  If age under 10
    Return "child".
  Return "approved".
"""


def aster(*arguments: str) -> subprocess.CompletedProcess[str]:
    return run_here("policy", *arguments)


@pytest.fixture
def loan(tmp_path: Path) -> Path:
    file = tmp_path / "loan.aster"
    file.write_text(LOAN)
    return file


def changed(loan: Path, old: str, new: str) -> str:
    file = loan.with_name("new.aster")
    file.write_text(LOAN.replace(old, new))
    return str(file)


def test_a_dead_branch_is_underlined_and_exits_with_1(loan: Path) -> None:
    result = aster("analyze", str(loan))
    assert result.returncode == 1
    assert f"{loan}:6:6: warning unreachable: this condition never holds where it is asked" in result.stdout
    assert "    If age under 10\n       ^^^^^^^^^^^^" in result.stdout
    assert "\x1b" not in result.stdout


def test_nothing_to_report_exits_with_0(loan: Path) -> None:
    file = changed(loan, '  If age under 10\n    Return "child".\n', "")
    result = aster("analyze", file)
    assert (result.returncode, result.stderr) == (0, "")
    assert "nothing to report in 1 rules" in result.stdout


def test_what_was_not_analysed_exits_with_3(loan: Path) -> None:
    file = changed(loan, 'age under 10\n    Return "child"', 'Text.trim("x") is "x"\n    Return "child"')
    result = aster("analyze", file, "--json")
    found = json.loads(result.stdout)
    assert result.returncode == 3
    assert (found["warnings"], found["complete"]) == (0, False)
    assert found["rules"][0]["not_analysed"][0]["what"] == "Text.trim"


def test_versions_that_decide_alike_exit_with_0(loan: Path) -> None:
    result = aster("diff", str(loan), changed(loan, "less than 18", "at most 17"))
    assert result.returncode == 0
    assert "decides alike on every input within the declared ranges (proved)" in result.stdout


def test_a_difference_exits_with_1_and_shows_both_answers(loan: Path) -> None:
    new = changed(loan, "less than 18", "less than 21")
    result = aster("diff", str(loan), new)
    assert result.returncode == 1
    assert 'different: input {"age":' in result.stdout
    assert f'{loan}: "approved"' in result.stdout
    assert f'{new}: "declined"' in result.stdout
    found = json.loads(aster("diff", str(loan), new, "--json", "--all").stdout)
    assert found["verdict"] == "differ"
    assert 18 <= found["differences"][0]["context"]["age"] < 21


def test_what_can_not_be_told_exits_with_3(loan: Path) -> None:
    new = changed(loan, "age less than 18", 'Text.length(Text.trim("x")) is 1 and age less than 18')
    result = aster("diff", str(loan), new)
    assert result.returncode == 3
    assert f"{new}:4:18: not analysed: Text.trim" in result.stdout


@pytest.mark.parametrize("old", ["missing.aster", "broken.aster"])
def test_what_can_not_be_compared_exits_with_2(loan: Path, old: str) -> None:
    loan.with_name("broken.aster").write_text("Rule f produce Int:\n  Return 1 plus .\n")
    assert aster("diff", str(loan.with_name(old)), str(loan)).returncode == 2


def test_a_missing_solver_names_the_extra(loan: Path) -> None:
    code = "import sys; sys.modules['z3'] = None; from aster.cli.main import run; run()"
    command = [sys.executable, "-c", code, "policy", "analyze", str(loan)]
    result = subprocess.run(command, capture_output=True, text=True, timeout=60)
    assert result.returncode == 2
    assert "aster-platform[analysis]" in result.stderr


def test_the_chapter_of_the_guide_shows_what_the_commands_print() -> None:
    root = Path(__file__).resolve().parents[2]
    guide = (root / "docs" / "how-to.md").read_text(encoding="utf-8")
    shown = re.findall(r"^\$ aster policy ((?:analyze|diff) .*\.aster.*)\n((?:.+\n)+?)```", guide, re.MULTILINE)
    assert len(shown) == 2
    for arguments, printed in shown:
        command = [sys.executable, "-m", "aster", "policy", *arguments.split()]
        folder = root / "examples" / "policies"
        result = subprocess.run(command, capture_output=True, text=True, timeout=120, cwd=folder)
        assert result.stdout == printed


RISK = """\
Module risk.

Rule score given age as Int, produce Int:
  Return 100 integer divided by (age minus 18).
"""
USER = """\
Module user.

Use risk.

Rule decide given age as Int between 0 and 120, produce Int:
  Return risk.score(age).
"""


def test_used_modules_are_looked_into(tmp_path: Path) -> None:
    (tmp_path / "risk.aster").write_text(RISK)
    user = tmp_path / "user.aster"
    user.write_text(USER)
    result = aster("analyze", str(user))
    assert f"{user}, in module risk:4:10: info fault: can fail: DIVISION_BY_ZERO" in result.stdout
    assert "^" not in result.stdout
    other = tmp_path / "other" / "user.aster"
    other.parent.mkdir()
    other.write_text(USER)
    (other.parent / "risk.aster").write_text(RISK.replace("minus 18", "minus 17"))
    assert aster("diff", str(user), str(user)).returncode == 0
    assert aster("diff", str(user), str(other), "--modules", str(tmp_path)).returncode == 0
    assert aster("diff", str(user), str(other)).returncode == 1


def test_what_is_proved_the_same_is_told_with_the_ranges(loan: Path) -> None:
    result = aster("diff", str(loan), str(loan))
    assert result.returncode == 0
    assert result.stdout.endswith("(proved):\n  age: Int, at least 0 and at most 120\n")
