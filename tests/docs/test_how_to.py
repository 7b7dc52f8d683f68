"""The how-to guide's deployment, set up and run as a reader would."""

import os
import re
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

HOW_TO = (Path(__file__).resolve().parents[2] / "docs" / "how-to.md").read_text(encoding="utf-8")
CHAPTER = HOW_TO.partition("## Close the P2P gate")[2].partition("\n## ")[0]
SCRIPTS = dict(re.findall(r"```python\n# (\w+\.py)\n(.*?)```", CHAPTER, re.DOTALL))
COMMANDS = re.findall(r"^\$ (.*?)(?:\s+#.*)?$", CHAPTER, re.MULTILINE)
SET_UP, SERVE, ASK = COMMANDS[:4], COMMANDS[4], COMMANDS[5]


def in_bash(command: str) -> list[str]:
    """A command of the guide, with this interpreter for its `aster` and `python`."""
    run = re.sub(r"^aster ", f"'{sys.executable}' -m aster ", command)
    return ["bash", "-c", re.sub(r"\bpython ", f"'{sys.executable}' ", run)]


def run(command: str, folder: Path) -> "subprocess.CompletedProcess[str]":
    return subprocess.run(in_bash(command), cwd=folder, capture_output=True, text=True, timeout=60)


@pytest.fixture
def deployment(tmp_path: Path) -> Path:
    for name, text in SCRIPTS.items():
        (tmp_path / name).write_text(text)
    for command in SET_UP:
        done = run(command, tmp_path)
        assert done.returncode == 0, done.stderr
    return tmp_path


@contextmanager
def serving(deployment: Path, **environment: str) -> Iterator[str]:
    """The producer's process, and the address that it prints."""
    with subprocess.Popen(
        in_bash(SERVE),
        cwd=deployment,
        stdout=subprocess.PIPE,
        text=True,
        env={**os.environ, **environment},
        start_new_session=True,
    ) as process:
        assert process.stdout is not None
        try:
            yield process.stdout.readline().strip()
        finally:
            os.killpg(process.pid, signal.SIGTERM)  # the shell, and the producer that it runs


def asked(deployment: Path, address: str) -> "subprocess.CompletedProcess[str]":
    return run(ASK.replace("ASTER_ENDPOINT_ADDR=...", f"ASTER_ENDPOINT_ADDR={address}"), deployment)


def test_enrolled_nodes_talk_and_without_its_credential_a_consumer_is_refused(deployment: Path) -> None:
    with serving(deployment) as address:
        answer = asked(deployment, address)
        assert answer.stdout == "acme: 42 EUR, said to reader\n", answer.stderr
        (deployment / "consumer" / ".aster-identity").unlink()
        answer = asked(deployment, address)
        assert answer.returncode == 1
        assert answer.stderr.startswith("refused: the server did not admit this client")


def test_both_sides_are_checked_where_producers_are_not_all_allowed(deployment: Path) -> None:
    with pytest.MonkeyPatch.context() as patch, serving(deployment, ASTER_ALLOW_ALL_PRODUCERS="false") as address:
        patch.setenv("ASTER_ALLOW_ALL_PRODUCERS", "false")
        answer = asked(deployment, address)
        assert answer.stdout == "acme: 42 EUR, said to reader\n", answer.stderr
        patch.setenv("ASTER_ROOT_PUBKEY", "ab" * 32)
        answer = asked(deployment, address)
        assert answer.returncode == 1
        assert "the server is not an admitted producer" in answer.stderr
