"""The calls of the service's API as values: what is sent, and the type of what comes back.

Written once, for both clients. Parameter names follow the documented bodies.
"""

import urllib.parse
from collections.abc import Mapping, Sequence
from typing import Any, Generic, TypeVar

import msgspec

from aster.policy.service.audit_proof_routes import ChainHead, ChainVerification
from aster.policy.service.audit_routes import AuditEntry
from aster.policy.service.chain_routes import ChainAnswer
from aster.policy.service.messages import Evaluation, EvaluationBatch
from aster.policy.service.policy_messages import (
    ActivationAnswer,
    DeployAnswer,
    PolicySummary,
    RollbackAnswer,
    VersionSummary,
)
from aster.policy.service.policy_rows import SourceKind
from aster.policy.service.usage_routes import VersionComparison, VersionUsage

T = TypeVar("T")
POLICIES = "/api/v1/policies"
AUDIT = "/api/v1/audit"


class Answer(msgspec.Struct, frozen=True):
    """A status, the decoded JSON body (None when empty), and headers by lower-case name."""

    status: int
    body: Any
    headers: dict[str, str]


class Call(msgspec.Struct, Generic[T], frozen=True):
    """``answer`` is the type to decode, None where the body is empty. ``is_pure``: repeating it changes nothing.

    As an ``answer``, `Answer` is whatever comes, a refusal too, and `bytes` the body as it is.
    """

    method: str
    target: str
    body: Any = None
    answer: Any = None
    is_pure: bool = False
    headers: Mapping[str, str] = {}


def request(method: str, target: str, body: Any = None, *, headers: Mapping[str, str] | None = None) -> Call[Answer]:
    """Anything, given back as it came, also a refusal.

    ``target`` is ``/path?query``; ``body`` is sent as JSON, None as no body.
    """
    return Call(method.upper(), target, body, Answer, method.upper() in ("GET", "HEAD"), headers or {})


def evaluate(
    module: str, rule: str | None = None, context: Any = None, *, version: int | None = None, trace: bool = False
) -> Call[Evaluation]:
    """A rule of a stored policy; ``context`` maps its parameters to values, or lists them."""
    body = _present(policyModule=module, policyFunction=rule, context=context or {}, version=version)
    return Call("POST", f"{POLICIES}/evaluate{_query(trace=trace)}", body, Evaluation, is_pure=True)


def evaluate_source(
    source: str,
    context: Any = None,
    *,
    rule: str | None = None,
    locale: str = "en-US",
    vocabulary: str | dict[str, Any] | None = None,
    aliases: dict[str, list[str]] | None = None,
    trace: bool = False,
) -> Call[Evaluation]:
    """A rule of a source that is not stored; ``vocabulary`` is a shipped one's name, or a whole one."""
    body = _present(
        source=source,
        functionName=rule,
        context=context or {},
        locale=locale,
        vocabulary=vocabulary,
        aliasSet=aliases,
    )
    return Call("POST", f"{POLICIES}/evaluate-source{_query(trace=trace)}", body, Evaluation, is_pure=True)


def evaluate_source_batch(
    source: str, contexts: Sequence[Any], *, rule: str | None = None, locale: str = "en-US", trace: bool = False
) -> Call[EvaluationBatch]:
    """One source, compiled once, on many contexts; answers in their order."""
    body = _present(source=source, functionName=rule, inputs=list(contexts), locale=locale)
    return Call("POST", f"{POLICIES}/evaluate-source-batch{_query(trace=trace)}", body, EvaluationBatch, is_pure=True)


def evaluate_batch(requests: Sequence[dict[str, Any]], *, trace: bool = False) -> Call[EvaluationBatch]:
    """Rules of stored policies, each ``{"policyModule": …, "policyFunction": …, "context": …}``; answers in order."""
    body = {"requests": list(requests)}
    return Call("POST", f"{POLICIES}/evaluate/batch{_query(trace=trace)}", body, EvaluationBatch, is_pure=True)


