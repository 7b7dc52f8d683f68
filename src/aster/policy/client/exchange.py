"""One request and its retries, without any I/O: what to send, and what an outcome means.

Rules:

* Every attempt is signed anew, with a nonce of its own; all attempts of one change share one ``Idempotency-Key``.
* Tried again: a connection that was never made; 429 and 503, which changed nothing; a connection that was lost or an
  answer that did not come, if asking twice changes nothing, or the service keeps the answer under the key.
* Pauses double, with jitter; a ``Retry-After`` lengthens them; none is longer than `LONGEST_PAUSE`.
"""

import random
import secrets
from dataclasses import dataclass
from typing import Any

import httpx
import msgspec

from aster.policy.client.calls import Answer, Call
from aster.policy.client.errors import NoAnswer, UnexpectedAnswer, refusal
from aster.policy.service.signing import NONCE_BYTES, sign_request

FIRST_PAUSE = 0.1
LONGEST_PAUSE = 5.0
RETRIED_STATUSES = frozenset({429, 503})
CHANGING = frozenset({"POST", "PUT", "PATCH", "DELETE"})
UNKEPT = frozenset({"/api/v1/tenant/keys", "/graphql"})
"""Where the service keeps no answers for an ``Idempotency-Key``: they hold a secret, or are of many changes."""

_REFUSED = 400

Outcome = httpx.Response | httpx.TransportError


@dataclass(frozen=True, slots=True)
class Signer:
    """Who signs, and how often a request is tried again. The secret is left out of ``repr``."""

    tenant: str
    secret: str
    role: str
    user: str | None
    key_id: str | None
    version: int
    retries: int

    def __repr__(self) -> str:
        return f"Signer(tenant={self.tenant!r}, role={self.role!r}, user={self.user!r}, version={self.version})"


class Exchange:
    """One request's attempts: `headers` for each, then `pause_after` its outcome until that is None."""

    def __init__(self, signer: Signer, call: Call[Any]) -> None:
        self.call = call
        self.payload = b"" if call.body is None else msgspec.json.encode(call.body)
        self._signer = signer
        self._left = signer.retries
        self._tried = 0
        self._fixed = dict(call.headers)
        if call.body is not None:
            self._fixed.setdefault("Content-Type", "application/json")
        keeps = call.method in CHANGING and not call.is_pure and self._path not in UNKEPT
        if keeps:
            self._fixed.setdefault("Idempotency-Key", secrets.token_hex(NONCE_BYTES))
        self._repeatable = call.is_pure or keeps

    def headers(self, target: bytes) -> dict[bytes, bytes]:
        """Those of the next attempt; ``target`` is path and query as they will be on the wire."""
        signer = self._signer
        signed = sign_request(
            self.call.method,
            target.decode("ascii"),
            self.payload,
            tenant=signer.tenant,
            secret=signer.secret,
            role=signer.role,
            user=signer.user,
            key_id=signer.key_id,
            version=signer.version,
        )
        return {name.encode(): value.encode() for name, value in {**self._fixed, **signed}.items()}

    def pause_after(self, outcome: Outcome) -> float | None:
        """Seconds to wait before the next attempt; None when this outcome is the last."""
        if self._left <= 0 or not self._may_repeat(outcome):
            return None
        self._left -= 1
        self._tried += 1
        pause: float = FIRST_PAUSE * 2 ** (self._tried - 1) * random.uniform(0.5, 1.0)  # noqa: S311 - jitter
        return min(LONGEST_PAUSE, max(pause, _asked_pause(outcome)))

    def read(self, outcome: Outcome) -> Any:
        """The last outcome as the call's type; raises a `PolicyClientError` for whatever is not that."""
        if isinstance(outcome, httpx.TransportError):
            raise NoAnswer(
                f"no answer to {self.call.method} {self._path}: {_words(outcome)}",
                hint="is the service running, and the URL right?",
            ) from outcome
        if self.call.answer is Answer:
            return _whole(outcome)
        if outcome.status_code >= _REFUSED:
            raise refusal(outcome.status_code, outcome.content)
        if self.call.answer is None:
            return None
        return outcome.content if self.call.answer is bytes else self._decoded(outcome)

    def _decoded(self, response: httpx.Response) -> Any:
        try:
            return msgspec.json.decode(response.content, type=self.call.answer)
        except msgspec.MsgspecError as error:
            raise UnexpectedAnswer(
                f"the answer to {self.call.method} {self._path} is not one of ours: {error}",
                status=response.status_code,
            ) from None

    @property
    def _path(self) -> str:
        return self.call.target.partition("?")[0]

    def _may_repeat(self, outcome: Outcome) -> bool:
        if isinstance(outcome, httpx.Response):
            return outcome.status_code in RETRIED_STATUSES
        return self._repeatable or isinstance(outcome, httpx.ConnectError | httpx.ConnectTimeout | httpx.PoolTimeout)


def _whole(response: httpx.Response) -> Answer:
    try:
        body = msgspec.json.decode(response.content) if response.content else None
    except msgspec.MsgspecError:
        body = response.text
    return Answer(response.status_code, body, {name.lower(): value for name, value in response.headers.items()})


def _asked_pause(outcome: Outcome) -> float:
    """What ``Retry-After`` says, in seconds; 0 without one."""
    text = outcome.headers.get("retry-after", "") if isinstance(outcome, httpx.Response) else ""
    return float(text) if text.isascii() and text.isdigit() else 0.0


def _words(error: httpx.TransportError) -> str:
    return str(error) or type(error).__name__
