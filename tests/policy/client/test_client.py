"""Both clients against the service itself: every method, both signature versions, every kind of error."""

import inspect
from collections.abc import AsyncIterator
from pathlib import Path

import httpx
import msgspec
import pytest
from tests.policy.service.asgi import SECRET

from aster.foundation.sql import Database
from aster.policy import compile_source
from aster.policy.audit_export import verify_export
from aster.policy.client import (
    AccessDenied,
    AsyncPolicyClient,
    CompilationRefused,
    ConflictingState,
    InvalidRequest,
    NotThere,
    PolicyClient,
    PolicyClientError,
    Unauthenticated,
)
from aster.policy.service.app import PolicyHttpService, create_policy_service
from aster.policy.service.settings import PolicySettings

SOURCE = """Module loans.

Rule decide given age as Int, produce Text:
  If age less than 18:
    Return "declined".
  Return "approved".
"""


@pytest.fixture
async def service(tmp_path: Path) -> AsyncIterator[PolicyHttpService]:
    database = Database.open(tmp_path / "policy.db", durability="normal")
    yield create_policy_service(database, PolicySettings(secret_key=SECRET, master_key="m" * 32), environ={})
    await database.close()


def client_of(
    service: PolicyHttpService, role: str = "OWNER", secret: str = SECRET, **options: object
) -> AsyncPolicyClient:
    http = httpx.AsyncClient(transport=httpx.ASGITransport(service))
    return AsyncPolicyClient("http://service", tenant="acme", secret=secret, role=role, http=http, **options)  # type: ignore[arg-type]


@pytest.mark.parametrize("version", [1, 2])
async def test_a_policys_whole_life(service: PolicyHttpService, version: int) -> None:
    async with client_of(service, user="ada", signature_version=version) as client:
        deployed = await client.deploy(SOURCE, notes="first")
        assert (deployed.version, deployed.module_name, deployed.active) == (1, "loans", True)
        assert (await client.evaluate("loans", "decide", {"age": 34})).result == "approved"
        await client.deploy(SOURCE.replace("18", "40"))
        assert (await client.evaluate("loans", context=[34])).result == "declined"
        assert (await client.evaluate("loans", context=[34], version=1, trace=True)).decision_trace is not None
        assert (await client.rollback(deployed.policy_id, 1, reason="too strict")).active_version == 1
        assert (await client.activate(deployed.policy_id, 2)).active
        assert [each.version for each in await client.versions(deployed.policy_id)] == [1, 2]
        assert (await client.policy(deployed.policy_id, source=True)).source == SOURCE.replace("18", "40")
        assert [each.module_name for each in await client.policies(module="loans")] == ["loans"]
        await client.delete_policy(deployed.policy_id)
        assert await client.policies() == []


async def test_sources_alone_and_in_batches(service: PolicyHttpService) -> None:
    async with client_of(service) as client:
        assert (await client.evaluate_source(SOURCE, {"age": 17})).result == "declined"
        batch = await client.evaluate_source_batch(SOURCE, [{"age": 17}, {"age": "x"}, {"age": 34}], rule="decide")
        assert [each.result for each in batch.responses] == ["declined", None, "approved"]
        assert (await client.evaluate_source(SOURCE, {})).error, "a policy's failure is an answer, not an exception"


async def test_approval(service: PolicyHttpService) -> None:
    async with client_of(service, user="ada") as author, client_of(service, user="bob") as other:
        await author.request("PUT", "/api/v1/tenant/settings", {"approvalRequired": True})
        made = await author.deploy(SOURCE)
        assert (await author.submit(made.policy_id, 1)).status == "SUBMITTED"
        assert (await other.reject(made.policy_id, 1, comment="why 18?")).status == "REJECTED"
        await author.submit(made.policy_id, 1)
        with pytest.raises(AccessDenied):
            await author.approve(made.policy_id, 1)
        assert (await other.approve(made.policy_id, 1)).status == "APPROVED"
        assert (await author.activate(made.policy_id, 1)).active


async def test_the_audit_chain(service: PolicyHttpService) -> None:
    async with client_of(service, user="ada") as client:
        await client.deploy(SOURCE)
        await client.evaluate("loans", context=[34])
        records = await client.audit(event_type="POLICY_EVALUATED", success=True)
        assert [(each.actor_id, each.policy_module) for each in records] == [("ada", "loans")]
        anchor = await client.audit_head()
        found = await client.verify_audit(anchor)
        assert (found.valid, found.head) == (True, anchor.last_hash)
        assert verify_export((await client.export_audit()).splitlines()).head == anchor.last_hash


