"""The limits of a store, and the settings that they come from."""

from dataclasses import fields
from pathlib import Path

import pytest

from aster.config import AsterConfig
from aster.config.storage_limits import PREFIX, STORAGE_TABLE
from aster.foundation.errors import ConfigError
from aster.storage.blobs.store import BlobStore
from aster.storage.errors import QuotaExceeded
from aster.storage.limits import DEFAULT_STORAGE_LIMITS, MAX_INLINE_BYTES, StorageLimits


def test_every_limit_is_a_setting_with_the_same_default() -> None:
    assert set(STORAGE_TABLE.by_name) == {PREFIX + field.name for field in fields(StorageLimits)}
    assert StorageLimits.of(AsterConfig()) == DEFAULT_STORAGE_LIMITS


def test_file_environment_and_argument_are_laid_over_each_other(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    file = tmp_path / "aster.toml"
    file.write_text('[storage]\npath = "here"\nmax_total_bytes = "10 GiB"\nmax_blobs = 7\ndoc_inline_bytes = 64\n')
    monkeypatch.setenv("ASTER_STORAGE_MAX_BLOBS", "8")
    limits = StorageLimits.of(AsterConfig.from_file(file, storage_doc_inline_bytes="1KiB"))
    assert (limits.max_total_bytes, limits.max_blobs, limits.doc_inline_bytes) == (10 << 30, 8, 1024)


@pytest.mark.parametrize(
    ("text", "size"),
    [("0", 0), ("1024", 1024), ("5 kb", 5000), ("5KiB", 5120), ("2 GB", 2 * 10**9), ("1 TiB", 1 << 40)],
)
def test_a_size_may_have_a_unit(monkeypatch: pytest.MonkeyPatch, text: str, size: int) -> None:
    monkeypatch.setenv("ASTER_STORAGE_MAX_BLOB_BYTES", text)
    assert AsterConfig().storage_max_blob_bytes == size


@pytest.mark.parametrize("text", ["-1", "1.5 GiB", "GiB", "1 PiB", "many", "9" * 19 + " TiB"])
def test_what_is_no_size_is_refused_and_named(monkeypatch: pytest.MonkeyPatch, text: str) -> None:
    monkeypatch.setenv("ASTER_STORAGE_MAX_BLOB_BYTES", text)
    with pytest.raises(ConfigError, match="ASTER_STORAGE_MAX_BLOB_BYTES"):
        AsterConfig()


def test_a_limit_can_not_be_below_nothing_nor_an_inline_value_above_what_others_take() -> None:
    with pytest.raises(ConfigError):
        StorageLimits(max_blobs=-1)
    with pytest.raises(ConfigError):
        StorageLimits(doc_inline_bytes=MAX_INLINE_BYTES + 1)
    with pytest.raises(ConfigError):
        AsterConfig(storage_doc_inline_bytes=MAX_INLINE_BYTES + 1)


def test_what_passes_a_limit_is_not_kept(tmp_path: Path) -> None:
    limits = StorageLimits.of(AsterConfig(storage_max_total_bytes=1000))
    store = BlobStore.at(tmp_path, limits)
    store.add_bytes(bytes(600))
    with pytest.raises(QuotaExceeded):
        store.add_bytes(b"x" * 600)
    assert store.usage().blobs == 1
    store.close()
