"""How grants are written: what is understood, and what is refused at load."""

from typing import Any

import pytest

from aster.foundation.errors import ConfigError
from aster.foundation.settings import Document
from astrocyte.access.decisions import Authorizer
from astrocyte.access.grants import EVERYTHING, Grant, canonical_pattern
from astrocyte.access.rules import AccessRules, read_grants


def read(sections: dict[str, Any]) -> tuple[Grant, ...]:
    return read_grants(Document("astrocyte.yaml", sections))


def test_both_places_are_merged_without_repetitions() -> None:
    row = {"principal": "user:alice", "permissions": ["read"]}
    other = {"principal": "bob", "permissions": ["*"]}
    found = read({"access_grants": [{"bank_id": "b", **row}], "banks": {"b": {"access": [row, other]}, "c": None}})
    assert found == (Grant("b", "user:alice", frozenset({"read"})), Grant("b", "user:bob", EVERYTHING))


@pytest.mark.parametrize("sections", [{}, {"access_grants": None, "banks": None}, {"access_grants": [], "banks": {}}])
def test_no_grants_are_no_grants(sections: dict[str, Any]) -> None:
    assert read(sections) == ()


@pytest.mark.parametrize(
    ("written", "meant"),
    [
        ("user:alice", "user:alice"),
        ("alice", "user:alice"),
        ("robot:x", "user:robot:x"),
        ("user:*", "user:*"),
        ("*", "*"),
        ("*:x", "*:x"),
        ("agent", "user:agent"),
        ("[ua]*:x", "[ua]*:x"),
    ],
)
def test_a_principal_of_a_grant_is_canonical_as_a_caller_is(written: str, meant: str) -> None:
    assert canonical_pattern(written) == meant


GOOD = {"bank_id": "b", "principal": "p", "permissions": ["read"]}


@pytest.mark.parametrize(
    ("sections", "words"),
    [
        ({"access_grants": {}}, "access_grants: Expected `array`"),
        ({"access_grants": "all"}, "Expected `array`"),
        ({"access_grants": [GOOD, {"bank_id": "b", "principal": "p"}]}, r"missing required field `permissions`.*\[1\]"),
        ({"access_grants": [{**GOOD, "bank": "b"}]}, "unknown field `bank`"),
        ({"access_grants": [{**GOOD, "bank_id": 7}]}, "Expected `str`"),
        ({"access_grants": [{**GOOD, "bank_id": "a b"}]}, "can't fit a bank's name"),
        ({"access_grants": [{**GOOD, "bank_id": ""}]}, "can't fit a bank's name"),
        ({"access_grants": [{**GOOD, "principal": ""}]}, "can't fit a principal"),
        ({"access_grants": [{**GOOD, "principal": " alice"}]}, "can't fit a principal"),
        ({"access_grants": [{**GOOD, "principal": "a\nb"}]}, "can't fit a principal"),
        ({"access_grants": [{**GOOD, "permissions": "read"}]}, "Expected `array`"),
        ({"access_grants": [{**GOOD, "permissions": ["reed"]}]}, "Invalid enum value 'reed'"),
        ({"access_grants": [{**GOOD, "permissions": []}]}, "no permission is listed"),
        ({"banks": []}, "sections named after banks"),
        ({"banks": {7: {}}}, "sections named after banks"),
        ({"banks": {"b": []}}, "sections named after banks"),
        ({"banks": {"b": {"acess": []}}}, "did you mean 'access'"),
        ({"banks": {"b": {"access": [{"principal": "p"}]}}}, "banks.b.access"),
        ({"banks": {"b": {"access": [GOOD]}}}, "unknown field `bank_id`"),
    ],
)
def test_what_can_not_be_meant_is_refused(sections: dict[str, Any], words: str) -> None:
    with pytest.raises(ConfigError, match=words) as refused:
        read(sections)
    assert str(refused.value).startswith("astrocyte.yaml: ")


def test_grants_that_are_not_enforced_are_warned_of(caplog: pytest.LogCaptureFixture) -> None:
    Authorizer(AccessRules(grants=read({"access_grants": [GOOD]})))
    assert "access_control.enabled is false" in caplog.text
