"""The policy engine: sources compiled once and cached by bytes, evaluations off the event loop when they may be long.

It knows nothing of tenants, transports or stores: the same source gives the same program for everybody, and a program
keeps no state between evaluations.
"""

import asyncio
import copy
import hashlib
import math
import os
import time
from collections import OrderedDict
from collections.abc import Callable, Iterable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Any, TypeVar

import msgspec

from aster.foundation.errors import AsterError
from aster.foundation.timings import Timings
from aster.policy.language import (
    Diagnostic,
    ModuleSource,
    PolicyEvaluationError,
    PolicySyntaxError,
    Program,
    UnsupportedLocale,
    compile_source,
)
from aster.policy.language.budget import DEFAULT_SECONDS, DEFAULT_STEPS
from aster.policy.language.core_ir_read import program_of_ir
from aster.policy.language.errors import AliasesInvalid, CoreIRInvalid, VocabularyInvalid
from aster.policy.words import NO_WORDS, read_words

T = TypeVar("T")
CORE_IR = "application/vnd.aster.core-ir+json"
"""Stands for the locale of a source that is a Core IR document; longer than any locale that a request may name."""

Key = tuple[str, str, str, str]
"""A source's hash, its locale, the pins of the modules it uses, and the words it is written in."""

DEFAULT_CACHE_BYTES = 128 * 1024 * 1024
PROGRAM_BYTES = 8 * 1024
BYTES_PER_CHARACTER = 40
"""What a compiled program keeps in memory, estimated from its source's length."""

INLINE_CONTEXTS = 4

MANY_SECONDS = 10.0
"""What the contexts of one call may take together; those that come too late fail with TIME_LIMIT."""

NO_MODULES: Mapping[str, ModuleSource] = {}

LIMIT_CODES = frozenset({"STEP_LIMIT", "TIME_LIMIT"})
WAITING_LIMIT = 256

_canonical = msgspec.json.Encoder(order="sorted").encode


class EngineBusy(AsterError):
    """More evaluations wait for a thread than the engine lets wait."""

    code = "OVERLOADED"


class Bounds(msgspec.Struct, frozen=True):
    """What one evaluation may cost: steps of the language, and seconds; without a number there is no bound."""

    steps: int = 2**62
    seconds: float = math.inf

    def within(self, other: "Bounds") -> "Bounds":
        """The narrower of the two, each way."""
        return Bounds(min(self.steps, other.steps), min(self.seconds, other.seconds))


DEFAULT_BOUNDS = Bounds(DEFAULT_STEPS, DEFAULT_SECONDS)
INLINE = Bounds(steps=10_000, seconds=0.005)
"""What may run on the event loop: about half a millisecond a context. What asks for more is run anew in a thread."""


class Fault(msgspec.Struct, frozen=True):
    """Why there is no value: a stable code, the words for people, and the place (from 1) when there is one."""

    code: str
    message: str
    line: int | None = None
    column: int | None = None


class Decision(msgspec.Struct, frozen=True, gc=False):
    """One evaluation: its value or its fault, and the hashes that prove what was decided on what.

    Hashes are SHA-256 in lower-case hex: of the source's UTF-8, of the canonical JSON (sorted keys) of context, value
    and trace. ``micros`` is the time the rule took, hashing included.
    """

    source_hash: str
    input_hash: str | None
    micros: int
    value: Any = None
    fault: Fault | None = None
    diagnostics: Sequence[Diagnostic] = ()
    module: str | None = None
    rule: str | None = None
    trace: Any = None
    result_hash: str | None = None
    trace_hash: str | None = None


class CompiledSource:
    """A program, or why there is none.

    ``pins`` names the sources of the modules it was compiled with; ``imports`` are those that its text asks for;
    ``words`` are its vocabulary and aliases, as `read_words` reads them. ``micros`` is how long it took to make.
    """

    __slots__ = (
        "diagnostics",
        "fault",
        "imports",
        "locale",
        "micros",
        "module",
        "parse_micros",
        "pins",
        "program",
        "rules",
        "source_hash",
        "weight",
        "words",
    )

    def __init__(
        self,
        source: str,
        source_hash: str,
        locale: str,
        pins: str = "",
        words: str = NO_WORDS,
        modules: Mapping[str, ModuleSource] = NO_MODULES,
    ) -> None:
        started = time.perf_counter_ns()
        self.source_hash = source_hash
        self.locale = locale
        self.pins = pins
        self.words = words
        characters = len(source) + len(words) + sum(len(used.source) for used in modules.values())
        self.weight = PROGRAM_BYTES + BYTES_PER_CHARACTER * characters
        self.program: Program | None = None
        self.parse_micros: int | None = None
        self.fault: Fault | None = None
        self.diagnostics: Sequence[Diagnostic] = ()
        self.module = ""
        self.rules: Sequence[str] = ()
        self.imports: Sequence[tuple[str, int | None]] = ()
        resolver = (lambda name, version: modules.get(name)) if pins else None
        try:
            if locale == CORE_IR:
                self.program = program_of_ir(source, modules=resolver)
            else:
                vocabulary, aliases = read_words(words, locale)
                self.program = compile_source(
                    source, locale=locale, vocabulary=vocabulary, aliases=aliases, modules=resolver
                )
        except PolicySyntaxError as error:
            self.fault = Fault(error.code, error.message)
            self.diagnostics = error.diagnostics
        except (CoreIRInvalid, UnsupportedLocale, VocabularyInvalid, AliasesInvalid) as error:
            self.fault = Fault(error.code, error.message)
        else:
            self.module = self.program.module or ""
            self.rules = self.program.rules
            self.imports = self.program.imports
            self.diagnostics = self.program.diagnostics
            self.parse_micros = self.program.parse_micros
        self.micros = (time.perf_counter_ns() - started) // 1000

    def strictly(self) -> "CompiledSource":
        """The same, without a program if there are errors of types in it."""
        if self.program is None or all(found.severity != "error" for found in self.diagnostics):
            return self
        refused = copy.copy(self)
        error = PolicySyntaxError(tuple(self.diagnostics))
        refused.program, refused.fault = None, Fault(error.code, error.message)
        return refused


