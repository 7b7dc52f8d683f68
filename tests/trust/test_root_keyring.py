"""Root keys in the operating system's keyring: kept there or nowhere."""

import json
from collections.abc import Callable, Iterator
from pathlib import Path

import keyring
import keyring.backends.fail
import keyring.backends.null
import pytest
from tests.trust.keyring_in_a_file import FileKeyring, ForgetfulKeyring, LockedKeyring, PlainKeyring

from aster.foundation.errors import ConfigError
from aster.trust.keys import SigningKey
from aster.trust.root_keyring import load_root_key, store_root_key

KEY = SigningKey.from_seed(bytes(range(32)))


@pytest.fixture(autouse=True)
def file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    before = keyring.get_keyring()
    monkeypatch.setenv("TEST_KEYRING", str(tmp_path / "keyring.json"))
    keyring.set_keyring(FileKeyring())
    yield tmp_path / "keyring.json"
    keyring.set_keyring(before)


def test_a_root_key_is_kept_under_the_service_and_user_of_its_name(file: Path) -> None:
    store_root_key("prod", KEY)
    assert json.loads(file.read_text()) == {"aster/root_privkey:prod": KEY.seed.hex()}
    assert load_root_key("prod") == KEY


def test_a_root_key_is_never_overwritten() -> None:
    store_root_key("prod", KEY)
    with pytest.raises(ConfigError, match="already"):
        store_root_key("prod", SigningKey.generate())
    assert load_root_key("prod") == KEY


def test_an_unknown_name_tells_how_to_make_one() -> None:
    with pytest.raises(ConfigError, match="keygen root --keyring stage"):
        load_root_key("stage")


@pytest.mark.parametrize("text", ["", "zz", "ab" * 31])
def test_what_is_no_key_is_refused_without_showing_it(file: Path, text: str) -> None:
    file.write_text(json.dumps({"aster/root_privkey:prod": text}))
    with pytest.raises(ConfigError, match="is no root key") as caught:
        load_root_key("prod")
    assert not text or text not in str(caught.value)


@pytest.mark.parametrize("kind", [keyring.backends.fail.Keyring, keyring.backends.null.Keyring, PlainKeyring])
def test_a_keyring_that_keeps_no_secret_is_refused(
    file: Path, kind: Callable[[], keyring.backend.KeyringBackend]
) -> None:
    keyring.set_keyring(kind())
    for attempt in (lambda: store_root_key("prod", KEY), lambda: load_root_key("prod")):
        with pytest.raises(ConfigError, match="no keyring on this machine that keeps secrets"):
            attempt()
    assert not file.exists()


def test_of_a_chain_of_keyrings_only_one_that_keeps_secrets_is_used(file: Path) -> None:
    class Chain(FileKeyring):
        backends = (PlainKeyring(), FileKeyring())

    keyring.set_keyring(Chain())
    store_root_key("prod", KEY)
    assert load_root_key("prod") == KEY
    Chain.backends = (PlainKeyring(), PlainKeyring())
    with pytest.raises(ConfigError, match="keeps secrets"):
        load_root_key("prod")


def test_a_keyring_that_kept_nothing_is_found_out() -> None:
    keyring.set_keyring(ForgetfulKeyring())
    with pytest.raises(ConfigError, match="did not keep"):
        store_root_key("prod", KEY)


def test_a_locked_keyring_is_an_error_with_the_way_out() -> None:
    keyring.set_keyring(LockedKeyring())
    with pytest.raises(ConfigError, match=r"KeyringLocked.*unlocked"):
        load_root_key("prod")
