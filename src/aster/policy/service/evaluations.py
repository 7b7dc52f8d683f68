"""Evaluating for somebody: the one path of every entrance. Nothing is answered before its audit record is durable."""

from collections.abc import Callable, Sequence
from typing import Any

import msgspec

from aster.policy.engine import Bounds, CompiledSource, Decision, Fault, PolicyEngine, hash_text
from aster.policy.service.caller import Caller
from aster.policy.service.compiling import TenantCompiler, pins_of
from aster.policy.service.deployments import Deployments
from aster.policy.service.envelope import problem
from aster.policy.service.errors import DocumentInvalid, EntryAmbiguous, PolicyNotFound, VersionNotApproved
from aster.policy.service.events import EvaluationEvent, evaluation_event
from aster.policy.service.journal import Journal
from aster.policy.service.messages import Evaluation, SourceDiagnostic, diagnostic_of
from aster.policy.service.metrics import PolicyCounts
from aster.policy.service.nonces import Claim
from aster.policy.service.policy_rows import Deployed
from aster.policy.service.recording import AuditedEvaluations, recorded
from aster.policy.service.tenant_cache import TenantCache
from aster.policy.service.tenants import TenantSettings
from aster.policy.words import NO_WORDS

ENTRY_AMBIGUOUS = "ENTRY_AMBIGUOUS"
LEGACY_ENTRY = "evaluate"


class StoredCall(msgspec.Struct, frozen=True, gc=False):
    """A rule of a stored policy with its arguments; the active version unless one is pinned."""

    module: str
    rule: str | None
    context: Any
    version: int | None = None
    bounds: Bounds | None = None


class Evaluations:
    """Evaluate, record, answer."""

    def __init__(
        self,
        compiler: TenantCompiler,
        engine: PolicyEngine,
        journal: Journal,
        deployments: Deployments,
        tenants: TenantCache,
        counts: PolicyCounts | None = None,
        *,
        audited: AuditedEvaluations = "all",
        legacy_entry: bool = True,
    ) -> None:
        """``audited`` is for tenants that don't decide; with ``legacy_entry`` the rule `LEGACY_ENTRY` means no name."""
        self._audited: AuditedEvaluations = audited
        self._legacy_entry = legacy_entry
        self._counts = counts
        self._tenants = tenants
        self._compiler = compiler
        self._deployments = deployments
        self._engine = engine
        self._journal = journal

    async def source(
        self,
        caller: Caller,
        source: str,
        contexts: Sequence[Any],
        *,
        locale: str | None,
        rule: str | None,
        words: str = NO_WORDS,
        trace: bool = False,
        claim: Claim | None = None,
        bounds: Bounds | None = None,
    ) -> list[Evaluation]:
        """Compile once, run the rule on every context, record all runs in one transaction; answers in order.

        ``locale`` is `CORE_IR` for a document of that. Raises `DocumentInvalid` when it is none, `EntryAmbiguous` when
        there are several rules and none is chosen, `EngineBusy`.
        """
        compiled = await self._compiler.source(caller.tenant, source, locale, words=words)
        settings = await self._tenants.settings(caller.tenant)
        decisions = await self._engine.decide(
            compiled, contexts, rule=self._meant(compiled, rule), trace=trace, bounds=_within(settings, bounds)
        )
        for decision in decisions:
            _require_entry(decision)
            if decision.fault is not None and decision.fault.code == DocumentInvalid.code:
                raise DocumentInvalid(decision.fault.message, problems=problem("policy", decision.fault.message))
        payload = _told_of_source(compiled)
        events = [evaluation_event(caller, decision, payload=payload) for decision in decisions]
        await self._journal.record(claim, caller.chain, recorded(settings.audit_evaluations or self._audited, events))
        return [answer_of(decision) for decision in decisions]

    async def stored(
        self, caller: Caller, call: StoredCall, *, trace: bool = False, claim: Claim | None = None
    ) -> Evaluation:
        """Evaluate a stored policy; raises `PolicyNotFound`, `VersionNotApproved`, `EntryAmbiguous`, `EngineBusy`."""
        settings = self._tenants.known_settings(caller.tenant) or await self._tenants.settings(caller.tenant)
        deployed, decision = await self._run_stored(caller, call, settings, trace=trace)
        _require_entry(decision)
        events = recorded(settings.audit_evaluations or self._audited, [_stored_event(caller, deployed, decision)])
        await self._journal.record(claim, caller.chain, events)
        return answer_of(decision)

    async def stored_batch(
        self, caller: Caller, calls: Sequence[StoredCall], *, trace: bool = False, claim: Claim | None = None
    ) -> list[Evaluation]:
        """Evaluate stored policies one by one; an unknown one is an error of its item. One transaction records all."""
        settings = await self._tenants.settings(caller.tenant)
        events: list[EvaluationEvent] = []
        answers = [await self._answered(caller, call, settings, events, trace=trace) for call in calls]
        await self._journal.record(claim, caller.chain, recorded(settings.audit_evaluations or self._audited, events))
        return answers

    async def stored_chain(
        self,
        caller: Caller,
        steps: Sequence[Callable[[Evaluation | None], StoredCall | None]],
        *,
        trace: bool = False,
        claim: Claim | None = None,
    ) -> list[Evaluation | None]:
        """Evaluate stored policies until one fails, and record all in one transaction.

        Each step makes its call of the last answer, or None to be left out.
        """
        settings = await self._tenants.settings(caller.tenant)
        events: list[EvaluationEvent] = []
        answers: list[Evaluation | None] = []
        last: Evaluation | None = None
        for step in steps:
            call = step(last)
            if call is not None:
                last = await self._answered(caller, call, settings, events, trace=trace)
            answers.append(last if call is not None else None)
            if last is not None and last.error is not None:
                break
        await self._journal.record(claim, caller.chain, recorded(settings.audit_evaluations or self._audited, events))
        return answers

    async def _answered(
        self, caller: Caller, call: StoredCall, settings: TenantSettings, events: list[EvaluationEvent], *, trace: bool
    ) -> Evaluation:
        """One of several; its event is added to ``events``, an unknown policy is an answer."""
        try:
            deployed, decision = await self._run_stored(caller, call, settings, trace=trace)
        except (PolicyNotFound, VersionNotApproved) as error:
            return Evaluation(None, 0, error.message, error_code=error.code)
        events.append(_stored_event(caller, deployed, decision))
        return answer_of(decision)

    async def _run_stored(
        self, caller: Caller, call: StoredCall, settings: TenantSettings, *, trace: bool
    ) -> tuple[Deployed, Decision]:
        """Waits for nothing when the version and its program are known and the rule is short."""
        tenant = caller.tenant
        deployed = self._deployments.known(tenant, call.module, call.version)
        if deployed is None:
            deployed = await self._deployments.find(tenant, call.module, call.version)
        compiled = self._compiler.cached(deployed)
        if compiled is None:
            compiled = await self._compiler.deployed(tenant, deployed)
        rule = self._meant(compiled, call.rule) or deployed.default_function
        bounds = _within(settings, call.bounds)
        decision = None if trace else self._engine.decide_here(compiled, call.context, rule=rule, bounds=bounds)
        if decision is None:
            decision = await self._engine.decide_away(compiled, call.context, rule=rule, trace=trace, bounds=bounds)
        if self._counts is not None:
            self._counts.add(tenant, call.module, is_ok=decision.fault is None)
        return deployed, decision

    def _meant(self, compiled: CompiledSource, rule: str | None) -> str | None:
        """The rule a request names: older clients write the documented default where they mean none."""
        return None if rule == LEGACY_ENTRY and self._legacy_entry and rule not in compiled.rules else rule


