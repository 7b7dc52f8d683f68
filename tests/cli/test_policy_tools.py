"""`aster policy fmt`, `translate`, `explain`, `schema`, `test` and `repl`, as people run them."""

import json
import stat
import subprocess
from pathlib import Path

import pytest
from tests.cli.in_process import run_here

LOAN = """\
module loans
define Applicant has age as int, income as Decimal
@entry
rule decide given applicant as Applicant, produce text:
    if applicant.age<18
        return "too young"   // minors
    if applicant.income at least 1000 then return "yes" else return "no"
"""


def aster(*arguments: str, text: str | None = None) -> subprocess.CompletedProcess[str]:
    return run_here("policy", *arguments, stdin=text or "")


@pytest.fixture
def loan(tmp_path: Path) -> Path:
    file = tmp_path / "loan.aster"
    file.write_text(LOAN)
    return file


def test_fmt_rewrites_files_once(loan: Path) -> None:
    loan.chmod(0o640)
    assert aster("fmt", "--check", str(loan)).returncode == 1
    assert loan.read_text() == LOAN
    assert aster("fmt", str(loan)).returncode == 0
    formatted = loan.read_text()
    assert '    Return "too young".  // minors\n' in formatted
    assert stat.S_IMODE(loan.stat().st_mode) == 0o640
    assert aster("fmt", "--check", str(loan.parent)).returncode == 0
    assert loan.read_text() == formatted


def test_fmt_shows_a_difference_and_reads_standard_input(loan: Path) -> None:
    result = aster("fmt", "--diff", str(loan))
    assert result.returncode == 1
    assert "-    if applicant.age<18\n" in result.stdout
    assert "+  If applicant.age < 18\n" in result.stdout
    assert aster("fmt", "-", text=LOAN).stdout.startswith("Module loans.\n\nDefine ")


def test_fmt_leaves_what_it_cannot_parse(tmp_path: Path) -> None:
    broken = tmp_path / "broken.aster"
    broken.write_text("Rule f, produce:\n  Return 1 plus.\n")
    result = aster("fmt", str(tmp_path))
    assert result.returncode == 1
    assert "P007" in result.stderr
    assert broken.read_text() == "Rule f, produce:\n  Return 1 plus.\n"


def test_translate_prints_the_policy_in_another_language(loan: Path) -> None:
    result = aster("translate", str(loan), "--to", "zh-CN")
    assert "  如果 applicant.age < 18\n    返回 「too young」。  // minors\n" in result.stdout
    again = aster("translate", "-", "--locale", "zh-CN", "--to", "en-US", text=result.stdout)
    assert again.stdout == aster("fmt", "-", text=LOAN).stdout


def test_explain_tells_why(loan: Path) -> None:
    context = '{"applicant": {"age": 33, "income": 4}}'
    result = aster("explain", str(loan), "--context", context)
    assert "  “applicant.age<18” does not hold, because applicant.age is 33.  [5]\n" in result.stdout
    told = json.loads(aster("explain", str(loan), "--context", context, "--json").stdout)
    assert told["value"] == "no"
    assert told["sentences"][1]["line"] == 5


def test_schema_and_samples_are_json(loan: Path) -> None:
    assert json.loads(aster("schema", str(loan)).stdout)["required"] == ["applicant"]
    assert json.loads(aster("schema", str(loan), "--output").stdout)["type"] == "string"
    sample = aster("schema", str(loan), "--sample", "1").stdout
    assert json.loads(aster("eval", str(loan), "--context", sample).stdout) in {"yes", "no", "too young"}


def test_what_ir_prints_is_evaluated_and_checked_like_the_policy(loan: Path) -> None:
    document = loan.with_suffix(".json")
    document.write_text(aster("ir", str(loan)).stdout)
    context = '{"applicant": {"age": 33, "income": 4}}'
    for command in (("eval", "--context", context), ("eval", "--trace", "--context", context), ("check",)):
        told, expected = (aster(command[0], str(file), *command[1:]) for file in (document, loan))
        assert told.returncode == expected.returncode == 0
    assert json.loads(aster("eval", str(document), "--context", context).stdout) == "no"
    document.write_text("{}")
    refused = aster("eval", str(document))
    assert (refused.returncode, "missing required field" in refused.stderr) == (1, True)


