"""Layer 2: the three ``X-Aster-*`` headers prove that a holder of the tenant's secret signed this request, just now.

Order: headers present, timestamp in form, within the window, nonce in form, signature, nonce fresh (401 … 401, 409).
The message is built from bytes as received; secrets are compared in constant time.
"""

import hmac
import re
from collections.abc import Awaitable, Callable

import msgspec

from aster.foundation.http.request import Request
from aster.foundation.logs import get_logger
from aster.foundation.sql import Database
from aster.policy.service.caller import Role, tenant_of
from aster.policy.service.envelope import problem
from aster.policy.service.errors import (
    NonceInvalid,
    SignatureInvalid,
    SignatureMissing,
    TimestampInvalid,
    TimestampOutOfWindow,
    Unsigned,
)
from aster.policy.service.headers import HeaderConflict, SingleHeaders, single_headers
from aster.policy.service.nonces import WINDOW_MS, Claim, NonceStore
from aster.policy.service.signing import canonical_message, keyed_hash, with_identity
from aster.policy.service.signing_keys import SigningKeys
from aster.policy.service.tenants import Key, TenantAdministration

logger = get_logger("aster.policy.service")

_SIGNATURE_HEADER, _NONCE_HEADER, _TIMESTAMP_HEADER = b"x-aster-signature", b"x-aster-nonce", b"x-aster-timestamp"
_NAMES = {
    _SIGNATURE_HEADER: "X-Aster-Signature",
    _NONCE_HEADER: "X-Aster-Nonce",
    _TIMESTAMP_HEADER: "X-Aster-Timestamp",
}
_TIMESTAMP_DIGITS = 15
_NONCE = re.compile(rb"[\x21-\x7b\x7d\x7e]{1,128}")
_KEY_ID = re.compile(rb"[a-zA-Z0-9_-]{1,64}")
_VERSION = re.compile(rb"[12]")
_SIGNATURE = re.compile(rb"[0-9a-fA-F]{64}")


class SignatureLayer:
    """Verifies a request and leaves the nonce's `Claim` in ``request.state["claim"]``."""

    def __init__(
        self,
        keys: SigningKeys,
        nonces: NonceStore,
        database: Database,
        *,
        now_ms: Callable[[], int],
        least_version: int = 1,
        logs_refusals: bool = True,
    ) -> None:
        self._database = database
        self._keys = keys
        self._nonces = nonces
        self._now_ms = now_ms
        self._least_version = least_version
        self._logs_refusals = logs_refusals

    def __call__(self, request: Request) -> Awaitable[None] | None:
        """Waits for a body that is still on its way, for a named key, for replicas; mostly for nothing."""
        try:
            proof = _proof_of(request, self._now_ms())
            body = request.body_here()
            if body is None or proof.key_id is not None or self._nonces.is_shared:
                return self._wait(request, proof)
            request.state["claim"] = self._claim(request, proof, body, self._keys.of(tenant_of(request)))
        except Unsigned as error:
            if self._logs_refusals:
                _tell(request, error)
            raise
        return None

    async def _wait(self, request: Request, proof: "_Proof") -> None:
        try:
            body = await request.body()
            claim = self._claim(request, proof, body, await self._secrets(request, proof))
            await self._nonces.share(claim)
            request.state["claim"] = claim
        except Unsigned as error:
            if self._logs_refusals:
                _tell(request, error)
            raise

    def _claim(self, request: Request, proof: "_Proof", body: bytes, secrets: tuple[bytes, ...]) -> Claim:
        """The nonce, held for this request because one of the secrets signed it."""
        if not _is_signed(self._message(request, proof, body), bytes.fromhex(proof.signature), secrets):
            raise SignatureInvalid("the signature is not valid")
        nonce = proof.nonce.decode("ascii")
        return self._nonces.claim(
            tenant_of(request), nonce, received_ms=proof.received_ms, timestamp_ms=proof.timestamp_ms
        )

    async def require_live_key(self, request: Request) -> None:
        """Does the named key that signed still count? `SignatureInvalid` if not; for what outlives its request."""
        key_id = request.state.get("key_id")
        if key_id is not None and await self._live_key(tenant_of(request), key_id, self._now_ms()) is None:
            raise SignatureInvalid("the key was revoked or has expired")

    async def _live_key(self, tenant: str, key_id: str, now_ms: int) -> Key | None:
        return await self._database.look_up(
            lambda connection: TenantAdministration(connection, tenant).live_key(key_id, now_ms=now_ms)
        )

    async def _secrets(self, request: Request, proof: "_Proof") -> tuple[bytes, ...]:
        """The tenant's own, or the secret of the one named key that the request names."""
        tenant = tenant_of(request)
        if proof.key_id is None:
            return self._keys.of(tenant)
        key = await self._live_key(tenant, proof.key_id.decode("ascii"), proof.received_ms)
        if key is None:
            return self._keys.nobodys()
        request.state["key_id"] = key.id
        request.state["key_ceiling"] = Role(key.role_ceiling)
        return self._keys.named(tenant, key.id)

    def _message(self, request: Request, proof: "_Proof", body: bytes) -> bytes:
        path = request.raw_path
        if b"|" in path:
            # A path with the separator in it could be read as another path with another query.
            raise SignatureInvalid("the path must not contain '|'", hint="write it as %7C")
        message = canonical_message(request.method, path, request.raw_query, proof.timestamp, proof.nonce, body)
        version = proof.version or b"1"
        if int(version) < self._least_version:
            raise SignatureInvalid(f"this service asks for signature version {self._least_version}")
        if version == b"1":
            return message
        role = request.header(b"x-user-role") or b""
        user = request.header(b"x-user-id") or b""
        return with_identity(message, tenant_of(request).encode("ascii"), role, user)


