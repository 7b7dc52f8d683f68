"""What the service tells of itself in numbers: bounded labels, nothing of a tenant unless the operator says so."""

import logging
from typing import Any

import pytest
from prometheus_client import CollectorRegistry, generate_latest
from prometheus_client.parser import text_string_to_metric_families
from tests.policy.service.asgi import SECRET, ask, replaced, send, signed

from aster.foundation.sql import Database
from aster.policy.service.app import PolicyHttpService, create_policy_service
from aster.policy.service.settings import PolicySettings

POLICIES = "/api/v1/policies"
PING = 'Module demo.\n\nRule ping produce Text:\n  Return "pong".\n'
DIVIDE = "Module math.\n\nRule half given n as Int, produce Int:\n  Return 10 integer divided by n.\n"

Numbers = dict[tuple[str, tuple[str, ...]], float]


async def told(service: PolicyHttpService) -> Numbers:
    """Every sample by its name and the values of its labels, without the buckets of histograms."""
    registry = CollectorRegistry()
    registry.register(service.measures)
    await service.measures.read()
    families = text_string_to_metric_families(generate_latest(registry).decode())
    samples = [sample for family in families for sample in family.samples if not sample.name.endswith("_bucket")]
    return {(sample.name, tuple(sample.labels.values())): sample.value for sample in samples}


async def evaluate(service: PolicyHttpService, source: str, **context: Any) -> Any:
    return await ask(service, "POST", f"{POLICIES}/evaluate-source", {"source": source, "context": context})


async def test_evaluations_are_counted_by_outcome_and_programs_by_hits_and_misses(service: PolicyHttpService) -> None:
    for _ in range(3):
        await evaluate(service, PING)
    await evaluate(service, DIVIDE, n=0)
    await evaluate(service, "Rule")
    batch = {"source": DIVIDE, "inputs": [{"n": n} for n in range(6)]}
    await ask(service, "POST", f"{POLICIES}/evaluate-source-batch", batch)
    found = await told(service)
    assert found["aster_policy_evaluation_seconds_count", ("ok",)] == 3 + 5
    assert found["aster_policy_evaluation_seconds_count", ("failed",)] == 1 + 1 + 1
    assert found["aster_policy_evaluation_seconds_sum", ("ok",)] > 0
    assert found["aster_policy_cache_misses_total", ()] == 3
    assert found["aster_policy_cache_hits_total", ()] == 2 + 1
    assert found["aster_policy_cache_programs", ()] == 3
    assert found["aster_policy_cache_bytes", ()] > 3 * 8192
    assert found["aster_policy_compile_seconds_count", ()] == 3
    assert found["aster_policy_parse_seconds_count", ()] == 2
    assert found["aster_policy_audit_entries_total", ()] == 6
    assert found["aster_policy_audit_commit_seconds_count", ()] == 6
    assert found["aster_policy_audit_lag_seconds", ()] == 0
    assert found["aster_policy_nonces_stored", ()] == 6
    assert found["aster_policy_engine_waiting", ()] == found["aster_policy_audit_waiting", ()] == 0
    assert found["aster_policy_sockets_open", ()] == 0


async def test_buckets_of_a_histogram_add_up(service: PolicyHttpService) -> None:
    for _ in range(5):
        await evaluate(service, PING)
    families = {family.name: family for family in service.measures.collect()}
    samples = families["aster_policy_evaluation_seconds"].samples
    counts = [each.value for each in samples if each.name.endswith("_bucket") and each.labels["outcome"] == "ok"]
    assert counts == sorted(counts)
    assert counts[-1] == 5


