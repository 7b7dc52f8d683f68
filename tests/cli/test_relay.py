import json
import os
import signal
import subprocess
import sys
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from tests.cli.test_main import aster


@contextmanager
def running(*arguments: str, **environment: str) -> Iterator[tuple["subprocess.Popen[str]", dict[str, str]]]:
    process = subprocess.Popen(
        [sys.executable, "-m", "aster", "relay", "--port", "0", "--json", *arguments],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        env={"PATH": "/usr/bin:/bin", **environment},
    )
    assert process.stdout is not None
    text = ""
    while not text.rstrip().endswith("}"):
        line = process.stdout.readline()
        assert line, process.stderr.read() if process.stderr else ""
        text += line
    try:
        yield process, json.loads(text)
    finally:
        process.kill()
        process.communicate()


def status(url: str) -> int:
    with urllib.request.urlopen(url, timeout=20) as answer:
        return int(answer.status)


def test_a_relay_serves_until_it_is_told_to_stop(tmp_path: Path) -> None:
    tokens = tmp_path / "tokens"
    tokens.write_text("first\n\nsecond\n")
    tokens.chmod(0o600)
    with running("--metrics-port", "0", "--access-token-file", str(tokens)) as (process, addresses):
        assert status(addresses["relay"] + "healthz") == 200
        assert status(addresses["metrics"]) == 200
        os.kill(process.pid, signal.SIGTERM)
        _, errors = process.communicate(timeout=60)
        assert process.returncode == 0
        assert "token" not in errors
        assert "Traceback" not in errors


def test_an_open_relay_says_so_and_a_token_is_never_repeated() -> None:
    with running() as (process, _):
        os.kill(process.pid, signal.SIGTERM)
        assert "no access token" in process.communicate(timeout=60)[1]
    with running(ASTER_RELAY_TOKEN="correct-horse") as (process, _):
        os.kill(process.pid, signal.SIGTERM)
        out, errors = process.communicate(timeout=60)
        assert "correct-horse" not in out + errors
        assert "no access token" not in errors


def test_tokens_that_can_t_be_had_stop_the_start(tmp_path: Path) -> None:
    missing = aster("relay", "--access-token-file", f"{tmp_path}/nothing")
    assert missing.returncode == 1
    assert "can't be read" in missing.stderr
    (tmp_path / "empty").write_text("\n")
    assert "holds no access token" in aster("relay", "--access-token-file", f"{tmp_path}/empty").stderr
    refused = aster("relay", ASTER_RELAY_TOKEN="two words")
    assert refused.returncode == 1
    assert "two words" not in refused.stderr


def test_a_wrong_word_is_wrong_usage() -> None:
    result = aster("relay", "--log-level", "loud")
    assert result.returncode == 2
    assert "expected one of" in result.stderr
