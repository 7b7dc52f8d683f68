"""The page about memory from Python: every example is run, and prints what the page says."""

import re
import subprocess
import sys
from pathlib import Path

import pytest

PAGE = (Path(__file__).resolve().parents[2] / "docs" / "memory.md").read_text(encoding="utf-8")
EXAMPLES = re.findall(r"### ([^\n]+)\n(?:(?!\n### ).)*?```python\n(.*?)```\n\n```text\n(.*?)```", PAGE, re.DOTALL)


def test_no_example_is_left_out() -> None:
    assert len(EXAMPLES) == PAGE.count("```python") == 8


@pytest.mark.parametrize(("title", "program", "printed"), EXAMPLES, ids=[example[0] for example in EXAMPLES])
def test_the_example_prints_what_the_page_says(title: str, program: str, printed: str, tmp_path: Path) -> None:
    ran = subprocess.run([sys.executable, "-c", program], cwd=tmp_path, capture_output=True, text=True)
    assert ran.returncode == 0, ran.stderr
    assert ran.stdout == printed
