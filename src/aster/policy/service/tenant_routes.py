"""Tenant administration over HTTP (OWNER): settings, who may act as what, named signing keys."""

import secrets
from collections.abc import Callable
from datetime import datetime
from typing import Annotated, Any, Literal

import msgspec
from msgspec import UNSET, Meta, UnsetType

from aster.foundation.http.errors import ValidationFailed
from aster.foundation.http.reply import Reply, json_reply
from aster.foundation.http.request import Request
from aster.foundation.http.routes import Route
from aster.policy.service.caller import Role, tenant_of
from aster.policy.service.envelope import problem
from aster.policy.service.errors import Conflict, KeysUnavailable, PreconditionFailed
from aster.policy.service.policy_messages import iso
from aster.policy.service.queries import cursor_header, cursor_of, page_and_size, page_headers
from aster.policy.service.roles import USER_LENGTH
from aster.policy.service.signing_keys import SigningKeys
from aster.policy.service.tenant_data import Change, TenantData
from aster.policy.service.tenants import Assignment, Key, TenantSettings

ROOT = "/api/v1/tenant"
LATEST_MS = 253_402_300_799_000
"""The end of the year 9999."""

RoleName = Literal["VIEWER", "MEMBER", "ADMIN", "OWNER"]


SettingsPatch = msgspec.defstruct(
    "SettingsPatch",
    [(each.name, each.type | UnsetType, UNSET) for each in msgspec.structs.fields(TenantSettings)],
    frozen=True,
    rename="camel",
    forbid_unknown_fields=True,
    namespace={"__doc__": "Settings to change: what is absent stays; null takes a limit or a list away."},
)


class AssignmentRequest(msgspec.Struct, frozen=True, rename="camel"):
    role: RoleName
    expires_at: datetime | None = None


class AssignmentAnswer(msgspec.Struct, frozen=True, rename="camel"):
    user_id: str
    role: str
    created_at: str
    created_by: str
    expires_at: str | None


class KeyRequest(msgspec.Struct, frozen=True, rename="camel"):
    """``roleCeiling`` is the most that requests signed with the key may do."""

    label: Annotated[str, Meta(max_length=200)] = ""
    role_ceiling: RoleName = "MEMBER"
    expires_at: datetime | None = None


class KeyAnswer(msgspec.Struct, frozen=True, rename="camel"):
    """``secret`` is told once, by the request that makes the key."""

    key_id: str
    label: str
    role_ceiling: str
    created_at: str
    created_by: str
    expires_at: str | None
    revoked_at: str | None
    secret: str | msgspec.UnsetType = msgspec.UNSET


