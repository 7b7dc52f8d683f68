"""The guide of the policy service, run as a reader would, in its order, on one running service."""

import json
import os
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

GUIDE = (Path(__file__).resolve().parents[2] / "docs" / "policy-service.md").read_text(encoding="utf-8")
BLOCKS = re.findall(r"```(bash|python)\n(.*?)```", GUIDE, re.DOTALL)
PING = {"source": 'Module demo.\n\nRule ping produce Text:\n  Return "pong".', "context": {}}


@pytest.fixture
def url(tmp_path: Path) -> Iterator[str]:
    serve = [sys.executable, "-m", "aster", "policy", "serve", "--data", "aster-data", "--port", "0", "--json"]
    environment = {**os.environ, "ASTER_SECURITY_KEYS_MASTER_KEY": "m" * 32}
    with subprocess.Popen(serve, cwd=tmp_path, env=environment, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        text = ""
        while not text.endswith("}\n"):
            text += process.stdout.readline()
            assert process.poll() is None
        yield json.loads(text)["url"]
        process.terminate()
        assert process.wait(60) == 0


def in_bash(block: str, url: str, folder: Path) -> str:
    aster = f"aster() {{ '{sys.executable}' -m aster \"$@\"; }}\n"
    done = subprocess.run(
        ["bash", "-e", "-o", "pipefail", "-c", aster + block],
        cwd=folder,
        env={**os.environ, "URL": url, "no_proxy": "*"},
        capture_output=True,
        text=True,
        timeout=120,
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


def test_the_guide_works_as_written(url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "ping.json").write_text(json.dumps(PING))
    names = {"URL": url, "SECRET": (tmp_path / "aster-data" / "policy.secret").read_text().strip()}
    shown = ""
    for kind, block in BLOCKS:
        if kind == "bash":
            shown += in_bash(block, url, tmp_path)
        else:
            exec(compile(block, "policy-service.md", "exec"), names)
    assert '"result":"pong"' in shown
    assert re.search(r"ok +policy:acme-corp: \d+ records", shown)
    for name in ("client", "job"):
        names[name].close()  # type: ignore[attr-defined]
