"""Listings by cursor: every entry once, whatever is added meanwhile; and query parameters that nobody knows."""

from typing import Any
from urllib.parse import quote

import pytest
from tests.policy.service.asgi import ask, send, signed
from tests.policy.service.test_policies import ROOT, deploy, source

from aster.policy.service.app import PolicyHttpService

STORES = ("sqlite", "postgres")

AUDIT = "/api/v1/audit"
ASSIGNMENTS = "/api/v1/tenant/rbac/assignments"


async def walked(service: PolicyHttpService, target: str, meanwhile: Any = None) -> list[Any]:
    """All pages of a listing, with something done after the first."""
    found, cursor = [], ""
    while True:
        answered = await ask(service, "GET", f"{target}{cursor}", role="OWNER")
        assert answered.status == 200, answered.body
        found.append(answered.json)
        if len(found) == 1 and meanwhile is not None:
            await meanwhile()
        if "x-next-cursor" not in answered.headers:
            return found
        cursor = f"&cursor={answered.headers['x-next-cursor']}"


async def test_policies_are_walked_without_seeing_one_twice_or_never(service: PolicyHttpService) -> None:
    made = [(await deploy(service, source("x", module=f"m{number}"))).json["policyId"] for number in range(5)]

    async def meanwhile() -> None:
        await ask(service, "DELETE", f"{ROOT}/{made[0]}")

    pages = await walked(service, f"{ROOT}?size=2", meanwhile)
    assert [[policy["moduleName"] for policy in page] for page in pages] == [["m0", "m1"], ["m2", "m3"], ["m4"]]
    filtered = await walked(service, f"{ROOT}?size=1&module=m3")
    assert [[policy["moduleName"] for policy in page] for page in filtered] == [["m3"]]


async def test_assignments_are_walked_by_user(service: PolicyHttpService) -> None:
    users = ["ada", "bob", "cy", "dee", "zoë"]
    for user in users:
        await ask(service, "PUT", f"{ASSIGNMENTS}/{quote(user)}", {"role": "OWNER"}, role="OWNER", user="ada")
    pages = await walked(service, f"{ASSIGNMENTS}?size=2")
    assert [each["userId"] for page in pages for each in page] == users
    assert [len(page) for page in pages] == [2, 2, 1]


@pytest.mark.parametrize("wanted", ["", "&eventType=POLICY_EVALUATED", "&success=true"])
async def test_audit_records_are_walked_from_the_newest_although_newer_ones_come(
    service: PolicyHttpService, wanted: str
) -> None:
    async def evaluate() -> None:
        await ask(service, "POST", f"{ROOT}/evaluate-source", {"source": source("x")})

    for _ in range(5):
        await evaluate()
    pages = await walked(service, f"{AUDIT}?size=2{wanted}", evaluate)
    assert [record["sequence"] for page in pages for record in page] == [5, 4, 3, 2, 1]


async def test_the_documented_audit_listings_have_cursors_too(service: PolicyHttpService) -> None:
    for _ in range(3):
        await ask(service, "POST", f"{ROOT}/evaluate-source", {"source": source("x")})
    span = "startTime=2020-01-01T00:00:00Z&endTime=2100-01-01T00:00:00Z"
    for target in ("logs?", "type/POLICY_EVALUATED?", "policy/greeting/greet?", f"range?{span}&"):
        pages = await walked(service, f"{AUDIT}/{target}size=1")
        assert [record["sequence"] for page in pages for record in page] == [3, 2, 1], target


@pytest.mark.parametrize("cursor", ["x", "", "!!!!", "bnVsbA==", "WzEsMl0=", "ey", "LTU=", "%C3%A9", "A" * 2000])
@pytest.mark.parametrize("target", [ROOT, AUDIT, ASSIGNMENTS])
async def test_a_cursor_that_is_none_is_refused(service: PolicyHttpService, target: str, cursor: str) -> None:
    refused = await ask(service, "GET", f"{target}?cursor={cursor}", role="OWNER")
    assert (refused.status, refused.code) == (400, "VALIDATION_ERROR")


async def test_a_listing_goes_on_by_page_or_by_cursor(service: PolicyHttpService) -> None:
    for number in range(3):
        await deploy(service, source("x", module=f"m{number}"))
    first = await ask(service, "GET", f"{ROOT}?size=2")
    cursor = first.headers["x-next-cursor"]
    assert first.headers["link"] == f'<{ROOT}?size=2&page=1>; rel="next"'
    assert (await ask(service, "GET", f"{ROOT}?size=2&page=1&cursor={cursor}")).code == "VALIDATION_ERROR"
    last = await ask(service, "GET", f"{ROOT}?size=2&cursor={cursor}")
    assert (last.headers["x-total-count"], "link" in last.headers) == ("3", False)


async def test_a_cursor_of_another_tenant_shows_nothing_of_it(service: PolicyHttpService) -> None:
    for number in range(3):
        await deploy(service, source("x", module=f"m{number}"), tenant="globex")
    cursor = (await ask(service, "GET", f"{ROOT}?size=1", tenant="globex")).headers["x-next-cursor"]
    assert (await ask(service, "GET", f"{ROOT}?cursor={cursor}")).json == []


async def test_unknown_query_parameters_are_ignored_and_told(service: PolicyHttpService) -> None:
    listed = await ask(service, "GET", f"{ROOT}?modul=x&b=%20y&b2=")
    assert listed.status == 200
    assert listed.headers["x-aster-warnings"] == (
        "the query parameter 'modul' is not known; did you mean 'module'?; the query parameter 'b' is not known;"
        " the query parameter 'b2' is not known"
    )
    assert "x-aster-warnings" not in (await ask(service, "GET", f"{ROOT}?module=x")).headers
    answered = await ask(service, "POST", f"{ROOT}/evaluate-source?trce=true", {"source": source("x"), "contxt": {}})
    assert answered.json["warnings"] == [
        "the query parameter 'trce' is not known; did you mean 'trace'?",
        "the field 'contxt' is not known; did you mean 'context'?",
    ]


@pytest.mark.parametrize("name", ["a%0D%0AX-Evil:1", "%C3%A9", "%F0%9F%98%80", "a" * 3000, "%00"])
async def test_no_name_of_a_parameter_breaks_the_header_that_tells_it(service: PolicyHttpService, name: str) -> None:
    target = f"{ROOT}?{name}=1"
    answered = await send(service, "GET", target, headers=signed("GET", target))
    assert answered.status == 200
    told = answered.headers["x-aster-warnings"]
    assert told.isascii()
    assert told.isprintable()
    assert len(told) < 400
