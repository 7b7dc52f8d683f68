"""Stored policies over HTTP: deploy, read, change, withdraw. What changes is in the audit chain."""

from typing import Annotated, Any

import msgspec
from msgspec import Meta

from aster.foundation.http.errors import ValidationFailed
from aster.foundation.http.reply import Reply, json_reply
from aster.foundation.http.request import Request
from aster.foundation.http.routes import Route
from aster.policy.engine import CompiledSource
from aster.policy.service.caller import Role, caller_of
from aster.policy.service.compiling import TenantCompiler
from aster.policy.service.envelope import problem
from aster.policy.service.errors import CompilationFailed, PreconditionFailed, TooManyVersions
from aster.policy.service.messages import words_of
from aster.policy.service.policies import TenantPolicies
from aster.policy.service.policy_messages import (
    DeployAnswer,
    DeployRequest,
    PolicyPatch,
    PolicySummary,
    policy_summary,
)
from aster.policy.service.policy_rows import APPROVED, DRAFT, STATUSES, NewVersion, Policy, Version
from aster.policy.service.queries import cursor_header, cursor_of, page_and_size, page_headers, query_flag, query_values
from aster.policy.service.tenant_data import Change, TenantData

ROOT = "/api/v1/policies"
ONE = f"{ROOT}/{{policy_id}}"
Milliseconds = Annotated[int, Meta(ge=0, le=2**53)]