def evaluate_chain(steps: Sequence[dict[str, Any]], *, trace: bool = False) -> Call[ChainAnswer]:
    """Stored policies one after the other; a step may have ``useResultAs`` and ``when`` beside what a batch has."""
    body = {"steps": list(steps)}
    return Call("POST", f"{POLICIES}/evaluate/chain{_query(trace=trace)}", body, ChainAnswer, is_pure=True)


def evaluate_json(
    policy: str | dict[str, Any], context: Any = None, *, rule: str | None = None, trace: bool = False
) -> Call[Evaluation]:
    """A rule of a Core IR document."""
    body = _present(policy=policy, functionName=rule, context=context or {})
    return Call("POST", f"{POLICIES}/evaluate-json{_query(trace=trace)}", body, Evaluation, is_pure=True)


def deploy(
    source: str,
    *,
    locale: str = "en-US",
    notes: str = "",
    name: str | None = None,
    description: str | None = None,
    rule: str | None = None,
    activate: bool = True,
    vocabulary: str | dict[str, Any] | None = None,
    aliases: dict[str, list[str]] | None = None,
    source_kind: SourceKind = "manual",
) -> Call[DeployAnswer]:
    """Store a source as its module's policy, or the next version of it. ``rule`` is the one evaluated by default."""
    body = _present(
        source=source,
        locale=locale,
        notes=notes,
        name=name,
        description=description,
        functionName=rule,
        activate=activate,
        vocabulary=vocabulary,
        aliasSet=aliases,
        sourceKind=source_kind,
    )
    return Call("POST", POLICIES, body, DeployAnswer)


def policies(
    *, module: str | None = None, name: str | None = None, page: int = 0, size: int = 50
) -> Call[list[PolicySummary]]:
    """One page of the tenant's policies."""
    return _get(f"{POLICIES}{_query(module=module, name=name, page=page, size=size)}", list[PolicySummary])


def policy(policy_id: str, *, source: bool = False) -> Call[PolicySummary]:
    """One policy, with its shown version's source when asked for."""
    return _get(f"{_one(policy_id)}{_query(include='source' if source else None)}", PolicySummary)


def delete_policy(policy_id: str) -> Call[None]:
    """Withdraw a policy; its versions and audit records stay."""
    return Call("DELETE", _one(policy_id))


def versions(policy_id: str) -> Call[list[VersionSummary]]:
    """A policy's versions, oldest first."""
    return _get(f"{_one(policy_id)}/versions", list[VersionSummary])


def activations(policy_id: str) -> Call[list[ActivationAnswer]]:
    """Which versions were active from when to when, the first first."""
    return _get(f"{_one(policy_id)}/activations", list[ActivationAnswer])


def activate(policy_id: str, version: int, *, comment: str = "") -> Call[VersionSummary]:
    """Make an approved version the one that is evaluated."""
    return _step(policy_id, version, "activate", comment)


def submit(policy_id: str, version: int, *, comment: str = "") -> Call[VersionSummary]:
    """Ask for a version's approval."""
    return _step(policy_id, version, "submit", comment)


def approve(policy_id: str, version: int, *, comment: str = "") -> Call[VersionSummary]:
    """Approve what another person submitted (ADMIN)."""
    return _step(policy_id, version, "approve", comment)


def reject(policy_id: str, version: int, *, comment: str = "") -> Call[VersionSummary]:
    """Send a submitted version back (ADMIN)."""
    return _step(policy_id, version, "reject", comment)


def rollback(policy_id: str, target_version: int, *, reason: str = "") -> Call[RollbackAnswer]:
    """Make an earlier version the active one again."""
    body = {"targetVersion": target_version, "reason": reason}
    return Call("POST", f"{_one(policy_id)}/rollback", body, RollbackAnswer)


