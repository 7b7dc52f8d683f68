"""The map in this folder's README is complete, and leads to tests that exist."""

import ast
import re
from pathlib import Path

from aster.config import TABLE

HERE = Path(__file__).resolve().parent
README = (HERE / "README.md").read_text(encoding="utf-8")
PAGE = "contract/test_aster_config.py"
MAP = README.partition("## Aster RPC: configuration")[2]


def names_in(file: str) -> set[str]:
    tree = ast.parse((HERE.parent / file).read_text(encoding="utf-8"))
    return {
        node.name
        for node in ast.walk(tree)
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef) and node.name.startswith("test_")
    }


def mapped() -> set[tuple[str, str]]:
    found = re.findall(r"`(?:([a-z_/]+\.py)::)?(test_[a-z0-9_]+)`", MAP)
    return {(file or PAGE, name) for file, name in found}


def test_every_test_that_is_named_exists() -> None:
    assert [(file, name) for file, name in sorted(mapped()) if name not in names_in(file)] == []


def test_every_test_of_the_page_is_named() -> None:
    assert names_in(PAGE) - {name for file, name in mapped() if file == PAGE} == set()


def test_every_row_names_a_test() -> None:
    rows = [line for line in MAP.splitlines() if line.startswith("| ") and not line.endswith("| held by |")]
    assert rows
    assert [row for row in rows if "`test_" not in row and "::test_" not in row] == []


def test_no_setting_is_left_out() -> None:
    assert set(TABLE.by_name) <= set(re.findall(r"^\| `(\w+)`(?: \(ours[^|]*\))? \|", MAP, re.MULTILINE))
