import os
import stat
from pathlib import Path

import pytest

from aster.foundation.errors import ConfigError
from aster.trust.anchor import read_root_public_keys
from aster.trust.identity_file import read_identity, write_identity
from aster.trust.keys import SigningKey, is_signed_by, read_key_file, write_key_file


def test_a_private_key_is_not_in_a_repr() -> None:
    key = SigningKey.generate()
    assert key.seed.hex() not in repr(key)
    assert repr(key.seed) not in repr(key)


def test_keys_sign_as_rfc_8032_says() -> None:
    # RFC 8032 section 7.1, test 2
    key = SigningKey.from_seed(bytes.fromhex("4ccd089b28ff96da9db6c346ec114e0f5b8a319f35aba624da8cf6ed4fb8a6fb"))
    assert key.public.hex() == "3d4017c3e843895a92b70aa74d1b7ebc9c982ccf2ec4968cc0cd55f12af4660c"
    signature = key.sign(b"\x72")
    assert signature.hex().startswith("92a009a9f0d4cab8720e820b5f642540a2b27b5416503f8f")
    assert is_signed_by(key.public, b"\x72", signature)
    assert not is_signed_by(key.public, b"\x73", signature)
    assert not is_signed_by(b"short", b"\x72", signature)
    assert not is_signed_by(key.public, b"\x72", b"short")


def test_a_key_file_is_for_its_owner_alone_and_never_overwritten(tmp_path: Path) -> None:
    key = SigningKey.generate()
    file = write_key_file(tmp_path / "keys" / "root.key", key)
    if os.name == "posix":
        assert stat.S_IMODE(file.stat().st_mode) == 0o600
    assert read_key_file(file) == key
    assert read_root_public_keys(str(file), source="inline") == (key.public,)
    with pytest.raises(ConfigError, match="exists already"):
        write_key_file(file, SigningKey.generate())
    assert read_key_file(file) == key


@pytest.mark.parametrize("text", ["", "{}", "[]", '{"private_key": 5}', '{"private_key": "abcd"}', "[" * 100_000])
def test_a_file_without_a_private_key_is_refused_without_repeating_it(tmp_path: Path, text: str) -> None:
    file = tmp_path / "root.key"
    file.write_text(text)
    with pytest.raises(ConfigError) as caught:
        read_key_file(file)
    assert "abcd" not in str(caught.value)


@pytest.mark.skipif(os.name != "posix", reason="needs file modes")
def test_a_key_that_others_can_read_is_told_once(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    file = write_key_file(tmp_path / "root.key", SigningKey.generate())
    identity = write_identity(tmp_path / "node.identity", SigningKey.generate().seed, [])
    read_key_file(file)
    read_identity(identity)
    assert caplog.text == ""
    file.chmod(0o644)
    identity.chmod(0o640)
    for _ in range(2):
        read_key_file(file)
        read_identity(identity)
    assert [record.getMessage() for record in caplog.records] == [
        f"{file} holds a secret and others can read it (mode 644): chmod 600 {file}",
        f"{identity} holds a secret and others can read it (mode 640): chmod 600 {identity}",
    ]
