"""Decisions under grants: the contract's own table, and what must hold for any grants."""

import fnmatch
from collections.abc import Iterable

import pytest
from hypothesis import given
from hypothesis import strategies as st

from astrocyte.access.decisions import OPERATIONS, Authorizer, own_bank
from astrocyte.access.grants import EVERYTHING, PERMISSIONS, Grant, GrantIndex, canonical_pattern
from astrocyte.access.identity import ActorIdentity, AstrocyteContext, parse_principal
from astrocyte.access.rules import OWN_BANK_PREFIXES, AccessRules, DefaultPolicy
from astrocyte.errors import AccessDenied

OPERATION = {"read": "recall", "write": "retain", "forget": "forget", "admin": "forget_all"}


def grant(bank: str, principal: str, *permissions: str) -> Grant:
    return Grant(bank, canonical_pattern(principal), frozenset(permissions))


PAGE = (
    grant("shared-*", "agent:support-bot", "read", "write"),
    grant("user-alice", "user:alice", "read", "write", "forget", "admin"),
    grant("public", "*", "read"),
    grant("team-engineering", "agent:code-reviewer", "read"),
    grant("team-engineering", "user:*", "read", "write"),
    Grant("starbank", "user:root", EVERYTHING),
)
# caller, bank, what it may do: read write forget admin; None stands for "no grant fits", where the policy decides
TABLE = [
    ("user:alice", "user-alice", "rwfa"),
    ("alice", "user-alice", "rwfa"),
    ("agent:support-bot", "shared-1", "rw"),
    ("agent:support-bot", "shared", None),
    ("agent:support-bot", "shared-", "rw"),
    ("user:alice", "shared-1", None),
    ("user:bob", "user-bob", None),
    ("user:bob", "user-alice", None),
    ("user:bob", "public", "r"),
    ("agent:code-reviewer", "public", "r"),
    (None, "public", "r"),
    ("agent:code-reviewer", "team-engineering", "r"),
    ("user:bob", "team-engineering", "rw"),
    ("agent:x", "team-engineering", None),
    (None, "team-engineering", None),
    ("agent:x", "agent-x", None),
    ("service:cron", "service-cron", None),
    ("user:root", "starbank", "rwfa"),
    ("user:bob", "newbank", None),
    ("user:alice", "user-alice.evil", None),
    ("user:alic", "user-alice", None),
    ("user:Alice", "user-alice", None),
    ("agent:alice", "user-alice", None),
    ("user-alice", "user-alice", None),
    (None, "user-alice", None),
]
OWNERS = {("user:bob", "user-bob"), ("agent:x", "agent-x"), ("service:cron", "service-cron")}


def context(principal: str | None, for_whom: str | None = None) -> AstrocyteContext | None:
    if principal is None:
        return None
    subject = parse_principal(for_whom) if for_whom else None
    return AstrocyteContext(principal, actor=parse_principal(principal), on_behalf_of=subject)


def allowed(rules: AccessRules, who: AstrocyteContext | None, bank: str) -> set[str]:
    authorizer = Authorizer(rules)
    return {name for name, operation in OPERATION.items() if authorizer.authorize(who, operation, [bank]).allowed}


@pytest.mark.parametrize("policy", ["owner_only", "open", "deny"])
@pytest.mark.parametrize(("principal", "bank", "letters"), TABLE)
def test_the_contract_s_grants_under_each_policy(
    policy: DefaultPolicy, principal: str | None, bank: str, letters: str | None
) -> None:
    rules = AccessRules(enabled=True, default_policy=policy, grants=PAGE)
    if letters is not None:
        expected = {name for name in PERMISSIONS if name[0] in letters}
    else:
        is_open = policy == "open" or (policy == "owner_only" and (principal, bank) in OWNERS)
        expected = set(PERMISSIONS) if is_open else set()
    assert allowed(rules, context(principal), bank) == expected


@pytest.mark.parametrize("operation", OPERATIONS)
def test_each_operation_needs_its_permission_and_no_other(operation: str) -> None:
    needed = OPERATIONS[operation]
    for permission in PERMISSIONS:
        rules = AccessRules(enabled=True, grants=(grant("b", "user:alice", permission),))
        decision = Authorizer(rules).authorize(context("alice"), operation, ["b"])
        assert decision.allowed == (permission == needed)


