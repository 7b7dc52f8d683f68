"""The one choke point: every way into the engine asks `Authorizer.authorize` before anything is touched."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from types import MappingProxyType
from typing import TYPE_CHECKING, Any

from aster.foundation.logs import get_logger
from astrocyte.access.grants import EVERYTHING, GrantIndex
from astrocyte.access.identity import (
    OPERATOR,
    ActorIdentity,
    AstrocyteContext,
    canonical,
    parse_principal,
    principal_label,
)
from astrocyte.access.policy import AccessPolicy
from astrocyte.access.rules import OWN_BANK_PREFIXES, AccessRules
from astrocyte.errors import AccessDenied

if TYPE_CHECKING:
    from astrocyte.access.reload import FollowedRules

OPERATIONS: Mapping[str, str] = MappingProxyType(
    {
        "recall": "read",
        "reflect": "read",
        "history": "read",
        "list": "read",
        "retain": "write",
        "forget": "forget",
        "forget_all": "admin",
        "configure": "admin",
        "reembed": "admin",
        "hold": "admin",
        "erase": "admin",
        "export": "admin",
        "import": "admin",
    }
)
"""Every operation and the permission it needs. What is not listed is refused."""

NOTHING: frozenset[str] = frozenset()
NO_RULES = AccessRules()
POLICY = "policy"

logger = get_logger("astrocyte.access")


@dataclass(frozen=True, slots=True)
class Decision:
    """What was decided and why; ``rule`` names what decided, ``bank`` the first bank that is refused.

    ``trace`` is the access policy's, one for each bank it was asked about, and empty where there is none.
    """

    allowed: bool
    reason: str
    rule: str
    principal: str
    permission: str
    banks: tuple[str, ...]
    bank: str = ""
    trace: tuple[Any, ...] = ()

    def enforce(self) -> None:
        """Raise `AccessDenied`, naming the bank, unless allowed."""
        if not self.allowed:
            raise AccessDenied(self.principal, self.permission, self.bank)


@dataclass(frozen=True, slots=True)
class _Finding:
    """What one identity may do to one bank, and what says so."""

    rights: frozenset[str]
    rule: str
    reason: str


class Authorizer:
    """Decides by the rules it was given. `follow` keeps their grants those of a file.

    A default policy speaks only where no grant fits the caller *and* the bank: a fitting grant that does not give the
    permission is a refusal under every policy. A caller without a name can only be given what ``*`` is given.
    """

    def __init__(self, rules: AccessRules = NO_RULES) -> None:
        if rules.grants and not rules.enabled:
            logger.warning("grants are listed, but access_control.enabled is false: everybody may do everything")
        self.rules = rules
        self._index = GrantIndex(rules.grants)
        self._followed: FollowedRules | None = None

    def follow(self, followed: "FollowedRules") -> None:
        """From now on take over the grants of a file whenever it changes."""
        if self.rules.enabled:
            self._followed = followed

    def authorize(self, identity: AstrocyteContext | None, operation: str, banks: Sequence[str]) -> Decision:
        """Decide for all banks at once; an unknown operation, and one without a bank, is refused."""
        if self._followed is not None and (changed := self._followed.poll(self.rules)) is not None:
            self.rules, self._index = changed
        who = principal_label(identity)
        first = banks[0] if banks else ""
        permission = OPERATIONS.get(operation)
        if permission is None:
            return Decision(False, f"unknown operation '{operation}'", "unlisted", who, operation, tuple(banks), first)
        if not banks:
            return Decision(False, "no bank is named", "no bank", who, permission, ())
        if identity is OPERATOR:
            return Decision(True, "the admin token", "admin token", who, permission, tuple(banks))
        if not self.rules.enabled:
            return Decision(True, "access control is disabled", "disabled", who, permission, tuple(banks))
        findings = {bank: self._finding(identity, permission, bank) for bank in banks}
        refused = next((bank for bank in banks if permission not in findings[bank].rights), None)
        deciding = findings[banks[-1] if refused is None else refused]
        if refused is None and self.rules.policy is not None:
            return self._restricted(self.rules.policy, identity, operation, permission, tuple(banks))
        is_allowed = refused is None
        return Decision(is_allowed, deciding.reason, deciding.rule, who, permission, tuple(banks), refused or "")

    def _restricted(
        self,
        policy: AccessPolicy,
        identity: AstrocyteContext | None,
        operation: str,
        permission: str,
        banks: tuple[str, ...],
    ) -> Decision:
        """What grants allow, as far as the policy allows it too; the first bank it refuses decides for all."""
        who, traces = principal_label(identity), []
        for bank in banks:
            verdict = policy.decide(identity, operation, permission, bank, trace=permission != "read")
            if not verdict.allowed:
                return Decision(False, verdict.reason, POLICY, who, permission, banks, bank, (verdict.trace,))
            traces += [verdict.trace] if verdict.trace is not None else []
        return Decision(True, verdict.reason, POLICY, who, permission, banks, "", tuple(traces))

    def _finding(self, identity: AstrocyteContext | None, permission: str, bank: str) -> _Finding:
        if identity is None:
            return self._alone(None, permission, bank)
        caller = self._alone(parse_principal(identity.principal), permission, bank)
        subject = identity.on_behalf_of
        if subject is None:
            return caller
        if not self.rules.obo_enabled:
            return _Finding(NOTHING, "on_behalf_of", "acting on behalf of others is not enabled (identity.obo_enabled)")
        other = self._alone(subject, permission, bank)
        decisive = caller if permission not in caller.rights else other
        side = "the caller" if decisive is caller else "for whom the call is made"
        return _Finding(caller.rights & other.rights, "on_behalf_of", f"{side}: {decisive.reason}")

    def _alone(self, who: ActorIdentity | None, permission: str, bank: str) -> _Finding:
        rights = self._index.rights(canonical(who) if who else None, bank)
        if rights is not None:
            gives = (
                f"a grant gives '{permission}'" if permission in rights else f"no fitting grant gives '{permission}'"
            )
            return _Finding(rights, "grant", gives)
        policy = self.rules.default_policy
        if policy == "open":
            return _Finding(EVERYTHING, policy, "no grant fits, and the default policy is open")
        if policy == "owner_only" and who is not None and bank == own_bank(who):
            return _Finding(EVERYTHING, policy, "the bank is the caller's own")
        return _Finding(NOTHING, policy, f"no grant fits, and the default policy is {policy}")


def own_bank(who: ActorIdentity) -> str | None:
    """The one bank that belongs to a principal by its name."""
    prefix = OWN_BANK_PREFIXES.get(who.type)
    return None if prefix is None else f"{prefix}{who.id}"
