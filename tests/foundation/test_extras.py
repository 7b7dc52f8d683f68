"""Optional dependencies: there, missing, or broken."""

import sys
from pathlib import Path

import pytest

from aster.foundation.errors import MissingExtra
from aster.foundation.extras import load_extra


def test_an_installed_module_is_loaded() -> None:
    assert load_extra("json.decoder", extra="memory") is sys.modules["json.decoder"]


@pytest.mark.parametrize("module", ["aster_absent", "aster_absent.inner", "json.absent"])
def test_a_missing_module_names_the_extra_to_install(module: str) -> None:
    with pytest.raises(MissingExtra) as caught:
        load_extra(module, extra="postgres")
    assert caught.value.code == "EXTRA_MISSING"
    assert caught.value.message == f"the package '{module}' is not installed"
    assert caught.value.hint == "pip install 'aster-platform[postgres]'"
    assert caught.value.details == {"module": module, "extra": "postgres"}


def test_a_module_that_misses_something_itself_is_not_called_missing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "aster_broken.py").write_text("import aster_absent\n")
    monkeypatch.syspath_prepend(str(tmp_path))
    with pytest.raises(ModuleNotFoundError, match="aster_absent"):
        load_extra("aster_broken", extra="postgres")
