"""PKCS #7 / CMS signed data (RFC 5652), as metadata services sign their documents.

Accepted is one narrow form: one signer, named by issuer and serial number, RSA PKCS #1 v1.5 with SHA-2, content of type
``data`` inside. Everything that is neither signed nor checked against something signed must be absent, so no byte of
a signature can be another one. Who the signer is remains for the caller to judge.
"""

import base64
import binascii
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from asn1crypto import cms
from cryptography import x509
from cryptography.exceptions import InvalidSignature, UnsupportedAlgorithm
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import padding
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPublicKey

from aster.trust.credential import CredentialRefused
from aster.trust.instance.ber import NotBer, der_from_ber
from aster.trust.instance.certificates import is_strong

HASHES: dict[str, hashes.HashAlgorithm] = {
    "sha256": hashes.SHA256(),
    "sha384": hashes.SHA384(),
    "sha512": hashes.SHA512(),
}
MAX_CERTIFICATES = 8
PARSER_ERRORS = (
    *(ValueError, TypeError, KeyError, IndexError, AttributeError, RecursionError, OverflowError),
    *(x509.InvalidVersion, x509.UnsupportedGeneralNameType, UnsupportedAlgorithm),
)
"""What the parsers raise for bytes that are no such structure."""
ONCE = ("content_type", "message_digest", "signing_time")


class Malformed(ValueError):
    """The structure is not of the form that is accepted here."""


@dataclass(frozen=True, slots=True)
class Signed:
    """Content whose signature fits the key of ``signer``, and the certificates that came along."""

    content: bytes
    signer: x509.Certificate
    carried: Sequence[x509.Certificate]


def base64_bytes(text: str) -> bytes:
    """Bytes from base64 in lines, in the one spelling they have; raises `CredentialRefused`."""
    joined = "".join(text.split("\n")).replace("\r", "")
    try:
        value = base64.b64decode(joined.encode("ascii"), validate=True)
    except (ValueError, binascii.Error):
        value = b""
    if not value or base64.b64encode(value).decode() != joined:
        raise CredentialRefused("its instance identity token has a part that is not base64")
    return value


def open_signed(raw: bytes, known: Sequence[x509.Certificate] = ()) -> Signed:
    """The content, once the signature fits; the signer is among ``known`` or the certificates that came along.

    Raises `CredentialRefused` for anything else. It is for the caller to decide whether the signer is to be trusted.
    """
    try:
        return _opened(raw, known)
    except (NotBer, Malformed) as error:
        raise CredentialRefused(f"its signed document is malformed: {error}") from None
    except InvalidSignature:
        raise CredentialRefused("the signature of its signed document does not fit") from None
    except PARSER_ERRORS:
        raise CredentialRefused("its signed document is malformed") from None


def _opened(raw: bytes, known: Sequence[x509.Certificate]) -> Signed:
    der = der_from_ber(raw)
    envelope = cms.ContentInfo.load(der, strict=True)
    if envelope["content_type"].native != "signed_data":
        raise Malformed("it is not signed data")
    signed = envelope["content"]
    signer = _only_signer(signed)
    for part in ("digest_algorithms", "encap_content_info", "signer_infos"):
        given = signed[part].dump()
        if signed[part].dump(force=True) != given:
            raise Malformed("it is not in its canonical form")
    algorithm = _hash_of(signed, signer)
    content = signed["encap_content_info"]["content"].native
    if signed["encap_content_info"]["content_type"].native != "data" or not isinstance(content, bytes):
        raise Malformed("it has no content")
    carried = [x509.load_der_x509_certificate(each.chosen.dump()) for each in _present(signed["certificates"])]
    if len(carried) > MAX_CERTIFICATES:
        raise Malformed(f"it carries more than {MAX_CERTIFICATES} certificates")
    certificate = _named(signer["sid"], [*carried, *known])
    key = certificate.public_key()
    if not is_strong(certificate) or not isinstance(key, RSAPublicKey):
        raise Malformed("the signer's key is too weak")
    message = _signed_bytes(signer, content, algorithm)
    key.verify(signer["signature"].native, message, padding.PKCS1v15(), algorithm)
    return Signed(content, certificate, carried)


def _only_signer(signed: Any) -> Any:
    signers = signed["signer_infos"]
    if len(signers) != 1:
        raise Malformed(f"it has {len(signers)} signers")
    signer = signers[0]
    by_number = signer["sid"].name == "issuer_and_serial_number"
    if not by_number or signed["version"].native != "v1" or signer["version"].native != "v1":
        raise Malformed("its version is another one")
    if _is_there(signed["crls"]) or _is_there(signer["unsigned_attrs"]):
        raise Malformed("it has parts that nobody signed")
    return signer


def _hash_of(signed: Any, signer: Any) -> hashes.HashAlgorithm:
    declared = [each.native for each in signed["digest_algorithms"]]
    digest, signature = signer["digest_algorithm"].native, signer["signature_algorithm"].native
    name = digest["algorithm"]
    if declared != [digest] or digest["parameters"] is not None or signature["parameters"] is not None:
        raise Malformed("its algorithms contradict one another")
    if name not in HASHES or signature["algorithm"] not in ("rsassa_pkcs1v15", f"{name}_rsa"):
        raise Malformed("its algorithms are not RSA with SHA-2")
    return HASHES[name]


def _named(sid: Any, candidates: Sequence[x509.Certificate]) -> x509.Certificate:
    issuer, serial = sid.chosen["issuer"].dump(), sid.chosen["serial_number"].native
    found = {each for each in candidates if each.serial_number == serial and each.issuer.public_bytes() == issuer}
    if len(found) != 1:
        raise Malformed("the signer's certificate is not known")
    return found.pop()


def _signed_bytes(signer: Any, content: bytes, algorithm: hashes.HashAlgorithm) -> bytes:
    """What the signature covers: the content, or attributes that hold its digest (RFC 5652, section 5.4)."""
    attributes = signer["signed_attrs"]
    if not _is_there(attributes):
        return content
    values: dict[str, list[Any]] = {}
    for attribute in attributes:
        name = attribute["type"].native
        if name in values:
            raise Malformed("an attribute is there twice")
        values[name] = list(attribute["values"].native)
    if any(len(values.get(name, [None])) != 1 for name in ONCE):
        raise Malformed("an attribute has several values")
    digest = hashes.Hash(algorithm)
    digest.update(content)
    if values.get("content_type") != ["data"] or values.get("message_digest") != [digest.finalize()]:
        raise Malformed("its content is not what was signed")
    covered: bytes = attributes.untag().dump(force=True)
    return covered


def _is_there(field: Any) -> bool:
    return bool(field.contents)


def _present(field: Any) -> Sequence[Any]:
    return list(field) if _is_there(field) else []
