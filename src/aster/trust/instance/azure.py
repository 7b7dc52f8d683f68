"""Azure: an attested document proves subscription and region, a managed identity's token subscription and identity.

The token is JSON with ``"attested"`` (the ``signature`` of the metadata service's attested document), ``"identity"``
(an access token of the managed identity), or both. Each must be bound to the node's key: the document by its nonce, the
access token by its audience. Source: Microsoft's "Azure Instance Metadata Service", attested data.
"""

import asyncio
import hashlib
import re
from collections.abc import Sequence
from datetime import UTC, datetime

import msgspec
from cryptography import x509
from cryptography.x509 import verification

from aster.foundation.errors import ConfigError
from aster.trust.credential import CredentialRefused
from aster.trust.instance.certificates import read_certificates
from aster.trust.instance.facts import CLOCK_SKEW_SECONDS, Proven, Wanted
from aster.trust.instance.pkcs7 import Signed, base64_bytes, open_signed
from aster.trust.instance.settings import InstanceSettings
from aster.trust.instance.signed_tokens import Claims, TokenIssuer

NONCE_DIGITS = 10
NONCE_SALT = b"aster-azure-nonce-v1"

_SIGNER = re.compile(r"(?:([a-z][a-z0-9]{1,39})\.)?metadata\.azure\.com")
_TENANT = re.compile(r"[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}")
_RESOURCE = re.compile(r"/subscriptions/([0-9a-f-]{36})/resource[gG]roups/[!-~]{1,400}")
_TIME = "%m/%d/%y %H:%M:%S %z"