class TenantRoutes:
    """Handlers and their rows of the table."""

    def __init__(self, data: TenantData, keys: SigningKeys) -> None:
        self._data = data
        self._keys = keys

    @property
    def routes(self) -> list[Route]:
        owner, assignments, keys = Role.OWNER, f"{ROOT}/rbac/assignments", f"{ROOT}/keys"
        one = f"{assignments}/{{user_id}}"
        return [
            Route("GET", ROOT, self.read_settings, "The tenant's settings", owner, answer=TenantSettings),
            Route(
                "PUT",
                f"{ROOT}/settings",
                self.replace_settings,
                "Replace the tenant's settings",
                owner,
                TenantSettings,
                TenantSettings,
                errors=(409, 412),
            ),
            Route(
                "PATCH",
                f"{ROOT}/settings",
                self.patch_settings,
                "Change some of the tenant's settings",
                owner,
                SettingsPatch,
                TenantSettings,
                errors=(409, 412),
            ),
            Route(
                "GET",
                assignments,
                self.list_assignments,
                "Who may act as what",
                owner,
                answer=list[AssignmentAnswer],
                query=("page", "size", "cursor"),
            ),
            Route(
                "PUT",
                one,
                self.assign,
                "The most a user may act as",
                owner,
                AssignmentRequest,
                AssignmentAnswer,
                also=(201,),
                errors=(409,),
            ),
            Route(
                "DELETE",
                one,
                self.revoke_assignment,
                "Forget a user's assignment",
                owner,
                status=204,
                errors=(404, 409),
            ),
            Route("GET", keys, self.list_keys, "The tenant's named signing keys", owner, answer=list[KeyAnswer]),
            Route(
                "POST",
                keys,
                self.create_key,
                "Make a named signing key; its secret is told once",
                owner,
                KeyRequest,
                KeyAnswer,
                status=201,
                errors=(409,),
            ),
            Route(
                "DELETE",
                f"{keys}/{{key_id}}",
                self.revoke_key,
                "Revoke a key at once",
                owner,
                status=204,
                errors=(404,),
            ),
        ]

    async def read_settings(self, request: Request, body: Any) -> Reply:
        settings, revision = await self._data.administration(request, lambda administration: administration.settings())
        return json_reply(settings, headers=[_etag(revision)])

    async def replace_settings(self, request: Request, body: TenantSettings) -> Reply:
        return await self._change_settings(request, lambda before: body)

    async def patch_settings(self, request: Request, body: Any) -> Reply:
        given = {name: value for name, value in msgspec.structs.asdict(body).items() if value is not msgspec.UNSET}
        return await self._change_settings(request, lambda before: msgspec.structs.replace(before, **given))

    async def _change_settings(self, request: Request, changed: Callable[[TenantSettings], TenantSettings]) -> Reply:
        def work(change: Change) -> Reply:
            before, revision = change.administration.settings()
            body = changed(before)
            if request.header(b"if-match") not in (None, b"*", _etag(revision)[1]):
                raise PreconditionFailed("the settings are not the ones that If-Match names")
            if body.unassigned_role != "OWNER" and not change.administration.has_owner():
                raise Conflict("nobody would be OWNER any more", hint="assign an OWNER first")
            after = change.administration.save_settings(body, revision=revision)
            payload = {"before": msgspec.to_builtins(before), "after": msgspec.to_builtins(body)}
            change.record("TENANT_SETTINGS_CHANGED", payload=payload)
            return json_reply(body, headers=[_etag(after)])

        return await self._data.change(request, work)

    async def list_assignments(self, request: Request, body: Any) -> Reply:
        page, size = page_and_size(request)
        after = cursor_of(request, str) or ""
        total, found = await self._data.administration(
            request,
            lambda administration: administration.assignments(after=after, offset=page * size, limit=size + 1),
        )
        headers = page_headers(request, page, size, total)
        if len(found) > size:
            headers.append(cursor_header(found[size - 1].user_id))
        return json_reply([_assignment_answer(assignment) for assignment in found[:size]], headers=headers)

    async def assign(self, request: Request, body: AssignmentRequest) -> Reply:
        user = request.path_params["user_id"]
        if len(user) > USER_LENGTH or not user.isprintable():
            raise ValidationFailed("the user's name is malformed", problems=problem("userId", "is malformed"))
        expires_ms = _milliseconds(body.expires_at, "expiresAt")

        def work(change: Change) -> Reply:
            assignment = Assignment(user, Role[body.role], change.now_ms, change.caller.user, expires_ms)
            is_new = change.administration.assign(assignment)
            payload = {"userId": user, "role": body.role, "expiresAt": _moment(expires_ms)}
            change.record("RBAC_ASSIGNED", payload=payload)
            return json_reply(_assignment_answer(assignment), 201 if is_new else 200)

        return await self._data.change(request, work)

    async def revoke_assignment(self, request: Request, body: Any) -> Reply:
        def work(change: Change) -> Reply:
            before = change.administration.revoke_assignment(request.path_params["user_id"])
            change.record("RBAC_REVOKED", payload={"userId": before.user_id, "role": Role(before.role).name})
            return Reply(204)

        return await self._data.change(request, work)

    async def list_keys(self, request: Request, body: Any) -> list[KeyAnswer]:
        keys = await self._data.administration(request, lambda administration: administration.keys())
        return [_key_answer(key) for key in keys]

    async def create_key(self, request: Request, body: KeyRequest) -> KeyAnswer:
        """Not replayed for an ``Idempotency-Key``: that would store the secret."""
        key_id = f"k{secrets.token_hex(8)}"
        secret = self._keys.derived(tenant_of(request), key_id)
        if secret is None:
            raise KeysUnavailable("this service has no master key to make keys from")
        expires_ms = _milliseconds(body.expires_at, "expiresAt")

        def work(change: Change) -> KeyAnswer:
            ceiling = Role[body.role_ceiling]
            key = Key(key_id, body.label, ceiling, change.now_ms, change.caller.user, expires_ms, None)
            change.administration.add_key(key)
            change.record("KEY_CREATED", payload={"keyId": key_id, "roleCeiling": str(ceiling)})
            return msgspec.structs.replace(_key_answer(key), secret=secret.decode())

        return await self._data.change_without_replay(request, work)

    async def revoke_key(self, request: Request, body: Any) -> Reply:
        def work(change: Change) -> Reply:
            key_id = request.path_params["key_id"]
            change.administration.revoke_key(key_id, now_ms=change.now_ms)
            change.record("KEY_REVOKED", payload={"keyId": key_id})
            return Reply(204)

        return await self._data.change(request, work)


def _assignment_answer(assignment: Assignment) -> AssignmentAnswer:
    return AssignmentAnswer(
        user_id=assignment.user_id,
        role=Role(assignment.role).name,
        created_at=iso(assignment.created_ms),
        created_by=assignment.created_by,
        expires_at=_moment(assignment.expires_ms),
    )


def _key_answer(key: Key) -> KeyAnswer:
    return KeyAnswer(
        key_id=key.id,
        label=key.label,
        role_ceiling=Role(key.role_ceiling).name,
        created_at=iso(key.created_ms),
        created_by=key.created_by,
        expires_at=_moment(key.expires_ms),
        revoked_at=_moment(key.revoked_ms),
    )


def _moment(milliseconds: int | None) -> str | None:
    return None if milliseconds is None else iso(milliseconds)


def _milliseconds(moment: datetime | None, name: str) -> int | None:
    """Milliseconds since 1970; raises `ValidationFailed` for a time without its zone or before 1970."""
    if moment is None:
        return None
    milliseconds = -1 if moment.tzinfo is None else int(moment.timestamp() * 1000)
    if not 0 <= milliseconds <= LATEST_MS:
        raise ValidationFailed(
            f"{name} must be a time from 1970 on, with its zone", problems=problem(name, "is not one")
        )
    return milliseconds


def _etag(revision: int) -> tuple[bytes, bytes]:
    return (b"etag", b'"r%d"' % revision)
