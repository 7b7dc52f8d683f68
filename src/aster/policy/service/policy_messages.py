"""Bodies and answers of the routes that manage stored policies, in the documented spelling."""

from datetime import UTC, datetime
from typing import Annotated

import msgspec
from msgspec import UNSET, Meta, UnsetType

from aster.policy.service.envelope import timestamp
from aster.policy.service.messages import Locale, Name, Source, VersionNumber
from aster.policy.service.policies import Pin, Policy, Version, read_pins

Note = Annotated[str, Meta(max_length=2048)]


class DeployRequest(msgspec.Struct, frozen=True, rename="camel"):
    """A source to store. Its module's name decides which policy it is a version of."""

    source: Source
    locale: Locale | None = None
    notes: Note = ""
    name: Name | None = None
    description: Note | None = None
    function_name: Name | None = None
    activate: bool = True


class PolicyPatch(msgspec.Struct, frozen=True, rename="camel"):
    """What may be changed without a new version; what is absent stays."""

    name: Name | UnsetType = UNSET
    description: Note | UnsetType = UNSET
    default_function: Name | UnsetType | None = UNSET


class RollbackRequest(msgspec.Struct, frozen=True, rename="camel"):
    target_version: VersionNumber
    reason: Note = ""


class CommentRequest(msgspec.Struct, frozen=True, rename="camel"):
    comment: Note = ""


class DeployAnswer(msgspec.Struct, frozen=True, rename="camel"):
    policy_id: str
    version: int
    module_name: str
    function_name: str | None
    active: bool
    status: str


class PolicySummary(msgspec.Struct, frozen=True, rename="camel"):
    """``version`` is the active one, or the newest when none is active; ``source`` only when asked for."""

    policy_id: str
    module_name: str
    name: str
    description: str
    function_name: str | None
    functions: list[str]
    version: int
    active: bool
    status: str
    locale: str
    created_at: str
    created_by: str
    updated_at: str
    deleted: bool = False
    source: str | UnsetType = UNSET


class VersionSummary(msgspec.Struct, frozen=True, rename="camel"):
    """``dependencies`` are the versions of other modules it always runs with, whatever is active now."""

    version: int
    active: bool
    module_name: str
    function_name: str | None
    functions: list[str]
    status: str
    locale: str
    notes: str
    created_at: str
    created_by: str
    source_hash: str
    envelope_hash: str
    previous_hash: str = ""
    toolchain: str = ""
    dependencies: list[Pin] = []
    comment: str | None = None
    source: str | UnsetType = UNSET


class RollbackAnswer(msgspec.Struct, frozen=True, rename="camel"):
    success: bool
    previous_version: int | None
    current_version: int
    active_version: int
    message: str
    rolled_back_at: str


class VersionDiff(msgspec.Struct, frozen=True, rename="camel"):
    """``diff`` is a unified diff from the one version to the other; the lists name rules."""

    from_version: int
    to_version: int
    diff: str
    added_functions: list[str]
    removed_functions: list[str]


def policy_summary(policy: Policy, version: Version, *, with_source: bool = False) -> PolicySummary:
    return PolicySummary(
        policy_id=policy.id,
        module_name=policy.module,
        name=policy.name,
        description=policy.description,
        function_name=policy.default_function,
        functions=version.functions,
        version=version.version,
        active=policy.active_version == version.version,
        status=version.status,
        locale=version.locale,
        created_at=iso(policy.created_ms),
        created_by=policy.created_by,
        updated_at=iso(policy.updated_ms),
        deleted=policy.deleted_ms is not None,
        source=version.source if with_source else UNSET,
    )


def version_summary(policy: Policy, version: Version, *, with_source: bool = False) -> VersionSummary:
    return VersionSummary(
        version=version.version,
        active=policy.active_version == version.version,
        module_name=policy.module,
        function_name=policy.default_function,
        functions=version.functions,
        status=version.status,
        locale=version.locale,
        notes=version.notes,
        created_at=iso(version.created_ms),
        created_by=version.created_by,
        source_hash=version.source_hash,
        envelope_hash=version.envelope_hash,
        previous_hash=version.previous_hash,
        toolchain=version.toolchain,
        dependencies=read_pins(version.pins),
        comment=version.comment,
        source=version.source if with_source else UNSET,
    )


def iso(milliseconds: int) -> str:
    return timestamp(datetime.fromtimestamp(milliseconds / 1000, UTC))
