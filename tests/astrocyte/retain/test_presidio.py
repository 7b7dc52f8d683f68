"""Presidio beside our own rules: what it adds, what it must not do."""

import pytest

from aster.foundation.errors import ConfigError
from astrocyte import Astrocyte
from astrocyte.retain.personal_data import Finder, redact
from astrocyte.retain.presidio import presidio_finder


@pytest.fixture(scope="module")
def find() -> Finder:
    return presidio_finder(None)


@pytest.mark.parametrize(
    ("text", "redacted"),
    [
        ("write to ann@example.com", "write to [EMAIL_REDACTED]"),
        ("pay with 4111 1111 1111 1111 now", "pay with [CC_REDACTED] now"),
        ("send it to bitcoin 1A1zP1eP5QGefi2DMPTfTL5SLmv7DivfNa", "send it to bitcoin [CRYPTO_REDACTED]"),
        ("We met on 7 May 2023 at https://example.com/x", "We met on 7 May 2023 at https://example.com/x"),
        ("nothing here", "nothing here"),
    ],
)
def test_both_find_and_no_character_is_replaced_twice(find: Finder, text: str, redacted: str) -> None:
    assert redact(text, find)[0] == redacted


async def test_it_guards_what_is_retained_and_imported(url: str) -> None:
    barriers = {"pii": "redact", "recogniser": "presidio"}
    values = {"storage": {"url": url}, "embedding": {"provider": "none"}, "barriers": barriers}
    async with Astrocyte.from_config_dict(values) as engine:
        coin = "1A1zP1eP5QGefi2DMPTfTL5SLmv7DivfNa"
        result = await engine.retain(f"bitcoin {coin}", "b", metadata={"wallet": f"bitcoin {coin}"})
        assert result.personal_data == ["crypto"]
        kept = (await engine.list_memories("b")).memories[0]
        assert coin not in str(kept)
        assert kept.metadata == {"wallet": "bitcoin [CRYPTO_REDACTED]"}


async def test_a_pipeline_that_is_not_installed_stops_the_start(url: str) -> None:
    barriers = {"pii": "redact", "recogniser": "presidio", "presidio_model": "xx_not_there"}
    values = {"storage": {"url": url}, "embedding": {"provider": "none"}, "barriers": barriers}
    with pytest.raises(ConfigError, match="xx_not_there"):
        await Astrocyte.from_config_dict(values).__aenter__()
    with pytest.raises(ConfigError, match="would not act"):
        Astrocyte.from_config_dict({"barriers": {"presidio_model": "xx"}})
