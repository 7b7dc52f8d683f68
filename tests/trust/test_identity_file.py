import os
import stat
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from aster.foundation.errors import ConfigError
from aster.trust.credential import issue
from aster.trust.identity_file import Peer, read_identity, write_identity
from aster.trust.keys import SigningKey

ROOT = SigningKey.from_seed(bytes(range(32)))
SECRET = bytes(range(100, 132))
CONTRACT_EXAMPLE = f"""
[node]
secret_key = "{"A" * 43}="
[[peers]]
name = "billing-producer"
role = "producer"
root_pubkey = "{"ab" * 32}"
type = "policy"
expires_at = 1735689599
endpoint_id = "{"cd" * 32}"
attributes = {{}}
signature = "{"ef" * 64}"
[[peers]]
name = "analytics-consumer"
role = "consumer"
root_pubkey = "{"ab" * 32}"
type = "policy"
expires_at = 1735689599
attributes = {{}}
signature = "{"ef" * 64}"
"""
TEXTS = st.text(st.characters(exclude_categories=["Cs"]), max_size=20)


def test_the_contracts_example_is_read(tmp_path: Path) -> None:
    file = tmp_path / ".aster-identity"
    file.write_text(CONTRACT_EXAMPLE)
    identity = read_identity(file)
    assert identity.secret_key == bytes(32)
    assert identity.peer("analytics-consumer").credential.role == "consumer"
    producer = identity.first("producer")
    assert producer is not None
    assert producer.name == "billing-producer"
    assert producer.root_public_key == bytes.fromhex("ab" * 32)
    assert identity.first("gateway") is None


def test_an_unknown_peer_is_an_error_that_names_the_known_ones(tmp_path: Path) -> None:
    file = tmp_path / ".aster-identity"
    file.write_text(CONTRACT_EXAMPLE)
    with pytest.raises(ConfigError, match="did you mean 'billing-producer'"):
        read_identity(file).peer("billing-produce")
    with pytest.raises(ConfigError, match="known: analytics-consumer, billing-producer"):
        read_identity(file).peer("zzz")


@given(name=TEXTS, attributes=st.dictionaries(TEXTS, TEXTS, max_size=4), one_time=st.booleans())
def test_what_is_written_is_read_again(
    tmp_path_factory: pytest.TempPathFactory, name: str, attributes: dict[str, str], one_time: bool
) -> None:
    file = tmp_path_factory.mktemp("identity") / ".aster-identity"
    credential = issue(ROOT, role="consumer", expires_at=2**40, attributes=attributes, one_time=one_time)
    write_identity(file, SECRET, [Peer(name, credential)])
    identity = read_identity(file)
    assert identity.secret_key == SECRET
    assert list(identity.peers) == [Peer(name, credential)]


def test_the_file_is_for_its_owner_alone_and_replaced_whole(tmp_path: Path) -> None:
    file = tmp_path / ".aster-identity"
    file.write_text("old")
    file.chmod(0o644)
    write_identity(file, SECRET, [])
    if os.name == "posix":
        assert stat.S_IMODE(file.stat().st_mode) == 0o600
    assert [path.name for path in tmp_path.iterdir()] == [".aster-identity"]
    with pytest.raises(ConfigError, match="can't be written"):
        write_identity(tmp_path / "nowhere" / "file", SECRET, [])


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("[node", "not valid TOML"),
        ("[nod]\n", "did you mean 'node'"),
        ("[node]\nsecret_kye = 'c2VjcmV0'", "did you mean 'secret_key'"),
        ("node = 3", r"expected \[node\]"),
        ("[node]\nsecret_key = 5", "secret_key: expected base64"),
        ("[node]\nsecret_key = 'c2VjcmV0'", "secret_key: expected base64"),
        ("[[peers]]\nrole = 'consumer'", "has no name"),
        ("[[peers]]\nname = 'x'\nrole = 'consumer'", "'x'.*missing required field"),
        ("[[peers]]\nname = 'x'\nrole = 'king'", "Invalid enum value 'king'"),
    ],
)
def test_a_mistake_in_the_file_is_named_without_its_secrets(tmp_path: Path, text: str, message: str) -> None:
    file = tmp_path / ".aster-identity"
    file.write_text(text)
    with pytest.raises(ConfigError, match=message) as caught:
        read_identity(file)
    assert "c2VjcmV0" not in str(caught.value)


def test_a_repr_has_no_secret(tmp_path: Path) -> None:
    file = write_identity(tmp_path / "id", SECRET, [])
    assert repr(SECRET) not in repr(read_identity(file))
