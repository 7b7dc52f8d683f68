"""Webhooks: signed requests that bring one memory each. The signature is all the identity they have and need.

``X-Astrocyte-Signature`` is the hex HMAC-SHA256 (``sha256=`` may stand before it) of ``TIMESTAMP.BODY``, with
``X-Astrocyte-Timestamp`` in Unix seconds, or of the body alone where the source does not require a timestamp. What
arrives twice is taken once.
"""

import hashlib
import hmac
import os
import time
from collections.abc import Callable

import msgspec

from aster.foundation.errors import ConfigError
from astrocyte.errors import AstrocyteError
from astrocyte.memories import RetainResult
from astrocyte.sources.config import WebhookSource
from astrocyte.sources.intake import Intake
from astrocyte.sources.model import Document

SIGNATURE = b"x-astrocyte-signature"
TIMESTAMP = b"x-astrocyte-timestamp"
WINDOW_SECONDS = 300
SHORT = 16


class WebhookRefused(AstrocyteError):
    """The request is not from who may send it. ``message`` says as much as a stranger may know."""

    code = "WEBHOOK_REFUSED"


class Delivery(Document, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A document; ``id`` names the delivery, so that a repetition with another signature is known too."""

    id: str | None = None


_delivery = msgspec.json.Decoder(Delivery).decode


class Webhook:
    """One source's door."""

    def __init__(self, intake: Intake, settings: WebhookSource, *, now: Callable[[], float] = time.time) -> None:
        self._intake = intake
        self._settings = settings
        self._now = now
        secret = os.environ.get(settings.secret_env, "")
        if len(secret) < SHORT:
            name = settings.secret_env
            raise ConfigError(f"sources.{intake.name}: {name} must hold a secret of {SHORT} characters or more")
        self._secret = secret.encode()

    def check(self, signature: bytes | None, timestamp: bytes | None, body: bytes) -> None:
        """Raises `WebhookRefused`; compares in constant time."""
        if signature is None:
            raise WebhookRefused("missing signature header")
        if timestamp is None and self._settings.require_timestamp:
            raise WebhookRefused("missing timestamp header")
        signed = body if timestamp is None else timestamp + b"." + body
        expected = hmac.new(self._secret, signed, hashlib.sha256).hexdigest().encode()
        if not hmac.compare_digest(signature.removeprefix(b"sha256="), expected):
            raise WebhookRefused("invalid signature")
        if timestamp is not None and not self._is_fresh(timestamp):
            raise WebhookRefused("the timestamp is out of the window")

    async def take(self, body: bytes) -> RetainResult:
        """The memory of a request that passed `check`. Raises `msgspec.ValidationError`, or what a retain raises."""
        delivery = _delivery(body)
        key = delivery.id or hashlib.sha256(body).hexdigest()
        known = await self._intake.ledger.item(self._intake.name, key)
        if known is not None:
            return RetainResult(stored=False, memory_id=known[1], deduplicated=True, retention_action="skip")
        result = await self._intake.retain(delivery, key)
        await self._intake.ledger.take(self._intake.name, key, key, result.memory_id)
        return result

    def _is_fresh(self, timestamp: bytes) -> bool:
        return timestamp.isdigit() and len(timestamp) <= 12 and abs(self._now() - int(timestamp)) <= WINDOW_SECONDS
