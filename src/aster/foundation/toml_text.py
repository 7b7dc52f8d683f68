"""How values are spelled in the TOML files that commands write; `tomllib` reads them back as they were."""

import json
from collections.abc import Sequence


def toml_text(value: str | int | Sequence[str]) -> str:
    """A value in TOML: JSON's spelling of texts, whole numbers and lists, but for one character TOML wants escaped."""
    return json.dumps(value, ensure_ascii=False).replace("\x7f", "\\u007f")
