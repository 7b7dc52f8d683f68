"""Enrollment credentials: what a root key says about who may connect, until when, and with which attributes.

The signed bytes are ``b"aster-credential-v1\\n"`` and then every field, each after its length (u32, big-endian):
role, type, root key, issued at and expires at (u64), endpoint id (32 bytes or none), nonce (32 bytes or none), number
of attributes (u32), and each attribute's name and value in order of names. So no byte can move from one field to
another, and a signature made for anything else never fits. Hex is lower-case: one value has one spelling.
"""

import hashlib
import os
import time
from collections.abc import Collection, Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import Literal

import msgspec

from aster.foundation.bounded_file import read_bounded
from aster.foundation.errors import AsterError, ConfigError
from aster.trust.keys import KEY_BYTES, SIGNATURE_BYTES, SigningKey, is_signed_by

DOMAIN = b"aster-credential-v1\n"
NONCE_BYTES = 32
MAX_BYTES = 16 * 1024
CLOCK_SKEW_SECONDS = 300
INSTANCE_PREFIX = "aster.iid_"
NODE_ROLE = "aster.node_role"
"""What an admission says about a producer. Set by us alone: a credential that carries it is refused."""

Role = Literal["consumer", "producer"]
Type = Literal["policy", "ott"]


class CredentialRefused(AsterError):
    """Why a credential does not admit; for logs and the audit, never for the peer."""

    code = "CREDENTIAL_REFUSED"


