"""`aster enroll token`, on a machine whose metadata service the test runs."""

import json
import stat
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest
from tests.cli.in_process import run_here
from tests.foundation.tokens.key_server import running
from tests.trust.instance.metadata_service import MetadataService

from aster.trust.identity_file import write_identity
from aster.trust.instance.azure import nonce
from aster.trust.keys import SigningKey

NODE = SigningKey.from_seed(bytes(range(32)))


@pytest.fixture(scope="module")
def service() -> Iterator[MetadataService]:
    with running(MetadataService) as service:
        yield service


def aster(*arguments: str, cwd: Path) -> subprocess.CompletedProcess[str]:
    return run_here("enroll", "token", *arguments, cwd=cwd)


@pytest.mark.parametrize(("provider", "begins"), [("aws", '{"rsa2048":"'), ("gcp", "ey"), ("azure", '{"attested":"')])
def test_a_token_for_the_node_of_the_identity_file_is_written_for_it_alone(
    service: MetadataService, tmp_path: Path, provider: str, begins: str
) -> None:
    write_identity(tmp_path / ".aster-identity", NODE.seed, ())
    file = tmp_path / "token"
    done = aster(provider, "--metadata", service.address, "--out", str(file), "--json", cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout) == {"provider": provider, "endpoint_id": NODE.public.hex(), "file": str(file)}
    assert file.read_text().startswith(begins)
    assert stat.S_IMODE(file.stat().st_mode) == 0o600


def test_a_token_can_be_asked_for_by_endpoint_id(service: MetadataService, tmp_path: Path) -> None:
    done = aster(
        *("azure", "--metadata", service.address, "--endpoint-id", NODE.public.hex().upper(), "--tenant", "a-tenant"),
        cwd=tmp_path,
    )
    assert done.returncode == 0, done.stderr
    assert set(json.loads(done.stdout)) == {"attested", "identity"}
    assert len(nonce(NODE.public.hex())) == 10


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["oracle"], "not a cloud that is known here"),
        (["gcp", "--tenant", "x", "--endpoint-id", "ab" * 32], "means nothing to gcp"),
        (["gcp"], ".aster-identity can't be read"),
        (["gcp", "--endpoint-id", "xyz"], "expected 64 hex characters"),
        (["gcp", "--endpoint-id", "ab" * 32, "--metadata", "http://127.0.0.1:1"], "did not answer"),
        (["gcp", "--endpoint-id", "ab" * 32, "--metadata", "nonsense"], "did not answer"),
    ],
)
def test_an_error_tells_the_way_out_and_writes_nothing(tmp_path: Path, arguments: list[str], words: str) -> None:
    done = aster(*arguments, "--out", "token", cwd=tmp_path)
    assert done.returncode == 1
    assert words in done.stderr
    assert "Traceback" not in done.stderr
    assert not (tmp_path / "token").exists()
