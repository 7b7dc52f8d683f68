"""The guides on blobs and documents, run as they stand on the page."""

import re
import subprocess
import sys
from pathlib import Path

import pytest

PAGE = (Path(__file__).resolve().parents[2] / "docs" / "how-to.md").read_text(encoding="utf-8")


@pytest.mark.parametrize("title", ["Share files with other nodes: blobs", "Keep documents that several nodes edit"])
def test_a_program_prints_what_the_page_says(tmp_path: Path, title: str) -> None:
    section = PAGE.partition(f"\n## {title}\n")[2].partition("\n## ")[0]
    found = re.search(r"```python\n(.*?)```\n\nprints `(.*?)`", section, re.DOTALL)
    assert found is not None
    program, printed = found.groups()
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, cwd=tmp_path, check=False)
    assert (done.returncode, done.stdout) == (0, f"{printed}\n"), done.stderr
