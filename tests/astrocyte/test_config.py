from pathlib import Path
from typing import Any

import pytest

from aster.foundation.errors import ConfigError
from astrocyte import Astrocyte
from astrocyte.config import settings_from_dict


def test_a_file_and_a_dictionary_say_the_same(tmp_path: Path) -> None:
    file = tmp_path / "astrocyte.yaml"
    file.write_text("storage:\n  url: sqlite:///m.db\nlimits:\n  max_tags: 3\nbanks:\n  b:\n    access: []\n")
    by_file = Astrocyte.from_config(file).settings
    said = {"storage": {"url": "sqlite:///m.db"}, "limits": {"max_tags": 3}, "banks": {"b": {"access": []}}}
    assert by_file == settings_from_dict(said)
    assert by_file.limits.tags == 3


@pytest.mark.parametrize(
    ("values", "words"),
    [
        ({"storage": {"ulr": "x"}}, "did you mean 'url'"),
        ({"sotrage": {}}, "did you mean 'storage'"),
        ({"embedding": {"provider": "gpt"}}, "one of auto, minilm, wordllama, none"),
        ({"limits": {"max_tags": -1}}, "from 0 to 1000"),
        ({"storage": {"url": 7}}, "expected text"),
        ({"agents": {}}, "does not act yet"),
        ({"access_control": {"default_policy": "closed"}}, "one of owner_only, open, deny"),
        ({"identity": {"obo_enable": True}}, "did you mean 'obo_enabled'"),
    ],
)
def test_what_can_not_be_meant_is_refused(values: dict[str, Any], words: str) -> None:
    with pytest.raises(ConfigError, match=words):
        Astrocyte.from_config_dict(values)


async def test_a_database_that_is_not_served_says_so() -> None:
    engine = Astrocyte.from_config_dict({"storage": {"url": "mysql://x/y"}, "embedding": {"provider": "none"}})
    with pytest.raises(ConfigError, match="not supported"):
        await engine.__aenter__()


def test_settings_do_not_show_the_password_of_their_database() -> None:
    url = "postgresql://user:hunter2@host/db"
    settings = Astrocyte.from_config_dict({"storage": {"url": url}}).settings
    assert settings.storage_url == url
    assert "hunter2" not in f"{settings} {settings!r}"
