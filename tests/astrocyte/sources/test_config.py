"""A source that is written wrongly is refused at the start, by name."""

from typing import Any

import pytest

from aster.foundation.errors import ConfigError
from astrocyte.config import settings_from_dict
from astrocyte.sources.config import DirectorySource

GOOD = {"type": "directory", "path": "/notes", "target_bank": "notes"}


def test_sources_are_settings_like_any_other() -> None:
    settings = settings_from_dict({"sources": {"notes": GOOD}})
    assert settings.sources["notes"] == DirectorySource(path="/notes", target_bank="notes")


@pytest.mark.parametrize(
    ("source", "says"),
    [
        (GOOD | {"type": "carrier-pigeon"}, "Invalid value 'carrier-pigeon'"),
        (GOOD | {"paths": "/x"}, "unknown field `paths`"),
        (GOOD | {"target_bank": "a/b"}, "not a bank's name"),
        ({"type": "directory", "path": "/notes"}, "missing required field `target_bank`"),
        (GOOD | {"interval_seconds": 0}, "interval_seconds"),
        ({"type": "redis_stream", "target_bank": "b", "stream": "s"}, "one of url and url_env"),
        ("notes", "Expected `object`"),
    ],
)
def test_a_source_that_is_written_wrongly_is_refused(source: Any, says: str) -> None:
    with pytest.raises(ConfigError, match=says):
        settings_from_dict({"sources": {"notes": source}})
