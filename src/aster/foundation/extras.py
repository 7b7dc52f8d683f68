"""Optional dependencies: imported when first used, with an error that names the extra to install."""

import importlib
from types import ModuleType

from aster.foundation.errors import MissingExtra


def load_extra(module: str, *, extra: str) -> ModuleType:
    """Import ``module``, or raise `MissingExtra` naming the extra of this distribution that brings it."""
    try:
        return importlib.import_module(module)
    except ModuleNotFoundError as error:
        if error.name is not None and error.name.partition(".")[0] != module.partition(".")[0]:
            raise
        raise MissingExtra(
            f"the package '{module}' is not installed",
            hint=f"pip install 'aster-platform[{extra}]'",
            module=module,
            extra=extra,
        ) from error
