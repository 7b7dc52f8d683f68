"""A stored policy's versions over HTTP: read, compare, roll back, and the steps of an approval."""

import asyncio
import difflib
from typing import Any, TypeVar

import msgspec

from aster.foundation.http.errors import ValidationFailed
from aster.foundation.http.reply import Reply, json_reply
from aster.foundation.http.request import Request
from aster.foundation.http.routes import Route
from aster.policy.service.caller import Role
from aster.policy.service.envelope import problem
from aster.policy.service.errors import Conflict, Forbidden, UnknownTarget, VersionNotFound
from aster.policy.service.policies import TenantPolicies
from aster.policy.service.policy_messages import (
    ActivationAnswer,
    CommentRequest,
    RollbackAnswer,
    RollbackRequest,
    VersionDiff,
    VersionSummary,
    activation_answer,
    iso,
    version_summary,
)
from aster.policy.service.policy_routes import ONE, etag, named_policy, policy_to_change
from aster.policy.service.policy_rows import (
    APPROVED,
    ARCHIVED,
    DEPRECATED,
    DRAFT,
    REJECTED,
    SUBMITTED,
    ActivationKind,
    Policy,
    Version,
)
from aster.policy.service.queries import query_values
from aster.policy.service.tenant_data import Change, TenantData

T = TypeVar("T")

VERSIONS = f"{ONE}/versions"
VERSION = f"{VERSIONS}/{{number}}"


class Step(msgspec.Struct, frozen=True):
    """One step in a version's life: from which states, to which, who may take it, what is recorded."""

    allowed: tuple[str, ...]
    status: str
    role: Role
    event: str


STEPS = {
    "submit": Step((DRAFT, REJECTED), SUBMITTED, Role.MEMBER, "VERSION_SUBMITTED"),
    "approve": Step((SUBMITTED,), APPROVED, Role.ADMIN, "VERSION_APPROVED"),
    "reject": Step((SUBMITTED,), REJECTED, Role.ADMIN, "VERSION_REJECTED"),
    "deprecate": Step((APPROVED,), DEPRECATED, Role.MEMBER, "VERSION_DEPRECATED"),
    "archive": Step((DRAFT, REJECTED, DEPRECATED), ARCHIVED, Role.MEMBER, "VERSION_ARCHIVED"),
}


class VersionRoutes:
    """Handlers and their rows of the table."""

    def __init__(self, data: TenantData) -> None:
        self._data = data

    @property
    def routes(self) -> list[Route]:
        return [
            Route(
                "GET",
                VERSIONS,
                self.list_versions,
                summary="A policy's versions",
                access=Role.VIEWER,
                answer=list[VersionSummary],
                errors=(400, 404),
                query=("order", "includeDeleted"),
            ),
            Route(
                "GET",
                VERSION,
                self.read_version,
                summary="A version with its source",
                access=Role.VIEWER,
                answer=VersionSummary,
                errors=(404,),
                query=("includeDeleted",),
            ),
            Route(
                "GET",
                f"{ONE}/activations",
                self.list_activations,
                summary="Which versions were active from when to when",
                access=Role.VIEWER,
                answer=list[ActivationAnswer],
                errors=(400, 404),
                query=("order", "includeDeleted"),
            ),
            Route(
                "GET",
                f"{VERSION}/diff/{{other}}",
                self.diff,
                summary="What changed from one version to another",
                access=Role.VIEWER,
                answer=VersionDiff,
                errors=(404,),
            ),
            Route(
                "POST",
                f"{ONE}/rollback",
                self.rollback,
                summary="Make an earlier version active again",
                access=Role.MEMBER,
                body=RollbackRequest,
                answer=RollbackAnswer,
                errors=(404, 409, 412),
            ),
            Route(
                "POST",
                f"{VERSION}/activate",
                self.activate,
                summary="Make a version active",
                access=Role.MEMBER,
                body=CommentRequest,
                answer=VersionSummary,
                errors=(404, 409, 412),
            ),
            *(self._step_route(word, step) for word, step in STEPS.items()),
        ]

    async def list_versions(self, request: Request, body: Any) -> list[VersionSummary]:
        def query(policies: TenantPolicies) -> list[VersionSummary]:
            policy = named_policy(request, policies)
            return [version_summary(policy, version) for version in policies.versions(policy.id)]

        return _ordered(request, await self._data.policies(request, query))

    async def list_activations(self, request: Request, body: Any) -> list[ActivationAnswer]:
        def query(policies: TenantPolicies) -> list[ActivationAnswer]:
            return [activation_answer(past) for past in policies.history(named_policy(request, policies))]

        return _ordered(request, await self._data.policies(request, query))

    async def read_version(self, request: Request, body: Any) -> VersionSummary:
        policy, version = await self._data.policies(request, lambda policies: _named_version(request, policies))
        return version_summary(policy, version, with_source=True)

    async def diff(self, request: Request, body: Any) -> VersionDiff:
        def query(policies: TenantPolicies) -> tuple[Version, Version]:
            policy, old = _named_version(request, policies)
            return old, policies.version(policy.id, _number(request.path_params["other"]))

        return await asyncio.to_thread(_difference, *await self._data.policies(request, query))

    async def rollback(self, request: Request, body: RollbackRequest) -> Reply:
        def work(change: Change) -> Reply:
            policy = policy_to_change(request, change.policies)
            try:
                version = change.policies.version(policy.id, body.target_version)
            except VersionNotFound as error:
                raise UnknownTarget(error.message, problems=problem("targetVersion", "no such version")) from None
            changed = _activate(change, policy, version, "rollback", "POLICY_ROLLED_BACK", body.reason)
            answer = RollbackAnswer(
                success=True,
                previous_version=policy.active_version,
                current_version=version.version,
                active_version=version.version,
                message=f"version {version.version} is active",
                rolled_back_at=iso(change.now_ms),
            )
            return json_reply(answer, headers=[etag(changed)])

        return await self._data.change(request, work)

    async def activate(self, request: Request, body: CommentRequest) -> Reply:
        def work(change: Change) -> Reply:
            policy, version = _version_to_change(request, change.policies)
            kind: ActivationKind = "rollback" if version.version < (policy.active_version or 0) else "deploy"
            changed = _activate(change, policy, version, kind, "VERSION_ACTIVATED", body.comment)
            return json_reply(version_summary(changed, version), headers=[etag(changed)])

        return await self._data.change(request, work)

    def _step_route(self, word: str, step: Step) -> Route:
        async def take_step(request: Request, body: CommentRequest) -> Reply:
            return await self._data.change(request, lambda change: _take_step(change, request, step, body.comment))

        take_step.__name__ = f"{word}_version"
        return Route(
            "POST",
            f"{VERSION}/{word}",
            take_step,
            summary=f"{word.capitalize()} a version",
            access=step.role,
            body=CommentRequest,
            answer=VersionSummary,
            errors=(404, 409, 412),
        )


