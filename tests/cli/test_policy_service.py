"""`aster policy serve`, `sign` and `audit verify`, as people run them: with curl, in pipes, on tampered files."""

import asyncio
import json
import os
import shutil
import subprocess
import sys
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from aster.foundation.http.server import HttpServer
from aster.foundation.sql import Database
from aster.policy.client import AsyncPolicyClient
from aster.policy.service.app import create_policy_service
from aster.policy.service.settings import PolicySettings

SECRET = "a secret of the tests"
ASTER = f"'{sys.executable}' -m aster"
BODY = json.dumps({"source": 'Module demo.\n\nRule ping produce Text:\n  Return "it\'s pong".', "context": {}})
ENVIRONMENT = {**os.environ, "ASTER_SECURITY_HMAC_SECRET_KEY": SECRET, "no_proxy": "*"}


def bash(command: str, folder: Path) -> "subprocess.CompletedProcess[str]":
    return subprocess.run(
        ["bash", "-o", "pipefail", "-c", command],
        cwd=folder,
        capture_output=True,
        text=True,
        env=ENVIRONMENT,
        timeout=120,
    )


@pytest.fixture
async def url(tmp_path: Path) -> AsyncIterator[str]:
    database = Database.open(tmp_path / "policy.db", durability="normal")
    server = HttpServer(host="127.0.0.1", port=0)
    await server.start(
        create_policy_service(database, PolicySettings(secret_key=SECRET, signature_version=2), environ={})
    )
    yield server.url
    await server.close()
    await database.close()


@pytest.mark.skipif(shutil.which("curl") is None, reason="needs curl")
@pytest.mark.parametrize(
    "rest",
    ["| curl --config -", "--as curl | bash", "--as headers | curl -sS -H @- --data-raw @body $URL"],
)
async def test_what_is_signed_can_be_sent(url: str, tmp_path: Path, rest: str) -> None:
    (tmp_path / "body").write_text(BODY)
    target = f"{url}/api/v1/policies/evaluate-source?trace=true"
    sign = f"{ASTER} policy sign post '{target}' @body --tenant acme --user 'Zoë' --signature-version 2 "
    rest = rest.replace("$URL", f"'{target}'").replace("--data-raw @body", "--data-binary @body")
    done = await asyncio.to_thread(bash, sign + rest, tmp_path)
    assert done.returncode == 0, done.stderr
    answer = json.loads(done.stdout)
    assert (answer["result"], answer["decisionTrace"]["moduleName"]) == ("it's pong", "demo")


async def test_an_export_is_verified_far_from_the_service(url: str, tmp_path: Path) -> None:
    async with AsyncPolicyClient(url, tenant="acme", secret=SECRET, role="OWNER", signature_version=2) as client:
        for number in range(5):
            await client.request("PATCH", "/api/v1/tenant/settings", {"displayName": f"name {number}"})
        lines = (await client.export_audit()).splitlines(keepends=True)
    foreign = [line.replace(b"policy:acme", b"policy:other") for line in lines]
    files = {
        "whole": lines,
        "changed-field": [line.replace(b"name 2", b"name 9") for line in lines],
        "changed-hash": [lines[0].replace(b'"hash":"', b'"hash":"0')[: len(lines[0])], *lines[1:]],
        "removed-middle": [*lines[:2], *lines[3:]],
        "removed-tail": [*lines[:4], lines[5]],
        "removed-start": lines[1:],
        "inserted": [*lines[:2], lines[1], *lines[2:]],
        "swapped": [lines[1], lines[0], *lines[2:]],
        "moved-to-another-tenant": [*lines[:4], foreign[4], lines[5]],
    }
    for name, changed in files.items():
        (tmp_path / name).write_bytes(b"".join(changed))
    command = (
        f'for file in {" ".join(files)}; do {ASTER} policy audit verify "$file" >/dev/null 2>&1; echo "$file $?"; done'
    )
    shown = (await asyncio.to_thread(bash, command, tmp_path)).stdout.splitlines()
    assert shown == [f"{name} {0 if name == 'whole' else 1}" for name in files]


def test_one_process_writes_a_data_directory(tmp_path: Path) -> None:
    """Two would write one file in turns; the second start is refused, and says by whom."""
    serve = [sys.executable, "-m", "aster", "policy", "serve", "--data", "data", "--port", "0", "--json"]
    with subprocess.Popen(serve, cwd=tmp_path, stdout=subprocess.PIPE, text=True) as first:
        assert first.stdout is not None
        while not first.stdout.readline().startswith("}"):
            assert first.poll() is None
        second = subprocess.run(serve, cwd=tmp_path, capture_output=True, text=True, timeout=60)
        first.terminate()
        assert first.wait(30) == 0
    assert second.returncode == 1
    assert f"in use by process {first.pid}" in second.stderr