class PolicyRoutes:
    """Handlers and their rows of the table."""

    def __init__(self, data: TenantData, compiler: TenantCompiler, *, most_versions: int) -> None:
        self._most_versions = most_versions
        self._data = data
        self._compiler = compiler

    @property
    def routes(self) -> list[Route]:
        return [
            Route(
                "GET",
                ROOT,
                self.list_policies,
                summary="The tenant's policies",
                access=Role.VIEWER,
                answer=list[PolicySummary],
                query=("module", "name", "status", "includeDeleted", "page", "size", "cursor"),
                errors=(400,),
            ),
            Route(
                "POST",
                ROOT,
                self.deploy,
                summary="Store a policy, or the next version of it",
                access=Role.MEMBER,
                body=DeployRequest,
                answer=DeployAnswer,
                status=201,
                also=(200,),
                errors=(409, 422),
            ),
            Route(
                "GET",
                ONE,
                self.read_policy,
                summary="One policy",
                access=Role.VIEWER,
                answer=PolicySummary,
                errors=(404,),
                query=("include", "includeDeleted"),
            ),
            Route(
                "PUT",
                ONE,
                self.replace,
                summary="The next version of one policy",
                access=Role.MEMBER,
                body=DeployRequest,
                answer=DeployAnswer,
                errors=(404, 409, 412, 422),
            ),
            Route(
                "PATCH",
                ONE,
                self.patch,
                summary="Change what is not its source",
                access=Role.MEMBER,
                body=PolicyPatch,
                answer=PolicySummary,
                errors=(404, 412),
            ),
            Route(
                "DELETE",
                ONE,
                self.delete,
                summary="Withdraw a policy; its versions and audit records stay",
                access=Role.MEMBER,
                status=204,
                errors=(404, 412),
            ),
        ]

    async def list_policies(self, request: Request, body: Any) -> Reply:
        page, size = page_and_size(request)
        after = cursor_of(request, tuple[Milliseconds, str])
        values = query_values(request)
        with_deleted = query_flag(request, "includeDeleted")
        status = values.get("status")
        if status is not None and status not in STATUSES:
            raise ValidationFailed(
                f"status is one of {', '.join(STATUSES)}", problems=problem("?status", "is none of them")
            )

        def query(policies: TenantPolicies) -> tuple[int, list[tuple[Policy, Version]]]:
            return policies.page(
                module=values.get("module"),
                name=values.get("name"),
                status=status,
                with_deleted=with_deleted,
                after=after,
                offset=page * size,
                limit=size + 1,
            )

        total, found = await self._data.policies(request, query)
        headers = page_headers(request, page, size, total)
        if len(found) > size:
            last, _ = found[size - 1]
            headers.append(cursor_header((last.created_ms, last.id)))
        return json_reply([policy_summary(*each) for each in found[:size]], headers=headers)

    async def deploy(self, request: Request, body: DeployRequest) -> Reply:
        compiled = await self._compile(request, body)

        def work(change: Change) -> Reply:
            policy = change.policies.find_module(compiled.module)
            if policy is not None:
                return self._next_version(change, policy, body, compiled, status=201)
            policy = change.policies.create(
                compiled.module,
                name=body.name or compiled.module,
                description=body.description or "",
                function=body.function_name,
                by=change.caller.user,
                now_ms=change.now_ms,
            )
            return self._next_version(change, policy, body, compiled, status=201)

        return await self._data.change(request, work)

    async def replace(self, request: Request, body: DeployRequest) -> Reply:
        compiled = await self._compile(request, body)

        def work(change: Change) -> Reply:
            policy = policy_to_change(request, change.policies)
            if policy.module != compiled.module:
                raise ValidationFailed(
                    f"the source is of module '{compiled.module}', the policy of '{policy.module}'",
                    problems=problem("source", "another module"),
                )
            return self._next_version(change, policy, body, compiled, status=200)

        return await self._data.change(request, work)

    async def read_policy(self, request: Request, body: Any) -> Reply:
        with_source = query_values(request).get("include") == "source"

        def query(policies: TenantPolicies) -> Reply:
            policy = named_policy(request, policies)
            summary = policy_summary(policy, policies.shown(policy), with_source=with_source)
            return json_reply(summary, headers=[etag(policy)])

        return await self._data.policies(request, query)

    async def patch(self, request: Request, body: PolicyPatch) -> Reply:
        columns = {name: value for name, value in msgspec.structs.asdict(body).items() if value is not msgspec.UNSET}

        def work(change: Change) -> Reply:
            policy = policy_to_change(request, change.policies)
            function = columns.get("default_function")
            if function is not None and function not in change.policies.shown(policy).functions:
                raise ValidationFailed("the policy has no such rule", problems=problem("defaultFunction", "is unknown"))
            by, now_ms = change.caller.user, change.now_ms
            changed = change.policies.change(policy, by=by, now_ms=now_ms, **_stored_as(columns))
            change.record("POLICY_UPDATED", policy, payload=msgspec.to_builtins(body))
            return json_reply(policy_summary(changed, change.policies.shown(changed)), headers=[etag(changed)])

        return await self._data.change(request, work)

    async def delete(self, request: Request, body: Any) -> Reply:
        def work(change: Change) -> Reply:
            policy = policy_to_change(request, change.policies)
            change.policies.change(
                policy, by=change.caller.user, now_ms=change.now_ms, deleted_ms=change.now_ms, active_version=None
            )
            change.record("POLICY_DELETED", policy)
            return Reply(204)

        return await self._data.change(request, work)

    async def _compile(self, request: Request, body: DeployRequest) -> CompiledSource:
        """The compiled source; raises `CompilationFailed` for one that can't be stored."""
        caller = caller_of(request)
        words = words_of(body, caller.role)
        compiled = await self._compiler.source(caller.tenant, body.source, body.locale, words=words)
        if compiled.fault is not None:
            raise CompilationFailed(
                compiled.fault.message,
                problems=[
                    {"path": f"source:{each.start_line}:{each.start_column}", "message": f"{each.code}: {each.message}"}
                    for each in compiled.diagnostics
                ],
            )
        if not compiled.module:
            raise CompilationFailed("a stored policy needs a module line", hint="begin with 'Module name.'")
        if body.function_name is not None and body.function_name not in compiled.rules:
            raise CompilationFailed(
                f"the source has no rule '{body.function_name}'", problems=problem("functionName", "is not a rule")
            )
        return compiled

    def _next_version(
        self, change: Change, policy: Policy, body: DeployRequest, compiled: CompiledSource, *, status: int
    ) -> Reply:
        """Store and, where no approval is needed, activate; the active source deployed again changes nothing (200)."""
        same = _active_twin(change.policies, policy, body, compiled)
        if same is not None:
            return _deployed(policy, same, 200)
        if policy.last_version >= self._most_versions:
            raise TooManyVersions(
                f"a policy has at most {self._most_versions} versions", hint="withdraw it and begin anew"
            )
        approval = change.settings.approval_required
        by, now_ms = change.caller.user, change.now_ms
        new = _new_version(change, body, compiled, DRAFT if approval else APPROVED)
        version = change.policies.add_version(policy, new, now_ms=now_ms)
        stored = change.policies.find(policy.id)
        if body.function_name not in (None, stored.default_function):
            stored = change.policies.change(stored, by=by, now_ms=now_ms, default_function=body.function_name)
        active = body.activate and not approval
        if active:
            stored = change.policies.activate(stored, version, kind="deploy", reason=body.notes, by=by, now_ms=now_ms)
        created = "POLICY_CREATED" if version.version == 1 else "POLICY_UPDATED"
        payload = {
            "envelopeHash": version.envelope_hash,
            "locale": version.locale,
            "status": version.status,
            "sourceKind": version.source_kind,
        }
        change.record(
            "POLICY_DEPLOYED" if active else created,
            policy,
            version=version.version,
            sourceHash=version.source_hash,
            payload=payload,
        )
        return _deployed(stored, version, status)