class PolicyEngine:
    """Compiles and evaluates. Used from one event loop; owns a few threads until `close`.

    ``bounds`` are the most that one evaluation may cost, whoever asks.
    """

    def __init__(self, *, cache_bytes: int = DEFAULT_CACHE_BYTES, bounds: Bounds = DEFAULT_BOUNDS) -> None:
        self._bounds = bounds
        self._inline = bounds.within(INLINE)
        self._cache: OrderedDict[Key, CompiledSource] = OrderedDict()
        self._cache_bytes = cache_bytes
        self._cached_bytes = 0
        self._compiling: dict[Key, asyncio.Future[CompiledSource]] = {}
        self._waiting = 0
        self.decided, self.failed = Timings(), Timings()
        self.parsed, self.compiled = Timings(), Timings()
        self.hits = self.misses = self.evictions = 0
        self._pool = ThreadPoolExecutor(max(2, os.cpu_count() or 2), thread_name_prefix="policy")

    @property
    def waiting(self) -> int:
        """What runs in or waits for a thread."""
        return self._waiting

    @property
    def cached_bytes(self) -> int:
        return self._cached_bytes

    @property
    def cached_programs(self) -> int:
        return len(self._cache)

    def close(self) -> None:
        """Let running evaluations end; nothing new is accepted."""
        self._pool.shutdown()

    async def compile(
        self,
        source: str,
        *,
        locale: str,
        pins: str = "",
        words: str = NO_WORDS,
        modules: Mapping[str, ModuleSource] = NO_MODULES,
    ) -> CompiledSource:
        """The compiled source, from the cache if it is there; equal sources that arrive together compile once.

        ``modules`` are what the source may use, by name, and ``pins`` a text that no other ``modules`` have; without
        it imports stay unknown.
        """
        key = (hash_text(source), locale, pins, words)
        found = self.cached(*key)
        if found is not None:
            return found
        self.misses += 1
        running = self._compiling.get(key)
        if running is None:
            running = asyncio.ensure_future(self._in_thread(lambda: CompiledSource(source, *key, modules=modules)))
            self._compiling[key] = running
            running.add_done_callback(lambda done: self._keep(key, done))
        return await asyncio.shield(running)

    def cached(self, source_hash: str, locale: str, pins: str = "", words: str = NO_WORDS) -> CompiledSource | None:
        """What the cache holds for a source that is known by its hash."""
        key = (source_hash, locale, pins, words)
        found = self._cache.get(key)
        if found is not None:
            self._cache.move_to_end(key)
            self.hits += 1
        return found

    def forget(self, sources: Iterable[Key]) -> int:
        """Drop compiled programs, named by their keys; returns how many there were."""
        dropped = [found for key in sources if (found := self._cache.pop(key, None)) is not None]
        self._cached_bytes -= sum(compiled.weight for compiled in dropped)
        return len(dropped)

    async def decide(
        self,
        compiled: CompiledSource,
        contexts: Sequence[Any],
        *,
        rule: str | None = None,
        trace: bool = False,
        bounds: Bounds | None = None,
    ) -> list[Decision]:
        """Run one rule on each context, in order: here while that is short, else in a thread.

        ``bounds`` can only narrow the engine's. What the policy does wrong is told in the `Decision`; raises
        `EngineBusy`.
        """
        if trace or len(contexts) > INLINE_CONTEXTS:
            most = self._bounds if bounds is None else bounds.within(self._bounds)
            decisions = await self._in_thread(lambda: run_all(compiled, rule, contexts, trace=trace, bounds=most))
            for each in decisions:
                self._count(each)
            return decisions
        decisions = []
        for context in contexts:
            decision = self.decide_here(compiled, context, rule=rule, bounds=bounds)
            if decision is None:
                decision = await self.decide_away(compiled, context, rule=rule, bounds=bounds)
            decisions.append(decision)
        return decisions

    def decide_here(
        self, compiled: CompiledSource, context: Any, *, rule: str | None = None, bounds: Bounds | None = None
    ) -> Decision | None:
        """`decide` on one context at once, on the event loop; None when that would take too long."""
        most, inline = self._bounds, self._inline
        if bounds is not None:
            most, inline = most.within(bounds), inline.within(bounds)
        decision = run(compiled, rule, context, bounds=inline)
        if decision.fault is None:
            self.decided.add(decision.micros)
            return decision
        if decision.fault.code not in LIMIT_CODES or inline == most:
            self.failed.add(decision.micros)
            return decision
        return None

    async def decide_away(
        self,
        compiled: CompiledSource,
        context: Any,
        *,
        rule: str | None = None,
        trace: bool = False,
        bounds: Bounds | None = None,
    ) -> Decision:
        """`decide` on one context, in a thread."""
        most = self._bounds if bounds is None else self._bounds.within(bounds)
        decision = await self._in_thread(lambda: run(compiled, rule, context, trace=trace, bounds=most))
        self._count(decision)
        return decision

    def _count(self, decision: Decision) -> None:
        (self.decided if decision.fault is None else self.failed).add(decision.micros)

    async def _in_thread(self, work: Callable[[], T]) -> T:
        if self._waiting >= WAITING_LIMIT:
            raise EngineBusy("too many evaluations are waiting", hint="try again in a second")
        self._waiting += 1
        try:
            return await asyncio.get_running_loop().run_in_executor(self._pool, work)
        finally:
            self._waiting -= 1

    def _keep(self, key: Key, done: "asyncio.Future[CompiledSource]") -> None:
        del self._compiling[key]
        if done.cancelled() or done.exception() is not None:
            return
        compiled = self._cache[key] = done.result()
        self._cached_bytes += compiled.weight
        self.compiled.add(compiled.micros)
        if compiled.parse_micros is not None:
            self.parsed.add(compiled.parse_micros)
        while self._cached_bytes > self._cache_bytes and self._cache:
            _, oldest = self._cache.popitem(last=False)
            self._cached_bytes -= oldest.weight
            self.evictions += 1