class Credential(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A credential as its JSON file shows it; keys, ids, nonce and signature in hex, times in seconds since 1970.

    ``policy`` credentials may be used again and again, ``ott`` (one-time token) ones once. A producer's is bound to one
    endpoint; a consumer's may be.
    """

    version: Literal[1] = 1
    role: Role
    type: Type
    root_pubkey: str
    issued_at: int
    expires_at: int
    attributes: dict[str, str] = {}
    endpoint_id: str | None = None
    nonce: str | None = None
    signature: str = ""

    @property
    def admitted_attributes(self) -> dict[str, str]:
        """The attributes that a peer has once this credential admits it."""
        return {**self.attributes, NODE_ROLE: "producer"} if self.role == "producer" else dict(self.attributes)

    def __repr__(self) -> str:
        return f"Credential(role={self.role}, type={self.type}, name={self.attributes.get('aster.name')})"


_decoder = msgspec.json.Decoder(Credential)


def issue(
    root: SigningKey,
    *,
    role: Role,
    expires_at: int,
    attributes: Mapping[str, str] | None = None,
    endpoint_id: str | None = None,
    one_time: bool = False,
    issued_at: int | None = None,
) -> Credential:
    """Sign a credential; raises `ConfigError` for one that could never admit."""
    unsigned = Credential(
        role=role,
        type="ott" if one_time else "policy",
        root_pubkey=root.public.hex(),
        issued_at=int(time.time()) if issued_at is None else issued_at,
        expires_at=expires_at,
        attributes=dict(attributes or {}),
        endpoint_id=None if endpoint_id is None else endpoint_id.lower(),
        nonce=os.urandom(NONCE_BYTES).hex() if one_time else None,
    )
    try:
        signature = root.sign(signing_bytes(unsigned))
    except CredentialRefused as error:
        raise ConfigError(f"no such credential can be signed: {error.message}") from None
    return msgspec.structs.replace(unsigned, signature=signature.hex())


def signing_bytes(credential: Credential) -> bytes:
    """What a root key signs; `CredentialRefused` for a credential whose fields contradict one another."""
    endpoint = b"" if credential.endpoint_id is None else _hex(credential.endpoint_id, KEY_BYTES, "endpoint_id")
    nonce = b"" if credential.nonce is None else _hex(credential.nonce, NONCE_BYTES, "nonce")
    if (credential.type == "ott") != bool(nonce):
        raise CredentialRefused("a one-time credential has a nonce, and only a one-time credential")
    if credential.role == "producer" and not endpoint:
        raise CredentialRefused("a producer's credential names its endpoint")
    if NODE_ROLE in credential.attributes:
        raise CredentialRefused(f"the attribute {NODE_ROLE} can't be set")
    for seconds in (credential.issued_at, credential.expires_at):
        if not 0 <= seconds < 2**63:
            raise CredentialRefused("a time is out of range")
    if credential.expires_at <= credential.issued_at:
        raise CredentialRefused("it expires before it begins")
    fields = [
        credential.role.encode(),
        credential.type.encode(),
        _hex(credential.root_pubkey, KEY_BYTES, "root_pubkey"),
        credential.issued_at.to_bytes(8, "big"),
        credential.expires_at.to_bytes(8, "big"),
        endpoint,
        nonce,
        len(credential.attributes).to_bytes(4, "big"),
    ]
    for name, value in sorted(credential.attributes.items()):
        fields += [_utf8(name), _utf8(value)]
    return DOMAIN + b"".join(len(field).to_bytes(4, "big") + field for field in fields)


def credential_id(credential: Credential) -> str:
    """What a credential is revoked by: SHA-256 of its signed bytes in hex, however its file is written."""
    return hashlib.sha256(signing_bytes(credential)).hexdigest()


def verify(credential: Credential, *, roots: Collection[bytes], role: Role, peer: str, now: float) -> None:
    """Raise `CredentialRefused` unless one of ``roots`` says that ``peer`` (hex EndpointId) may connect now.

    A one-time credential must still be consumed, and instance attributes still be verified, by the caller.
    """
    message = signing_bytes(credential)
    root = _hex(credential.root_pubkey, KEY_BYTES, "root_pubkey")
    if root not in roots:
        trusted = ", ".join(sorted(each.hex() for each in roots))
        raise CredentialRefused(
            "another root key signed it", hint=f"signed by {credential.root_pubkey}; trusted: {trusted or 'none'}"
        )
    if not is_signed_by(root, message, _hex(credential.signature, SIGNATURE_BYTES, "signature")):
        raise CredentialRefused("its signature does not fit", hint="it was changed after it was signed; sign a new one")
    if credential.role != role:
        raise CredentialRefused(f"it is for a {credential.role}", hint=f"sign one for a {role}")
    if credential.issued_at > now + CLOCK_SKEW_SECONDS:
        hint = f"it begins at {moment(credential.issued_at)}; here it is {moment(int(now))}"
        raise CredentialRefused("it is not valid yet", hint=hint)
    if credential.expires_at <= now:
        hint = f"it expired at {moment(credential.expires_at)}; sign a new one (aster trust sign, aster enroll node)"
        raise CredentialRefused("it has expired", hint=hint)
    if credential.endpoint_id is not None and credential.endpoint_id.lower() != peer.lower():
        hint = f"it is bound to {credential.endpoint_id}, and this is {peer or 'no endpoint'}"
        raise CredentialRefused("it belongs to another endpoint", hint=hint)


def moment(seconds: int) -> str:
    """A time in seconds since 1970 as people read it, in UTC."""
    try:
        return datetime.fromtimestamp(seconds, UTC).isoformat().replace("+00:00", "Z")
    except (ValueError, OverflowError, OSError):
        return str(seconds)


def parse_credential(raw: bytes) -> Credential:
    """Read a credential's JSON; raises `CredentialRefused` for anything else."""
    if len(raw) > MAX_BYTES:
        raise CredentialRefused(f"it has more than {MAX_BYTES} bytes")
    try:
        return _decoder.decode(raw)
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError) as error:
        raise CredentialRefused(f"it is no credential: {error}") from None


def read_credential_file(path: str, *, source: str) -> Credential:
    """A client's own credential; `ConfigError` naming ``source`` when it is none."""
    file = Path(path).expanduser()
    try:
        return parse_credential(read_bounded(file, MAX_BYTES))
    except OSError as error:
        raise ConfigError(f"{source}: {file} can't be read: {error.strerror or error}") from None
    except CredentialRefused as error:
        raise ConfigError(f"{source}: {file}: {error.message}") from None


def credential_json(credential: Credential) -> bytes:
    """The file form of a credential."""
    return msgspec.json.format(msgspec.json.encode(credential), indent=2) + b"\n"


def _hex(text: str, size: int, what: str) -> bytes:
    try:
        value = bytes.fromhex(text)
    except ValueError:
        value = b""
    if len(value) != size or value.hex() != text:
        raise CredentialRefused(f"its {what} is not {2 * size} lower-case hex characters")
    return value


def _utf8(text: str) -> bytes:
    try:
        return text.encode()
    except UnicodeEncodeError:
        raise CredentialRefused("an attribute is not valid text") from None
