"""The tutorial is run as a reader would: its policies, its cases and its commands."""

import json
import re
import shlex
import subprocess
import sys
from pathlib import Path

import pytest

from aster.policy import compile_source

TEXT = (Path(__file__).parents[3] / "docs" / "policy-tutorial.md").read_text(encoding="utf-8")
POLICIES = re.findall(r"```policy ?(\S*)\n(.*?)```(?:\s*```cases\n(.*?)```)?", TEXT, re.DOTALL)
CONSOLE = re.findall(r"```console\n(.*?)```", TEXT, re.DOTALL)
COMMANDS = [
    (command, printed)
    for block in CONSOLE
    for command, printed in re.findall(r"^\$ ([^\n]*)\n((?:(?!\$ )[^\n]*\n)*)", block, re.MULTILINE)
]


@pytest.mark.parametrize(("locale", "source", "cases"), POLICIES)
def test_policies_decide_as_the_tutorial_says(locale: str, source: str, cases: str) -> None:
    program = compile_source(source, locale or "en-US", strict=True)
    assert [found.message for found in program.diagnostics] == []
    assert cases
    for line in cases.splitlines():
        context, value = line.split(" → ")
        assert program.evaluate(context=json.loads(context)).value == json.loads(value)


def prepared(folder: Path, *, fixed: bool = False) -> Path:
    (folder / "loan.aster").write_text(POLICIES[0][1], encoding="utf-8")
    (folder / "loan.cases.json").write_text(re.findall(r"```json\n(.*?)```", TEXT, re.DOTALL)[0], encoding="utf-8")
    (folder / "typo.aster").write_text(re.findall(r"```text\n(.*?)```", TEXT, re.DOTALL)[0], encoding="utf-8")
    if fixed:
        typo = (folder / "typo.aster").read_text(encoding="utf-8")
        (folder / "typo.aster").write_text(typo.replace("age < 18", "age and age < 18").replace("agee", "age"))
    return folder


@pytest.mark.parametrize(("command", "printed"), COMMANDS)
def test_commands_print_what_the_tutorial_shows(tmp_path: Path, command: str, printed: str) -> None:
    program, *arguments = shlex.split(command)
    assert program == "aster"
    run = subprocess.run(
        [sys.executable, "-m", "aster", *arguments],
        capture_output=True,
        text=True,
        cwd=prepared(tmp_path, fixed="typo.aster --context" in command),
        timeout=60,
    )
    assert run.stdout.replace(f"{tmp_path.resolve()}/", "") == printed, run.stderr


def test_the_python_of_the_tutorial_runs(tmp_path: Path) -> None:
    (code,) = re.findall(r"```python\n(.*?)```", TEXT, re.DOTALL)
    run = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, cwd=prepared(tmp_path), timeout=60
    )
    assert run.stdout == "approved\n", run.stderr
