"""Replaying a recorded evaluation (ADMIN): the same version on the same context must give the same result hash.

The audit chain holds hashes, not data: whoever asks brings the context (and the source, unless it was a stored policy).
"""

import asyncio
from typing import Annotated, Any

import msgspec
from msgspec import Meta

from aster.foundation.audit import AuditLog, AuditRecord
from aster.foundation.http.errors import ValidationFailed
from aster.foundation.http.request import Request
from aster.foundation.http.routes import Route
from aster.policy.engine import CORE_IR, CompiledSource, PolicyEngine, hash_text
from aster.policy.language import PolicySyntaxError
from aster.policy.service.audit_routes import ROOT, record_of
from aster.policy.service.caller import Role, caller_of
from aster.policy.service.compiling import TenantCompiler
from aster.policy.service.envelope import problem
from aster.policy.service.errors import Conflict
from aster.policy.service.messages import (
    DOCUMENT_CHARACTERS,
    AliasField,
    Locale,
    Source,
    VocabularyField,
    document_text,
    words_of,
)
from aster.policy.service.policy_rows import Pin
from aster.policy.service.tenant_data import TenantData


class ReplayRequest(msgspec.Struct, frozen=True, rename="camel"):
    """``source`` with its locale and words, or ``policy``, are for what is not stored; a stored version is known."""

    context: Any = {}
    policy: Annotated[str, Meta(max_length=DOCUMENT_CHARACTERS)] | dict[str, Any] | None = None
    source: Source | None = None
    locale: Locale | None = None
    vocabulary: VocabularyField = None
    alias_set: AliasField = None


class ReplayAnswer(msgspec.Struct, frozen=True, rename="camel"):
    """``proved``: source and input are the recorded ones, and so is what came out, value or error."""

    proved: bool
    source_matches: bool
    input_matches: bool
    outcome_matches: bool
    recorded_result_hash: str | None
    result_hash: str | None
    result: Any
    error: str | None


class ReplayRoutes:
    """The handler and its row of the table."""

    def __init__(self, data: TenantData, audit: AuditLog, engine: PolicyEngine, compiler: TenantCompiler) -> None:
        self._data = data
        self._compiler = compiler
        self._audit = audit
        self._engine = engine

    @property
    def routes(self) -> list[Route]:
        return [
            Route(
                "POST",
                f"{ROOT}/{{sequence}}/replay",
                self.replay,
                summary="Evaluate again what a record says was evaluated, and compare",
                access=Role.ADMIN,
                body=ReplayRequest,
                answer=ReplayAnswer,
                errors=(400, 404, 409),
            )
        ]

    async def replay(self, request: Request, body: ReplayRequest) -> ReplayAnswer:
        record = await asyncio.to_thread(record_of, self._audit, request)
        event = record.event
        if event.get("eventType") != "POLICY_EVALUATED":
            raise Conflict("only an evaluation can be replayed")
        compiled = await self._compiled(request, record, body)
        if event.get("errorCode") == PolicySyntaxError.code:
            compiled = compiled.strictly()  # the tenant may have refused errors of types then
        (decision,) = await self._engine.decide(compiled, [body.context], rule=event.get("policyFunction"))
        fault = decision.fault.code if decision.fault else None
        source_matches = decision.source_hash == event.get("sourceHash") and _same_words(compiled, record)
        input_matches = decision.input_hash == event.get("inputHash")
        outcome_matches = (decision.result_hash, fault) == (event.get("resultHash"), event.get("errorCode"))
        return ReplayAnswer(
            proved=source_matches and input_matches and outcome_matches,
            source_matches=source_matches,
            input_matches=input_matches,
            outcome_matches=outcome_matches,
            recorded_result_hash=event.get("resultHash"),
            result_hash=decision.result_hash,
            result=decision.value,
            error=decision.fault.message if decision.fault else None,
        )

    async def _compiled(self, request: Request, record: AuditRecord, body: ReplayRequest) -> CompiledSource:
        """What was evaluated, with the versions of the modules it used then."""
        tenant = caller_of(request).tenant
        policy_id, number = record.event.get("policyId"), record.event.get("version")
        if policy_id is not None and number is not None:
            version = await self._data.policies(request, lambda policies: policies.version(policy_id, number))
            return await self._compiler.version(tenant, version)
        source, locale = body.source, body.locale
        if body.policy is not None:
            source, locale = document_text(body.policy), CORE_IR
        if source is None:
            raise ValidationFailed(
                "the record is of a source that is not stored: bring it", problems=problem("source", "is missing")
            )
        modules = record.event.get("payload", {}).get("modules")
        pins = None if modules is None else msgspec.convert(modules, list[Pin])
        words = words_of(body, caller_of(request).role)
        return await self._compiler.recorded(tenant, source, locale, pins, words)


def _same_words(compiled: CompiledSource, record: AuditRecord) -> bool:
    """A stored version brings its own words; those of a source are recorded by their hash."""
    if "policyId" in record.event:
        return True
    recorded: str | None = record.event.get("payload", {}).get("wordsHash")
    return recorded == (hash_text(compiled.words) if compiled.words else None)
