"""The one choke point: every way into the engine asks `Authorizer.authorize` before anything is touched."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from types import MappingProxyType

from aster.foundation.errors import ConfigError
from astrocyte.access.identity import AstrocyteContext, principal_label
from astrocyte.errors import AccessDenied

OPERATIONS: Mapping[str, str] = MappingProxyType(
    {
        "recall": "read",
        "reflect": "read",
        "history": "read",
        "list": "read",
        "retain": "write",
        "forget": "forget",
        "forget_all": "admin",
        "export": "admin",
        "import": "admin",
    }
)
"""Every operation and the permission it needs. What is not listed is refused."""


@dataclass(frozen=True, slots=True)
class Decision:
    """What was decided and why; ``rule`` names what decided."""

    allowed: bool
    reason: str
    rule: str
    principal: str
    permission: str
    banks: tuple[str, ...]

    def enforce(self) -> None:
        """Raise `AccessDenied`, naming the first bank, unless allowed."""
        if not self.allowed:
            raise AccessDenied(self.principal, self.permission, self.banks[0] if self.banks else "")


class Authorizer:
    """Access control is off: every caller may do every listed operation. Switching it on is refused until it acts."""

    def __init__(self, *, enabled: bool = False) -> None:
        if enabled:
            raise ConfigError(
                "access_control.enabled: grants are not enforced yet, so they can't be switched on",
                hint="leave access_control out and let only trusted callers reach the gateway",
            )

    def authorize(self, identity: AstrocyteContext | None, operation: str, banks: Sequence[str]) -> Decision:
        """Decide for all banks at once; an unknown operation, and one without a bank, is refused."""
        who = principal_label(identity)
        permission = OPERATIONS.get(operation)
        if permission is None:
            return Decision(False, f"unknown operation '{operation}'", "unlisted", who, operation, tuple(banks))
        if not banks:
            return Decision(False, "no bank is named", "no bank", who, permission, ())
        return Decision(True, "access control is disabled", "disabled", who, permission, tuple(banks))
