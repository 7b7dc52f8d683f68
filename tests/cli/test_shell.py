import os
import pty
import re
import select
import stat
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from tests.cli.serving import ROOT, aster, served


@pytest.fixture(scope="module")
def address() -> Iterator[str]:
    with served() as found:
        yield found


def test_lines_from_a_pipe_are_run_without_a_terminal(address: str, tmp_path: Path) -> None:
    lines = """
ls
cd Shop
ls
buy name=pen count=2
buy {"name": "cup"}
order {"name": "a"} {"name": "b"}
count upto=2
describe buy
cd ..
Cart.add name=x
Cart.add name=y
"""
    done = aster("shell", address, cwd=tmp_path, stdin=lines)
    assert (done.returncode, done.stderr) == (0, "")
    for words in (
        "Shop                     version 2  Sells things.",
        "buy(Item) -> Receipt  [idempotent]",
        "count(upto: int) -> stream of int",
        '{"text":"2 small pen"',
        '{"text":"1 small cup"',
        '{"text":"2 items"',
        "\n0\n1\n",
        "name: str  # what it is called",
        '["x"]\n["x","y"]\n',
    ):
        assert words in done.stdout
    assert "Vault" not in done.stdout


def test_a_line_that_fails_is_told_and_the_next_ones_run(address: str, tmp_path: Path) -> None:
    lines = "Shop.buy nmae=x\nnonsense\ncd Nowhere\nShop.ping 'open\ndescribe\nShop.ping\nexit\nShop.buy name=never\n"
    done = aster("shell", address, cwd=tmp_path, stdin=lines)
    assert done.returncode == 1
    for words in ("it takes name, count", "no command and no method", "no service 'Nowhere'", "split into words"):
        assert words in done.stderr
    assert done.stdout == "null\n"


class Terminal:
    """A shell at a terminal of its own."""

    def __init__(self, address: str, folder: Path) -> None:
        self._near, far = pty.openpty()
        environment = {**os.environ, "PROMPT_TOOLKIT_NO_CPR": "1", "TERM": "xterm", "HOME": str(folder)}
        self.process = subprocess.Popen(
            [sys.executable, "-m", "aster", "shell", address],
            stdin=far,
            stdout=far,
            stderr=far,
            cwd=folder,
            env={**environment, "PYTHONPATH": str(ROOT)},
            start_new_session=True,
            preexec_fn=lambda: os.close(os.open(os.ttyname(0), os.O_RDWR)),  # becomes the controlling terminal
        )
        os.close(far)
        self._seen = ""

    def send(self, text: str) -> None:
        os.write(self._near, text.encode())

    def expect(self, words: str) -> None:
        """Wait until the words are shown, control sequences aside."""
        while True:
            plain = re.sub(r"\x1b\[[0-9;?]*[A-Za-z]|\x1b[=>]", "", self._seen)
            if words in plain:
                self._seen = plain.partition(words)[2]
                return
            ready, _, _ = select.select([self._near], [], [], 60)
            assert ready, f"{words!r} was not shown, this was: {plain!r}"
            self._seen += os.read(self._near, 4096).decode(errors="replace")


@pytest.fixture
def terminal(address: str, tmp_path: Path) -> Iterator[Terminal]:
    found = Terminal(address, tmp_path)
    yield found
    found.process.kill()
    found.process.wait()


def test_at_a_terminal_there_is_completion_and_history_and_ctrl_c_ends_the_call_only(
    terminal: Terminal, tmp_path: Path
) -> None:
    terminal.expect("aster>")
    for typed, shown in (("cd Sh\t", "Shop"), ("\r", "aster Shop>")):
        terminal.send(typed)
        terminal.expect(shown)
    for typed, shown in (
        ("bu\t", "buy"),
        (" na\t", "name="),
        ("pen ki\t", "kind="),
        ("l\t", "large"),
        ("\r", "1 large pen"),
    ):
        terminal.send(typed)
        terminal.expect(shown)
    terminal.expect("aster Shop>")
    terminal.send("forever\r")
    terminal.expect("2")
    terminal.send("\x03")
    terminal.expect("cancelled")
    terminal.expect("aster Shop>")
    terminal.send("\x03")
    terminal.expect("aster Shop>")
    terminal.send("ping\r")
    terminal.expect("null")
    terminal.expect("aster Shop>")
    terminal.send("exit\r")
    assert terminal.process.wait(120) == 0
    history = tmp_path / ".aster" / "shell_history"
    assert stat.S_IMODE(history.stat().st_mode) == 0o600
    assert "+buy name=pen kind=large" in history.read_text()
