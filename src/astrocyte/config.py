"""The engine's settings: one table that loads, checks and documents ``astrocyte.yaml`` (or .toml, or a dictionary)."""

from collections.abc import Mapping
from os import PathLike
from pathlib import Path
from typing import Any

import msgspec

from aster.foundation.errors import ConfigError
from aster.foundation.kinds import FLAG, PATH, TEXT, WORDS, choice, integer
from aster.foundation.settings import Document, Resolved, Setting, SettingsTable
from astrocyte.access.grants import Grant
from astrocyte.access.policy import AccessPolicy
from astrocyte.access.rules import DEFAULT_POLICIES, SECTIONS, AccessRules, read_grants
from astrocyte.derive.kinds import DeriveSettings
from astrocyte.inputs import LIMIT_SETTINGS, Limits
from astrocyte.models.ladder import PROVIDERS
from astrocyte.models.language import LanguageModelSettings
from astrocyte.recall.reranking import RULES as RERANK_RULES
from astrocyte.recall.reranking import RerankRule
from astrocyte.reflect.agent import Bounds
from astrocyte.retain.duplicates import RULES, DuplicateRule
from astrocyte.retain.privacy import ACTIONS, RECOGNISERS, BarrierAction, Recogniser
from astrocyte.sources.config import SourceSettings, read_sources

MEGABYTE = 1024 * 1024

SETTINGS = SettingsTable(
    [
        Setting("storage_url", TEXT, "sqlite:///astrocyte.db", "Where memories are kept.", "storage", "url"),
        Setting(
            "durability",
            choice("full", "normal"),
            "full",
            "full: an acknowledged memory survives a power cut; normal: it survives the process.",
            "storage",
        ),
        Setting("provider", choice(*PROVIDERS), "auto", "The embedding model.", "embedding"),
        Setting("cache_dir", PATH, None, "Where converted models are kept.", "embedding", unset="<user's cache>"),
        Setting("max_content_length", integer(1, 1_000_000), 50_000, "Longest content, in characters.", "limits"),
        Setting("max_query_length", integer(1, 1_000_000), 10_000, "Longest question, in characters.", "limits"),
        Setting(
            "max_label_length",
            integer(1, 10_000),
            256,
            "Longest speaker, session, source, principal, or name of a hold, in characters.",
            "limits",
        ),
        Setting("max_reason_length", integer(1, 100_000), 1000, "Longest reason, or description of a bank.", "limits"),
        Setting("max_tags", integer(0, 1000), 100, "Most tags of a memory, or of a filter.", "limits"),
        Setting("max_tag_length", integer(1, 10_000), 128, "Longest tag, in characters.", "limits"),
        Setting("max_metadata_bytes", integer(2, 1_048_576), 4096, "Most metadata of a memory, as JSON.", "limits"),
        Setting("max_batch", integer(1, 10_000), 1000, "Most memories retained at once.", "limits"),
        Setting("max_banks", integer(1, 10_000), 100, "Most banks of a recall or a reflect.", "limits"),
        Setting(
            "max_results", integer(1, 10_000), 1000, "Most hits of a recall, or of a page; more are cut.", "limits"
        ),
        Setting("index_megabytes", integer(16, 65_536), 512, "Memory for the indexes of banks in use.", "limits"),
        Setting(
            "rerank",
            choice(*RERANK_RULES),
            "none",
            "A second look at the best candidates: none, tokens (word by word, with minilm), cross_encoder (yours).",
            "recall",
        ),
        Setting(
            "rerank_model",
            PATH,
            None,
            "The folder of a cross-encoder: model.onnx and tokenizer.json. Nothing is downloaded.",
            "recall",
        ),
        Setting("rerank_candidates", integer(2, 1000), 60, "How many candidates get the second look.", "recall"),
        Setting("model", TEXT, None, "The language model that reflects and derives; none unless it is named.", "llm"),
        Setting(
            "base_url",
            TEXT,
            None,
            "A server that speaks the OpenAI protocol, e.g. http://localhost:11434/v1.",
            "llm",
            unset="<OpenAI>",
        ),
        Setting(
            "api_key_env",
            TEXT,
            "OPENAI_API_KEY",
            "The environment variable that holds its key; the key itself is in no file.",
            "llm",
        ),
        Setting("timeout_seconds", integer(1, 600), 30, "Longest wait for one of its answers.", "llm"),
        Setting("retries", integer(0, 10), 2, "How often a request that failed for the moment is repeated.", "llm"),
        Setting("max_steps", integer(1, 20), 4, "Most answers of the language model for one reflect.", "reflect"),
        Setting("max_total_tokens", integer(100, 1_000_000), 20_000, "Most tokens for one reflect.", "reflect"),
        Setting("max_seconds", integer(1, 600), 60, "Longest time for one reflect.", "reflect"),
        Setting(
            "fall_back",
            FLAG,
            True,
            "Answer with the memories' own words when the language model fails; false: raise its error.",
            "reflect",
        ),
        Setting("observations", FLAG, False, "Derive observations about each speaker from new memories.", "derive"),
        Setting("pages", FLAG, False, "Derive a page about each tag.", "derive"),
        Setting("models", WORDS, (), "Standing questions; each bank keeps an answer to every one.", "derive"),
        Setting(
            "delay_seconds",
            integer(0, 86_400),
            30,
            "How long new memories are gathered before anything is derived from them.",
            "derive",
        ),
        Setting(
            "in_background",
            FLAG,
            True,
            "Derive in this process; false: only queue, another process on the same store derives.",
            "derive",
        ),
        Setting(
            "duplicates",
            choice(*RULES),
            "exact",
            "A memory that is there already: keep (both), exact (skip what is equal), near (also what says the same).",
            "retain",
        ),
        Setting(
            "pii",
            choice(*ACTIONS),
            "off",
            "Personal data in what is retained: off, redact (replace it), reject, warn.",
            "barriers",
        ),
        Setting(
            "recogniser",
            choice(*RECOGNISERS),
            "patterns",
            "What finds it: our pattern rules, or presidio (extra pii) beside them. Nothing is downloaded.",
            "barriers",
        ),
        Setting(
            "presidio_model",
            TEXT,
            None,
            "An installed spaCy pipeline by which presidio finds names as well, e.g. en_core_web_sm.",
            "barriers",
            unset="<patterns alone>",
        ),
        Setting(
            "archive_after_days",
            integer(0, 36_500),
            0,
            "Put memories away (kept, found no more) that were retained or changed so long ago; 0: never.",
            "lifecycle",
        ),
        Setting(
            "delete_after_days",
            integer(0, 36_500),
            0,
            "Forget memories that were retained or changed so long ago; 0: never.",
            "lifecycle",
        ),
        Setting("exempt_tags", WORDS, (), "Memories with one of these tags are left alone by both.", "lifecycle"),
        Setting(
            "sweep_minutes",
            integer(0, 43_200),
            60,
            "How often every bank is swept while the engine is open; 0: only when asked to.",
            "lifecycle",
        ),
        Setting("enabled", FLAG, False, "Enforce grants.", "access_control"),
        Setting(
            "default_policy",
            choice(*DEFAULT_POLICIES),
            "owner_only",
            "What holds where no grant fits: owner_only (user:alice owns user-alice), open, deny.",
            "access_control",
        ),
        Setting(
            "policy_file",
            PATH,
            None,
            "A policy in plain language that may further restrict what grants allow; beside this file unless absolute.",
            "access_control",
        ),
        Setting("policy_locale", TEXT, "en-US", "The language that policy_file is written in.", "access_control"),
        Setting(
            "obo_enabled",
            FLAG,
            False,
            "Let callers act on behalf of others, with the rights that both have.",
            "identity",
        ),
    ]
)

