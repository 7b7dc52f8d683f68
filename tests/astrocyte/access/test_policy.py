"""A policy in plain language restricts what grants allow, and never gives more."""

import os
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from aster.foundation.errors import ConfigError
from astrocyte.access.decisions import OPERATIONS, Authorizer
from astrocyte.access.identity import ActorIdentity, AstrocyteContext
from astrocyte.access.policy import AccessPolicy
from astrocyte.access.reload import SECONDS_BETWEEN_LOOKS, FollowedRules
from astrocyte.access.rules import AccessRules
from astrocyte.config import read_settings, settings_from_dict

OFFICE = """Module office.memory.

Define Caller has
  kind as Text,
  clearance as Int.

Define Request has
  bank as Text,
  operation as Text.

Rule decide given caller as Caller, request as Request, produce Text:
  If request.operation is equal to "forget" and caller.kind is not equal to "user"
    Return "deny: only people may forget".
  If caller.clearance less than 3
    Return "deny: clearance of 3 needed".
  Return "allow".
"""

BANKS_ALONE = """Define Request has
  bank as Text.

Rule decide given request as Request, produce Bool:
  Return request.bank is equal to "open-house".
"""


def caller(principal: str, **claims: str) -> AstrocyteContext:
    kind, _, name = principal.partition(":")
    return AstrocyteContext(principal, actor=ActorIdentity(kind, name, claims))


def authorizer(source: str, *, default: str = "open") -> Authorizer:
    return Authorizer(AccessRules(enabled=True, default_policy=default, policy=AccessPolicy(source)))  # type: ignore[arg-type]


def test_the_policy_decides_after_the_grants() -> None:
    office = authorizer(OFFICE)
    assert office.authorize(caller("user:ann", clearance="3"), "forget", ["a"]).allowed
    refused = office.authorize(caller("agent:bot", clearance="9"), "forget", ["a", "b"])
    assert (refused.allowed, refused.rule, refused.bank) == (False, "policy", "a")
    assert refused.reason == "the policy says deny: only people may forget"


def test_what_grants_refuse_is_never_asked_of_the_policy() -> None:
    decision = authorizer(OFFICE, default="deny").authorize(caller("user:ann", clearance="9"), "recall", ["a"])
    assert (decision.allowed, decision.rule, decision.trace) == (False, "deny", ())


def test_every_bank_has_to_pass() -> None:
    decision = authorizer(BANKS_ALONE).authorize(None, "recall", ["open-house", "cellar"])
    assert (decision.allowed, decision.bank) == (False, "cellar")
    assert authorizer(BANKS_ALONE).authorize(None, "recall", ["open-house"]).allowed


@pytest.mark.parametrize("claims", [{}, {"clearance": "high"}, {"clearance": "9" * 30}])
def test_a_claim_that_is_missing_or_no_number_refuses(claims: dict[str, str]) -> None:
    assert not authorizer(OFFICE).authorize(caller("user:ann", **claims), "recall", ["a"]).allowed


def test_a_refusal_carries_its_trace_and_so_does_an_allowed_change() -> None:
    office, ann = authorizer(OFFICE), caller("user:ann", clearance="1")
    (trace,) = office.authorize(ann, "recall", ["a"]).trace
    assert trace["steps"][1]["operands"] == {"caller.clearance": 1}
    ann = caller("user:ann", clearance="4")
    assert office.authorize(ann, "retain", ["a"]).trace[0]["finalResult"] == "allow"
    assert office.authorize(ann, "recall", ["a"]).trace == ()


def test_an_answer_that_is_neither_allow_nor_deny_refuses() -> None:
    vague = BANKS_ALONE.replace("produce Bool", "produce Text").replace(
        'Return request.bank is equal to "open-house".', 'Return "allowed, why not".'
    )
    decision = authorizer(vague).authorize(None, "recall", ["a"])
    assert (decision.allowed, decision.reason) == (False, "the policy's answer is neither allow nor deny")


