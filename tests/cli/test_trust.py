import json
import stat
import subprocess
from pathlib import Path
from typing import Any

import msgspec
import pytest
from tests.cli.in_process import run_here

from aster import AsterClient, AsterConfig, AsterError, AsterServer, rpc, service


def aster(*arguments: str, cwd: Path) -> subprocess.CompletedProcess[str]:
    return run_here(*arguments, cwd=cwd)


@pytest.fixture
def deployment(tmp_path: Path) -> Path:
    """A folder with a root key."""
    made = aster("trust", "keygen", "root", "--out", "root.key", cwd=tmp_path)
    assert made.returncode == 0, made.stderr
    return tmp_path


def test_a_root_key_is_private_and_never_overwritten(deployment: Path) -> None:
    assert stat.S_IMODE((deployment / "root.key").stat().st_mode) == 0o600
    before = (deployment / "root.key").read_bytes()
    again = aster("trust", "keygen", "root", "--out", "root.key", cwd=deployment)
    assert again.returncode == 1
    assert "never overwritten" in again.stderr
    assert (deployment / "root.key").read_bytes() == before


def test_the_public_key_is_printed_as_the_setting_takes_it(deployment: Path) -> None:
    shown = aster("trust", "keygen", "pubkey", "root.key", cwd=deployment).stdout.strip()
    assert shown == (deployment / "root.key.pub").read_text().strip()
    assert len(bytes.fromhex(shown)) == 32


def test_a_signed_credential_shows_what_it_says_and_verifies(deployment: Path) -> None:
    sign = aster(
        *(
            "trust",
            "sign",
            "consumer",
            "--root-key",
            "root.key",
            "--name",
            "ada",
            "--role",
            "reader",
            "--role",
            "writer",
        ),
        *("--attribute", "team=blue", "--out", "ada.json"),
        cwd=deployment,
    )
    assert sign.returncode == 0, sign.stderr
    shown = json.loads(aster("trust", "inspect", "ada.json", "--json", cwd=deployment).stdout)
    assert shown["attributes"] == {"aster.name": "ada", "aster.role": "reader,writer", "team": "blue"}
    assert aster("trust", "verify", "ada.json", "--root-pubkey", "root.key.pub", cwd=deployment).stdout == "valid\n"


def test_a_credential_of_another_root_is_refused_with_the_reason(deployment: Path) -> None:
    aster("trust", "sign", "consumer", "--root-key", "root.key", "--out", "ada.json", cwd=deployment)
    result = aster("trust", "verify", "ada.json", "--root-pubkey", "0" * 64, "--json", cwd=deployment)
    assert result.returncode == 1
    assert json.loads(result.stdout)["reason"] == "another root key signed it"


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["--expires-in", "soon"], "such as 30d"),
        (["--attribute", "nonsense"], "name=value"),
        (["--endpoint-id", "xyz"], "endpoint_id"),
        (["--root-key", "nowhere.key"], "nowhere.key"),
    ],
)
def test_bad_input_explains_itself(deployment: Path, arguments: list[str], words: str) -> None:
    result = aster("trust", "sign", "consumer", "--root-key", "root.key", *arguments, cwd=deployment)
    assert result.returncode == 1
    assert words in result.stderr
    assert "Traceback" not in result.stderr


def test_an_end_can_be_a_moment(deployment: Path) -> None:
    sign = ("trust", "sign", "consumer", "--root-key", "root.key", "--expires-in")
    done = aster(*sign, "2099-01-31T12:00:00Z", cwd=deployment)
    assert json.loads(done.stdout)["expires_at"] == 4073544000
    for text, words in (("2099-01-31T12:00:00", "which zone"), ("2001-01-31T12:00:00Z", "has passed")):
        assert words in aster(*sign, text, cwd=deployment).stderr


def test_endless_files_and_endpoints_that_are_none_are_refused(deployment: Path) -> None:
    assert "1048576 bytes" in aster("trust", "inspect", "/dev/zero", cwd=deployment).stderr
    assert "/dev/zero holds no private key" in aster("trust", "keygen", "pubkey", "/dev/zero", cwd=deployment).stderr
    aster("trust", "sign", "consumer", "--root-key", "root.key", "--out", "c.json", cwd=deployment)
    verify = ("trust", "verify", "c.json", "--root-pubkey", "root.key.pub", "--endpoint-id", "zz")
    assert "expected 64 hex characters" in aster(*verify, cwd=deployment).stderr


def test_a_home_directory_is_one_place_for_looking_and_writing(deployment: Path, monkeypatch: Any) -> None:
    monkeypatch.setenv("HOME", str(deployment))
    enroll = ("enroll", "node", "--root-key", "root.key", "--identity=~/identity")
    first = aster(*enroll, "reader", cwd=deployment).stdout.splitlines()[-1]
    assert aster(*enroll, "writer", cwd=deployment).stdout.splitlines()[-1] == first
    (deployment / "other.key.pub").write_text("kept")
    refused = aster("trust", "keygen", "root", "--out=~/other.key", cwd=deployment)
    assert (refused.returncode, (deployment / "other.key.pub").read_text()) == (1, "kept")
    assert not (deployment / "other.key").exists()


@pytest.mark.parametrize("out", [".", "/", "root.key/below", "n" * 253])
def test_a_key_file_that_can_not_be_is_named(deployment: Path, out: str) -> None:
    result = aster("trust", "keygen", "root", "--out", out, cwd=deployment)
    assert result.returncode == 1
    assert result.stderr.startswith("error: ")
    assert not (deployment / out).is_file()


class Said(msgspec.Struct):
    text: str


@service
class Echo:
    @rpc
    async def say(self, words: Said) -> Said:
        return words


def local_config(**settings: Any) -> AsterConfig:
    return AsterConfig(bind_addr="127.0.0.1:0", relay_mode="disabled", **settings)


async def test_an_enrolled_node_is_admitted_and_a_stranger_is_not(deployment: Path) -> None:
    enrolled = aster("enroll", "node", "reader", "--root-key", "root.key", cwd=deployment)
    assert enrolled.returncode == 0, enrolled.stderr
    assert stat.S_IMODE((deployment / ".aster-identity").stat().st_mode) == 0o600
    closed = local_config(root_pubkey_file=deployment / "root.key.pub")
    async with AsterServer(services=[Echo()], config=closed) as server:
        with pytest.raises((AsterError, PermissionError)):
            async with AsterClient(address=server.address, config=local_config()) as stranger:
                await (await stranger.client(Echo)).say(Said("let me in"))
        member = local_config(identity_file=deployment / ".aster-identity")
        async with AsterClient(address=server.address, config=member, peer="reader") as client:
            assert (await (await client.client(Echo)).say(Said("hello"))).text == "hello"
