"""Layer 3: ``X-User-Role`` must be a known role, and at least the one the route asks for; 403."""

from collections.abc import Awaitable

from aster.foundation.http.errors import ValidationFailed
from aster.foundation.http.request import Request
from aster.policy.service.caller import ANONYMOUS, Caller, Role, chain_of, tenant_of
from aster.policy.service.commit import claim_of
from aster.policy.service.envelope import problem
from aster.policy.service.errors import Forbidden, RoleInsufficient, RoleInvalid, RoleMissing
from aster.policy.service.events import denial_event
from aster.policy.service.headers import HeaderConflict, single_headers
from aster.policy.service.journal import Journal
from aster.policy.service.tenant_cache import TenantCache

HEADER = b"x-user-role"
USER_HEADER = b"x-user-id"
USER_LENGTH = 128

ROLES = {role.name.encode(): role for role in Role}


class RoleLayer:
    """Leaves the `Caller` in ``request.state["caller"]``. A route nobody listed still needs a known role.

    The role that counts is the least of: what the header claims, what the signing key may be, what the tenant assigned.
    """

    def __init__(self, tenants: TenantCache, journal: Journal, *, records_denials: bool = True) -> None:
        self._tenants = tenants
        self._journal = journal
        self._records_denials = records_denials

    def __call__(self, request: Request) -> Awaitable[None] | None:
        """Waits when the user's ceiling is not known, and to record a denial."""
        try:
            claimed = claimed_role(request)
            require_role(request, claimed)
            user = user_id(request)
            ceiling = self._tenants.known_ceiling(tenant_of(request), user)
            if ceiling is None:
                return self._look_up(request, claimed, user)
            _establish(request, claimed, user, ceiling)
        except Forbidden as error:
            return self._deny(request, error)
        return None

    async def _look_up(self, request: Request, claimed: Role, user: str) -> None:
        ceiling = await self._tenants.ceiling(tenant_of(request), user)
        try:
            _establish(request, claimed, user, ceiling)
        except Forbidden as error:
            await self._deny(request, error)

    async def _deny(self, request: Request, error: Forbidden) -> None:
        """A denial is in the tenant's chain: the request was signed by one of its own secrets."""
        if not self._records_denials:
            raise error
        route = request.match.route
        claimed = ROLES.get((request.header(HEADER) or b"").upper())
        try:
            user = user_id(request)
        except ValidationFailed:
            user = ANONYMOUS
        event = denial_event(
            user=user,
            role=claimed.name if claimed else "NONE",
            request_id=request.request_id,
            client=request.client,
            key_id=request.state.get("key_id"),
            method=request.method,
            route=route.path if route else "(unmatched)",
            code=error.code,
        )
        await self._journal.record(claim_of(request), chain_of(tenant_of(request)), [event])
        raise error


class NoRoles(RoleLayer):
    """Layer 3 left out, on a developer's machine: everybody is OWNER, or what the named key may be."""

    def __call__(self, request: Request) -> None:
        _establish(request, Role.OWNER, user_id(request), Role.OWNER)


def _establish(request: Request, claimed: Role, user: str, ceiling: Role) -> None:
    role = min(claimed, ceiling, request.state.get("key_ceiling", Role.OWNER))
    require_role(request, role)
    request.state["caller"] = Caller(
        tenant=tenant_of(request),
        user=user,
        role=role,
        request_id=request.request_id,
        client=request.client,
        key_id=request.state.get("key_id"),
    )


def claimed_role(request: Request) -> Role:
    """The header's role, in any case."""
    try:
        value = single_headers(request).get(HEADER)
    except HeaderConflict:
        raise RoleInvalid("X-User-Role was sent with different values") from None
    if not value:
        raise RoleMissing("X-User-Role is required", problems=problem("X-User-Role", "is missing"))
    role = ROLES.get(value.upper())
    if role is None:
        raise RoleInvalid(
            "X-User-Role must be OWNER, ADMIN, MEMBER or VIEWER", problems=problem("X-User-Role", "is not a role")
        )
    return role


def require_role(request: Request, role: Role) -> None:
    route = request.match.route
    if route is not None and role < route.access:
        raise RoleInsufficient(
            f"this needs the role {route.access}, the request counts as {role}",
            problems=problem("X-User-Role", f"requires {route.access}"),
        )


def user_id(request: Request) -> str:
    """``X-User-Id`` for the audit log, at most 128 printable characters; ``anonymous`` without one."""
    try:
        value = single_headers(request).get(USER_HEADER)
        text = value.decode("utf-8") if value else ANONYMOUS
    except (HeaderConflict, UnicodeDecodeError):
        text = ""
    if not text or len(text) > USER_LENGTH or not text.isprintable():
        raise ValidationFailed(
            f"X-User-Id must be one text of 1 to {USER_LENGTH} printable characters",
            problems=problem("X-User-Id", "is malformed"),
        )
    return text