class _Proof(msgspec.Struct, frozen=True, gc=False):
    """What the headers say, in form but not yet believed."""

    signature: str
    nonce: bytes
    timestamp: bytes
    timestamp_ms: int
    received_ms: int
    key_id: bytes | None
    version: bytes | None


def _proof_of(request: Request, received_ms: int) -> _Proof:
    headers = single_headers(request)
    signature = _required(headers, _SIGNATURE_HEADER)
    nonce = _required(headers, _NONCE_HEADER)
    timestamp = _required(headers, _TIMESTAMP_HEADER)
    timestamp_ms = _within_window(timestamp, received_ms)
    if not _NONCE.fullmatch(nonce):
        raise NonceInvalid("X-Aster-Nonce must be 1 to 128 visible ASCII characters without '|'")
    if not _SIGNATURE.fullmatch(signature):
        raise SignatureInvalid("the signature is not valid")
    return _Proof(
        signature.decode("ascii"),
        nonce,
        timestamp,
        timestamp_ms,
        received_ms,
        _optional(headers, b"x-aster-key-id", _KEY_ID),
        _optional(headers, b"x-aster-signature-version", _VERSION),
    )


def _tell(request: Request, error: Unsigned) -> None:
    logger.info(
        "unsigned request refused",
        reason=error.code,
        tenant=tenant_of(request),
        request_id=request.request_id,
        client=request.client,
    )


def _is_signed(message: bytes, given: bytes, secrets: tuple[bytes, ...]) -> bool:
    """By one of them: all are tried, so that the time tells nothing."""
    found = False
    for secret in secrets:
        found |= hmac.compare_digest(keyed_hash(secret)(message), given)
    return found


def _required(headers: SingleHeaders, name: bytes) -> bytes:
    try:
        value = headers.get(name)
    except HeaderConflict:
        raise SignatureInvalid(f"{_NAMES[name]} was sent with different values") from None
    if not value:
        raise SignatureMissing(f"{_NAMES[name]} is required", problems=problem(_NAMES[name], "is missing"))
    return value


def _optional(headers: SingleHeaders, name: bytes, form: re.Pattern[bytes]) -> bytes | None:
    try:
        value = headers.get(name) or None
    except HeaderConflict:
        value = b""
    if value is not None and not form.fullmatch(value):
        raise SignatureInvalid(f"{name.decode()} is malformed")
    return value


def _within_window(timestamp: bytes, received_ms: int) -> int:
    if not timestamp.isdigit() or len(timestamp) > _TIMESTAMP_DIGITS:
        raise TimestampInvalid("X-Aster-Timestamp must be milliseconds since 1970 in decimal digits")
    timestamp_ms = int(timestamp)
    if abs(received_ms - timestamp_ms) > WINDOW_MS:
        raise TimestampOutOfWindow(
            f"X-Aster-Timestamp is more than {WINDOW_MS // 1000} seconds from this server's clock",
            hint="is the client's clock right, and the timestamp in milliseconds?",
        )
    return timestamp_ms