def audit(
    *,
    event_type: str | None = None,
    module: str | None = None,
    user: str | None = None,
    success: bool | None = None,
    page: int = 0,
    size: int = 50,
) -> Call[list[AuditEntry]]:
    """One page of the tenant's audit records, newest first (ADMIN)."""
    query = _query(eventType=event_type, module=module, user=user, success=_told(success), page=page, size=size)
    return _get(f"{AUDIT}{query}", list[AuditEntry])


def audit_head() -> Call[ChainHead]:
    """The chain's end, to keep elsewhere as an anchor (ADMIN)."""
    return _get(f"{AUDIT}/head", ChainHead)


def verify_audit(
    anchor: ChainHead | None = None, *, start: str | None = None, end: str | None = None, full: bool = False
) -> Call[ChainVerification]:
    """Recompute the tenant's chain (ADMIN), or what was recorded from ``start`` to ``end``.

    With an anchor a tail that was cut and covered up is found too. Times are ISO-8601 with their zone, at most 30 days
    apart unless ``full``.
    """
    sequence, digest = (anchor.last_sequence, anchor.last_hash) if anchor is not None else (None, None)
    query = _query(anchorSequence=sequence, anchorHash=digest, start=start, end=end, full=full)
    return _get(f"{AUDIT}/verify-chain{query}", ChainVerification)


def export_audit(*, after: int = 0, limit: int = 10_000) -> Call[bytes]:
    """One page of the tenant's audit chain as `aster policy audit verify` reads it (ADMIN)."""
    return _get(f"{AUDIT}/export{_query(after=after, limit=limit)}", bytes)


def audit_table(
    *,
    event_type: str | None = None,
    module: str | None = None,
    user: str | None = None,
    success: bool | None = None,
    after: int = 0,
) -> Call[bytes]:
    """Audit records as CSV, filtered if wanted (ADMIN)."""
    query = _query(format="csv", eventType=event_type, module=module, user=user, success=_told(success), after=after)
    return _get(f"{AUDIT}/export{query}", bytes)


def version_usage(
    policy_id: str,
    *,
    version: int | None = None,
    granularity: str = "day",
    start: str | None = None,
    end: str | None = None,
) -> Call[VersionUsage]:
    """How often, how well and how fast a policy's versions decided, by hour, day, week or month (ADMIN)."""
    query = _query(policyId=policy_id, version=version, granularity=granularity, to=end, **{"from": start})
    return _get(f"{AUDIT}/stats/version-usage{query}", VersionUsage)


def compare_versions(policy_id: str, version_a: int, version_b: int, *, days: int = 30) -> Call[VersionComparison]:
    """Two versions of a policy beside each other (ADMIN)."""
    query = _query(policyId=policy_id, versionA=version_a, versionB=version_b, days=days)
    return _get(f"{AUDIT}/compare{query}", VersionComparison)


def _get(target: str, answer: Any) -> Call[Any]:
    return Call("GET", target, None, answer, is_pure=True)


def _step(policy_id: str, version: int, word: str, comment: str) -> Call[VersionSummary]:
    return Call("POST", f"{_one(policy_id)}/versions/{version}/{word}", {"comment": comment}, VersionSummary)


def _one(policy_id: str) -> str:
    return f"{POLICIES}/{urllib.parse.quote(policy_id, safe='')}"


def _present(**fields: Any) -> dict[str, Any]:
    return {name: value for name, value in fields.items() if value is not None}


def _told(flag: bool | None) -> str | None:
    """A flag that is told when it is false, too."""
    return None if flag is None else str(flag).lower()


def _query(**values: Any) -> str:
    """``?name=value&…`` without what is None or false."""
    told = {name: str(value).lower() if isinstance(value, bool) else value for name, value in values.items()}
    kept = {name: value for name, value in told.items() if values[name] is not None and values[name] is not False}
    return f"?{urllib.parse.urlencode(kept)}" if kept else ""
