"""Every limit is enforced, can be set, and the error of what is over it names the limit and both numbers."""

from collections.abc import Awaitable, Callable, Sequence
from typing import Any

import msgspec
import pytest

from astrocyte import Astrocyte, BankSettings, NewMemory
from astrocyte.config import SETTINGS, settings_from_dict
from astrocyte.errors import AstrocyteError
from astrocyte.inputs import LIMIT_SETTINGS, Limits

Use = Callable[[Astrocyte, int], Awaitable[Any]]

MOST = 5
USES: Sequence[tuple[str, str, Use]] = (
    ("max_content_length", "CONTENT_TOO_LONG", lambda engine, size: engine.retain("x" * size, "b")),
    ("max_query_length", "QUERY_INVALID", lambda engine, size: engine.recall("x" * size, "b")),
    ("max_query_length", "QUERY_INVALID", lambda engine, size: engine.reflect("x" * size, "b")),
    ("max_label_length", "INVALID_INPUT", lambda engine, size: engine.retain("x", "b", speaker="x" * size)),
    ("max_label_length", "INVALID_INPUT", lambda engine, size: engine.place_hold("b", "x" * size, "why")),
    ("max_label_length", "INVALID_INPUT", lambda engine, size: engine.erase("x" * size, dry_run=True)),
    ("max_reason_length", "INVALID_INPUT", lambda engine, size: engine.place_hold("b", str(size), "x" * size)),
    ("max_reason_length", "INVALID_INPUT", lambda engine, size: engine.forget("b", scope="all", reason="x" * size)),
    (
        "max_reason_length",
        "INVALID_INPUT",
        lambda engine, size: engine.create_bank(f"b{size}", BankSettings(description="x" * size)),
    ),
    ("max_tags", "TAGS_INVALID", lambda engine, size: engine.retain("x", "b", tags=list(map(str, range(size))))),
    ("max_tags", "TAGS_INVALID", lambda engine, size: engine.recall("x", "b", tags=list(map(str, range(size))))),
    ("max_tag_length", "TAGS_INVALID", lambda engine, size: engine.retain("x", "b", tags=["x" * size])),
    ("max_metadata_bytes", "METADATA_INVALID", lambda engine, size: engine.retain("x", "b", metadata=sized(size))),
    (
        "max_batch",
        "BATCH_TOO_LARGE",
        lambda engine, size: engine.retain_batch("b", [NewMemory(content=str(n)) for n in range(size)]),
    ),
    ("max_banks", "INVALID_INPUT", lambda engine, size: engine.recall("x", banks=[f"b{n}" for n in range(size)])),
)


def sized(size: int) -> dict[str, Any]:
    """Metadata of ``size`` bytes as JSON, from 5 on: ``{"":0}`` is 6, nothing at all 2."""
    return {} if size < 6 else {"": 10 ** (size - 6)}


@pytest.mark.parametrize(("key", "code", "use"), USES, ids=[f"{key}-{n}" for n, (key, _, _) in enumerate(USES)])
async def test_what_is_at_the_limit_passes_and_what_is_above_is_refused(
    url: str, key: str, code: str, use: Use
) -> None:
    values = {"storage": {"url": url}, "embedding": {"provider": "none"}, "limits": {key: MOST}}
    async with Astrocyte.from_config_dict(values) as engine:
        await use(engine, MOST)
        with pytest.raises(AstrocyteError) as refused:
            await use(engine, MOST + 1)
        assert refused.value.code == code
        assert refused.value.details["limit"] == f"limits.{key}"
        assert (refused.value.details["got"], refused.value.details["most"]) == (MOST + 1, MOST)
        assert f"{MOST + 1} > {MOST}" in refused.value.message
        assert f"limits.{key}" in str(refused.value)


async def test_more_hits_than_are_allowed_are_cut(url: str) -> None:
    values = {"storage": {"url": url}, "embedding": {"provider": "none"}, "limits": {"max_results": 2}}
    async with Astrocyte.from_config_dict(values) as engine:
        await engine.retain_batch("b", [NewMemory(content=f"fact {n}") for n in range(4)])
        assert len((await engine.recall("fact", "b", max_results=100)).hits) == 2
        assert len((await engine.list_memories("b", limit=100)).memories) == 2


def test_every_limit_can_be_set_and_its_default_is_the_tables() -> None:
    assert set(LIMIT_SETTINGS) == set(Limits.__struct_fields__)
    named = {setting.name for setting in SETTINGS.settings if setting.section == "limits"}
    assert named == {*LIMIT_SETTINGS.values(), "index_megabytes"}
    assert settings_from_dict({}).limits == Limits()
    tried = {key for key, _, _ in USES} | {"max_results"}
    assert tried == set(LIMIT_SETTINGS.values())


def test_a_limit_of_a_batch_says_which_memory_is_over_it() -> None:
    from astrocyte.inputs import checked_batch

    limits = msgspec.structs.replace(Limits(), tag=2)
    with pytest.raises(AstrocyteError) as refused:
        checked_batch([NewMemory(content="x"), NewMemory(content="y", tags=["abc"])], limits)
    assert refused.value.details == {"limit": "limits.max_tag_length", "most": 2, "got": 3, "index": 1}