async def test_a_named_key_signs(service: PolicyHttpService) -> None:
    async with client_of(service) as owner:
        key = (await owner.request("POST", "/api/v1/tenant/keys", {"roleCeiling": "MEMBER"})).body
    async with client_of(service, "MEMBER", key["secret"], key_id=key["keyId"], signature_version=2) as client:
        assert (await client.evaluate_source(SOURCE, [20])).result == "approved"
        with pytest.raises(AccessDenied):
            await client.audit_head()


async def test_refusals_are_told_apart(service: PolicyHttpService) -> None:
    async with client_of(service) as client:
        with pytest.raises(NotThere) as missing:
            await client.evaluate("nothing")
        assert (missing.value.status, missing.value.service_code) == (404, "POLICY_NOT_FOUND")
        assert missing.value.request_id
        with pytest.raises(CompilationRefused) as broken:
            await client.deploy("Module broken.\n\nRule x produce Text:\n  Return 1 plus.\n")
        assert broken.value.problems[0]["path"].startswith("source:4:")
        made = await client.deploy(SOURCE)
        with pytest.raises(ConflictingState):
            await client.rollback(made.policy_id, 1)
        with pytest.raises(InvalidRequest):
            await client.evaluate("")
    async with client_of(service, secret="wrong") as stranger:
        with pytest.raises(Unauthenticated):
            await stranger.policies()


async def test_text_outside_ascii_is_signed_as_it_is_sent(service: PolicyHttpService) -> None:
    async with client_of(service, user="Zoë@例") as client:
        await client.deploy(SOURCE, name="Köln & söhne")
        assert len(await client.policies(name="Köln & söhne")) == 1
        assert (await client.request("GET", "/api/v1/policies?name=Köln & söhne")).status == 200
        with pytest.raises(NotThere):
            await client.policy("a/b?c ü")


async def test_every_way_to_evaluate(service: PolicyHttpService) -> None:
    async with client_of(service) as client:
        await client.deploy(SOURCE)
        asked = {"policyModule": "loans", "context": {"age": 34}}
        batch = await client.evaluate_batch([asked, {"policyModule": "nobody"}])
        assert [answer.result for answer in batch.responses] == ["approved", None]
        chain = await client.evaluate_chain([asked, {**asked, "when": "declined"}])
        assert (chain.result, chain.steps[1]) == ("approved", None)
        document = compile_source(SOURCE).core_ir()
        assert (await client.evaluate_json(document, {"age": 34}, trace=True)).decision_trace is not None


async def test_what_the_chain_tells(service: PolicyHttpService) -> None:
    async with client_of(service) as client:
        policy = await client.deploy(SOURCE)
        await client.deploy(SOURCE.replace("18", "21"))
        await client.evaluate("loans", context=[34])
        await client.evaluate("loans", context=["old"])
        assert [record.success for record in await client.audit(success=False)] == [False]
        assert (await client.audit_table(success=False)).count(b"POLICY_EVALUATED") == 1
        now = (await client.audit())[0].occurred_at
        assert (await client.verify_audit(start=now, end=now)).records_verified >= 1
        whole = await client.verify_audit(start="2020-01-01T00:00:00Z", end="9000-01-01T00:00:00Z", full=True)
        assert (whole.valid, whole.records_verified) == (True, 4)
        (bucket,) = (await client.version_usage(policy.policy_id, granularity="month")).buckets
        assert (bucket.version, bucket.count, bucket.error_count) == (2, 2, 1)
        assert (await client.compare_versions(policy.policy_id, 1, 2)).verdict == "COMPARABLE"


def test_both_clients_have_the_same_methods_with_the_same_words() -> None:
    def shown(kind: type[object]) -> dict[str, object]:
        return {name: getattr(value, "__doc__", None) for name, value in vars(kind).items() if not name.startswith("_")}

    one, other = shown(PolicyClient), shown(AsyncPolicyClient)
    del one["close"], other["aclose"]
    assert one == other


def test_a_method_shows_its_parameters() -> None:
    client = PolicyClient("http://127.0.0.1:9", tenant="acme", secret="s")
    assert "rule" in inspect.signature(client.evaluate).parameters
    assert "stored policy" in (inspect.getdoc(client.evaluate) or "")
    client.close()


def test_every_error_has_a_code_of_its_own() -> None:
    kinds = PolicyClientError.__subclasses__()
    assert len({kind.code for kind in kinds}) == len(kinds) == 11
    assert msgspec.json.encode([kind.code for kind in kinds])