def test_every_bank_must_pass_and_the_first_that_does_not_is_named() -> None:
    authorizer = Authorizer(AccessRules(enabled=True, grants=PAGE))
    decision = authorizer.authorize(context("user:bob"), "recall", ["public", "user-alice", "newbank"])
    assert (decision.allowed, decision.bank) == (False, "user-alice")
    with pytest.raises(AccessDenied, match="Principal 'user:bob' denied 'read' on bank 'user-alice'"):
        decision.enforce()
    assert authorizer.authorize(context("user:bob"), "recall", ["public", "team-engineering"]).allowed


def test_reasons_say_what_decided() -> None:
    def why(policy: DefaultPolicy, principal: str | None, bank: str, operation: str = "retain") -> tuple[str, str]:
        rules = AccessRules(enabled=True, default_policy=policy, grants=PAGE)
        decision = Authorizer(rules).authorize(context(principal), operation, [bank])
        return decision.rule, decision.reason

    assert why("deny", "alice", "user-alice") == ("grant", "a grant gives 'write'")
    assert why("open", "bob", "public") == ("grant", "no fitting grant gives 'write'")
    assert why("open", None, "b") == ("open", "no grant fits, and the default policy is open")
    assert why("owner_only", "bob", "user-bob") == ("owner_only", "the bank is the caller's own")
    assert why("owner_only", "bob", "b") == ("owner_only", "no grant fits, and the default policy is owner_only")
    assert why("deny", "bob", "user-bob") == ("deny", "no grant fits, and the default policy is deny")


def obo_rules(*grants: Grant, enabled: bool = True, policy: DefaultPolicy = "owner_only") -> AccessRules:
    return AccessRules(enabled=True, obo_enabled=enabled, default_policy=policy, grants=grants)


def test_on_behalf_of_gives_what_both_have() -> None:
    both = obo_rules(grant("b", "agent:bot", "read", "write"), grant("b", "user:alice", "read", "forget"))
    assert allowed(both, context("agent:bot", "user:alice"), "b") == {"read"}


def test_a_star_is_expanded_before_rights_are_intersected() -> None:
    both = obo_rules(Grant("b", "agent:bot", EVERYTHING), grant("b", "user:alice", "read", "forget"))
    assert allowed(both, context("agent:bot", "user:alice"), "b") == {"read", "forget"}


def test_the_open_policy_does_not_give_back_what_the_intersection_took() -> None:
    rules = obo_rules(grant("b", "agent:bot", "read"), grant("b", "user:alice", "write"), policy="open")
    assert allowed(rules, context("agent:bot", "user:alice"), "b") == set()
    assert allowed(rules, context("agent:bot", "user:carol"), "b") == {"read"}


def test_each_side_is_asked_about_its_own_bank() -> None:
    rules = obo_rules(grant("user-*", "agent:bot", "read"))
    assert allowed(rules, context("agent:bot", "user:alice"), "user-alice") == {"read"}
    assert allowed(rules, context("agent:bot", "user:bob"), "user-alice") == set()
    decision = Authorizer(rules).authorize(context("agent:bot", "user:bob"), "recall", ["user-alice"])
    assert decision.reason == "for whom the call is made: no grant fits, and the default policy is owner_only"
    assert decision.principal == "agent:bot obo user:bob"


def test_acting_for_others_is_refused_where_it_is_not_enabled() -> None:
    rules = obo_rules(Grant("b", "*", EVERYTHING), enabled=False, policy="open")
    decision = Authorizer(rules).authorize(context("agent:bot", "user:alice"), "recall", ["b"])
    assert (decision.allowed, decision.rule) == (False, "on_behalf_of")


def test_an_overridden_principal_is_what_grants_are_matched_with() -> None:
    who = AstrocyteContext("user:alice", actor=ActorIdentity("agent", "abc-123"))
    assert allowed(AccessRules(enabled=True, grants=PAGE), who, "user-alice") == set(PERMISSIONS)
    assert allowed(AccessRules(enabled=True, grants=PAGE), who, "agent-abc-123") == set()


def test_no_two_principals_own_one_bank() -> None:
    prefixes = list(OWN_BANK_PREFIXES.values())
    assert not any(one != other and one.startswith(other) for one in prefixes for other in prefixes)
    assert own_bank(ActorIdentity("robot", "x")) is None


