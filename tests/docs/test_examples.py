import subprocess
import sys
from pathlib import Path

import pytest

EXAMPLES = Path(__file__).resolve().parents[2] / "examples"

PRINTED = {
    "greeter.py": ["Hello, Ada!", "refused: a name is needed"],
    "remember.py": ["Alice moved to Lisbon in March", "['Alice is allergic to hazelnuts']", "audit chain valid: True"],
    "decide.py": ["17, 1000: declined: too young", "34, 90000: approved", "34, 500000: declined", "refused: "],
}


@pytest.mark.parametrize("name", PRINTED)
def test_an_example_prints_what_it_shows(tmp_path: Path, name: str) -> None:
    run = subprocess.run(
        [sys.executable, str(EXAMPLES / name)], capture_output=True, text=True, cwd=tmp_path, timeout=60
    )
    assert run.returncode == 0, run.stderr
    for words in PRINTED[name]:
        assert words in run.stdout


def test_every_example_is_listed() -> None:
    listed = (EXAMPLES / "README.md").read_text(encoding="utf-8")
    assert all(f"`{file.name}" in listed for file in EXAMPLES.glob("*.py"))