def test_a_fault_while_deciding_refuses() -> None:
    faulty = BANKS_ALONE.replace(
        'Return request.bank is equal to "open-house".', "Return 1 divided by 0 is equal to 1."
    )
    decision = authorizer(faulty).authorize(None, "recall", ["a"])
    assert not decision.allowed
    assert decision.reason == "the policy could not decide: DIVISION_BY_ZERO"


@pytest.mark.parametrize(
    ("source", "says"),
    [
        ("Rule decide", "line 1"),
        (OFFICE.replace("  bank as Text,", "  bank as Text,\n  mood as Text,"), "request.mood"),
        (OFFICE.replace("clearance as Int", "clearance as Int,\n  friends as List of Text"), "no claim can be"),
        (BANKS_ALONE.replace("request as Request", "wish as Request").replace("request.bank", "wish.bank"), "'wish'"),
        (
            BANKS_ALONE.replace("produce Bool", "produce Int").replace('request.bank is equal to "open-house"', "1"),
            "Int",
        ),
    ],
)
def test_a_policy_that_could_not_decide_is_refused_at_the_start(source: str, says: str) -> None:
    with pytest.raises(ConfigError, match=says):
        AccessPolicy(source)


def test_a_policy_without_access_control_is_refused(tmp_path: Path) -> None:
    file = tmp_path / "office.aster"
    file.write_text(OFFICE)
    with pytest.raises(ConfigError, match="access control is off"):
        settings_from_dict({"access_control": {"policy_file": str(file)}})


def test_the_file_lies_beside_the_configuration_and_may_change(tmp_path: Path) -> None:
    config, policy = tmp_path / "astrocyte.yaml", tmp_path / "office.aster"
    policy.write_text(BANKS_ALONE)
    config.write_text(
        "access_control: {enabled: true, default_policy: open, policy_file: office.aster}\naccess_grants: []\n"
    )
    now = [0.0]
    followed = FollowedRules(config, lambda path: read_settings(path).access, now=lambda: now[0])
    asked = Authorizer(read_settings(config).access)
    asked.follow(followed)

    def may_read(bank: str) -> bool:
        for _ in range(2):
            now[0] += SECONDS_BETWEEN_LOOKS
            asked.authorize(None, "recall", [bank])
            followed.wait()
        return asked.authorize(None, "recall", [bank]).allowed

    assert (may_read("open-house"), may_read("cellar")) == (True, False)
    policy.write_text(BANKS_ALONE.replace("open-house", "cellar"))
    os.utime(policy, ns=(1, 1))
    assert (may_read("open-house"), may_read("cellar")) == (False, True)
    policy.write_text("Rule")
    assert (may_read("open-house"), may_read("cellar")) == (False, True)
    config.write_text("access_control: {enabled: true, default_policy: open}\n")
    assert (may_read("open-house"), may_read("cellar")) == (False, True)


@given(
    principal=st.sampled_from(["user:ann", "agent:bot", "service:x", "ann"]),
    clearance=st.integers(-10, 10),
    operation=st.sampled_from(sorted(OPERATIONS)),
    default=st.sampled_from(["open", "deny", "owner_only"]),
    bank=st.sampled_from(["user-ann", "agent-bot", "b"]),
)
def test_a_policy_never_allows_what_grants_refuse(
    principal: str, clearance: int, operation: str, default: str, bank: str
) -> None:
    plain = Authorizer(AccessRules(enabled=True, default_policy=default))  # type: ignore[arg-type]
    who = caller(principal, clearance=str(clearance))
    restricted = _OFFICES[default].authorize(who, operation, [bank]).allowed
    kind = "user" if principal == "ann" else principal.partition(":")[0]
    is_kept = clearance >= 3 and not (operation == "forget" and kind != "user")
    assert restricted == (plain.authorize(who, operation, [bank]).allowed and is_kept)


_OFFICES = {default: authorizer(OFFICE, default=default) for default in ("open", "deny", "owner_only")}