def test_cases_pass_or_fail_with_the_branches_they_miss(loan: Path) -> None:
    cases = loan.with_name("loan.cases.json")
    case = {"name": "young", "input": [{"age": 3, "income": "1"}], "expectedOutput": "too young"}
    cases.write_text(json.dumps({"policy": "loan.aster", "entry": "decide", "cases": [case]}))
    result = aster("test", str(loan.parent))
    assert result.returncode == 0
    assert "7:8: never taken in decide: “applicant.income at least 1000” holds" in result.stdout
    assert "1 of 1 cases pass, 25.0 % of branches taken" in result.stdout
    assert aster("test", str(cases), "--min-coverage", "50").returncode == 1
    case["expectedOutput"] = "no"
    cases.write_text(json.dumps({"policy": "loan.aster", "entry": "decide", "cases": [case]}))
    report = loan.with_name("report.xml")
    failed = aster("test", str(cases), "--json", "--junit", str(report))
    assert failed.returncode == 1
    assert json.loads(failed.stdout)["cases"][0]["reason"] == 'expected "no", got "too young"'
    assert 'failures="1"' in report.read_text()


def test_check_takes_folders_and_modules_beside_the_policy(tmp_path: Path) -> None:
    (tmp_path / "base.aster").write_text("Rule one, produce Int: Return 1.\n")
    (tmp_path / "main.aster").write_text("Use base.\nRule f, produce Int: Return base.one().\n")
    result = aster("check", str(tmp_path))
    assert (result.returncode, result.stdout.count("no findings")) == (0, 2)
    assert aster("eval", str(tmp_path / "main.aster")).stdout == "1\n"


def test_carets_stand_below_wide_characters(tmp_path: Path) -> None:
    file = tmp_path / "wide.aster"
    file.write_text("规则 看，产出 整数：\n  返回 错名。\n", encoding="utf-8")
    lines = aster("check", str(file), "--locale", "zh-CN").stdout.splitlines()
    assert lines[1:3] == ["   2 |   返回 错名。", "     |        ^^^^"]


def test_keys_that_no_parameter_has_are_named(loan: Path) -> None:
    result = aster("eval", str(loan), "--context", '{"age": 3, "income": 4, "incom": 3}')
    assert result.stdout == '"too young"\n'
    assert result.stderr == "warning: no parameter is called 'incom'; did you mean 'income'?\n"


def test_the_prompt_reads_a_pipe(tmp_path: Path) -> None:
    talk = """\
Rule f given n as Int, produce Int:
  Return n plus 1.

f(3)
Let x be 4.
:trace on
f(x)
foo(
1)
:locale de-DE
wenn wahr dann 1 sonst 2
:quit
f(9)
"""
    result = aster("repl", text=talk)
    assert result.returncode == 0
    lines = result.stdout.splitlines()
    assert lines[:4] == ["ok", "4", "ok", "trace on"]
    assert "  f(x) answers 5, where x is 4:" in lines
    assert "error UNDEFINED_FUNCTION: 'foo' is not a function" in lines
    assert "10" not in lines
    assert lines[-1] == "1"


GERMAN = """\
# locale: de-DE
Regel f gegeben n als Ganzzahl, liefert Text:
  wenn n groesser als 3
    gib zurueck "ja".
  gib zurueck "nein".
"""


def test_a_file_says_which_language_it_is_in(tmp_path: Path) -> None:
    commented, named = tmp_path / "f.aster", tmp_path / "g.de-DE.aster"
    commented.write_text(GERMAN)
    named.write_text(GERMAN.partition("\n")[2])
    for file in (commented, named):
        assert aster("check", str(file)).returncode == 0
        assert json.loads(aster("eval", str(file), "--context", '{"n": 4}').stdout) == "ja"
        assert "wurde gefragt" in aster("explain", str(file), "--context", '{"n": 4}').stdout
        assert aster("fmt", "--check", str(file)).returncode == 0
    assert aster("check", str(commented), "--locale", "en-US").returncode == 1
    translated = aster("translate", str(commented), "--to", "en_us").stdout
    assert translated.startswith("# locale: en-US\n")
    assert "Return" in translated


def test_a_shipped_vocabulary_is_named(tmp_path: Path) -> None:
    file = tmp_path / "f.aster"
    file.write_text(
        "Rule f given applicant as Applicant, produce Int: Return applicant.age.\nDefine Applicant has age as Int.\n"
    )
    translated = aster("translate", str(file), "--to", "de-DE", "--to-vocabulary", "finance.loan")
    assert "antragsteller.alter" in translated.stdout
    assert "can't be read" in aster("translate", str(file), "--to", "de-DE", "--vocabulary", "finance.stocks").stderr
