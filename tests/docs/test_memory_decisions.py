"""The page of decisions: every test that it names as what holds us to it exists."""

import re
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
NAMED = re.findall(
    r"`(tests/[\w/.]+\.py)(?:::(\w+))?`", (ROOT / "docs" / "memory-decisions.md").read_text(encoding="utf-8")
)


def test_every_test_that_is_named_is_there() -> None:
    assert len(NAMED) > 12
    for file, name in NAMED:
        text = (ROOT / file).read_text(encoding="utf-8")
        assert not name or f"def {name}(" in text, f"{file}::{name}"
