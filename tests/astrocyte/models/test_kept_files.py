import hashlib
import sys
from pathlib import Path

import pytest

from astrocyte.models.kept_files import cache_directory, find_kept, is_whole, keep


@pytest.mark.parametrize(
    ("environ", "expected"),
    [
        ({"ASTER_CACHE_DIR": "/own", "XDG_CACHE_HOME": "/xdg"}, "/own"),
        ({"ASTER_CACHE_DIR": " ", "XDG_CACHE_HOME": "/xdg"}, "/xdg/aster"),
        ({}, str(Path("~/.cache/aster").expanduser())),
    ],
)
def test_the_cache_lies_where_the_environment_says(environ: dict[str, str], expected: str) -> None:
    assert str(cache_directory(environ)) == expected


def test_a_file_is_found_in_its_folder_before_the_environment_s(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sys, "prefix", str(tmp_path / "environment"))
    own = tmp_path / "own"
    assert find_kept("model", own) is None
    keep(tmp_path / "environment" / "share" / "aster" / "model", b"theirs")
    found = find_kept("model", own)
    assert found is not None
    assert found.read_bytes() == b"theirs"
    keep(own / "model", b"mine")
    assert find_kept("model", own) == own / "model"


def test_a_kept_file_replaces_the_one_before_and_leaves_nothing_else(tmp_path: Path) -> None:
    file = tmp_path / "deep" / "model"
    for content in (b"first", b"second"):
        keep(file, content)
    assert [one.read_bytes() for one in file.parent.iterdir()] == [b"second"]


@pytest.mark.parametrize("damage", [b"", b"conten", b"Content"])
def test_only_the_content_that_is_meant_is_whole(tmp_path: Path, damage: bytes) -> None:
    meant = hashlib.sha256(b"content").hexdigest()
    file = tmp_path / "model"
    assert not is_whole(file, meant)
    file.write_bytes(damage)
    assert not is_whole(file, meant)
    file.write_bytes(b"content")
    assert is_whole(file, meant)