NOT_YET = frozenset({"agents", "mcp"})
"""Sections of the contract that do not act yet. Silence would let a reader believe they do."""


class Lifecycle(msgspec.Struct, frozen=True):
    """When memories are put away and forgotten; 0 days is never. A bank's own settings win."""

    archive_after_days: int = 0
    delete_after_days: int = 0
    exempt_tags: tuple[str, ...] = ()
    sweep_minutes: int = 60

    @property
    def is_active(self) -> bool:
        """Whether there is anything to sweep by itself: banks may have limits of their own."""
        return self.sweep_minutes > 0


class AstrocyteSettings(msgspec.Struct, frozen=True):
    """The settings as values; see `SETTINGS` for what each means. ``repr`` leaves out what may hold a password."""

    storage_url: str
    durability: str
    provider: str
    cache_dir: Path | None
    limits: Limits
    index_bytes: int
    rerank: RerankRule
    rerank_model: Path | None
    rerank_candidates: int
    language_model: LanguageModelSettings
    reflect_bounds: Bounds
    reflect_falls_back: bool
    derive: DeriveSettings
    duplicates: DuplicateRule
    pii: BarrierAction
    recogniser: Recogniser
    presidio_model: str | None
    lifecycle: Lifecycle
    access: AccessRules
    sources: dict[str, SourceSettings] = {}

    def __repr__(self) -> str:
        scheme = self.storage_url.partition("://")[0]
        return f"AstrocyteSettings(storage_url='{scheme}://…', provider={self.provider!r})"