class _Token(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    attested: str | None = None
    identity: str | None = None


class _Times(msgspec.Struct, frozen=True, rename="camel"):
    created_on: str
    expires_on: str


class _Document(msgspec.Struct, frozen=True, rename="camel"):
    nonce: str
    subscription_id: str
    time_stamp: _Times


class _AzureClaims(Claims, frozen=True, kw_only=True):
    tid: str
    xms_mirid: str


def nonce(peer: str) -> str:
    """The ten digits that an attested document for this node must have as its nonce.

    Ten digits are all that the service takes, so they are derived slowly (scrypt, tens of milliseconds): to find
    another key with the same ones takes years of computing, and a document is valid for six hours.
    """
    derived = hashlib.scrypt(bytes.fromhex(peer), salt=NONCE_SALT, n=2**14, r=8, p=1, dklen=16)
    return f"{int.from_bytes(derived, 'big') % 10**NONCE_DIGITS:0{NONCE_DIGITS}}"


def audience(tenant: str, peer: str) -> str:
    """The audience that an access token for this node must have: an identifier URI of an app of the tenant."""
    return f"api://{tenant}/aster-{peer}"


class AzureVerifier:
    """Trusts the roots among ``certificates`` for attested documents, and the keys of ``tenant`` for access tokens."""

    def __init__(self, certificates: Sequence[x509.Certificate], tenant: str | None, jwks_url: str | None) -> None:
        self._roots = [each for each in certificates if each.issuer == each.subject]
        self._intermediates = [each for each in certificates if each.issuer != each.subject]
        self._tenant = tenant
        self._issuer = None
        if tenant is not None:
            login = f"https://login.microsoftonline.com/{tenant}"
            names = (f"https://sts.windows.net/{tenant}/", f"{login}/v2.0")
            self._issuer = TokenIssuer(names, jwks_url or f"{login}/discovery/v2.0/keys")

    async def prove(self, wanted: Wanted, token: str, *, peer: str, now: float) -> Proven:
        try:
            shown = msgspec.json.decode(token, type=_Token)
        except (msgspec.MsgspecError, UnicodeError, RecursionError):
            raise CredentialRefused('its Azure token is not JSON of "attested" and "identity"') from None
        if shown.attested is None and shown.identity is None:
            raise CredentialRefused("its Azure token is empty")
        machine = None if shown.attested is None else await self._attested(shown.attested, peer, now)
        identity = None if shown.identity is None else await self._identity(shown.identity, peer, now)
        if machine is None or identity is None:
            return machine or identity or Proven()
        if machine.account != identity.account:
            raise CredentialRefused("its attested document and its identity are of different subscriptions")
        return Proven(machine.account, machine.region, identity.role)

    async def _attested(self, text: str, peer: str, now: float) -> Proven:
        if not self._roots:
            raise ConfigError("no Azure root certificate is trusted", hint="[instance_identity] azure_certificates")
        signed = open_signed(base64_bytes(text))
        region = self._region(signed, now)
        try:
            document = msgspec.json.decode(signed.content, type=_Document)
            created, expires = _moment(document.time_stamp.created_on), _moment(document.time_stamp.expires_on)
        except (msgspec.MsgspecError, UnicodeDecodeError, ValueError, RecursionError):
            raise CredentialRefused("its attested document is none") from None
        if expires <= now:
            raise CredentialRefused("its attested document has expired")
        if created > now + CLOCK_SKEW_SECONDS:
            raise CredentialRefused("its attested document is not valid yet")
        if document.nonce != await asyncio.to_thread(nonce, peer):
            raise CredentialRefused("its attested document has another nonce: it is not bound to this node's key")
        return Proven(document.subscription_id, region)

    def _region(self, signed: Signed, now: float) -> str | None:
        """What the signer's name says, once its certificate leads to a trusted root; None when it names no region."""
        names = _dns_names(signed.signer)
        known = [found for name in names if (found := _SIGNER.fullmatch(name))]
        if not known:
            raise CredentialRefused("the signer of its attested document is not the metadata service")
        policy = verification.PolicyBuilder().store(verification.Store(self._roots))
        verifier = policy.time(datetime.fromtimestamp(now, UTC)).build_server_verifier(x509.DNSName(known[0][0]))
        try:
            chain = verifier.verify(signed.signer, [*signed.carried, *self._intermediates])
        except verification.VerificationError:
            raise CredentialRefused("the signer of its attested document leads to no trusted root") from None
        if any(each not in chain for each in signed.carried):
            raise CredentialRefused("its attested document carries certificates that prove nothing")
        regions = {found[1] for found in known if found[1] is not None}
        return regions.pop() if len(regions) == 1 else None

    async def _identity(self, token: str, peer: str, now: float) -> Proven:
        if self._issuer is None or self._tenant is None:
            raise ConfigError("no Azure tenant is trusted", hint="[instance_identity] azure_tenant")
        claims = await self._issuer.claims(_AzureClaims, token, audience=audience(self._tenant, peer), now=now)
        resource = _RESOURCE.fullmatch(claims.xms_mirid)
        if claims.tid != self._tenant or resource is None:
            raise CredentialRefused("its access token is not of a managed identity of the tenant")
        return Proven(resource[1], None, claims.xms_mirid)


def create(settings: InstanceSettings) -> AzureVerifier:
    """Raises `ConfigError` for certificates without a root, and for a tenant that is none."""
    tenant, path = settings.azure_tenant, settings.azure_certificates
    if tenant is not None and not _TENANT.fullmatch(tenant):
        raise ConfigError("azure_tenant: expected a tenant's id", hint="e.g. 72f988bf-0000-0000-0000-2d7cd011db47")
    if settings.azure_jwks_url is not None and tenant is None:
        raise ConfigError("azure_jwks_url is set without azure_tenant: no token could be of an expected issuer")
    found = () if path is None else read_certificates(path, setting="azure_certificates")
    if path is not None and not any(each.issuer == each.subject for each in found):
        raise ConfigError(f"azure_certificates: {path} holds no root certificate")
    return AzureVerifier(found, tenant, settings.azure_jwks_url)


def _moment(text: str) -> float:
    return datetime.strptime(text, _TIME).timestamp()  # noqa: DTZ007 - the format has a time zone


def _dns_names(certificate: x509.Certificate) -> Sequence[str]:
    try:
        names = certificate.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
        return names.get_values_for_type(x509.DNSName)
    except (x509.ExtensionNotFound, x509.DuplicateExtension, ValueError):
        return ()
