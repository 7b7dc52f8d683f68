"""What is written into a tenant's audit chain: the names and fields of its events. Absent fields are left out."""

from typing import Any

import msgspec

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
    caller: Caller, event_type: str, *, redact: bool, payload: dict[str, Any] | None = None, **fields: Any
) -> dict[str, Any]:
    """An event of something that was changed, which it is recorded together with; personal data masked if wanted."""
    return event(caller, event_type, success=True, payload=(masked(payload) if redact else payload) or None, **fields)


class EvaluationEvent(msgspec.Struct, rename="camel", omit_defaults=True, kw_only=True, gc=False):
    """An evaluation: hashes of what went in and what came out, so that it can be proved and repeated.

    ``chain``, ``sequence`` and ``occurred_at`` are the audit log's to fill in; fields without a value are left out.
    """

    event_type: str
    success: bool
    actor_id: str
    actor_role: str
    request_id: str
    entrance: str
    client_ip: str | None = None
    key_id: str | None = None
    policy_module: str | None = None
    policy_function: str | None = None
    policy_id: str | None = None
    version: int | None = None
    error_code: str | None = None
    execution_time_ms: int
    execution_time_micros: int
    source_hash: str
    input_hash: str | None = None
    result_hash: str | None = None
    trace_hash: str | None = None
    payload: dict[str, Any] | None = None
    chain: str = ""
    sequence: int = 0
    occurred_at: str = ""


def evaluation_event(
    caller: Caller,
    decision: Decision,
    *,
    policy_id: str | None = None,
    version: int | None = None,
    payload: dict[str, Any] | None = None,
) -> EvaluationEvent:
    """Who decided what on what, with which outcome."""
    fault = decision.fault
    return EvaluationEvent(
        event_type="POLICY_EVALUATED",
        success=fault is None,
        actor_id=caller.user,
        actor_role=caller.role.name,
        request_id=caller.request_id,
        entrance=caller.entrance,
        client_ip=caller.client,
        key_id=caller.key_id,
        policy_module=decision.module,
        policy_function=decision.rule,
        policy_id=policy_id,
        version=version,
        error_code=None if fault is None else fault.code,
        execution_time_ms=decision.micros // 1000,
        execution_time_micros=decision.micros,
        source_hash=decision.source_hash,
        input_hash=decision.input_hash,
        result_hash=decision.result_hash,
        trace_hash=decision.trace_hash,
        payload=payload,
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
