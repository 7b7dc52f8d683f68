"""Events of evaluations: their fields, and what is left out."""

import msgspec

from aster.policy.engine import Decision, Fault
from aster.policy.service.caller import Caller, Role
from aster.policy.service.events import evaluation_event

CALLER = Caller(tenant="acme", user="ann", role=Role.MEMBER, request_id="r1", client="::1", key_id="k1")
DECISION = Decision(
    source_hash="s" * 64,
    input_hash="i" * 64,
    micros=1999,
    module="loans",
    rule="decide",
    result_hash="r" * 64,
    trace_hash="t" * 64,
)


def test_an_evaluation_is_told_in_the_documented_spelling() -> None:
    event = evaluation_event(CALLER, DECISION, policy_id="p1", version=3, payload={"modules": []})
    event.chain, event.sequence, event.occurred_at = "policy:acme", 7, "2026-01-02T03:04:05.678Z"
    assert msgspec.to_builtins(event) == {
        "actorId": "ann",
        "actorRole": "MEMBER",
        "chain": "policy:acme",
        "clientIp": "::1",
        "entrance": "http",
        "eventType": "POLICY_EVALUATED",
        "executionTimeMicros": 1999,
        "executionTimeMs": 1,
        "inputHash": "i" * 64,
        "keyId": "k1",
        "occurredAt": "2026-01-02T03:04:05.678Z",
        "payload": {"modules": []},
        "policyFunction": "decide",
        "policyId": "p1",
        "policyModule": "loans",
        "requestId": "r1",
        "resultHash": "r" * 64,
        "sequence": 7,
        "sourceHash": "s" * 64,
        "success": True,
        "traceHash": "t" * 64,
        "version": 3,
    }


def test_what_is_not_known_is_left_out_and_a_failure_has_its_code() -> None:
    caller = Caller(tenant="acme", user="ann", role=Role.VIEWER, request_id="r1")
    decision = Decision(source_hash="s", input_hash=None, micros=0, fault=Fault("DIVISION_BY_ZERO", "…"))
    assert msgspec.to_builtins(evaluation_event(caller, decision)) == {
        "actorId": "ann",
        "actorRole": "VIEWER",
        "entrance": "http",
        "errorCode": "DIVISION_BY_ZERO",
        "eventType": "POLICY_EVALUATED",
        "executionTimeMicros": 0,
        "executionTimeMs": 0,
        "requestId": "r1",
        "sourceHash": "s",
        "success": False,
    }
