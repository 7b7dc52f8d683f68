"""The policy engine: one compile for equal sources, a bounded cache, long evaluations away from the event loop."""

import asyncio
import threading
from typing import Any

import msgspec
import pytest

from aster.policy import compile_source
from aster.policy import engine as engine_module
from aster.policy.engine import EngineBusy, PolicyEngine, hash_text, hash_value, run

PING = 'Module demo.\n\nRule ping produce Text:\n  Return "pong".\n'
DIVIDE = """Module sums.

Rule share given whole as Int and parts as Int, produce Int:
  Return whole integer divided by parts.
"""
ENDLESS = "Module loops.\n\nRule count given n as Int, produce Int:\n  Return count(n plus 1).\n"
DOUBLING = """Module loops.

Rule grow given n as Int, produce Int:
  If n less than 1:
    Return 1.
  Return grow(n minus 1) plus grow(n minus 1).
"""


async def test_equal_sources_compile_once(monkeypatch: pytest.MonkeyPatch) -> None:
    calls: list[str] = []

    def counted(source: str, **options: Any) -> Any:
        calls.append(source)
        return compile_source(source, **options)

    monkeypatch.setattr("aster.policy.engine.compile_source", counted)
    engine = PolicyEngine()
    compiled = await asyncio.gather(*(engine.compile(PING, locale="en-US") for _ in range(20)))
    assert len(calls) == 1
    assert {id(each) for each in compiled} == {id(await engine.compile(PING, locale="en-US"))}


async def test_the_cache_keeps_to_its_bytes() -> None:
    engine = PolicyEngine(cache_bytes=3 * engine_module.PROGRAM_BYTES + 10_000)
    sources = [PING.replace("demo", f"demo{number}") for number in range(10)]
    for source in sources:
        await engine.compile(source, locale="en-US")
    kept = [engine.cached(hash_text(source), "en-US") is not None for source in sources]
    assert 0 < sum(kept) <= 4
    assert kept[-1]
    assert not kept[0]


async def test_what_was_used_last_stays() -> None:
    engine = PolicyEngine(cache_bytes=2 * engine_module.PROGRAM_BYTES + 8_000)
    first, second, third = (PING.replace("demo", f"demo{number}") for number in range(3))
    for source in (first, second, first, third):
        await engine.compile(source, locale="en-US")
    assert engine.cached(hash_text(first), "en-US") is not None
    assert engine.cached(hash_text(second), "en-US") is None


async def test_a_broken_source_is_remembered_too() -> None:
    engine = PolicyEngine()
    compiled = await engine.compile("Rule", locale="en-US")
    assert compiled.fault is not None
    assert await engine.compile("Rule", locale="en-US") is compiled
    (decision,) = await engine.decide(compiled, [{}])
    assert decision.fault == compiled.fault
    assert decision.diagnostics


async def test_short_runs_stay_and_long_ones_leave_the_event_loop(monkeypatch: pytest.MonkeyPatch) -> None:
    threads: list[threading.Thread] = []

    def watched(*args: Any, **limits: Any) -> Any:
        threads.append(threading.current_thread())
        return run(*args, **limits)

    monkeypatch.setattr("aster.policy.engine.run", watched)
    engine = PolicyEngine()
    short = await engine.compile(PING, locale="en-US")
    await engine.decide(short, [{}])
    assert threads == [threading.main_thread()]
    long = await engine.compile(DOUBLING, locale="en-US")
    (decision,) = await engine.decide(long, [{"n": 13}])
    assert decision.value == 8192
    assert threads[1:] == [threading.main_thread(), threads[2]]
    assert threads[2] is not threading.main_thread()
    await engine.decide(short, [{}] * 50)
    assert set(threads[3:]).isdisjoint({threading.main_thread()})


@pytest.mark.parametrize("context", [{"n": 0}])
async def test_endless_recursion_ends_by_its_budget(context: dict[str, int]) -> None:
    engine = PolicyEngine()
    (decision,) = await engine.decide(await engine.compile(ENDLESS, locale="en-US"), [context])
    assert decision.fault is not None
    assert decision.fault.code in {"STEP_LIMIT", "DEPTH_LIMIT", "TIME_LIMIT"}


async def test_a_failure_tells_its_place() -> None:
    engine = PolicyEngine()
    (decision,) = await engine.decide(await engine.compile(DIVIDE, locale="en-US"), [{"whole": 1, "parts": 0}])
    assert decision.fault is not None
    assert (decision.fault.code, decision.fault.line) == ("DIVISION_BY_ZERO", 4)
    assert "rule 'share', line 4" in decision.fault.message


async def test_more_waiting_than_allowed_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(engine_module, "WAITING_LIMIT", 3)
    engine = PolicyEngine()
    sources = [PING.replace("demo", f"demo{number}") for number in range(10)]
    answers = await asyncio.gather(
        *(engine.compile(source, locale="en-US") for source in sources), return_exceptions=True
    )
    assert sum(isinstance(answer, EngineBusy) for answer in answers) == 7
    assert (await engine.compile(sources[-1], locale="en-US")).fault is None


async def test_the_contexts_of_one_call_share_their_time(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(engine_module, "MANY_SECONDS", -1.0)
    engine = PolicyEngine()
    compiled = await engine.compile(DOUBLING, locale="en-US")
    decisions = await engine.decide(compiled, [{"n": 3}] * 10)
    assert [found.fault.code for found in decisions if found.fault] == ["TIME_LIMIT"] * 10


@pytest.mark.parametrize("context", [{1: 2}, {"n": msgspec.msgpack.Ext(5, b"x")}, {"n": {b"x": 1}}])
async def test_a_context_without_a_json_form_is_invalid_input(context: object) -> None:
    engine = PolicyEngine()
    compiled = await engine.compile(DOUBLING, locale="en-US")
    (decision,) = await engine.decide(compiled, [context])
    assert decision.fault is not None
    assert (decision.fault.code, decision.input_hash) == ("INPUT_INVALID", None)


def test_hashes_do_not_depend_on_the_order_of_keys() -> None:
    assert hash_value({"a": 1, "b": [1.5, None]}) == hash_value({"b": [1.5, None], "a": 1})
    assert hash_value({"a": 1}) != hash_value({"a": 1.0})
