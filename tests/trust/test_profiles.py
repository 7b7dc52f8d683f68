import stat
import threading
import tomllib
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from aster.foundation.errors import ConfigError
from aster.foundation.toml_text import toml_text
from aster.trust.keys import SigningKey, write_key_file
from aster.trust.profiles import (
    Profile,
    active_profile,
    checked_name,
    create_profile,
    delete_profile,
    profiles_file,
    read_profiles,
    use_profile,
)
from aster.trust.root_key import signing_root

KEY = SigningKey.from_seed(bytes(range(32)))
TEXTS = st.text(st.characters(exclude_categories=["Cs"]), max_size=20)


@pytest.fixture(autouse=True)
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.delenv("ASTER_PROFILE", raising=False)
    return tmp_path


def profile(name: str, root_key: str | None = None) -> Profile:
    return Profile(name=name, root_pubkeys=(KEY.public.hex(),), root_key=root_key)


def test_the_first_profile_is_active_until_another_is_used() -> None:
    create_profile(profile("prod", "keyring:prod"))
    create_profile(profile("stage"))
    assert active_profile() == profile("prod", "keyring:prod")
    use_profile("stage")
    assert active_profile() == profile("stage")


def test_the_environment_overrides_the_active_profile_and_an_argument_overrides_both(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    for name in ("one", "two", "three"):
        create_profile(profile(name))
    monkeypatch.setenv("ASTER_PROFILE", "two")
    assert active_profile() == profile("two")
    assert active_profile("three") == profile("three")
    monkeypatch.setenv("ASTER_PROFILE", "tow")
    with pytest.raises(ConfigError, match="did you mean 'two'"):
        active_profile()


def test_a_deleted_profile_is_no_longer_active() -> None:
    create_profile(profile("prod"))
    create_profile(profile("stage"))
    delete_profile("prod")
    assert active_profile() is None
    with pytest.raises(ConfigError, match="no profile named 'prod'"):
        delete_profile("prod")


def test_the_file_is_its_owners_alone_and_nothing_is_left_beside_it(home: Path) -> None:
    create_profile(profile("prod"))
    assert stat.S_IMODE(profiles_file().stat().st_mode) == 0o600
    assert stat.S_IMODE((home / ".aster").stat().st_mode) == 0o700
    assert [file.name for file in (home / ".aster").iterdir()] == ["config.toml"]


def test_profiles_made_at_the_same_time_are_all_kept() -> None:
    makers = [threading.Thread(target=create_profile, args=(profile(f"p{n}"),)) for n in range(20)]
    for maker in makers:
        maker.start()
    for maker in makers:
        maker.join()
    assert len(read_profiles().by_name) == 20


@pytest.mark.parametrize("name", ["", "-x", "a b", "a.b", "../x", "x\n", "é", "x" * 64, 'a"'])
def test_a_name_that_could_be_something_else_is_refused(name: str) -> None:
    with pytest.raises(ConfigError, match="is not a name"):
        create_profile(profile(name))
    assert not profiles_file().exists()


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("active_profile = 1", "expected active_profile"),
        ('active_profile = "gone"', "not among"),
        ("profile = 1", "did you mean"),
        ("profiles = 1", "expected"),
        ("[profiles.a]", "root_pubkeys"),
        ("[profiles.a]\nroot_pubkeys = []", "root_pubkeys"),
        ('[profiles.a]\nroot_pubkeys = ["xyz"]', "root_pubkeys"),
        (f'[profiles.a]\nroot_pubkeys = ["{"ab" * 32}"]\nroot_kye = "x"', "root_kye"),
        ("[profiles.'a b']", "is not a name"),
        ("[profiles", "not valid TOML"),
        ("x = " + "[" * 5000, "not valid TOML"),
    ],
)
def test_a_file_that_is_not_as_it_should_be_is_named_and_left_alone(home: Path, text: str, words: str) -> None:
    profiles_file().parent.mkdir()
    profiles_file().write_text(text)
    with pytest.raises(ConfigError, match=words) as caught:
        create_profile(profile("prod"))
    assert str(profiles_file()) in caught.value.message
    assert profiles_file().read_text() == text


def test_a_profile_signs_with_its_own_key_only(home: Path) -> None:
    file = write_key_file(home / "root.key", KEY)
    create_profile(profile("prod", str(file)))
    assert signing_root(None, None) == KEY
    file.unlink()
    write_key_file(file, SigningKey.generate())
    with pytest.raises(ConfigError, match="is not a root key of profile 'prod'"):
        signing_root(None, "prod")


def test_without_a_root_key_the_ways_to_give_one_are_told(home: Path) -> None:
    with pytest.raises(ConfigError, match="no root key to sign with"):
        signing_root(None, None)
    create_profile(profile("verifier"))
    with pytest.raises(ConfigError, match="does not say where"):
        signing_root(None, None)
    with pytest.raises(ConfigError, match="give one of them"):
        signing_root("root.key", "verifier")


@given(value=TEXTS | st.integers(-(2**63), 2**63 - 1) | st.lists(TEXTS, max_size=3))
def test_what_is_written_as_toml_is_read_back(value: str | int | list[str]) -> None:
    assert tomllib.loads(f"key = {toml_text(value)}") == {"key": value}


@given(name=st.text(max_size=5))
def test_an_accepted_name_is_a_bare_key(name: str) -> None:
    try:
        checked_name(name)
    except ConfigError:
        return
    assert tomllib.loads(f"[profiles.{name}]") == {"profiles": {name: {}}}