def _take_step(change: Change, request: Request, step: Step, comment: str) -> VersionSummary:
    policy, version = _version_to_change(request, change.policies)
    by_author = version.created_by == change.caller.user
    if step is STEPS["approve"] and by_author and not change.settings.allow_self_approval:
        raise Forbidden("the author of a version can't approve it")
    if policy.active_version == version.version:
        raise Conflict("the active version can't leave its state", hint="activate another one first")
    changed = change.policies.decide(
        version,
        allowed=step.allowed,
        status=step.status,
        comment=comment,
        by=change.caller.user,
        now_ms=change.now_ms,
    )
    change.record(step.event, policy, version=version.version, payload={"comment": comment} if comment else None)
    return version_summary(policy, changed)


def _activate(
    change: Change, policy: Policy, version: Version, kind: ActivationKind, event_type: str, reason: str
) -> Policy:
    if change.settings.approval_required and change.caller.role < Role.ADMIN:
        raise Forbidden("where approval is required, activating needs the role ADMIN")
    changed = change.policies.activate(
        policy, version, kind=kind, reason=reason, by=change.caller.user, now_ms=change.now_ms
    )
    change.record(
        event_type,
        policy,
        version=version.version,
        sourceHash=version.source_hash,
        payload={"previousVersion": policy.active_version, "reason": reason},
    )
    return changed


def _number(text: str) -> int:
    if not (text.isascii() and text.isdigit() and len(text) <= 9):
        raise VersionNotFound("versions are numbered 1, 2, 3 …")
    return int(text)


def _named_version(request: Request, policies: TenantPolicies) -> tuple[Policy, Version]:
    policy = named_policy(request, policies)
    return policy, policies.version(policy.id, _number(request.path_params["number"]))


def _version_to_change(request: Request, policies: TenantPolicies) -> tuple[Policy, Version]:
    policy = policy_to_change(request, policies)
    return policy, policies.version(policy.id, _number(request.path_params["number"]))


def _ordered(request: Request, oldest_first: list[T]) -> list[T]:
    """As ``?order=`` says, ``asc`` without it; raises `ValidationFailed`."""
    order = query_values(request).get("order", "asc")
    if order not in ("asc", "desc"):
        raise ValidationFailed("order is asc or desc", problems=problem("?order", "is neither"))
    return oldest_first if order == "asc" else oldest_first[::-1]


def _difference(old: Version, new: Version) -> VersionDiff:
    lines = difflib.unified_diff(
        old.source.splitlines(),
        new.source.splitlines(),
        f"version {old.version}",
        f"version {new.version}",
        lineterm="",
    )
    return VersionDiff(
        from_version=old.version,
        to_version=new.version,
        diff="\n".join(lines),
        added_functions=[rule for rule in new.functions if rule not in old.functions],
        removed_functions=[rule for rule in old.functions if rule not in new.functions],
    )
