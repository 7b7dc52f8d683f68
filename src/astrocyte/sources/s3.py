"""A bucket of S3 or of what speaks its protocol: objects under a prefix, a new one for each entity tag."""

import asyncio
from typing import Any

from aster.foundation.extras import load_extra
from astrocyte.sources.config import S3Source
from astrocyte.sources.model import Batch, Document, Item, SourceUnavailable
from astrocyte.sources.texts import MAX_BYTES, document

MAX_OBJECTS = 100_000
CONNECT_SECONDS, READ_SECONDS = 5, 30


class S3Reader:
    """Lists every ``interval_seconds``. The client blocks, so it works in threads."""

    def __init__(self, settings: S3Source) -> None:
        self._settings = settings
        boto3 = load_extra("boto3", extra="sources")
        config = load_extra("botocore.config", extra="sources")
        self._errors = load_extra("botocore.exceptions", extra="sources")
        self._client: Any = boto3.client(
            "s3",
            endpoint_url=settings.endpoint_url,
            region_name=settings.region,
            config=config.Config(
                connect_timeout=CONNECT_SECONDS, read_timeout=READ_SECONDS, retries={"max_attempts": 2}
            ),
        )
        self._is_first = True

    async def next(self, position: str | None) -> Batch:
        if not self._is_first:
            await asyncio.sleep(self._settings.interval_seconds)
        self._is_first = False
        return Batch(items=await asyncio.to_thread(self._items), position="", is_complete=True)

    async def acknowledge(self, batch: Batch) -> None:
        """Objects stay where they are."""

    async def close(self) -> None:
        await asyncio.to_thread(self._client.close)

    def _items(self) -> list[Item]:
        items: list[Item] = []
        pages = self._client.get_paginator("list_objects_v2")
        try:
            for page in pages.paginate(Bucket=self._settings.bucket, Prefix=self._settings.prefix):
                items += [self._item(entry) for entry in page.get("Contents", ()) if not entry["Key"].endswith("/")]
                if len(items) > MAX_OBJECTS:
                    raise SourceUnavailable(f"more than {MAX_OBJECTS} objects; choose fewer with prefix")
        except (self._errors.BotoCoreError, self._errors.ClientError) as error:
            raise SourceUnavailable(f"bucket {self._settings.bucket}: {_told(error)}") from error
        return items

    def _item(self, entry: dict[str, Any]) -> Item:
        key, size = str(entry["Key"]), int(entry["Size"])

        def read() -> bytes:
            if size > MAX_BYTES:
                return b" " * (MAX_BYTES + 1)
            try:
                content: bytes = self._client.get_object(Bucket=self._settings.bucket, Key=key)["Body"].read()
            except (self._errors.BotoCoreError, self._errors.ClientError) as error:
                raise SourceUnavailable(f"object {key}: {_told(error)}") from error
            return content

        async def load() -> Document:
            return document(key, await asyncio.to_thread(read), {"bucket": self._settings.bucket, "key": key})

        return Item(key=key, fingerprint=str(entry["ETag"]), load=load)


def _told(error: Any) -> str:
    """The error's code or kind: its text may hold what a stranger's server says."""
    response = getattr(error, "response", None) or {}
    return str(response.get("Error", {}).get("Code") or type(error).__name__)
