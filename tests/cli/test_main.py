import sqlite3
import subprocess
import sys
from pathlib import Path

import pytest

from aster.foundation.audit import AuditLog
from aster.foundation.sql import Database

HEAVY = (
    "iroh",
    "numpy",
    "onnxruntime",
    "onnx",
    "tokenizers",
    "uvicorn",
    "starlette",
    "cryptography",
    "structlog",
    "rich",
    "msgspec",
    "asyncio",
    "urllib.request",
)


def aster(*arguments: str, **environment: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "aster", *arguments],
        capture_output=True,
        text=True,
        timeout=60,
        env={"PATH": "/usr/bin:/bin", "HOME": "/nonexistent", **environment},
    )


def test_help_lists_every_group() -> None:
    shown = aster("--help")
    assert shown.returncode == 0
    for command in ("up", "demo", "policy", "config", "audit"):
        assert command in shown.stdout


def test_help_in_a_pipe_has_no_control_characters() -> None:
    assert "\x1b" not in aster("--help").stdout


def test_version_is_the_package_s_own() -> None:
    from aster import __version__

    assert aster("--version").stdout == f"aster {__version__}\n"


def test_an_unknown_command_is_wrong_usage() -> None:
    result = aster("frobnicate")
    assert result.returncode == 2
    assert "frobnicate" in result.stderr


def test_an_error_is_two_plain_lines_and_exit_code_1(tmp_path: object) -> None:
    result = aster("audit", "verify", "--data", f"{tmp_path}/nothing")
    assert result.returncode == 1
    assert result.stderr.startswith("error: there is no data directory")
    assert "hint:" in result.stderr
    assert "Traceback" not in result.stderr


def test_an_error_repeats_a_path_as_it_is_written() -> None:
    result = aster("policy", "check", r"\[/x]")
    assert result.returncode == 1
    assert result.stderr.startswith(r"error: \[/x] can't be read")


@pytest.mark.parametrize(
    ("url", "body", "words"),
    [("http://[", "{}", "is not a URL"), ("http://h/api/v1", "@bytes", "not UTF-8")],
)
def test_what_can_not_be_signed_is_named(tmp_path: Path, url: str, body: str, words: str) -> None:
    (tmp_path / "bytes").write_bytes(b"\xff\xfe")
    body = body.replace("@", f"@{tmp_path}/")
    result = aster("policy", "sign", "POST", url, body, ASTER_SECURITY_HMAC_SECRET_KEY="k" * 64)
    assert result.returncode == 1
    assert words in result.stderr
    assert "Traceback" not in result.stderr


def test_a_signed_body_is_never_the_name_of_a_file_for_curl(tmp_path: Path) -> None:
    (tmp_path / "body").write_text("@/etc/passwd")
    shown = aster("policy", "sign", "POST", "http://h/x", f"@{tmp_path}/body", ASTER_SECURITY_HMAC_SECRET_KEY="k" * 64)
    assert 'data-raw = "@/etc/passwd"' in shown.stdout


def test_a_directory_without_any_chain_does_not_verify_and_stays_as_it_is(tmp_path: Path) -> None:
    foreign = tmp_path / "foreign.db"
    with sqlite3.connect(foreign) as database:
        database.execute("CREATE TABLE theirs (x)")
    database.close()
    before = foreign.read_bytes()
    result = aster("audit", "verify", "--data", str(tmp_path))
    assert result.returncode == 1
    assert "holds no audit chain" in result.stderr
    assert foreign.read_bytes() == before


@pytest.mark.parametrize("extra", [(), ("--json",)])
def test_a_chain_that_is_not_there_does_not_verify(tmp_path: Path, extra: tuple[str, ...]) -> None:
    database = Database.open(tmp_path / "memory.db")
    AuditLog(database)
    database.close_now()
    result = aster("audit", "verify", "--data", str(tmp_path), "--chain", "memmory", *extra)
    assert result.returncode == 1
    assert "no audit record of 'memmory'" in result.stderr


@pytest.mark.parametrize("package", ["aster", "astrocyte", "aster.policy"])
def test_importing_a_package_loads_nothing_heavy(package: str) -> None:
    code = f"import sys, {package}; print([name for name in {HEAVY!r} if name in sys.modules])"
    loaded = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert loaded.stdout.strip() == "[]"


@pytest.mark.parametrize("shell", ["bash", "zsh", "fish"])
def test_completion_can_be_shown_for_every_shell(shell: str) -> None:
    shown = aster("--show-completion", shell, _TYPER_COMPLETE_TEST_DISABLE_SHELL_DETECTION="1")
    assert shown.returncode == 0
    assert "aster" in shown.stdout