def run_all(
    compiled: CompiledSource,
    rule: str | None,
    contexts: Sequence[Any],
    *,
    trace: bool = False,
    bounds: Bounds = DEFAULT_BOUNDS,
) -> list[Decision]:
    """`run` for each context, all within `MANY_SECONDS`: one call can't hold a thread for as long as it likes."""
    until = time.monotonic() + MANY_SECONDS
    decisions = []
    for context in contexts:
        left = Bounds(bounds.steps, min(bounds.seconds, until - time.monotonic()))
        decisions.append(run(compiled, rule, context, trace=trace, bounds=left))
    return decisions


def run(
    compiled: CompiledSource,
    rule: str | None,
    context: Any,
    *,
    trace: bool = False,
    bounds: Bounds = DEFAULT_BOUNDS,
) -> Decision:
    """Run a rule once, in this thread; never raises for what a policy or its input does."""
    started = time.perf_counter_ns()
    input_hash = result_hash = trace_hash = outcome = None
    fault, name = compiled.fault, rule
    try:
        input_hash = _hash_input(context)
        if compiled.program is not None:
            outcome = compiled.program.evaluate(
                rule, context=context, trace=trace, max_steps=bounds.steps, max_seconds=bounds.seconds
            )
            name = outcome.rule
            result_hash = hash_value(outcome.value)
            trace_hash = hash_value(outcome.trace) if trace else None
    except PolicyEvaluationError as error:
        fault, name = Fault(error.code, _told(error), error.line, error.column), error.rule or rule
    except RecursionError:
        fault, outcome = Fault("NESTED_TOO_DEEPLY", "the context or the result is nested too deeply"), None
    return Decision(
        source_hash=compiled.source_hash,
        input_hash=input_hash,
        micros=(time.perf_counter_ns() - started) // 1000,
        value=outcome.value if outcome is not None else None,
        fault=fault,
        diagnostics=compiled.diagnostics,
        module=compiled.module or None,
        rule=name,
        trace=outcome.trace if outcome is not None else None,
        result_hash=result_hash,
        trace_hash=trace_hash,
    )


def _hash_input(context: Any) -> str:
    """`hash_value`, or `PolicyEvaluationError` for what has no JSON form (MessagePack carries more than JSON does)."""
    try:
        return hash_value(context)
    except TypeError:
        raise PolicyEvaluationError("the context is not a JSON value", code="INPUT_INVALID") from None


def _told(error: PolicyEvaluationError) -> str:
    """The message with its place, for clients that read only the text."""
    return error.message if error.line is None else f"{error.message} (rule '{error.rule}', line {error.line})"


def hash_text(text: str) -> str:
    """SHA-256 of the text's UTF-8, in lower-case hex; lone surrogates count as they are."""
    return hashlib.sha256(text.encode("utf-8", "surrogatepass")).hexdigest()


def hash_value(value: Any) -> str:
    """SHA-256 of a JSON value's canonical form: UTF-8, keys sorted, no spaces."""
    return hashlib.sha256(_canonical(value)).hexdigest()
