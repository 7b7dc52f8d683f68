import importlib
import pkgutil

import pytest

import aster


@pytest.mark.parametrize("name", aster.__all__)
def test_every_public_name_loads(name: str) -> None:
    assert getattr(aster, name) is not None


def test_an_unknown_name_is_an_attribute_error() -> None:
    with pytest.raises(AttributeError, match="nothing"):
        _ = aster.nothing


@pytest.mark.parametrize("package", ["aster", "astrocyte"])
def test_every_module_can_be_imported(package: str) -> None:
    module = importlib.import_module(package)
    names = [found.name for found in pkgutil.walk_packages(module.__path__, f"{package}.")]
    for name in names:
        if not name.endswith("__main__"):
            importlib.import_module(name)
    assert names
