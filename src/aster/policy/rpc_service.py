"""Policies over P2P: the same engine, limits and audit as over HTTP, for peers that were admitted by their key.

Who a peer is comes from its admission, never from what it sends: the attribute ``aster.tenant`` names its tenant, the
list ``aster.role`` holds its role there. A peer without attributes (an open gate admits everybody like that) acts as
MEMBER of one fixed tenant, and of no other.
"""

from collections.abc import Mapping
from typing import Any

import msgspec

from aster.foundation.http.rates import RateLimited
from aster.policy.engine import EngineBusy
from aster.policy.service.app import PolicyHttpService
from aster.policy.service.caller import ANONYMOUS, Caller, Role
from aster.policy.service.errors import EntryAmbiguous, SourceTooLarge
from aster.policy.service.messages import Evaluation, Locale, Name, Source
from aster.policy.service.roles import ROLES
from aster.policy.service.tenant import PATTERN
from aster.rpc import (
    CallContext,
    InvalidArgumentError,
    PermissionDeniedError,
    ResourceExhaustedError,
    UnavailableError,
    rpc,
    service,
)

OPEN_TENANT = "local"
TENANT_ATTRIBUTE = "aster.tenant"
ROLE_ATTRIBUTE = "aster.role"


class EvaluateSource(msgspec.Struct, frozen=True):
    """``context`` maps parameter names to values; a list gives them by position."""

    source: Source
    function_name: Name | None = None
    context: Any = {}
    locale: Locale | None = None
    trace: bool = False


@service("aster.policy.PolicyService")
class PolicyService:
    """Evaluate policies; every evaluation is in the tenant's audit chain before it is answered."""

    def __init__(self, policy: PolicyHttpService, *, open_tenant: str | None = OPEN_TENANT) -> None:
        """``open_tenant`` is whose MEMBER a peer without attributes is; None refuses such peers."""
        self._policy = policy
        self._open_tenant = open_tenant

    @rpc
    async def evaluate_source(self, request: EvaluateSource, context: CallContext) -> Evaluation:
        """Evaluate a rule of a source with one context."""
        caller = caller_of_peer(context, self._open_tenant)
        if caller.role < Role.MEMBER:
            raise PermissionDeniedError("evaluating needs the role MEMBER")
        try:
            await self._policy.rates.take(caller.tenant, 1)
            (answer,) = await self._policy.evaluations.source(
                caller,
                request.source,
                [request.context],
                locale=request.locale,
                rule=request.function_name,
                trace=request.trace,
            )
        except (EntryAmbiguous, SourceTooLarge) as error:
            raise InvalidArgumentError(error.message, details={"code": error.code}) from None
        except RateLimited as error:
            raise ResourceExhaustedError(error.message, hint=error.hint) from None
        except EngineBusy as error:
            raise UnavailableError(error.message, hint=error.hint) from None
        return answer


def caller_of_peer(context: CallContext, open_tenant: str | None) -> Caller:
    """Who the peer is by its admission; `PermissionDeniedError` when that does not tell a tenant and a role."""
    tenant, role = _place_of(context.attributes, open_tenant)
    return Caller(
        tenant=tenant,
        user=context.peer or ANONYMOUS,
        role=role,
        request_id=f"call-{context.call_id}",
        entrance="p2p",
    )


def _place_of(attributes: Mapping[str, str], open_tenant: str | None) -> tuple[str, Role]:
    if not attributes and open_tenant is not None:
        return open_tenant, Role.MEMBER
    tenant = attributes.get(TENANT_ATTRIBUTE, "")
    words = attributes.get(ROLE_ATTRIBUTE, "").upper().split(",")
    roles = [ROLES[name] for word in words if (name := word.strip().encode()) in ROLES]
    if not PATTERN.fullmatch(tenant.encode()) or not roles:
        raise PermissionDeniedError(
            f"this peer's admission has no {TENANT_ATTRIBUTE} with a policy role in {ROLE_ATTRIBUTE}"
        )
    return tenant, max(roles)