names = st.text(alphabet="ab-", min_size=1, max_size=4)
banks = st.one_of(names, st.builds("{}-{}".format, st.sampled_from(["user", "agent", "service"]), names))
principals = st.one_of(names, st.builds("{}:{}".format, st.sampled_from(["user", "agent", "service", "robot"]), names))
globs = st.text(alphabet="ab-*?", min_size=1, max_size=4)
bank_patterns = st.one_of(banks, globs, st.just("user-*"))
principal_patterns = st.one_of(
    principals, globs, st.just("*"), st.builds("{}:{}".format, st.sampled_from(["user", "agent", "*", "us*"]), globs)
).map(canonical_pattern)
grants = st.builds(Grant, bank_patterns, principal_patterns, st.frozensets(st.sampled_from(PERMISSIONS)))
callers = st.one_of(st.none(), principals)
policies = st.sampled_from(["owner_only", "open", "deny"])


def reference(rules: AccessRules, principal: str | None, bank: str) -> frozenset[str]:
    """The rules in as few lines as they can be said."""
    who = parse_principal(principal) if principal else None
    name = f"{who.type}:{who.id}" if who else None
    fitting = [
        one.permissions
        for one in rules.grants
        if fnmatch.fnmatchcase(bank, one.bank)
        and (one.principal == "*" or (name is not None and fnmatch.fnmatchcase(name, one.principal)))
    ]
    if fitting:
        return frozenset().union(*fitting)
    is_owner = who is not None and bank == f"{who.type}-{who.id}"
    return (
        EVERYTHING
        if rules.default_policy == "open" or (rules.default_policy == "owner_only" and is_owner)
        else frozenset()
    )


@given(st.lists(grants, max_size=8), policies, callers, banks)
def test_decisions_are_those_of_the_reference(
    given_grants: list[Grant], policy: DefaultPolicy, principal: str | None, bank: str
) -> None:
    rules = AccessRules(enabled=True, default_policy=policy, grants=tuple(given_grants))
    assert allowed(rules, context(principal), bank) == reference(rules, principal, bank)


@given(st.lists(grants, max_size=8), policies, principals, principals, banks)
def test_acting_for_somebody_never_widens_rights(
    given_grants: list[Grant], policy: DefaultPolicy, principal: str, subject: str, bank: str
) -> None:
    rules = AccessRules(enabled=True, obo_enabled=True, default_policy=policy, grants=tuple(given_grants))
    both = allowed(rules, context(principal, subject), bank)
    assert both == reference(rules, principal, bank) & reference(rules, subject, bank)


@given(st.lists(grants, max_size=6), st.lists(grants, max_size=3), callers, banks)
def test_more_grants_never_take_a_granted_right_away(
    some: list[Grant], more: list[Grant], principal: str | None, bank: str
) -> None:
    def under(given_grants: Iterable[Grant]) -> set[str]:
        rules = AccessRules(enabled=True, default_policy="deny", grants=tuple(given_grants))
        return allowed(rules, context(principal), bank)

    assert under(some) <= under([*some, *more])
    assert under(some) | under(more) == under([*some, *more])


@given(callers, banks, st.sampled_from(["", "read", "delete", "RECALL", "recall "]))
def test_without_grants_and_for_unlisted_operations_the_answer_is_no(
    principal: str | None, bank: str, operation: str
) -> None:
    assert allowed(AccessRules(enabled=True, default_policy="deny"), context(principal), bank) == set()
    for rules in (AccessRules(), AccessRules(enabled=True, default_policy="open")):
        assert not Authorizer(rules).authorize(context(principal), operation, [bank]).allowed


@given(names, names, names, names)
def test_a_name_is_not_the_beginning_of_another(bank: str, principal: str, more_bank: str, more_principal: str) -> None:
    index = GrantIndex([Grant(bank, f"user:{principal}", EVERYTHING)])
    assert index.rights(f"user:{principal}", bank) == EVERYTHING
    assert index.rights(f"user:{principal}", bank + more_bank) is None
    assert index.rights(f"user:{principal}{more_principal}", bank) is None
    assert index.rights(f"agent:{principal}", bank) is None


def test_what_is_remembered_is_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("astrocyte.access.grants.REMEMBERED", 10)
    index = GrantIndex([Grant("b*", "user:alice", EVERYTHING)])
    for number in range(100):
        assert index.rights("user:alice", f"b{number}") == EVERYTHING
        assert index.rights("user:bob", f"b{number}") is None
        assert len(index._found) <= 10
