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
        "core": None,
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


async def test_a_schema_comes_as_json_schema_when_asked_for(service: PolicyHttpService) -> None:
    source = 'Module loans.\n\nRule decide given age as Int between 0 and 150, produce Text:\n  Return "no".\n'
    made = await ask(service, "POST", "/api/v1/policies", {"source": source})
    stored = f"/api/v1/policies/{made.json['policyId']}/schema"
    asked = await ask(service, "GET", f"{stored}?format=json-schema", role="VIEWER")
    assert asked.json["contextSchema"]["properties"]["age"]["maximum"] == 150
    assert asked.json["resultSchema"]["type"] == "string"
    of_source = await ask(service, "POST", "/api/v1/policies/schema?format=json-schema", {"source": source})
    assert of_source.json == asked.json
    plain = await ask(service, "GET", stored, role="VIEWER")
    assert plain.json["contextSchema"] is None
    assert (await ask(service, "GET", f"{stored}?format=yaml", role="VIEWER")).code == "VALIDATION_ERROR"


async def test_a_language_there_is_not_is_a_mistake_of_the_request(service: PolicyHttpService) -> None:
    for path in ("schema", "validate"):
        refused = await ask(service, "POST", f"/api/v1/policies/{path}", {"source": PING, "locale": "xx"})
        assert (refused.status, refused.code) == (400, "UNSUPPORTED_LOCALE")
    evaluated = await ask(service, "POST", "/api/v1/policies/evaluate-source", {"source": PING, "locale": "xx"})
    assert (evaluated.status, evaluated.json["errorCode"]) == (200, "UNSUPPORTED_LOCALE")


async def test_validating_tells_what_the_rule_takes_and_yields(service: PolicyHttpService) -> None:
    target = "/api/v1/policies/validate"
    two = "Module m.\n\nRule a given x as Int, y as Int, produce Bool:\n  Return x equals to y.\n"
    await ask(service, "POST", "/api/v1/policies", {"source": two})
    for body in ({"source": two}, {"policyModule": "m", "policyFunction": "a"}):
        found = (await ask(service, "POST", target, body)).json
        assert (found["valid"], found["parameterCount"], found["returnType"]) == (True, 2, "Bool")
    broken = (await ask(service, "POST", target, {"source": BROKEN})).json
    assert (broken["parameterCount"], broken["returnType"]) == (None, None)
