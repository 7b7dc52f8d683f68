"""Sources in words of their own over HTTP: vocabularies and aliases, evaluated, stored, used and replayed with them."""

from typing import Any

import pytest
from tests.policy.service.asgi import ask

from aster.policy.service.app import PolicyHttpService

STORES = ("sqlite", "postgres")

POLICIES = "/api/v1/policies"
GERMAN = """Modul kredit.

Definiere Antragsteller hat alter als Ganzzahl.

Regel entscheide gegeben antragsteller als Antragsteller, liefert Ganzzahl:
  gib zurück antragsteller.alter.
"""
OWN = {"id": "house", "fields": [{"canonical": "level", "localized": "niveau"}]}
IN_OWN_WORDS = """Module levels.

Rule height given niveau as Int, produce Int:
  Return niveau augmented by 1.
"""
AUGMENTED = {"PLUS": ["augmented by"]}
WORDS = {"vocabulary": OWN, "aliasSet": AUGMENTED}


async def evaluated(service: PolicyHttpService, body: Any, **options: Any) -> Any:
    return (await ask(service, "POST", f"{POLICIES}/evaluate-source", body, **options)).json


async def test_a_source_in_a_trades_words_takes_their_canonical_names(service: PolicyHttpService) -> None:
    body = {"source": GERMAN, "locale": "de-DE", "vocabulary": "finance.loan", "context": {"applicant": {"age": 30}}}
    assert (await evaluated(service, body))["result"] == 30
    assert (await evaluated(service, {**body, "vocabulary": None}))["errorCode"] == "INPUT_INVALID"


async def test_a_whole_vocabulary_and_aliases_come_with_the_request(service: PolicyHttpService) -> None:
    body = {"source": IN_OWN_WORDS, "context": {"level": 2}, **WORDS}
    assert (await evaluated(service, body))["result"] == 3
    batch = {**body, "inputs": [{"level": 1}, {"level": 5}]}
    answered = await ask(service, "POST", f"{POLICIES}/evaluate-source-batch", batch)
    assert [each["result"] for each in answered.json["responses"]] == [2, 6]
    assert (await ask(service, "POST", f"{POLICIES}/compile", body)).json["success"]
    assert (await ask(service, "POST", f"{POLICIES}/validate", body)).json["valid"]
    (parameter,) = (await ask(service, "POST", f"{POLICIES}/schema", body)).json["parameters"]
    assert parameter["name"] == "level"
    assert not (await ask(service, "POST", f"{POLICIES}/compile", {"source": IN_OWN_WORDS})).json["success"]


async def test_the_same_source_in_other_words_is_another_program(service: PolicyHttpService) -> None:
    source = "Module m.\n\nRule r given niveau as Int, produce Int:\n  Return niveau.\n"
    assert (await evaluated(service, {"source": source, "context": {"niveau": 1}}))["result"] == 1
    assert (await evaluated(service, {"source": source, "context": {"level": 2}, "vocabulary": OWN}))["result"] == 2
    assert (await evaluated(service, {"source": source, "context": {"niveau": 3}}))["result"] == 3


@pytest.mark.parametrize(
    ("words", "code"),
    [
        ({"vocabulary": "no.such"}, "VOCABULARY_INVALID"),
        ({"vocabulary": {"fields": [{"canonical": "a b", "localized": "x"}]}}, "VOCABULARY_INVALID"),
        ({"vocabulary": {"fields": [{"canonical": "x", "localized": "Return"}]}}, "VOCABULARY_INVALID"),
        ({"aliasSet": {"PLUS": ["one"]}}, "ALIASES_INVALID"),
        ({"aliasSet": {"COLON": ["two words"]}}, "ALIASES_INVALID"),
    ],
)
async def test_words_that_make_no_sense_are_told_like_a_source_that_makes_none(
    service: PolicyHttpService, words: Any, code: str
) -> None:
    found = await evaluated(service, {"source": IN_OWN_WORDS, "context": {}, **words})
    assert (found["errorCode"], found["result"]) == (code, None)
    refused = await ask(service, "POST", POLICIES, {"source": IN_OWN_WORDS, **words})
    assert (refused.status, refused.code) == (422, "COMPILATION_FAILED")


async def test_words_are_bounded(service: PolicyHttpService) -> None:
    long = {"id": "x", "literals": [{"canonical": "y" * 300_000, "localized": "z"}]}
    body = {"source": IN_OWN_WORDS, "vocabulary": long}
    assert (await ask(service, "POST", f"{POLICIES}/evaluate-source", body)).code == "VALIDATION_ERROR"


