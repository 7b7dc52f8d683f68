import pytest

from astrocyte.access.decisions import OPERATIONS, Authorizer
from astrocyte.access.identity import ActorIdentity, AstrocyteContext, parse_principal, principal_label
from astrocyte.errors import AccessDenied


@pytest.mark.parametrize(
    ("principal", "expected"),
    [
        ("user:alice", ActorIdentity("user", "alice")),
        ("alice", ActorIdentity("user", "alice")),
        ("agent:bot", ActorIdentity("agent", "bot")),
        ("service:a:b", ActorIdentity("service", "a:b")),
        ("robot:x", ActorIdentity("user", "robot:x")),
        ("agent:", ActorIdentity("user", "agent:")),
    ],
)
def test_principals_have_a_type(principal: str, expected: ActorIdentity) -> None:
    assert parse_principal(principal) == expected


def test_callers_are_named_in_one_way() -> None:
    assert principal_label(None) == "anonymous"
    assert principal_label(AstrocyteContext("alice")) == "user:alice"
    on_behalf = AstrocyteContext("agent:bot", on_behalf_of=ActorIdentity("user", "alice"))
    assert principal_label(on_behalf) == "agent:bot obo user:alice"


@pytest.mark.parametrize("operation", OPERATIONS)
def test_without_access_control_every_listed_operation_is_allowed(operation: str) -> None:
    decision = Authorizer().authorize(None, operation, ["a"])
    assert decision.allowed
    assert decision.permission == OPERATIONS[operation]
    decision.enforce()


@pytest.mark.parametrize(("operation", "banks"), [("levitate", ["a"]), ("", ["a"]), ("recall", [])])
def test_what_is_not_listed_or_names_no_bank_is_refused(operation: str, banks: list[str]) -> None:
    decision = Authorizer().authorize(AstrocyteContext("user:root"), operation, banks)
    assert not decision.allowed
    with pytest.raises(AccessDenied):
        decision.enforce()


def test_a_refusal_reads_as_the_contract_says() -> None:
    error = AccessDenied("user:bob", "write", "user-bob")
    assert error.message == "Principal 'user:bob' denied 'write' on bank 'user-bob'"
