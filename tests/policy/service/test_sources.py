"""Looking at sources without running them."""

from tests.policy.service.asgi import ask

from aster.policy.service.app import PolicyHttpService

PING = 'Module demo.\n\nRule ping produce Text:\n  Return "pong".\n'
BROKEN = "Module m.\n\nRule r produce Text:\n  Retrun 1.\n"


async def test_compiling_tells_what_is_in_a_source(service: PolicyHttpService) -> None:
    found = (await ask(service, "POST", "/api/v1/policies/compile", {"source": PING})).json
    assert found == {
        "success": True,
        "module": {"name": "demo", "functions": ["ping"]},
        "diagnostics": [],
        "error": None,
    }


async def test_compiling_tells_what_is_wrong_and_where(service: PolicyHttpService) -> None:
    found = (await ask(service, "POST", "/api/v1/policies/compile", {"source": BROKEN})).json
    assert (found["success"], found["module"]) == (False, None)
    assert found["diagnostics"][0]["startLine"] == 4
    unknown = (await ask(service, "POST", "/api/v1/policies/compile", {"source": PING, "locale": "xx"})).json
    assert not unknown["success"]


async def test_validating_a_source_or_a_stored_policy(service: PolicyHttpService) -> None:
    target = "/api/v1/policies/validate"
    assert (await ask(service, "POST", target, {"source": PING})).json["valid"]
    assert not (await ask(service, "POST", target, {"source": BROKEN})).json["valid"]
    assert not (await ask(service, "POST", target, {"policyModule": "demo"})).json["valid"]
    await ask(service, "POST", "/api/v1/policies", {"source": PING})
    assert (await ask(service, "POST", target, {"policyModule": "demo", "policyFunction": "ping"})).json["valid"]
    assert not (await ask(service, "POST", target, {"policyModule": "demo", "policyFunction": "pong"})).json["valid"]
    assert (await ask(service, "POST", target, {})).code == "VALIDATION_ERROR"


async def test_lexicons_list_the_locales(service: PolicyHttpService) -> None:
    found = (await ask(service, "GET", "/api/v1/lexicons", role="VIEWER")).json
    assert {"en-US", "zh-CN", "de-DE"} <= {lexicon["id"] for lexicon in found}
    assert all(lexicon["keywords"] for lexicon in found)


async def test_a_schema_tells_what_a_rule_takes(service: PolicyHttpService) -> None:
    source = (
        "Module loans.\n\nDefine Applicant has income as Int, name as Text.\n\n"
        "Rule decide given applicant as Applicant, produce Bool:\n  Return applicant.income greater than 5.\n\n"
        "Rule other produce Int:\n  Return 1.\n"
    )
    found = (await ask(service, "POST", "/api/v1/policies/schema", {"source": source})).json
    assert (found["success"], found["functionName"], found["functions"]) == (True, "decide", ["decide", "other"])
    (applicant,) = found["parameters"]
    assert (applicant["name"], applicant["typeKind"], applicant["position"]) == ("applicant", "STRUCT", 0)
    assert [field["name"] for field in applicant["fields"]] == ["income", "name"]
    body = {"source": source, "functionName": "nobody"}
    assert not (await ask(service, "POST", "/api/v1/policies/schema", body)).json["success"]
    assert not (await ask(service, "POST", "/api/v1/policies/schema", {"source": BROKEN})).json["success"]
    policy = (await ask(service, "POST", "/api/v1/policies", {"source": source})).json["policyId"]
    stored = (await ask(service, "GET", f"/api/v1/policies/{policy}/schema?function=other", role="VIEWER")).json
    assert (stored["functionName"], stored["parameters"]) == ("other", [])
