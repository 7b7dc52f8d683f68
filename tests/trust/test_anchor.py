import json
from pathlib import Path

import pytest

from aster.foundation.errors import ConfigError
from aster.trust.anchor import read_root_public_keys

KEY = bytes(range(32))


@pytest.mark.parametrize("text", [KEY.hex(), f"  {KEY.hex().upper()}\n", json.dumps({"public_key": KEY.hex()})])
def test_a_root_key_file_is_hex_or_json(tmp_path: Path, text: str) -> None:
    file = tmp_path / "root.pub"
    file.write_text(text)
    assert read_root_public_keys(str(file), source="ASTER_ROOT_PUBKEY_FILE") == (KEY,)


@pytest.mark.parametrize(
    "raw",
    [b"", b"ab", b"\xff\xfe", b"{", b'{"public_key": 5}', b'{"private_key": "ab"}', b"[]", b"{" * 5000, b"a" * 100_000],
)
def test_a_file_without_a_key_stops_with_its_source(tmp_path: Path, raw: bytes) -> None:
    file = tmp_path / "root.pub"
    file.write_bytes(raw)
    with pytest.raises(ConfigError, match=r"^ASTER_ROOT_PUBKEY_FILE: "):
        read_root_public_keys(str(file), source="ASTER_ROOT_PUBKEY_FILE")


def test_a_file_that_is_not_there_stops_with_its_name(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="nowhere can't be read"):
        read_root_public_keys(str(tmp_path / "nowhere"), source="inline")


def test_a_home_folder_is_expanded(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HOME", str(tmp_path))
    (tmp_path / "root.pub").write_text(KEY.hex())
    assert read_root_public_keys("~/root.pub", source="inline") == (KEY,)


ROOTS = tuple(bytes([n]) * 32 for n in (1, 2, 3))


@pytest.mark.parametrize(
    "text",
    [
        "".join(f"{key.hex()}\n" for key in ROOTS),
        "# this year's\n" + "\n\n".join(f"  {key.hex()}  # until May" for key in (*ROOTS, ROOTS[0])),
        json.dumps({"public_keys": [key.hex() for key in ROOTS]}),
    ],
)
def test_a_file_of_several_root_keys_trusts_each_of_them_in_order(tmp_path: Path, text: str) -> None:
    file = tmp_path / "roots"
    file.write_text(text)
    assert read_root_public_keys(str(file), source="inline") == ROOTS


@pytest.mark.parametrize(
    "text",
    [
        f"{ROOTS[0].hex()}\nabcd\n",
        f"{ROOTS[0].hex()} {ROOTS[1].hex()}\n",
        json.dumps({"public_keys": [ROOTS[0].hex(), 5]}),
        json.dumps({"public_keys": [ROOTS[0].hex(), "zz" * 32]}),
    ],
)
def test_one_entry_that_is_no_key_stops_with_its_place(tmp_path: Path, text: str) -> None:
    file = tmp_path / "roots"
    file.write_text(text)
    with pytest.raises(ConfigError, match=r"^inline: .*entry \d of \d is no root public key"):
        read_root_public_keys(str(file), source="inline")


@pytest.mark.parametrize("text", ["# nothing\n", '{"public_keys": []}', '{"public_keys": "ab"}', "ab\n" * 100])
def test_a_file_with_no_key_or_too_many_is_none(tmp_path: Path, text: str) -> None:
    file = tmp_path / "roots"
    file.write_text(text)
    with pytest.raises(ConfigError, match="holds no root public key"):
        read_root_public_keys(str(file), source="inline")
