import json
import os
import signal
import socket
import subprocess
import sys
import urllib.error
import urllib.request
from pathlib import Path

import pytest
from tests.cli.processes import Start, addresses


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_up_serves_until_it_is_told_to_end(start: Start, tmp_path: Path, number: signal.Signals) -> None:
    process = start("up", "--port", "0", "--data", str(tmp_path / "with space"), "--json")
    with urllib.request.urlopen(addresses(process)["health"]) as answer:
        assert answer.status == 200
    process.send_signal(number)
    _, errors = process.communicate(timeout=30)
    assert process.returncode == 0
    assert "Traceback" not in errors


def test_what_up_writes_is_its_owner_s_alone_also_in_a_directory_that_was_there(start: Start, tmp_path: Path) -> None:
    tmp_path.chmod(0o755)
    addresses(start("up", "--port", "0", "--data", str(tmp_path), "--json"))
    assert {file.stat().st_mode & 0o077 for file in tmp_path.iterdir()} == {0}


def test_up_serves_the_console_unless_it_is_told_not_to(start: Start, tmp_path: Path) -> None:
    with_it, without = (
        addresses(start("up", "--port", "0", "--data", str(tmp_path / name), "--json", *flags))
        for name, flags in (("with", []), ("without", ["--no-console"]))
    )
    with urllib.request.urlopen(with_it["console"]) as answer:
        assert answer.status == 200
    assert "console" not in without
    with pytest.raises(urllib.error.HTTPError, match="404"):
        urllib.request.urlopen(f"{without['url']}/console")


def test_a_second_signal_ends_at_once_what_still_has_a_request_under_way(start: Start, tmp_path: Path) -> None:
    process = start("up", "--port", "0", "--data", str(tmp_path))
    assert process.stdout is not None
    port = next(int(line.rpartition(":")[2].removesuffix("/v1\n")) for line in process.stdout if "memory" in line)
    with socket.create_connection(("127.0.0.1", port)) as slow:
        slow.sendall(b"POST /v1/retain HTTP/1.1\r\nHost: x\r\nExpect: 100-continue\r\nContent-Length: 9\r\n\r\n")
        assert slow.recv(100).startswith(b"HTTP/1.1 100")
        process.terminate()
        assert any("Finishing" in line for line in process.stdout)
        process.terminate()
        assert process.wait(timeout=30) == 130


def test_up_prints_what_it_serves_in_plain_lines(start: Start, tmp_path: Path) -> None:
    process = start("up", "--port", "0", "--data", str(tmp_path))
    assert process.stdout is not None
    lines = [process.stdout.readline() for _ in range(4)]
    assert "ready" in lines[0]
    assert "http://127.0.0.1:" in lines[1]
    assert "/api/v1" in lines[2]
    assert "aster1" in lines[3]
    assert "\x1b" not in "".join(lines)


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["--port", "{busy}"], "port"),
        (["--data", "{file}/below"], "data directory"),
        (["--host", "0.0.0.0"], "dev"),
        (["--host", "no.such.host.invalid"], "not an address"),
    ],
)
def test_up_says_what_is_wrong_and_the_way_out(start: Start, tmp_path: Path, arguments: list[str], words: str) -> None:
    (tmp_path / "file").write_text("")
    with socket.socket() as busy:
        busy.bind(("127.0.0.1", 0))
        busy.listen()
        known = {"{busy}": str(busy.getsockname()[1]), "{file}/below": str(tmp_path / "file" / "below")}
        filled = [known.get(argument, argument) for argument in arguments]
        process = start("up", "--data", str(tmp_path / "data"), "--port", "0", *filled)
        output, errors = process.communicate(timeout=60)
    assert process.returncode == 1
    assert words in errors
    assert errors.startswith("error:") or "\nerror:" in errors
    assert "Traceback" not in errors + output


def test_a_bad_setting_in_the_environment_is_named(tmp_path: Path) -> None:
    result = subprocess.run(
        [sys.executable, "-m", "aster", "up", "--data", str(tmp_path)],
        env={**os.environ, "ASTER_SECRET_KEY": "c2hvcnQ="},
        capture_output=True,
        text=True,
        timeout=60,
    )
    assert result.returncode == 1
    assert "ASTER_SECRET_KEY: expected base64 of 32 bytes, got 5" in result.stderr


def test_an_exported_audit_chain_verifies_far_from_the_service(start: Start, tmp_path: Path) -> None:
    process = start("policy", "serve", "--port", "0", "--data", str(tmp_path / "data"), "--json")
    url = addresses(process)["url"]

    def curl(method: str, path: str, body: str = "", role: str = "MEMBER") -> bytes:
        config = subprocess.run(
            [
                *(sys.executable, "-m", "aster", "policy", "sign", method, f"{url}{path}", body),
                *("--tenant", "acme", "--role", role, "--data", str(tmp_path / "data")),
            ],
            capture_output=True,
            check=True,
        )
        return subprocess.run(["curl", "--config", "-"], input=config.stdout, capture_output=True, check=True).stdout

    body = json.dumps({"source": "Module demo.\n\nRule one produce Int:\n  Return 1.", "context": {}})
    assert json.loads(curl("POST", "/api/v1/policies/evaluate-source", body))["result"] == 1
    export = tmp_path / "export.jsonl"
    export.write_bytes(curl("GET", "/api/v1/audit/export", role="ADMIN"))
    verify = (sys.executable, "-m", "aster", "policy", "audit", "verify", str(export))
    assert subprocess.run(verify, capture_output=True).returncode == 0
    export.write_bytes(export.read_bytes().replace(b"POLICY_EVALUATED", b"POLICY_EVALUATEX", 1))
    broken = subprocess.run(verify, capture_output=True, text=True)
    assert broken.returncode == 1
    assert "BROKEN" in broken.stdout