async def test_only_an_admin_renames_what_shapes_a_program(service: PolicyHttpService) -> None:
    body = {"source": 'Module m.\n\nRule r produce Text:\n  Hand back "yes".\n', "aliasSet": {"RETURN": ["hand back"]}}
    target = f"{POLICIES}/evaluate-source"
    for _ in range(2):  # the second time the program is in the cache
        refused = await ask(service, "POST", target, body)
        assert (refused.status, refused.code) == (403, "ROLE_INSUFFICIENT")
        assert (await ask(service, "POST", target, body, role="ADMIN")).json["result"] == "yes"
    assert (await ask(service, "POST", POLICIES, body)).status == 403


async def test_a_stored_policy_keeps_its_words(service: PolicyHttpService) -> None:
    made = await ask(service, "POST", POLICIES, {"source": IN_OWN_WORDS, **WORDS})
    assert made.status == 201
    call = {"policyModule": "levels", "context": {"level": 4}}
    assert (await ask(service, "POST", f"{POLICIES}/evaluate", call)).json["result"] == 5
    (listed,) = (await ask(service, "GET", f"{POLICIES}/{made.json['policyId']}/versions")).json
    assert (listed["vocabularyId"], listed["aliasSet"], "vocabulary" in listed) == ("house", AUGMENTED, False)
    whole = (await ask(service, "GET", f"{POLICIES}/{made.json['policyId']}/versions/1")).json
    assert whole["vocabulary"] == OWN
    again = await ask(service, "POST", POLICIES, {"source": IN_OWN_WORDS, **WORDS})
    assert (again.status, again.json["version"]) == (200, 1)
    other = {"source": IN_OWN_WORDS, "aliasSet": AUGMENTED}
    assert (await ask(service, "POST", POLICIES, other)).json["version"] == 2
    (_, second) = (await ask(service, "GET", f"{POLICIES}/{made.json['policyId']}/versions")).json
    assert second["envelopeHash"] != whole["envelopeHash"]


async def test_a_module_means_the_same_whoever_uses_it(service: PolicyHttpService) -> None:
    await ask(service, "POST", POLICIES, {"source": IN_OWN_WORDS, **WORDS})
    user = """Module towers.

Use levels.

Rule tall given storey as Int, produce Int:
  Return levels.height(storey).
"""
    words = {"vocabulary": {"id": "other", "fields": [{"canonical": "floor", "localized": "storey"}]}}
    body = {"source": user, "context": {"floor": 6}, **words}
    assert (await evaluated(service, body))["result"] == 7
    assert (await evaluated(service, {"source": user, "context": {"storey": 7}}))["result"] == 8


async def test_a_decision_is_proved_in_the_words_it_was_made_in(service: PolicyHttpService) -> None:
    body = {"source": IN_OWN_WORDS, "context": {"level": 2}, **WORDS}
    await evaluated(service, body)
    replay = "/api/v1/audit/1/replay"
    assert (await ask(service, "POST", replay, body, role="ADMIN")).json["proved"]
    more = {**body, "aliasSet": {"PLUS": ["augmented by", "raised by"]}}
    found = (await ask(service, "POST", replay, more, role="ADMIN")).json
    assert (found["proved"], found["sourceMatches"], found["outcomeMatches"]) == (False, False, True)


async def test_lexicons_tell_the_shipped_vocabularies_and_what_may_be_renamed(service: PolicyHttpService) -> None:
    found = {each["id"]: each for each in (await ask(service, "GET", "/api/v1/lexicons", role="VIEWER")).json}
    assert found["de-DE"]["vocabularies"]["finance.loan"]["Applicant"] == "Antragsteller"
    assert "PLUS" in found["en-US"]["aliasKinds"]
    assert "RETURN" in found["en-US"]["shapingAliasKinds"]


async def test_words_come_over_graphql_too(service: PolicyHttpService) -> None:
    pytest.importorskip("strawberry")
    query = "mutation ($input: EvaluateSourceInput!) { evaluateSource(input: $input) { result error } }"
    given = {"source": IN_OWN_WORDS, "context": {"level": 2}, **WORDS}
    answered = (await ask(service, "POST", "/graphql", {"query": query, "variables": {"input": given}})).json
    assert answered["data"]["evaluateSource"] == {"result": 3, "error": None}
