"""Which version is active is known without asking, and never known wrongly."""

import asyncio
from typing import Any

import pytest
from tests.policy.service.asgi import SECRET, ask

from aster.foundation.sql import Database
from aster.policy.service import deployments
from aster.policy.service.app import PolicyHttpService, create_policy_service
from aster.policy.service.settings import PolicySettings

POLICIES = "/api/v1/policies"


def source(answer: str, module: str = "demo") -> dict[str, str]:
    return {"source": f'Module {module}.\n\nRule ping produce Text:\n  Return "{answer}".\n'}


@pytest.fixture
def service(database: Database) -> PolicyHttpService:
    return create_policy_service(database, PolicySettings(secret_key=SECRET), environ={}, alone=True)


async def evaluated(service: PolicyHttpService, module: str = "demo", **body: Any) -> Any:
    answered = await ask(service, "POST", f"{POLICIES}/evaluate", {"policyModule": module, **body})
    return answered.json["result"] if answered.status == 200 else answered.status


async def test_every_change_counts_for_the_next_evaluation(service: PolicyHttpService) -> None:
    assert await evaluated(service) == 404
    made = (await ask(service, "POST", POLICIES, source("one"))).json
    one = f"{POLICIES}/{made['policyId']}"
    assert await evaluated(service) == "one"
    await ask(service, "POST", POLICIES, source("two"))
    assert (await evaluated(service), await evaluated(service, version=1)) == ("two", "one")
    await ask(service, "POST", f"{one}/rollback", {"targetVersion": 1})
    assert await evaluated(service) == "one"
    await ask(service, "POST", f"{one}/versions/2/activate", {})
    assert await evaluated(service) == "two"
    await ask(service, "DELETE", one)
    assert await evaluated(service) == 404


async def test_a_change_whose_caller_gave_up_counts_as_well(service: PolicyHttpService) -> None:
    await ask(service, "POST", POLICIES, source("one"))
    assert await evaluated(service) == "one"
    writing = asyncio.Event()
    write = service.database.write

    async def noticed(work: Any) -> Any:
        writing.set()
        return await write(work)

    service.database.write = noticed  # type: ignore[method-assign]
    asking = asyncio.create_task(ask(service, "POST", POLICIES, source("two")))
    await writing.wait()
    asking.cancel()
    await asyncio.gather(asking, return_exceptions=True)
    async with asyncio.timeout(30):
        while await evaluated(service) != "two":
            await asyncio.sleep(0)


async def test_what_is_known_is_not_looked_up(service: PolicyHttpService, monkeypatch: pytest.MonkeyPatch) -> None:
    await ask(service, "POST", POLICIES, source("one"))
    await evaluated(service)
    monkeypatch.setattr(deployments, "TenantPolicies", None)
    assert await evaluated(service) == "one"


async def test_what_is_kept_is_bounded(service: PolicyHttpService, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(deployments, "MOST_MODULES", 2)
    for number in range(4):
        await ask(service, "POST", POLICIES, source(f"n{number}", f"module{number}"))
    for _ in range(2):
        for number in range(4):
            assert await evaluated(service, f"module{number}") == f"n{number}"