def _within(settings: TenantSettings, bounds: Bounds | None) -> Bounds | None:
    """What was asked for, and no more than the tenant allows itself."""
    most = settings.max_steps
    if most is None:
        return bounds
    return Bounds(steps=most) if bounds is None else bounds.within(Bounds(steps=most))


def answer_of(decision: Decision) -> Evaluation:
    """The documented answer of one evaluation."""
    fault = decision.fault
    told = [diagnostic_of(each) for each in decision.diagnostics] if decision.diagnostics else []
    return Evaluation(
        result=decision.value,
        execution_time_ms=decision.micros // 1000,
        error=None if fault is None else fault.message,
        decision_trace=decision.trace,
        error_code=None if fault is None else fault.code,
        diagnostics=told if fault is None else [*told, *_located(fault)],
        executed_function=decision.rule,
        execution_time_micros=decision.micros,
    )


def _located(fault: Fault) -> list[SourceDiagnostic]:
    """A failure while running, as a diagnostic, when its place is known."""
    if fault.line is None:
        return []
    column = fault.column or 1
    return [SourceDiagnostic("error", fault.code, fault.message, fault.line, column, fault.line, column + 1)]


def _told_of_source(compiled: CompiledSource) -> dict[str, Any] | None:
    """What a record of a source that is not stored needs besides its hash, so that a replay can prove it."""
    payload: dict[str, Any] = {}
    if compiled.pins:
        payload["modules"] = msgspec.to_builtins(pins_of(compiled))
    if compiled.words:
        payload["wordsHash"] = hash_text(compiled.words)
    return payload or None


def _stored_event(caller: Caller, deployed: Deployed, decision: Decision) -> EvaluationEvent:
    return evaluation_event(caller, decision, policy_id=deployed.policy_id, version=deployed.version)


def _require_entry(decision: Decision) -> None:
    if decision.fault is not None and decision.fault.code == ENTRY_AMBIGUOUS:
        raise EntryAmbiguous(decision.fault.message)
