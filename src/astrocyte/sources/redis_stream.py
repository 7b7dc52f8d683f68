"""A Redis or Valkey stream, read as a member of a consumer group: what was not acknowledged comes again."""

import os
from typing import Any

import msgspec

from aster.foundation.errors import ConfigError
from aster.foundation.extras import load_extra
from astrocyte.sources.config import RedisStreamSource
from astrocyte.sources.model import Batch, Document, Item, ItemRefused, SourceUnavailable

ENTRIES = 100
WAIT_MS = 5000
CONSUMER = "astrocyte"
PAYLOAD = b"payload"

_document = msgspec.json.Decoder(Document).decode


class RedisStreamReader:
    """An entry has a field ``payload`` with the JSON of a `Document`, or the fields of one (``content`` and others)."""

    def __init__(self, settings: RedisStreamSource) -> None:
        self._settings = settings
        self._redis = load_extra("redis.asyncio", extra="sources")
        self._exceptions = load_extra("redis.exceptions", extra="sources")
        url = settings.url or os.environ.get(settings.url_env or "", "")
        if not url:
            raise ConfigError(f"the variable {settings.url_env} with the stream's address is not set")
        self._client: Any = self._redis.from_url(url, protocol=2)
        self._is_ready = False
        self._has_pending = True

    async def next(self, position: str | None) -> Batch:
        try:
            if not self._is_ready:
                await self._make_group()
            entries = await self._read("0") if self._has_pending else []
            if not entries:
                self._has_pending = False
                entries = await self._read(">")
        except self._exceptions.RedisError as error:
            raise SourceUnavailable(f"the stream can't be read: {type(error).__name__}") from error
        items = [_item(entry.decode(), fields) for entry, fields in entries]
        return Batch(items=items, position=items[-1].key if items else position or "")

    async def acknowledge(self, batch: Batch) -> None:
        if batch.items:
            keys = [item.key for item in batch.items]
            await self._client.xack(self._settings.stream, self._settings.consumer_group, *keys)

    async def close(self) -> None:
        await self._client.aclose()

    async def _make_group(self) -> None:
        try:
            await self._client.xgroup_create(
                self._settings.stream, self._settings.consumer_group, id="0", mkstream=True
            )
        except self._exceptions.ResponseError as error:
            if "BUSYGROUP" not in str(error):
                raise
        self._is_ready = True

    async def _read(self, start: str) -> list[tuple[bytes, dict[bytes, bytes]]]:
        answer = await self._client.xreadgroup(
            self._settings.consumer_group,
            CONSUMER,
            {self._settings.stream: start},
            count=ENTRIES,
            block=WAIT_MS if start == ">" else None,
        )
        return [entry for _, entries in answer or () for entry in entries]


def _item(key: str, fields: dict[bytes, bytes]) -> Item:
    async def load() -> Document:
        payload = fields.get(PAYLOAD) if fields else None
        try:
            if payload is not None:
                return _document(payload)
            return msgspec.convert({name.decode(): value.decode() for name, value in (fields or {}).items()}, Document)
        except (msgspec.MsgspecError, UnicodeDecodeError) as error:
            raise ItemRefused(f"entry {key}: {error}") from None

    return Item(key=key, fingerprint=key, load=load)
