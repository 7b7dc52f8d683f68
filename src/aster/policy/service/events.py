"""What is written into a tenant's audit chain: the names and fields of its events. Absent fields are left out."""

from typing import Any

from aster.policy.engine import Decision
from aster.policy.service.caller import Caller
from aster.policy.service.pii import masked


def event(caller: Caller, event_type: str, **fields: Any) -> dict[str, Any]:
    """Who did it from where, and what; fields in the documented spelling."""
    known = {
        "eventType": event_type,
        "actorId": caller.user,
        "actorRole": str(caller.role),
        "requestId": caller.request_id,
        "entrance": caller.entrance,
        "clientIp": caller.client,
        "keyId": caller.key_id,
        **fields,
    }
    return {name: value for name, value in known.items() if value is not None}


def change_event(
    caller: Caller, event_type: str, *, payload: dict[str, Any] | None = None, **fields: Any
) -> dict[str, Any]:
    """An event of something that was changed, which it is recorded together with; personal data is masked."""
    return event(caller, event_type, success=True, payload=masked(payload) or None, **fields)


def evaluation_event(caller: Caller, decision: Decision, **fields: Any) -> dict[str, Any]:
    """An evaluation: hashes of what went in and what came out, so that it can be proved and repeated."""
    return event(
        caller,
        "POLICY_EVALUATED",
        success=decision.fault is None,
        policyModule=decision.module,
        policyFunction=decision.rule,
        errorCode=decision.fault.code if decision.fault else None,
        executionTimeMs=decision.micros // 1000,
        sourceHash=decision.source_hash,
        inputHash=decision.input_hash,
        resultHash=decision.result_hash,
        traceHash=decision.trace_hash,
        **fields,
    )


def denial_event(
    *, user: str, role: str, request_id: str, client: str | None, key_id: str | None, method: str, route: str, code: str
) -> dict[str, Any]:
    """A signed request that its role did not allow."""
    known = {
        "eventType": "ACCESS_DENIED",
        "actorId": user,
        "actorRole": role,
        "requestId": request_id,
        "entrance": "http",
        "clientIp": client,
        "keyId": key_id,
        "success": False,
        "errorCode": code,
        "payload": {"method": method, "route": route},
    }
    return {name: value for name, value in known.items() if value is not None}