def _stored_as(columns: dict[str, Any]) -> dict[str, Any]:
    """Databases differ in what a Boolean is; a number is one everywhere."""
    return {name: int(value) if isinstance(value, bool) else value for name, value in columns.items()}


def _new_version(change: Change, body: DeployRequest, compiled: CompiledSource, status: str) -> NewVersion:
    return NewVersion(
        source=body.source,
        locale=compiled.locale,
        functions=compiled.rules,
        status=status,
        notes=body.notes,
        author=change.caller.user,
        author_role=str(change.caller.role),
        imports=compiled.imports,
        pins=compiled.pins,
        source_kind=body.source_kind,
        words=compiled.words,
    )


def _active_twin(
    policies: TenantPolicies, policy: Policy, body: DeployRequest, compiled: CompiledSource
) -> Version | None:
    """The active version if it is the very same source, with the same versions of what it uses."""
    if policy.active_version is None or not body.activate:
        return None
    version = policies.version(policy.id, policy.active_version)
    stored = (version.source, version.locale, version.pins, version.words)
    same = stored == (body.source, compiled.locale, compiled.pins, compiled.words)
    return version if same else None


def _deployed(policy: Policy, version: Version, status: int) -> Reply:
    answer = DeployAnswer(
        policy_id=policy.id,
        version=version.version,
        module_name=policy.module,
        function_name=policy.default_function,
        active=policy.active_version == version.version,
        status=version.status,
    )
    return json_reply(answer, status, headers=[etag(policy)])


def named_policy(request: Request, policies: TenantPolicies) -> Policy:
    """The policy of a path to read from, also a withdrawn one with ``?includeDeleted=true``."""
    with_deleted = query_flag(request, "includeDeleted")
    return policies.find(request.path_params["policy_id"], with_deleted=with_deleted)


def policy_to_change(request: Request, policies: TenantPolicies) -> Policy:
    """The policy of a path, if ``If-Match`` is absent, ``*`` or its present ETag; raises `PreconditionFailed`."""
    policy = policies.find(request.path_params["policy_id"])
    if request.header(b"if-match") not in (None, b"*", etag(policy)[1]):
        raise PreconditionFailed("the policy is not the one that If-Match names", hint="read it and try again")
    return policy


def etag(policy: Policy) -> tuple[bytes, bytes]:
    return (b"etag", b'"r%d"' % policy.revision)
