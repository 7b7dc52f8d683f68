"""Bodies and answers of the routes that manage stored policies, in the documented spelling."""

from datetime import UTC, datetime
from typing import Annotated, Any

import msgspec
from msgspec import UNSET, Meta, UnsetType

from aster.policy.service.envelope import timestamp
from aster.policy.service.messages import AliasField, Locale, Name, Source, VersionNumber, VocabularyField
from aster.policy.service.policy_rows import (
    ActivationKind,
    PastActivation,
    Pin,
    Policy,
    SourceKind,
    Version,
    read_pins,
)
from aster.policy.words import parse_words

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
    vocabulary: VocabularyField = None
    alias_set: AliasField = None
    source_kind: SourceKind = "manual"


class PolicyPatch(msgspec.Struct, frozen=True, rename="camel"):
    """What may be changed without a new version; what is absent stays."""

    name: Name | UnsetType = UNSET
    description: Note | UnsetType = UNSET
    default_function: Name | UnsetType | None = UNSET
    library_visible: bool | UnsetType = UNSET


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
    """``version`` is the active one, or the newest when none is active; ``source`` only when asked for.

    Other policies of the tenant may use its module while it is ``libraryVisible``.
    """

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
    library_visible: bool = True
    source: str | UnsetType = UNSET


class VersionSummary(msgspec.Struct, frozen=True, rename="camel"):
    """``dependencies`` are the versions of other modules it always runs with, whatever is active now.

    ``decidedAt``, ``decidedBy`` and ``comment`` are of the last step in its life: submitted, approved, rejected ….
    With its source comes the ``vocabulary`` it is written in, where that is not a shipped one.
    """

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
    author_role: str = ""
    decided_at: str | None = None
    decided_by: str | None = None
    comment: str | None = None
    source_kind: SourceKind = "manual"
    vocabulary_id: str | None = None
    alias_set: dict[str, list[str]] | None = None
    source: str | UnsetType = UNSET
    vocabulary: dict[str, Any] | UnsetType = UNSET


class ActivationAnswer(msgspec.Struct, frozen=True, rename="camel"):
    """While a version was the active one; ``deactivatedAt`` is null as long as it is."""

    version: int
    kind: ActivationKind
    activated_at: str
    activated_by: str
    deactivated_at: str | None
    reason: str


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
        library_visible=bool(policy.library_visible),
        source=version.source if with_source else UNSET,
    )


def version_summary(policy: Policy, version: Version, *, with_source: bool = False) -> VersionSummary:
    words = parse_words(version.words)
    own = words.vocabulary if isinstance(words.vocabulary, dict) else UNSET
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
        author_role=version.author_role,
        decided_at=None if version.decided_ms is None else iso(version.decided_ms),
        decided_by=version.decided_by,
        comment=version.comment,
        source_kind=version.source_kind,
        vocabulary_id=words.vocabulary_id,
        alias_set=words.alias_set,
        source=version.source if with_source else UNSET,
        vocabulary=own if with_source else UNSET,
    )


def activation_answer(past: PastActivation) -> ActivationAnswer:
    return ActivationAnswer(
        version=past.version,
        kind=past.kind,
        activated_at=iso(past.activated_ms),
        activated_by=past.activated_by,
        deactivated_at=None if past.deactivated_ms is None else iso(past.deactivated_ms),
        reason=past.reason,
    )


def iso(milliseconds: int) -> str:
    return timestamp(datetime.fromtimestamp(milliseconds / 1000, UTC))