def read_settings(path: str | PathLike[str], *, storage_url: str | None = None) -> AstrocyteSettings:
    """From a YAML or TOML file; raises `ConfigError` naming the file, the key and the nearest known one.

    ``storage_url`` counts when the file names none.
    """
    document = Document.read(path)
    settings = settings_of(document)
    if storage_url is None or "url" in (document.sections.get("storage") or {}):
        return settings
    return msgspec.structs.replace(settings, storage_url=storage_url)


def settings_from_dict(values: Mapping[str, Any]) -> AstrocyteSettings:
    """From sections of settings, e.g. ``{"storage": {"url": "sqlite:///memory.db"}}``."""
    return settings_of(Document("configuration", values))


def settings_of(document: Document) -> AstrocyteSettings:
    for section in NOT_YET & document.sections.keys():
        raise ConfigError(f"{document.name}: [{section}] does not act yet", hint="leave it out")
    others = {name: keys for name, keys in document.sections.items() if name not in SECTIONS | {"sources"}}
    resolved = SETTINGS.resolve(document=Document(document.name, others))
    _check_together(document.name, resolved)
    policy = _read_policy(resolved, Path(document.name).parent)
    return _values(resolved, read_grants(document), policy, read_sources(document))


def _check_together(name: str, resolved: Resolved) -> None:
    """Settings that would not act for want of another."""
    if resolved["model"] is None and (resolved["observations"] or resolved["pages"] or resolved["models"]):
        raise ConfigError(f"{name}: [derive] needs a language model", hint="name one in [llm] model")
    if resolved["rerank"] == "cross_encoder" and resolved["rerank_model"] is None:
        raise ConfigError(f"{name}: recall.rerank 'cross_encoder' needs recall.rerank_model")
    if resolved["presidio_model"] is not None and resolved["recogniser"] != "presidio":
        raise ConfigError(
            f"{name}: barriers.presidio_model would not act",
            hint="set barriers.recogniser: presidio, or leave it out",
        )
    if resolved["rerank"] != "cross_encoder" and resolved["rerank_model"] is not None:
        raise ConfigError(
            f"{name}: recall.rerank_model would not act", hint="set recall.rerank to cross_encoder, or leave it out"
        )


def _read_policy(resolved: Resolved, folder: Path) -> AccessPolicy | None:
    name = resolved["policy_file"]
    if name is None:
        return None
    if not resolved["enabled"]:
        raise ConfigError(
            "access_control.policy_file would not act: access control is off", hint="set access_control.enabled: true"
        )
    return AccessPolicy.read(folder / Path(name).expanduser(), locale=resolved["policy_locale"])


def _values(
    resolved: Resolved,
    grants: tuple[Grant, ...],
    policy: AccessPolicy | None,
    sources: dict[str, SourceSettings],
) -> AstrocyteSettings:
    folder = resolved["cache_dir"]
    return AstrocyteSettings(
        storage_url=resolved["storage_url"],
        durability=resolved["durability"],
        provider=resolved["provider"],
        cache_dir=Path(folder).expanduser() if folder else None,
        limits=Limits(**{name: resolved[key] for name, key in LIMIT_SETTINGS.items()}),
        index_bytes=resolved["index_megabytes"] * MEGABYTE,
        rerank=resolved["rerank"],
        rerank_model=Path(resolved["rerank_model"]) if resolved["rerank_model"] else None,
        rerank_candidates=resolved["rerank_candidates"],
        language_model=LanguageModelSettings(
            model=resolved["model"],
            base_url=resolved["base_url"],
            api_key_env=resolved["api_key_env"],
            timeout_seconds=resolved["timeout_seconds"],
            retries=resolved["retries"],
        ),
        reflect_bounds=Bounds(
            steps=resolved["max_steps"], tokens=resolved["max_total_tokens"], seconds=resolved["max_seconds"]
        ),
        reflect_falls_back=resolved["fall_back"],
        derive=DeriveSettings(
            observations=resolved["observations"],
            pages=resolved["pages"],
            models=tuple(resolved["models"]),
            delay_seconds=resolved["delay_seconds"],
            in_background=resolved["in_background"],
        ),
        duplicates=resolved["duplicates"],
        pii=resolved["pii"],
        recogniser=resolved["recogniser"],
        presidio_model=resolved["presidio_model"],
        lifecycle=Lifecycle(
            archive_after_days=resolved["archive_after_days"],
            delete_after_days=resolved["delete_after_days"],
            exempt_tags=tuple(resolved["exempt_tags"]),
            sweep_minutes=resolved["sweep_minutes"],
        ),
        access=AccessRules(
            enabled=resolved["enabled"],
            default_policy=resolved["default_policy"],
            obo_enabled=resolved["obo_enabled"],
            grants=grants,
            policy=policy,
        ),
        sources=sources,
    )
