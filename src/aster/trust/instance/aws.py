"""AWS: a presigned STS request proves account and role, a signed instance identity document account and region.

A document says nothing of the node's key and lasts as long as its instance, so it counts only beside an STS request
of the same instance: EC2 names the session of an instance's own role after the instance.

The token is JSON: ``{"sts": "https://sts.REGION.amazonaws.com/?…"}``, and with a document either ``"rsa2048"`` (the
PKCS #7 form, which holds the document) or ``"document"`` and ``"signature"`` (RSA-SHA256 over the document's bytes),
each as the metadata service gives it.
"""

import re
from collections.abc import Callable, Sequence

import msgspec
from cryptography import x509
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric import padding
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPublicKey
from cryptography.hazmat.primitives.hashes import SHA256

from aster.foundation.errors import ConfigError
from aster.trust.credential import CredentialRefused
from aster.trust.instance.aws_sts import Caller, caller_identity, regional_endpoint
from aster.trust.instance.certificates import is_current, is_strong, read_certificates
from aster.trust.instance.facts import Proven, Wanted
from aster.trust.instance.pkcs7 import base64_bytes, open_signed
from aster.trust.instance.settings import InstanceSettings

_ROLE = re.compile(r"arn:(aws[a-z-]{0,20}):iam::([0-9]{12}):role/(?:[!-~]{1,510}/)?([A-Za-z0-9+=,.@_-]{1,64})")


class _Token(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    sts: str
    rsa2048: str | None = None
    document: str | None = None
    signature: str | None = None


class _Document(msgspec.Struct, frozen=True, rename="camel"):
    account_id: str
    region: str
    instance_id: str


class AwsVerifier:
    """Trusts ``certificates`` for documents, and AWS itself, at ``endpoint`` of a region, for STS requests."""

    def __init__(
        self, certificates: Sequence[x509.Certificate], *, endpoint: Callable[[str], str] = regional_endpoint
    ) -> None:
        self._certificates = certificates
        self._endpoint = endpoint

    async def prove(self, wanted: Wanted, token: str, *, peer: str, now: float) -> Proven:
        shown = _parsed(token)
        document = self._document(shown, now)
        caller = await caller_identity(shown.sts, peer=peer, now=now, endpoint=self._endpoint)
        if document is not None and (document.account_id, document.instance_id) != (caller.account, caller.session):
            raise CredentialRefused("its identity document is of another instance than its STS request")
        return Proven(caller.account, document.region if document else None, _role(caller, wanted.role))

    def _document(self, shown: _Token, now: float) -> _Document | None:
        """The verified document; None when the token has none. Before AWS is asked: what is forged costs no request."""
        if shown.rsa2048 is None and shown.document is None and shown.signature is None:
            return None
        trusted = [each for each in self._certificates if is_current(each, now)]
        if not trusted:
            raise ConfigError("no AWS certificate is trusted", hint="[instance_identity] aws_certificates")
        content = _signed_document(shown, trusted)
        try:
            return msgspec.json.decode(content, type=_Document)
        except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError):
            raise CredentialRefused("its identity document is none") from None


def create(settings: InstanceSettings) -> AwsVerifier:
    """Without certificates no document is believed; roles and accounts still are, on the word of STS."""
    path = settings.aws_certificates
    certificates = () if path is None else read_certificates(path, setting="aws_certificates")
    weak = next((each for each in certificates if not is_strong(each)), None)
    if weak is not None:
        raise ConfigError(
            f"aws_certificates: the certificate with serial number {weak.serial_number} has no RSA key of 2048 bits",
            hint="leave it out; AWS signs rsa2048 documents with the certificates to keep",
        )
    return AwsVerifier(certificates)


def _parsed(token: str) -> _Token:
    try:
        shown = msgspec.json.decode(token, type=_Token)
    except (msgspec.MsgspecError, UnicodeError, RecursionError):
        raise CredentialRefused('its AWS token is not JSON of "sts" and an identity document') from None
    forms = (shown.rsa2048 is not None, shown.document is not None, shown.signature is not None)
    if forms not in ((False, False, False), (True, False, False), (False, True, True)):
        raise CredentialRefused('its AWS token has neither "rsa2048" nor "document" and "signature"')
    return shown


def _signed_document(shown: _Token, trusted: Sequence[x509.Certificate]) -> bytes:
    if shown.rsa2048 is not None:
        signed = open_signed(base64_bytes(shown.rsa2048), trusted)
        if any(each not in trusted for each in (signed.signer, *signed.carried)):
            raise CredentialRefused("another certificate than a trusted one signed its identity document")
        return signed.content
    document, signature = (shown.document or "").encode(), base64_bytes(shown.signature or "")
    for certificate in trusted:
        key = certificate.public_key()
        try:
            if isinstance(key, RSAPublicKey):
                key.verify(signature, document, padding.PKCS1v15(), SHA256())
                return document
        except InvalidSignature:
            continue
    raise CredentialRefused("no trusted certificate signed its identity document")


def _role(caller: Caller, wanted: str | None) -> str:
    """The caller's role as ARN. A session's ARN leaves a role's path out; a role's name is unique in its account."""
    asked = _ROLE.fullmatch(wanted or "")
    if wanted is not None and asked is not None and asked.groups() == (caller.partition, caller.account, caller.role):
        return wanted
    return f"arn:{caller.partition}:iam::{caller.account}:role/{caller.role}"
