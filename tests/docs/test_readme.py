"""The README's promises, run as a reader would run them."""

import json
import re
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
README = (ROOT / "README.md").read_text(encoding="utf-8")
PYTHON_BLOCKS = re.findall(r"```python\n(.*?)```", README, re.DOTALL)
CURL_LINES = [line.removeprefix("$ ") for line in README.splitlines() if line.startswith("$ ") and "curl" in line]


@pytest.mark.parametrize(
    ("number", "printed"),
    [(0, "Hello, Ada!"), (1, "Alice likes dark mode"), (2, "pong")],
    ids=["rpc", "memory", "policy"],
)
def test_an_example_prints_what_it_should(tmp_path: Path, number: int, printed: str) -> None:
    run = subprocess.run(
        [sys.executable, "-c", PYTHON_BLOCKS[number]], capture_output=True, text=True, cwd=tmp_path, timeout=60
    )
    assert run.returncode == 0, run.stderr
    assert run.stdout.strip() == printed


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Path, str]]:
    """A directory in which `aster up` runs, and its address."""
    directory = tmp_path_factory.mktemp("readme")
    process = subprocess.Popen(
        [sys.executable, "-m", "aster", "up", "--port", "0", "--json"], cwd=directory, stdout=subprocess.PIPE, text=True
    )
    assert process.stdout is not None
    text = ""
    for line in process.stdout:
        text += line
        if line.startswith("}"):
            break
    yield directory, json.loads(text)["url"]
    process.terminate()
    process.communicate(timeout=30)


@pytest.mark.skipif(shutil.which("curl") is None, reason="curl is not installed")
def test_the_three_curl_lines_work_as_pasted(server: tuple[Path, str]) -> None:
    directory, url = server
    answers = []
    for line in CURL_LINES:
        command = line.replace("http://127.0.0.1:8080", url).replace(".venv/bin/aster", f"'{sys.executable}' -m aster")
        run = subprocess.run(["bash", "-c", command], capture_output=True, text=True, cwd=directory, timeout=60)
        assert run.returncode == 0, run.stderr
        answers.append(json.loads(run.stdout))
    retained, recalled, evaluated = answers
    assert retained["stored"] is True
    assert recalled["hits"][0]["text"] == "Alice likes dark mode"
    assert evaluated["result"] == "pong"


def test_every_page_that_is_linked_exists() -> None:
    for page in [ROOT / "README.md", *ROOT.glob("docs/**/*.md"), *ROOT.glob("*.md")]:
        for target in re.findall(r"\]\(([^)#:]+)(?:#[^)]*)?\)", page.read_text(encoding="utf-8")):
            assert (page.parent / target).exists(), f"{page.name} links to {target}"
