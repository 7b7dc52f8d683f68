"""Personal data in free text does not reach the audit chain."""

import pytest
from tests.policy.service.asgi import ask

from aster.policy.service.app import PolicyHttpService
from aster.policy.service.pii import luhn, masked


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("write to ada.lovelace@example.com now", "write to ***@*** now"),
        ("card 4111 1111 1111 1111.", "card ****1111."),
        ("card 4111-1111-1111-1111.", "card ****1111."),
        ("ssn 123-45-6789", "ssn ***-**-****"),
        ("call +44 20 7946 0958 today", "call +*** today"),
        ("call +1 (212) 555-0123", "call +***"),
    ],
)
def test_personal_data_is_masked(text: str, shown: str) -> None:
    assert masked(text) == shown
    assert masked({"a": [text], "n": 1}) == {"a": [shown], "n": 1}


@pytest.mark.parametrize(
    "text",
    [
        "version 1.2.3 of 2026-01-01T10:00:00Z",
        "order 4111111111111112",
        "limit 1234567890",
        "k1f2e3d4c5b6a798",
        "9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08",
        "1234-56-78",
        "5 + 5",
    ],
)
def test_what_only_looks_like_it_stays(text: str) -> None:
    assert masked(text) == text


def test_masking_takes_linear_time() -> None:
    masked("1" * 60_000 + "a@" * 20_000 + "+1 " * 20_000 + "a" * 60_000)


def test_luhn() -> None:
    assert luhn([7, 9, 9, 2, 7, 3, 9, 8, 7, 1, 3])
    assert not luhn([7, 9, 9, 2, 7, 3, 9, 8, 7, 1, 0])


async def test_reasons_are_masked_in_the_chain(service: PolicyHttpService) -> None:
    source = 'Module m.\n\nRule r produce Text:\n  Return "one".\n'
    policy = (await ask(service, "POST", "/api/v1/policies", {"source": source})).json["policyId"]
    await ask(service, "POST", "/api/v1/policies", {"source": source.replace("one", "two")})
    body = {"targetVersion": 1, "reason": "asked by eve@example.com"}
    await ask(service, "POST", f"/api/v1/policies/{policy}/rollback", body)
    records = await ask(service, "GET", "/api/v1/audit", role="ADMIN")
    assert b"eve@" not in records.body
    assert records.json[0]["payload"]["reason"] == "asked by ***@***"
