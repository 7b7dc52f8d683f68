"""What a memory engine tells of itself in numbers: bounded labels, no bank, caller or tag among them."""

from pathlib import Path

import pytest
from prometheus_client import CollectorRegistry, generate_latest
from prometheus_client.parser import text_string_to_metric_families
from tests.astrocyte.rows import execute

from astrocyte import Astrocyte, NewMemory
from astrocyte.errors import InvalidInput, PersonalDataRefused
from astrocyte.gateway.metrics import MemoryMetrics

STORES = ("sqlite", "postgres")
HOW_TO = Path(__file__).resolve().parents[3] / "docs" / "how-to.md"

Numbers = dict[tuple[str, tuple[str, ...]], float]


async def told(engine: Astrocyte) -> Numbers:
    """Every sample by its name and the values of its labels, without the buckets of histograms."""
    metrics, registry = MemoryMetrics(engine), CollectorRegistry()
    await metrics.read()
    registry.register(metrics)
    families = text_string_to_metric_families(generate_latest(registry).decode())
    samples = [sample for family in families for sample in family.samples if not sample.name.endswith("_bucket")]
    return {(sample.name, tuple(sample.labels.values())): sample.value for sample in samples}


async def test_operations_are_counted_by_outcome_and_timed(plain: Astrocyte) -> None:
    await plain.retain("the boat", "b")
    await plain.retain("the boat", "b")
    await plain.retain_batch("b", [NewMemory(content="a"), NewMemory(content="c")])
    with pytest.raises(InvalidInput):
        await plain.retain("", "b")
    await plain.recall("boat", "b")
    await plain.reflect("boat?", "b")
    await plain.forget("b", scope="all")
    found = await told(plain)
    assert found["astrocyte_retain_total", ("ok",)] == 3
    assert found["astrocyte_retain_total", ("CONTENT_INVALID",)] == 1
    assert found["astrocyte_retain_duration_seconds_count", ()] == 4
    assert found["astrocyte_recall_total", ("ok",)] == found["astrocyte_reflect_total", ("ok",)] == 1
    assert found["astrocyte_forget_total", ("ok",)] == 1
    assert found["astrocyte_memories_retained_total", ()] == found["astrocyte_memories_forgotten_total", ()] == 3
    assert found["astrocyte_memories_deduplicated_total", ()] == 1
    assert found["astrocyte_indexes", ()] == 1
    assert found["astrocyte_index_bytes", ()] > 0


async def test_personal_data_is_counted_by_what_was_done_about_it(url: str) -> None:
    for action in ("redact", "reject"):
        values = {"storage": {"url": url}, "embedding": {"provider": "none"}, "barriers": {"pii": action}}
        async with Astrocyte.from_config_dict(values) as engine:
            try:
                await engine.retain("write to ann@example.org", action)
            except PersonalDataRefused:
                assert action == "reject"
            assert (await told(engine))["astrocyte_pii_detected_total", (action,)] == 1


async def test_the_background_tells_what_waits_how_long_and_what_fails(plain: Astrocyte, url: str) -> None:
    await plain.retain("x", "b")
    assert (await told(plain))["astrocyte_derive_lag_seconds", ()] == 0
    execute(url, "INSERT INTO memory_tasks (bank, kind, subject, due_at) VALUES (1, 'page', 'x', 1)")
    execute(
        url,
        "INSERT INTO memory_tasks (bank, kind, subject, due_at, attempts, failure) VALUES (1, 'page', 'y', ?, 3, 'E')",
        [2**60],
    )
    found = await told(plain)
    assert (found["astrocyte_derive_waiting", ()], found["astrocyte_derive_failing", ()]) == (2, 1)
    assert found["astrocyte_derive_lag_seconds", ()] > 1e9


async def test_every_metric_is_in_the_guide(plain: Astrocyte) -> None:
    registry = CollectorRegistry()
    metrics = MemoryMetrics(plain)
    await metrics.read()
    registry.register(metrics)
    text = HOW_TO.read_text(encoding="utf-8")
    names = {family.name for family in text_string_to_metric_families(generate_latest(registry).decode())}
    shared = {f"astrocyte_{name}" for name in ("retain", "recall", "reflect", "history", "forget", "erase")}
    told_together = shared | {f"{name}_duration_seconds" for name in shared}
    assert {name for name in names - told_together if f"`{name}" not in text} == set()
    assert "`astrocyte_retain_total{status}`" in text
    assert "`astrocyte_retain_duration_seconds`" in text
