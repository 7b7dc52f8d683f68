"""What a tenant decides about itself: settings, who may act as what, named signing keys. One tenant's at a time."""

from typing import Annotated, Literal

import msgspec
from msgspec import Meta

from aster.foundation.http.errors import NotFound
from aster.foundation.sql import Connection
from aster.policy.service.caller import Role
from aster.policy.service.errors import Conflict, PreconditionFailed
from aster.policy.service.recording import AuditedEvaluations

Origin = Annotated[str, Meta(pattern=r"^https?://[A-Za-z0-9.:\[\]-]{1,255}\Z")]


class RateLimit(msgspec.Struct, frozen=True, rename="camel"):
    """At most ``requests`` in ``windowSeconds``, refilled steadily; a batch counts as its items."""

    requests: Annotated[int, Meta(ge=1, le=10_000_000)]
    window_seconds: Annotated[int, Meta(ge=1, le=86_400)]


class TenantSettings(msgspec.Struct, frozen=True, rename="camel", forbid_unknown_fields=True):
    """``unassignedRole`` is the most that a user without an assignment may be, once the tenant has assignments.

    ``rateLimit`` and ``maxSteps`` count when they are lower than the operator's. ``defaultLocale`` is meant where a
    request names none; ``strictTypes`` refuses sources with errors of types; ``redactPii`` masks personal data in what
    people typed before it is recorded; ``auditEvaluations`` says which evaluations are (null: as the operator chose);
    ``corsOrigins``, when given, are the only pages that may ask; records older than ``auditRetentionDays`` are cut off
    the audit chain.
    """

    display_name: Annotated[str, Meta(max_length=200)] = ""
    default_locale: Literal["en-US", "zh-CN", "de-DE"] = "en-US"
    strict_types: bool = False
    max_steps: Annotated[int, Meta(ge=1, le=1_000_000_000)] | None = None
    audit_evaluations: AuditedEvaluations | None = None
    audit_retention_days: Annotated[int, Meta(ge=1, le=36_500)] | None = None
    redact_pii: bool = True
    cors_origins: Annotated[list[Origin], Meta(max_length=100)] | None = None
    approval_required: bool = False
    allow_self_approval: bool = False
    rate_limit: RateLimit | None = None
    unassigned_role: Literal["VIEWER", "MEMBER", "ADMIN", "OWNER"] = "OWNER"


class Assignment(msgspec.Struct, frozen=True):
    user_id: str
    role: int
    created_ms: int
    created_by: str
    expires_ms: int | None


class Key(msgspec.Struct, frozen=True):
    id: str
    label: str
    role_ceiling: int
    created_ms: int
    created_by: str
    expires_ms: int | None
    revoked_ms: int | None


_ASSIGNMENT = ", ".join(Assignment.__struct_fields__)
_REASSIGNED = ", ".join(f"{name} = excluded.{name}" for name in Assignment.__struct_fields__)
_KEY = ", ".join(Key.__struct_fields__)


