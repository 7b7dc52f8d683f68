"""The guides on blobs and documents, run as they stand on the page."""

import os
import re
import signal
import subprocess
import sys
from contextlib import ExitStack
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


@pytest.mark.parametrize("title", ["Share files with other nodes: blobs", "Keep documents that several nodes edit"])
def test_every_command_of_the_page_works(tmp_path: Path, title: str) -> None:
    """Line by line in two folders; what serves or watches runs on, and its ticket and address stand for those shown."""
    section = PAGE.partition(f"\n## {title}\n")[2].partition("\n## ")[0]
    lines = re.findall(r"^\$ (.*)$", section, re.MULTILINE)
    assert len(lines) > 8
    known: dict[str, str] = {}
    with ExitStack() as running:
        for line in lines:
            command, _, comment = line.partition(" #")
            for shown, real in known.items():
                command = command.replace(shown, real)
            command = command.replace("aster ", f"exec '{sys.executable}' -m aster ", 1)
            home = tmp_path / ("there" if "on another machine" in comment else "here")
            home.mkdir(exist_ok=True)
            process = subprocess.Popen(
                command,
                shell=True,
                text=True,
                cwd=home,
                stdout=subprocess.PIPE,
                stderr=subprocess.PIPE,
                env={**os.environ, "HOME": str(home), "ASTER_BIND_ADDR": "127.0.0.1:0"},
            )
            assert process.stdout is not None
            assert process.stderr is not None
            if "until Ctrl-C" not in comment:
                printed, complaint = process.communicate(timeout=120)
                assert process.returncode == 0, f"{line}: {printed}{complaint}"
            else:
                running.callback(_interrupted, process)
                if "share" in command:
                    ticket, said = process.stdout.readline().strip(), process.stderr.readline()
                    known[f"aster{ticket[5:].partition('1')[0]}1…"] = ticket
                    known["aster1…"] = said.removeprefix("serving at ").partition(";")[0]


def _interrupted(process: "subprocess.Popen[str]") -> None:
    process.send_signal(signal.SIGINT)
    process.communicate(timeout=60)
    assert process.returncode in (0, 130)
