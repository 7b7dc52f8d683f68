"""The section ``sources`` of ``astrocyte.yaml``: one entry a source, its type decides which other keys it takes."""

from pathlib import Path
from typing import Any

import msgspec

from aster.foundation.errors import ConfigError
from aster.foundation.settings import Document
from astrocyte.errors import InvalidBankId
from astrocyte.inputs import bank_name


class _Common(
    msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True, tag_field="type", omit_defaults=True
):
    """``target_bank`` takes the memories; ``principal`` retains them (``service:NAME`` unless told) if it may."""

    target_bank: str
    principal: str | None = None
    tags: list[str] = []


class DirectorySource(_Common, frozen=True, kw_only=True, forbid_unknown_fields=True, tag="directory"):
    """The text files of a folder that fit ``glob``, followed as they change."""

    path: str
    glob: str = "**/*"
    interval_seconds: int = 60


class GitSource(_Common, frozen=True, kw_only=True, forbid_unknown_fields=True, tag="git"):
    """The text files of a branch, fetched every so often."""

    url: str
    branch: str | None = None
    glob: str = "**/*"
    interval_seconds: int = 300


class S3Source(_Common, frozen=True, kw_only=True, forbid_unknown_fields=True, tag="s3"):
    """The text objects of a bucket. Keys come from the environment, as the AWS tools take them."""

    bucket: str
    prefix: str = ""
    endpoint_url: str | None = None
    region: str | None = None
    interval_seconds: int = 300


class RedisStreamSource(_Common, frozen=True, kw_only=True, forbid_unknown_fields=True, tag="redis_stream"):
    """The entries of a stream, as one consumer of a group. ``url_env`` names the variable that holds the address."""

    url: str | None = None
    url_env: str | None = None
    stream: str
    consumer_group: str = "astrocyte"


class WebhookSource(_Common, frozen=True, kw_only=True, forbid_unknown_fields=True, tag="webhook"):
    """Signed requests to ``/v1/ingest/webhook/NAME``. ``secret_env`` names the variable that holds the secret."""

    secret_env: str
    require_timestamp: bool = True


SourceSettings = DirectorySource | GitSource | S3Source | RedisStreamSource | WebhookSource

MIN_INTERVAL, MAX_INTERVAL = 1, 86_400


def read_sources(document: Document) -> dict[str, SourceSettings]:
    """The sources by name; raises `ConfigError` naming the entry that is wrong."""
    section: Any = document.sections.get("sources") or {}
    if not isinstance(section, dict):
        raise ConfigError(f"{document.name}: sources: expected sections named after sources")
    return {str(name): _source(document, str(name), value) for name, value in section.items()}


def _source(document: Document, name: str, value: Any) -> SourceSettings:
    where = f"{document.name}: sources.{name[:80]}"
    try:
        bank_name(name)
        settings: SourceSettings = msgspec.convert(value, SourceSettings)
        bank_name(settings.target_bank)
    except (msgspec.ValidationError, InvalidBankId) as error:
        raise ConfigError(f"{where}: {error}") from None
    interval = getattr(settings, "interval_seconds", MIN_INTERVAL)
    if not MIN_INTERVAL <= interval <= MAX_INTERVAL:
        raise ConfigError(f"{where}: interval_seconds must be {MIN_INTERVAL} to {MAX_INTERVAL}")
    if isinstance(settings, RedisStreamSource) and (settings.url is None) == (settings.url_env is None):
        raise ConfigError(f"{where}: needs one of url and url_env")
    if isinstance(settings, DirectorySource):
        folder = Path(document.name).parent / Path(settings.path).expanduser()
        return msgspec.structs.replace(settings, path=str(folder))
    return settings
