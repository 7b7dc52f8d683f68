from pathlib import Path

import pytest

from astrocyte.models.model_cache import cache_directory, load_or_build


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


def test_what_was_built_is_kept_and_not_built_again(tmp_path: Path) -> None:
    built = []

    def build() -> bytes:
        built.append(1)
        return b"content"

    file = tmp_path / "deep" / "model.bin"
    assert [load_or_build(file, build) for _ in range(3)] == [b"content"] * 3
    assert len(built) == 1


@pytest.mark.parametrize("damage", [b"", b"short", b"0" * 64 + b"\n" + b"content"])
def test_a_file_that_does_not_match_its_hash_is_replaced(tmp_path: Path, damage: bytes) -> None:
    file = tmp_path / "model.bin"
    file.write_bytes(damage)
    assert load_or_build(file, lambda: b"content") == b"content"
    assert load_or_build(file, lambda: b"never") == b"content"