class TenantAdministration:
    """One tenant's settings, assignments and keys on one connection. ``now_ms`` decides what has expired."""

    __slots__ = ("_connection", "_tenant")

    def __init__(self, connection: Connection, tenant: str) -> None:
        if not tenant:
            raise ValueError("a repository needs a tenant")
        self._connection = connection
        self._tenant = tenant

    def settings(self) -> tuple[TenantSettings, int]:
        """The settings and their revision; the defaults are revision 0."""
        row = self._connection.execute(
            "SELECT settings, revision FROM policy_tenants WHERE tenant = ?", (self._tenant,)
        ).fetchone()
        return (msgspec.json.decode(row[0], type=TenantSettings), row[1]) if row else (TenantSettings(), 0)

    def save_settings(self, settings: TenantSettings, *, revision: int) -> int:
        """Replace revision ``revision``; returns the new one. Raises `PreconditionFailed` if it is not the last."""
        if self.settings()[1] != revision:
            raise PreconditionFailed("the settings were changed meanwhile")
        self._connection.execute(
            "INSERT INTO policy_tenants (tenant, settings, revision) VALUES (?, ?, ?) ON CONFLICT (tenant)"
            " DO UPDATE SET settings = excluded.settings, revision = excluded.revision",
            (self._tenant, msgspec.json.encode(settings).decode(), revision + 1),
        )
        return revision + 1

    def assignments(self, *, after: str, offset: int, limit: int) -> tuple[int, list[Assignment]]:
        """How many there are, and one page of them by user; ``after`` is the last user of the page before."""
        total = self._connection.execute(
            "SELECT count(*) FROM policy_assignments WHERE tenant = ?", (self._tenant,)
        ).fetchone()[0]
        rows = self._connection.execute(
            f"SELECT {_ASSIGNMENT} FROM policy_assignments WHERE tenant = ? AND user_id > ?"  # noqa: S608
            " ORDER BY user_id LIMIT ? OFFSET ?",
            (self._tenant, after, limit, offset),
        )
        return total, [Assignment(*row) for row in rows]

    def assignment(self, user_id: str) -> Assignment | None:
        row = self._connection.execute(
            f"SELECT {_ASSIGNMENT} FROM policy_assignments WHERE tenant = ? AND user_id = ?",  # noqa: S608
            (self._tenant, user_id),
        ).fetchone()
        return Assignment(*row) if row else None

    def ceiling(self, user_id: str, *, now_ms: int) -> Role:
        """The most this user may be: OWNER as long as nobody is assigned anything.

        An assignment that has expired still bounds its user: time raises nobody.
        """
        own = self.assignment(user_id)
        if own is not None and (own.expires_ms is None or own.expires_ms > now_ms):
            return Role(own.role)
        if own is None and not self._has_assignments():
            return Role.OWNER
        unassigned = Role[self.settings()[0].unassigned_role]
        return unassigned if own is None else min(Role(own.role), unassigned)

    def _has_assignments(self) -> bool:
        found = self._connection.execute("SELECT 1 FROM policy_assignments WHERE tenant = ? LIMIT 1", (self._tenant,))
        return found.fetchone() is not None

    def has_owner(self) -> bool:
        """Is somebody OWNER for good?"""
        return self._owner_beside(None)

    def assign(self, assignment: Assignment) -> bool:
        """Set a user's role; true when the user had none. Raises `Conflict` when no lasting owner would be left."""
        before = self.assignment(assignment.user_id)
        if assignment.role < Role.OWNER or assignment.expires_ms is not None:
            self._keep_an_owner(before)
        marks = ", ".join("?" * (1 + len(Assignment.__struct_fields__)))
        self._connection.execute(
            f"INSERT INTO policy_assignments (tenant, {_ASSIGNMENT}) VALUES ({marks})"  # noqa: S608
            f" ON CONFLICT (tenant, user_id) DO UPDATE SET {_REASSIGNED}",
            (self._tenant, *msgspec.structs.astuple(assignment)),
        )
        return before is None

    def revoke_assignment(self, user_id: str) -> Assignment:
        """Raises `NotFound`; `Conflict` for the last owner."""
        before = self.assignment(user_id)
        if before is None:
            raise NotFound("no such assignment")
        self._keep_an_owner(before)
        self._connection.execute(
            "DELETE FROM policy_assignments WHERE tenant = ? AND user_id = ?", (self._tenant, user_id)
        )
        return before

    def _keep_an_owner(self, before: Assignment | None) -> None:
        """Refuse to take OWNER from the last user who has it for good."""
        if before is None or before.role < Role.OWNER or before.expires_ms is not None:
            return
        if not self._owner_beside(before.user_id):
            raise Conflict("the last OWNER can't be removed or made less", hint="assign another OWNER first")

    def _owner_beside(self, user_id: str | None) -> bool:
        row = self._connection.execute(
            "SELECT 1 FROM policy_assignments"
            " WHERE tenant = ? AND user_id <> coalesce(?, '') AND role = ? AND expires_ms IS NULL",
            (self._tenant, user_id, Role.OWNER),
        ).fetchone()
        return row is not None

    def keys(self) -> list[Key]:
        rows = self._connection.execute(
            f"SELECT {_KEY} FROM policy_keys WHERE tenant = ? ORDER BY created_ms, id",  # noqa: S608
            (self._tenant,),
        )
        return [Key(*row) for row in rows]

    def live_key(self, key_id: str, *, now_ms: int) -> Key | None:
        """The key, unless it is unknown, expired or revoked."""
        row = self._connection.execute(
            f"SELECT {_KEY} FROM policy_keys WHERE tenant = ? AND id = ? AND revoked_ms IS NULL",  # noqa: S608
            (self._tenant, key_id),
        ).fetchone()
        key = Key(*row) if row else None
        return key if key is not None and _lives(key.expires_ms, now_ms) else None

    def add_key(self, key: Key) -> None:
        marks = ", ".join("?" * (1 + len(Key.__struct_fields__)))
        self._connection.execute(
            f"INSERT INTO policy_keys (tenant, {_KEY}) VALUES ({marks})",  # noqa: S608
            (self._tenant, *msgspec.structs.astuple(key)),
        )

    def revoke_key(self, key_id: str, *, now_ms: int) -> None:
        """Raises `NotFound` for a key that is unknown or revoked already."""
        cursor = self._connection.execute(
            "UPDATE policy_keys SET revoked_ms = ? WHERE tenant = ? AND id = ? AND revoked_ms IS NULL",
            (now_ms, self._tenant, key_id),
        )
        if cursor.rowcount != 1:
            raise NotFound("no such key")


def _lives(expires_ms: int | None, now_ms: int) -> bool:
    return expires_ms is None or now_ms < expires_ms
