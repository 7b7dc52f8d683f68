"""Profiles and the keyring from the command line."""

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import keyring
import pytest
from tests.cli.in_process import run_here

ROOT = Path(__file__).resolve().parents[2]
BACKEND = "tests.trust.keyring_in_a_file.FileKeyring"


class Shell:
    """Runs `aster` with a home folder and a keyring of its own; each command in a process of its own if so asked."""

    def __init__(self, home: Path) -> None:
        self.home = home
        self.has_processes = False
        self.environ = {
            **os.environ,
            "HOME": str(home),
            "PYTHONPATH": str(ROOT),
            "PYTHON_KEYRING_BACKEND": BACKEND,
            "TEST_KEYRING": str(home / "keyring.json"),
        }

    def run(self, *arguments: str, **environ: str) -> subprocess.CompletedProcess[str]:
        environment = {**self.environ, **environ}
        if self.has_processes:
            command = [sys.executable, "-m", "aster", *arguments]
            return subprocess.run(command, capture_output=True, text=True, cwd=self.home, env=environment, timeout=60)
        keyring.set_keyring(keyring.core.load_keyring(environment["PYTHON_KEYRING_BACKEND"]))
        return run_here(*arguments, cwd=self.home, environment=environment)

    def json(self, *arguments: str) -> Any:
        done = self.run(*arguments, "--json")
        assert done.returncode == 0, done.stderr
        return json.loads(done.stdout)


@pytest.fixture
def shell(tmp_path: Path) -> Shell:
    return Shell(tmp_path)


def test_a_root_key_in_the_keyring_signs_for_its_profile_without_a_file(shell: Shell) -> None:
    shell.has_processes = True
    made = shell.json("trust", "keygen", "root", "--keyring", "prod")
    assert shell.run("trust", "keygen", "pubkey", "keyring:prod").stdout.strip() == made["public_key"]
    created = shell.json("profile", "create", "prod", "--root-key", "keyring:prod")
    assert created["root_pubkeys"] == [made["public_key"]]
    assert created["in_use"]
    enrolled = shell.run("enroll", "node", "reader")
    assert enrolled.returncode == 0, enrolled.stderr
    assert made["public_key"] in (shell.home / ".aster-identity").read_text()
    signed = shell.run("trust", "sign", "consumer", "--profile", "prod", "--out", "ada.json")
    assert signed.returncode == 0, signed.stderr
    checked = shell.run("trust", "verify", "ada.json", "--root-pubkey", made["public_key"])
    assert checked.stdout == "valid\n"
    secret = json.loads((shell.home / "keyring.json").read_text())["aster/root_privkey:prod"]
    written = [file.read_text() for file in shell.home.rglob("*") if file.is_file() and file.name != "keyring.json"]
    assert written
    assert not any(secret in text for text in written)


def test_profiles_are_listed_used_shown_and_deleted(shell: Shell) -> None:
    assert "no profiles yet" in shell.run("profile", "list").stdout
    for name, key in (("prod", "ab" * 32), ("stage", "cd" * 32)):
        assert shell.run("profile", "create", name, "--root-pubkey", key).returncode == 0
    assert [row["in_use"] for row in shell.json("profile", "list")] == [True, False]
    assert shell.run("profile", "use", "stage").stdout == "using stage\n"
    assert shell.json("profile", "show")["root_pubkeys"] == ["cd" * 32]
    assert "* prod" in shell.run("profile", "list", ASTER_PROFILE="prod").stdout
    assert shell.run("profile", "delete", "stage").returncode == 0
    shown = shell.run("profile", "show")
    assert (shown.returncode, "no profile is in use" in shown.stderr) == (1, True)


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["profile", "create", "a b", "--root-pubkey", "ab" * 32], "is not a name"),
        (["profile", "create", "prod"], "needs a root key"),
        (["profile", "create", "prod", "--root-key", "nowhere.key"], "nowhere.key"),
        (["profile", "create", "prod", "--root-key", "keyring:prod"], "no root key named 'prod'"),
        (["profile", "use", "prod"], "aster profile create"),
        (["trust", "keygen", "root"], "kept in one place"),
        (["trust", "keygen", "root", "--keyring", "a/b"], "is not a name"),
        (["trust", "sign", "consumer"], "no root key to sign with"),
        (["trust", "sign", "consumer", "--profile", "prod"], "no profile named 'prod'"),
    ],
)
def test_an_honest_error_and_nothing_written(shell: Shell, arguments: list[str], words: str) -> None:
    done = shell.run(*arguments)
    assert done.returncode == 1
    assert words in done.stderr
    assert "Traceback" not in done.stderr
    assert not (shell.home / ".aster" / "config.toml").exists()
    assert not (shell.home / "keyring.json").exists()


def test_without_a_keyring_nothing_falls_back_to_a_file(shell: Shell) -> None:
    done = shell.run(
        "trust", "keygen", "root", "--keyring", "prod", PYTHON_KEYRING_BACKEND="keyring.backends.fail.Keyring"
    )
    assert done.returncode == 1
    assert "no keyring on this machine" in done.stderr
    assert list(shell.home.iterdir()) == []


def test_a_credential_is_verified_with_the_profile_in_use(shell: Shell) -> None:
    shell.json("trust", "keygen", "root", "--out", "root.key")
    shell.run("trust", "sign", "consumer", "--root-key", "root.key", "--out", "c.json")
    assert "aster profile use" in shell.run("trust", "verify", "c.json").stderr
    shell.json("profile", "create", "prod", "--root-key", "root.key")
    assert shell.json("trust", "verify", "c.json")["valid"] is True
    shell.json("trust", "keygen", "root", "--out", "other.key")
    shell.run("trust", "sign", "consumer", "--root-key", "other.key", "--out", "d.json")
    assert shell.run("trust", "verify", "d.json").returncode == 1
