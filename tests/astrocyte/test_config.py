from pathlib import Path
from typing import Any

import pytest

from aster.foundation.errors import ConfigError
from astrocyte import Astrocyte
from astrocyte.config import settings_from_dict


def test_a_file_and_a_dictionary_say_the_same(tmp_path: Path) -> None:
    file = tmp_path / "astrocyte.yaml"
    file.write_text("storage:\n  url: sqlite:///m.db\nlimits:\n  max_tags: 3\n")
    by_file = Astrocyte.from_config(file).settings
    assert by_file == settings_from_dict({"storage": {"url": "sqlite:///m.db"}, "limits": {"max_tags": 3}})
    assert by_file.limits.tags == 3


@pytest.mark.parametrize(
    ("values", "words"),
    [
        ({"storage": {"ulr": "x"}}, "did you mean 'url'"),
        ({"sotrage": {}}, "did you mean 'storage'"),
        ({"embedding": {"provider": "gpt"}}, "one of auto, minilm, wordllama, none"),
        ({"limits": {"max_tags": -1}}, "from 0 to 1000"),
        ({"storage": {"url": 7}}, "expected text"),
        ({"access_grants": []}, "does not act yet"),
        ({"banks": {"a": {}}}, "does not act yet"),
    ],
)
def test_what_can_not_be_meant_is_refused(values: dict[str, Any], words: str) -> None:
    with pytest.raises(ConfigError, match=words):
        Astrocyte.from_config_dict(values)


def test_grants_can_not_be_switched_on_before_they_act() -> None:
    with pytest.raises(ConfigError, match="not enforced yet"):
        Astrocyte.from_config_dict({"access_control": {"enabled": True}})


async def test_a_database_that_is_not_served_yet_says_so() -> None:
    engine = Astrocyte.from_config_dict({"storage": {"url": "postgresql://x/y"}, "embedding": {"provider": "none"}})
    with pytest.raises(ConfigError, match="not supported yet"):
        await engine.__aenter__()
