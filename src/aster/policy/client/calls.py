"""The calls of the service's API as values: what is sent, and the type of what comes back.

Written once, for both clients. Parameter names follow the documented bodies.
"""

import urllib.parse
from collections.abc import Sequence
from typing import Any, Generic, TypeVar

import msgspec

from aster.policy.service.audit_proof_routes import ChainHead, ChainVerification
from aster.policy.service.audit_routes import AuditEntry
from aster.policy.service.messages import Evaluation, EvaluationBatch
from aster.policy.service.policy_messages import DeployAnswer, PolicySummary, RollbackAnswer, VersionSummary

T = TypeVar("T")
POLICIES = "/api/v1/policies"
AUDIT = "/api/v1/audit"


class Call(msgspec.Struct, Generic[T], frozen=True):
    """``answer`` is the type to decode, None where the body is empty. ``is_pure``: repeating it changes nothing."""

    method: str
    target: str
    body: Any = None
    answer: Any = None
    is_pure: bool = False


def evaluate(
    module: str, rule: str | None = None, context: Any = None, *, version: int | None = None, trace: bool = False
) -> Call[Evaluation]:
    """A rule of a stored policy; ``context`` maps its parameters to values, or lists them."""
    body = _present(policyModule=module, policyFunction=rule, context=context or {}, version=version)
    return Call("POST", f"{POLICIES}/evaluate{_query(trace=trace)}", body, Evaluation, is_pure=True)


def evaluate_source(
    source: str, context: Any = None, *, rule: str | None = None, locale: str = "en-US", trace: bool = False
) -> Call[Evaluation]:
    """A rule of a source that is not stored."""
    body = _present(source=source, functionName=rule, context=context or {}, locale=locale)
    return Call("POST", f"{POLICIES}/evaluate-source{_query(trace=trace)}", body, Evaluation, is_pure=True)


def evaluate_source_batch(
    source: str, contexts: Sequence[Any], *, rule: str | None = None, locale: str = "en-US", trace: bool = False
) -> Call[EvaluationBatch]:
    """One source, compiled once, on many contexts; answers in their order."""
    body = _present(source=source, functionName=rule, inputs=list(contexts), locale=locale)
    return Call("POST", f"{POLICIES}/evaluate-source-batch{_query(trace=trace)}", body, EvaluationBatch, is_pure=True)


def deploy(
    source: str,
    *,
    locale: str = "en-US",
    notes: str = "",
    name: str | None = None,
    description: str | None = None,
    rule: str | None = None,
    activate: bool = True,
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
    query = _query(eventType=event_type, module=module, user=user, success=success, page=page, size=size)
    return _get(f"{AUDIT}{query}", list[AuditEntry])


def audit_head() -> Call[ChainHead]:
    """The chain's end, to keep elsewhere as an anchor (ADMIN)."""
    return _get(f"{AUDIT}/head", ChainHead)


def verify_audit(anchor: ChainHead | None = None) -> Call[ChainVerification]:
    """Recompute the tenant's chain; with an anchor also find a tail that was cut and covered up (ADMIN)."""
    query = _query(anchorSequence=anchor.last_sequence, anchorHash=anchor.last_hash) if anchor is not None else ""
    return _get(f"{AUDIT}/verify-chain{query}", ChainVerification)


def _get(target: str, answer: Any) -> Call[Any]:
    return Call("GET", target, None, answer, is_pure=True)


def _step(policy_id: str, version: int, word: str, comment: str) -> Call[VersionSummary]:
    return Call("POST", f"{_one(policy_id)}/versions/{version}/{word}", {"comment": comment}, VersionSummary)


def _one(policy_id: str) -> str:
    return f"{POLICIES}/{urllib.parse.quote(policy_id, safe='')}"


def _present(**fields: Any) -> dict[str, Any]:
    return {name: value for name, value in fields.items() if value is not None}


def _query(**values: Any) -> str:
    """``?name=value&…`` without what is None or false."""
    told = {name: str(value).lower() if isinstance(value, bool) else value for name, value in values.items()}
    kept = {name: value for name, value in told.items() if values[name] is not None and values[name] is not False}
    return f"?{urllib.parse.urlencode(kept)}" if kept else ""