async def test_refusals_are_counted_by_their_reason(service: PolicyHttpService) -> None:
    headers = signed("GET", POLICIES)
    assert (await send(service, "GET", POLICIES, headers=headers)).status == 200
    assert (await send(service, "GET", POLICIES, headers=headers)).status == 409
    await send(service, "GET", POLICIES, headers=replaced(signed("GET", POLICIES), b"x-aster-signature", b"0" * 64))
    await send(service, "GET", POLICIES)
    await ask(service, "GET", "/api/v1/audit", role="VIEWER")
    await ask(service, "GET", f"{POLICIES}/nothing")
    found = await told(service)
    refusals = {labels[0]: count for (name, labels), count in found.items() if name == "aster_policy_refusals_total"}
    assert refusals == {
        "NONCE_REPLAYED": 1,
        "SIGNATURE_INVALID": 1,
        "TENANT_MISSING": 1,
        "ROLE_INSUFFICIENT": 1,
        "POLICY_NOT_FOUND": 1,
    }


async def test_no_label_has_a_name_that_a_tenant_chose(service: PolicyHttpService) -> None:
    await ask(service, "POST", POLICIES, {"source": PING})
    await ask(service, "POST", f"{POLICIES}/evaluate", {"policyModule": "demo"})
    labels = {value for _, values in await told(service) for value in values}
    assert labels == {"ok", "failed"}


async def test_an_operator_may_have_policies_counted_by_name_so_many_of_them(database: Database) -> None:
    settings = PolicySettings(secret_key=SECRET, metrics_policies=2)
    service = create_policy_service(database, settings, environ={})
    for module in ("first", "second", "third", "fourth"):
        await ask(service, "POST", POLICIES, {"source": DIVIDE.replace("math", module)})
        for n in (0, 1, 2):
            await ask(service, "POST", f"{POLICIES}/evaluate", {"policyModule": module, "context": [n]})
    found = await told(service)
    counted = {labels: value for (name, labels), value in found.items() if name == "aster_policy_evaluations_total"}
    assert counted == {
        ("first", "ok", "acme-corp"): 2,
        ("first", "failed", "acme-corp"): 1,
        ("second", "ok", "acme-corp"): 2,
        ("second", "failed", "acme-corp"): 1,
        ("(others)", "ok", ""): 4,
        ("(others)", "failed", ""): 2,
    }


async def test_a_program_in_use_is_not_the_one_that_makes_room(database: Database) -> None:
    service = create_policy_service(database, PolicySettings(secret_key=SECRET, cache_bytes=40_000), environ={})
    await ask(service, "POST", POLICIES, {"source": PING})
    for number in range(8):
        await ask(service, "POST", f"{POLICIES}/evaluate", {"policyModule": "demo"})
        await evaluate(service, DIVIDE.replace("10", str(number)), n=1)
    found = await told(service)
    assert found["aster_policy_cache_misses_total", ()] == 9
    assert found["aster_policy_cache_evictions_total", ()] > 0


async def test_a_line_a_request_tells_what_an_operator_needs_and_nothing_of_a_tenants_data(
    database: Database, caplog: pytest.LogCaptureFixture
) -> None:
    service = create_policy_service(database, PolicySettings(secret_key=SECRET, log_requests=True), environ={})
    caplog.set_level(logging.INFO, logger="aster")
    answered = await evaluate(service, DIVIDE, n=424242)
    await send(service, "GET", f"{POLICIES}/of-nobody")
    lines = [record for record in caplog.records if record.name == "aster.http"]
    told = [{name: vars(line)[name] for name in ("tenant", "method", "route", "status_code")} for line in lines]
    assert told == [
        {"tenant": "acme-corp", "method": "POST", "route": f"{POLICIES}/evaluate-source", "status_code": 200},
        {"tenant": None, "method": "GET", "route": f"{POLICIES}/{{policy_id}}", "status_code": 400},
    ]
    assert vars(lines[0])["request_id"] == answered.headers["x-request-id"]
    assert vars(lines[0])["duration_ms"] > 0
    everything = " ".join(str(vars(record)) for record in caplog.records)
    assert not any(private in everything for private in ("424242", "integer divided", SECRET))


async def test_without_being_asked_no_line_a_request_is_logged(
    service: PolicyHttpService, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO, logger="aster")
    await evaluate(service, PING)
    assert [record for record in caplog.records if record.name == "aster.http"] == []
