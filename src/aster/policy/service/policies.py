"""Stored policies, their versions and activations: one tenant's at a time.

A `TenantPolicies` is made of a connection *and* a tenant; nothing here can be asked for "all tenants", and another
tenant's identifier finds nothing. Writing methods belong into a transaction of the caller's, beside its audit record.
"""

import hashlib
import uuid
from collections.abc import Sequence
from typing import Any

import msgspec

from aster.foundation.sql import Connection
from aster.policy.service.errors import (
    ConcurrentModification,
    Conflict,
    DuplicateName,
    PolicyNotFound,
    VersionAlreadyActive,
    VersionNotApproved,
    VersionNotFound,
)
from aster.policy.service.policy_rows import (
    APPROVED,
    DECIDING,
    Activation,
    ActivationKind,
    Deployed,
    Imports,
    NewVersion,
    PastActivation,
    Pin,
    Policy,
    Version,
    envelope_of,
    imports_of,
    read_version,
    strings,
    toolchain,
    version_row,
)

_POLICY = ", ".join(Policy.__struct_fields__)
_VERSION = ", ".join(Version.__struct_fields__)
_SUMMARY = _VERSION.replace(" source,", " '' AS source,")


class TenantPolicies:
    """One tenant's policies on one connection."""

    __slots__ = ("_connection", "_tenant")

    def __init__(self, connection: Connection, tenant: str) -> None:
        if not tenant:
            raise ValueError("a repository needs a tenant")
        self._connection = connection
        self._tenant = tenant

    def find(self, policy_id: str, *, with_deleted: bool = False) -> Policy:
        """Raises `PolicyNotFound`."""
        row = self._connection.execute(
            f"SELECT {_POLICY} FROM policies WHERE tenant = ? AND id = ? AND (? OR deleted_ms IS NULL)",  # noqa: S608
            (self._tenant, policy_id, with_deleted),
        ).fetchone()
        if row is None:
            raise PolicyNotFound("no such policy")
        return Policy(*row)

    def find_module(self, module: str) -> Policy | None:
        row = self._connection.execute(
            f"SELECT {_POLICY} FROM policies WHERE tenant = ? AND module = ? AND deleted_ms IS NULL",  # noqa: S608
            (self._tenant, module),
        ).fetchone()
        return Policy(*row) if row else None

    def page(
        self,
        *,
        module: str | None,
        name: str | None,
        status: str | None,
        with_deleted: bool,
        after: tuple[int, str] | None,
        offset: int,
        limit: int,
    ) -> tuple[int, list[tuple[Policy, Version]]]:
        """How many there are, and one page of them by creation, each with its `shown` version but without sources.

        ``after`` is when the last one of the page before was made, and its identifier.
        """
        where = (
            " FROM policies p WHERE p.tenant = ? AND (? OR p.deleted_ms IS NULL)"
            " AND p.module = coalesce(?, p.module) AND p.name = coalesce(?, p.name) AND EXISTS"
            " (SELECT 1 FROM policy_versions v WHERE v.tenant = p.tenant AND v.policy_id = p.id"
            " AND v.version = coalesce(p.active_version, p.last_version) AND v.status = coalesce(?, v.status))"
        )
        values = (self._tenant, with_deleted, module, name, status)
        total = self._connection.execute(f"SELECT count(*) {where}", values).fetchone()[0]
        rows = self._connection.execute(
            f"SELECT {_POLICY} {where} AND (p.created_ms, p.id) > (?, ?) ORDER BY created_ms, id LIMIT ? OFFSET ?",
            (*values, *(after or (-1, "")), limit, offset),
        )
        policies = [Policy(*row) for row in rows.fetchall()]
        return total, [(policy, self._version(policy.id, _shown(policy), _SUMMARY)) for policy in policies]

    def versions(self, policy_id: str) -> list[Version]:
        """Oldest first, without sources."""
        rows = self._connection.execute(
            f"SELECT {_SUMMARY} FROM policy_versions WHERE tenant = ? AND policy_id = ? ORDER BY version",  # noqa: S608
            (self._tenant, policy_id),
        )
        return [read_version(row) for row in rows]

    def shown(self, policy: Policy) -> Version:
        """The active version, or the newest."""
        return self.version(policy.id, _shown(policy))

    def version(self, policy_id: str, number: int) -> Version:
        """Raises `VersionNotFound`."""
        return self._version(policy_id, number, _VERSION)

    def _version(self, policy_id: str, number: int, columns: str) -> Version:
        row = self._connection.execute(
            f"SELECT {columns} FROM policy_versions WHERE tenant = ? AND policy_id = ? AND version = ?",  # noqa: S608
            (self._tenant, policy_id, number),
        ).fetchone()
        if row is None:
            raise VersionNotFound(f"the policy has no version {number}")
        return read_version(row)

    def deployed(self, module: str, version: int | None = None) -> Deployed:
        """The active version of a module, or the pinned one, in one indexed look-up.

        Raises `PolicyNotFound`; `VersionNotApproved` for one that must not decide.
        """
        row = self._connection.execute(
            "SELECT p.id, v.version, v.source_hash, v.locale, p.default_function, v.pins, v.words, v.status"
            " FROM policies p JOIN policy_versions v"
            " ON v.tenant = p.tenant AND v.policy_id = p.id AND v.version = coalesce(?, p.active_version)"
            " WHERE p.tenant = ? AND p.module = ? AND p.deleted_ms IS NULL",
            (version, self._tenant, module),
        ).fetchone()
        if row is None:
            raise PolicyNotFound(f"no {'active' if version is None else 'such'} version of module '{module}'")
        *deployed, status = row
        if status not in DECIDING:
            raise VersionNotApproved(
                f"version {version} of module '{module}' is {status} and decides nothing",
                hint="try a draft with evaluate-source, or have it approved",
            )
        return Deployed(*deployed)

    def usable(self, module: str, version: int | None) -> tuple[Pin, Imports] | None:
        """What other policies may use of a visible module: the active version, or the approved one asked for."""
        row = self._connection.execute(
            "SELECT p.id, v.version, v.envelope_hash, v.imports FROM policies p JOIN policy_versions v"
            " ON v.tenant = p.tenant AND v.policy_id = p.id AND v.version = coalesce(?, p.active_version)"
            " WHERE p.tenant = ? AND p.module = ? AND p.deleted_ms IS NULL AND p.library_visible = 1 AND v.status = ?",
            (version, self._tenant, module, APPROVED),
        ).fetchone()
        return (Pin(module, row[1], row[0], row[2]), imports_of(row[3])) if row else None

    def is_whole(self, module: str, version: Version) -> bool:
        """Is the version what its envelope's hash was made of?"""
        return version.envelope_hash == envelope_of(self._tenant, module, version)

    def activations(self) -> list[Activation]:
        """What is active, by policy: the newest activation of each."""
        rows = self._connection.execute(
            "SELECT p.id, p.module, a.version, a.number, a.kind, a.activated_ms FROM policies p"
            " JOIN policy_activations a ON a.tenant = p.tenant AND a.policy_id = p.id AND a.number ="
            " (SELECT max(number) FROM policy_activations WHERE tenant = p.tenant AND policy_id = p.id)"
            " WHERE p.tenant = ? AND p.deleted_ms IS NULL ORDER BY p.module",
            (self._tenant,),
        )
        return [Activation(*row) for row in rows]

    def history(self, policy: Policy) -> list[PastActivation]:
        """Which versions were active from when to when, the first first."""
        rows = self._connection.execute(
            "SELECT number, version, kind, reason, activated_ms, activated_by, coalesce("
            " lead(activated_ms) OVER (ORDER BY number), ?) FROM policy_activations"
            " WHERE tenant = ? AND policy_id = ? ORDER BY number",
            (policy.deleted_ms, self._tenant, policy.id),
        )
        return [PastActivation(*row) for row in rows]

    def sources(self, *, module: str | None, function: str | None) -> list[tuple[str, str, str, str]]:
        """What programs are cached by, of every version; of one module, and those with one rule, when named."""
        rows = self._connection.execute(
            "SELECT DISTINCT v.source_hash, v.locale, v.pins, v.words, v.functions"
            " FROM policy_versions v JOIN policies p ON p.tenant = v.tenant AND p.id = v.policy_id"
            " WHERE p.tenant = ? AND p.module = coalesce(?, p.module)",
            (self._tenant, module),
        )
        return [(*row[:4],) for row in rows if function is None or function in strings(row[4])]

    def create(self, module: str, *, name: str, description: str, function: str | None, by: str, now_ms: int) -> Policy:
        """A policy without versions; raises `DuplicateName` when the module is taken."""
        policy = Policy(
            str(uuid.uuid4()), module, name, description, function, None, 0, 1, now_ms, by, now_ms, by, None
        )
        marks = ", ".join("?" * (1 + len(Policy.__struct_fields__)))
        inserted = self._connection.execute(
            f"INSERT INTO policies (tenant, {_POLICY}) VALUES ({marks}) ON CONFLICT DO NOTHING",  # noqa: S608
            (self._tenant, *msgspec.structs.astuple(policy)),
        )
        if inserted.rowcount != 1:
            raise DuplicateName(f"there is a policy of module '{module}'")
        return policy

    def add_version(self, policy: Policy, new: NewVersion, *, now_ms: int) -> Version:
        """The next version; the policy's active one stays."""
        number = policy.last_version + 1
        version = Version(
            policy_id=policy.id,
            version=number,
            source=new.source,
            locale=new.locale,
            source_hash=hashlib.sha256(new.source.encode()).hexdigest(),
            envelope_hash="",
            functions=list(new.functions),
            status=new.status,
            notes=new.notes,
            created_ms=now_ms,
            created_by=new.author,
            author_role=new.author_role,
            decided_ms=None,
            decided_by=None,
            comment=None,
            imports=new.imports,
            pins=new.pins,
            toolchain=toolchain(),
            source_kind=new.source_kind,
            words=new.words,
            previous_hash=self._version(policy.id, number - 1, _SUMMARY).envelope_hash if number > 1 else "",
        )
        version = msgspec.structs.replace(version, envelope_hash=envelope_of(self._tenant, policy.module, version))
        row = version_row(version)
        marks = ", ".join("?" * (1 + len(row)))
        self._connection.execute(
            f"INSERT INTO policy_versions (tenant, {_VERSION}) VALUES ({marks})",  # noqa: S608
            (self._tenant, *row),
        )
        self.change(policy, by=new.author, now_ms=now_ms, last_version=number)
        return version

    def change(self, policy: Policy, *, by: str, now_ms: int, **columns: Any) -> Policy:
        """Set columns and count the revision; raises `ConcurrentModification` when somebody else was faster."""
        changed = msgspec.structs.replace(
            policy, **columns, revision=policy.revision + 1, updated_ms=now_ms, updated_by=by
        )
        pairs = {name: getattr(changed, name) for name in (*columns, "revision", "updated_ms", "updated_by")}
        assignments = ", ".join(f"{name} = ?" for name in pairs)
        cursor = self._connection.execute(
            f"UPDATE policies SET {assignments} WHERE tenant = ? AND id = ? AND revision = ?",  # noqa: S608
            (*pairs.values(), self._tenant, policy.id, policy.revision),
        )
        if cursor.rowcount != 1:
            raise ConcurrentModification("the policy was changed meanwhile", hint="read it and try again")
        return changed

    def activate(
        self, policy: Policy, version: Version, *, kind: ActivationKind, reason: str, by: str, now_ms: int
    ) -> Policy:
        """Make a version the active one and note it in the history; raises `VersionAlreadyActive`, `Conflict`."""
        if policy.active_version == version.version:
            raise VersionAlreadyActive(f"version {version.version} is active already")
        if version.status != APPROVED:
            raise Conflict(f"version {version.version} is {version.status}; only an APPROVED one can be activated")
        changed = self.change(policy, by=by, now_ms=now_ms, active_version=version.version)
        self._connection.execute(
            "INSERT INTO policy_activations"
            " SELECT ?1, ?2, 1 + coalesce(max(number), 0), ?3, ?4, ?5, ?6, ?7"
            " FROM policy_activations WHERE tenant = ?1 AND policy_id = ?2",
            (self._tenant, policy.id, version.version, kind, reason, now_ms, by),
        )
        return changed

    def decide(
        self, version: Version, *, allowed: Sequence[str], status: str, comment: str, by: str, now_ms: int
    ) -> Version:
        """Move a version to another state of its life; raises `Conflict` when it is not in an allowed one."""
        if version.status not in allowed:
            raise Conflict(f"version {version.version} is {version.status}, which can't become {status}")
        changed = msgspec.structs.replace(version, status=status, comment=comment, decided_by=by, decided_ms=now_ms)
        self._connection.execute(
            "UPDATE policy_versions SET status = ?, comment = ?, decided_by = ?, decided_ms = ?"
            " WHERE tenant = ? AND policy_id = ? AND version = ?",
            (status, comment, by, now_ms, self._tenant, version.policy_id, version.version),
        )
        return changed


def _shown(policy: Policy) -> int:
    return policy.active_version or policy.last_version
