"""Signing: the canonical message of layer 2, and what a client needs to make it.

The message is ``METHOD|path|query|timestamp|nonce|sha256(body)``: path and query exactly as on the wire, the timestamp
in milliseconds since 1970, the nonce as sent, the hash in lower-case hex. Version 2 (``X-Aster-Signature-Version: 2``,
ours, optional) appends ``|tenant|role|user`` as sent, so that nobody on the way can raise a role.
"""

import hashlib
import hmac
import http.client
import secrets
import time
import urllib.parse
from types import TracebackType
from typing import Any, Self

import msgspec

NONCE_BYTES = 16
CLIENT_SECONDS = 30.0
LONGEST_PAUSE = 5.0
RETRIED = frozenset({429, 503})
CHANGING = frozenset({"POST", "PUT", "PATCH", "DELETE"})


def canonical_message(method: str, path: bytes, query: bytes, timestamp: bytes, nonce: bytes, body: bytes) -> bytes:
    """The bytes that version 1 signs."""
    digest = hashlib.sha256(body).hexdigest().encode()
    return b"|".join((method.upper().encode(), path, query, timestamp, nonce, digest))


def with_identity(message: bytes, tenant: bytes, role: bytes, user: bytes) -> bytes:
    """The bytes that version 2 signs."""
    return b"|".join((message, tenant, role, user))


def signature_of(secret: bytes, message: bytes) -> bytes:
    """HMAC-SHA256, 32 bytes."""
    # Not hmac.digest: that lets go of the interpreter's lock for every message and then has to wait for it.
    return hmac.new(secret, message, "sha256").digest()


def sign_request(
    method: str,
    target: str,
    body: bytes = b"",
    *,
    tenant: str,
    secret: str,
    role: str = "MEMBER",
    user: str | None = None,
    nonce: str | None = None,
    timestamp_ms: int | None = None,
    version: int = 1,
) -> dict[str, str]:
    """The headers that make a request to ``target`` (``/path?query``, as it will be sent) pass all three layers.

    Each call draws a new nonce unless one is given: a request that is sent again must be signed again.
    """
    path, _, query = target.partition("?")
    moment = str(int(time.time() * 1000) if timestamp_ms is None else timestamp_ms)
    once = secrets.token_hex(NONCE_BYTES) if nonce is None else nonce
    message = canonical_message(method, path.encode(), query.encode(), moment.encode(), once.encode(), body)
    headers = {"X-Tenant-Id": tenant, "X-User-Role": role, "X-Aster-Nonce": once, "X-Aster-Timestamp": moment}
    if user is not None:
        headers["X-User-Id"] = user
    if version == 2:
        headers["X-Aster-Signature-Version"] = "2"
        message = with_identity(message, tenant.encode(), role.encode(), (user or "").encode())
    headers["X-Aster-Signature"] = signature_of(secret.encode(), message).hex()
    return headers


class Answer(msgspec.Struct, frozen=True):
    """A status, the decoded JSON body (None when empty), and headers by lower-case name."""

    status: int
    body: Any
    headers: dict[str, str]


class SigningClient:
    """A small blocking client on one kept-alive connection; not for several threads at once.

    ``base_url`` is ``http://host:port`` or ``https://host``. A lost connection and the answers 429 and 503 are tried
    again, ``retries`` times at most, each time with a new nonce and signature but one ``Idempotency-Key``: a change is
    made once.
    """

    def __init__(
        self,
        base_url: str,
        *,
        tenant: str,
        secret: str,
        role: str = "MEMBER",
        user: str | None = None,
        retries: int = 2,
    ) -> None:
        parts = urllib.parse.urlsplit(base_url)
        kind = http.client.HTTPSConnection if parts.scheme == "https" else http.client.HTTPConnection
        self._connection = kind(parts.netloc, timeout=CLIENT_SECONDS)
        self._tenant = tenant
        self._secret = secret
        self._role = role
        self._user = user
        self._retries = retries

    def request(self, method: str, target: str, body: Any = None) -> Answer:
        """Sign and send ``body`` as JSON (no body for None); raises `OSError` when no answer came."""
        payload = b"" if body is None else msgspec.json.encode(body)
        once = {"Idempotency-Key": secrets.token_hex(NONCE_BYTES)} if method in CHANGING else {}
        if body is not None:
            once["Content-Type"] = "application/json"
        for _ in range(self._retries):
            try:
                answer = self._send(method, target, payload, once)
            except (OSError, http.client.HTTPException):
                self._connection.close()
                continue
            if answer.status not in RETRIED:
                return answer
            time.sleep(min(float(answer.headers.get("retry-after", 1)), LONGEST_PAUSE))
        try:
            return self._send(method, target, payload, once)
        except http.client.HTTPException as error:
            self._connection.close()
            raise ConnectionError(f"no answer to {method} {target.partition('?')[0]}") from error

    def _send(self, method: str, target: str, payload: bytes, once: dict[str, str]) -> Answer:
        headers = sign_request(
            method, target, payload, tenant=self._tenant, secret=self._secret, role=self._role, user=self._user
        )
        wire = {name: value.encode() for name, value in {**headers, **once}.items()}
        self._connection.request(method, target, body=payload, headers=wire)
        response = self._connection.getresponse()
        text = response.read()
        decoded = msgspec.json.decode(text) if text else None
        return Answer(response.status, decoded, {name.lower(): value for name, value in response.getheaders()})

    def close(self) -> None:
        self._connection.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()
