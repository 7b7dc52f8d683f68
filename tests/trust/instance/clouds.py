"""Clouds that the tests own: certificates, signed documents, presigned requests, and an STS that checks them."""

import base64
import hashlib
import hmac
import json
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime, timedelta
from functools import cache
from typing import Any
from urllib.parse import parse_qsl, quote

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import padding
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPrivateKey, generate_private_key
from cryptography.hazmat.primitives.serialization import pkcs7
from cryptography.x509.oid import ExtendedKeyUsageOID

NOW = 1_800_000_000.0
MOMENT = datetime.fromtimestamp(NOW, UTC)
PEER = "ab" * 32
THIEF = "cd" * 32


@cache
def rsa_key(name: str, bits: int = 2048) -> RSAPrivateKey:
    """One key for each name: making them is slow."""
    return generate_private_key(65537, bits)


def certificate(
    name: str,
    *,
    key: RSAPrivateKey,
    issuer: str | None = None,
    issuer_key: RSAPrivateKey | None = None,
    dns: Sequence[str] = (),
    is_authority: bool = False,
    ends: datetime = MOMENT + timedelta(days=20_000),
) -> x509.Certificate:
    """A certificate for ``name``, signed by itself unless an issuer is given."""
    signer = issuer_key or key
    builder = (
        x509.CertificateBuilder()
        .subject_name(x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, name)]))
        .issuer_name(x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, issuer or name)]))
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(MOMENT - timedelta(days=4000))
        .not_valid_after(ends)
        .add_extension(x509.BasicConstraints(ca=is_authority, path_length=None), critical=True)
        .add_extension(x509.SubjectKeyIdentifier.from_public_key(key.public_key()), critical=False)
        .add_extension(x509.AuthorityKeyIdentifier.from_issuer_public_key(signer.public_key()), critical=False)
    )
    if is_authority:
        usage = dict.fromkeys(
            (
                *("digital_signature", "content_commitment", "key_encipherment", "data_encipherment"),
                *("key_agreement", "crl_sign", "encipher_only", "decipher_only"),
            ),
            False,
        )
        builder = builder.add_extension(x509.KeyUsage(key_cert_sign=True, **usage), critical=True)
    if dns:
        builder = builder.add_extension(x509.SubjectAlternativeName([x509.DNSName(each) for each in dns]), False)
        builder = builder.add_extension(x509.ExtendedKeyUsage([ExtendedKeyUsageOID.SERVER_AUTH]), False)
    return builder.sign(signer, hashes.SHA256())


def pem(*certificates: x509.Certificate) -> bytes:
    return b"".join(each.public_bytes(serialization.Encoding.PEM) for each in certificates)


def signed_data(
    content: bytes,
    *signers: tuple[x509.Certificate, RSAPrivateKey],
    carried: Sequence[x509.Certificate] = (),
    options: Sequence[pkcs7.PKCS7Options] = (pkcs7.PKCS7Options.Binary, pkcs7.PKCS7Options.NoCapabilities),
    algorithm: hashes.SHA256 | hashes.SHA384 | hashes.SHA512 | None = None,
) -> bytes:
    """PKCS #7 in DER. Signers' certificates come along unless ``options`` say otherwise."""
    builder = pkcs7.PKCS7SignatureBuilder().set_data(content)
    for signer, key in signers:
        builder = builder.add_signer(signer, key, algorithm or hashes.SHA256())
    for each in carried:
        builder = builder.add_certificate(each)
    return builder.sign(serialization.Encoding.DER, list(options))


def text(raw: bytes) -> str:
    """Base64 in lines, as metadata services give it."""
    return base64.encodebytes(raw).decode().rstrip()


# AWS ------------------------------------------------------------------------------------------------------------------

ACCOUNT = "123456789012"
INSTANCE = "i-0123456789abcdef0"
REGION = "eu-central-1"
ROLE = f"arn:aws:iam::{ACCOUNT}:role/service/billing"
SECRET = "s3cret"
ACCESS_KEY = "ASIAABCDEFGHIJKLMNOP"


def aws_document(**changes: Any) -> bytes:
    said = {"accountId": ACCOUNT, "region": REGION, "instanceId": INSTANCE, "version": "2017-09-30", **changes}
    return json.dumps({name: value for name, value in said.items() if value is not None}, indent=2).encode()


def rsa_signature(content: bytes, key: RSAPrivateKey) -> str:
    return text(key.sign(content, padding.PKCS1v15(), hashes.SHA256()))


def _hmac(key: bytes, message: str) -> bytes:
    return hmac.new(key, message.encode(), hashlib.sha256).digest()


def v4_signature(query: Mapping[str, str], headers: Mapping[str, str], region: str, date: str) -> str:
    """Signature version 4 of a GET of ``/`` with these parameters."""
    encoded = "&".join(f"{quote(name, safe='-_.~')}={quote(query[name], safe='-_.~')}" for name in sorted(query))
    lines = "".join(f"{name}:{headers[name]}\n" for name in sorted(headers))
    request = f"GET\n/\n{encoded}\n{lines}\n{';'.join(sorted(headers))}\n{hashlib.sha256(b'').hexdigest()}"
    scope = f"{date[:8]}/{region}/sts/aws4_request"
    to_sign = f"AWS4-HMAC-SHA256\n{date}\n{scope}\n{hashlib.sha256(request.encode()).hexdigest()}"
    key = f"AWS4{SECRET}".encode()
    for part in (date[:8], region, "sts", "aws4_request"):
        key = _hmac(key, part)
    return _hmac(key, to_sign).hex()


def presigned(
    peer: str = PEER, *, region: str = REGION, at: float = NOW, host: str | None = None, **changes: str
) -> str:
    """A presigned GetCallerIdentity for a node; ``changes`` replace parameters before signing."""
    date = datetime.fromtimestamp(at, UTC).strftime("%Y%m%dT%H%M%SZ")
    query = {
        "Action": "GetCallerIdentity",
        "Version": "2011-06-15",
        "X-Amz-Algorithm": "AWS4-HMAC-SHA256",
        "X-Amz-Credential": f"{ACCESS_KEY}/{date[:8]}/{region}/sts/aws4_request",
        "X-Amz-Date": date,
        "X-Amz-Expires": "900",
        "X-Amz-SignedHeaders": "host;x-aster-endpoint-id",
        "X-Amz-Security-Token": "IQoJb3JpZ2luX2VjEXAMPLE/+==",
        **{name.replace("_", "-"): value for name, value in changes.items()},
    }
    real = f"sts.{region}.amazonaws.com"
    signature = v4_signature(query, {"host": real, "x-aster-endpoint-id": peer}, region, date)
    encoded = "&".join(f"{quote(name, safe='-_.~')}={quote(value, safe='-_.~')}" for name, value in query.items())
    return f"https://{host or real}/?{encoded}&X-Amz-Signature={signature}"


class Sts:
    """Answers GetCallerIdentity as AWS does: checks the signature over the parameters and the signed headers."""

    def __init__(self, address: str) -> None:
        self.address = address
        self.reset()

    def reset(self) -> None:
        self.arn = f"arn:aws:sts::{ACCOUNT}:assumed-role/billing/{INSTANCE}"
        self.account = ACCOUNT
        self.body: bytes | None = None
        self.status = 200
        self.requests = 0

    def endpoint(self, region: str) -> str:
        self.region = region
        return self.address

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        self.requests += 1
        query = dict(parse_qsl(scope["query_string"].decode(), strict_parsing=True))
        given = {name.decode(): value.decode() for name, value in scope["headers"]}
        given["host"] = f"sts.{self.region}.amazonaws.com"
        signature = query.pop("X-Amz-Signature")
        headers = {name: given[name] for name in query["X-Amz-SignedHeaders"].split(";")}
        fits = signature == v4_signature(query, headers, self.region, query["X-Amz-Date"])
        result = {"Arn": self.arn, "UserId": "AROAEXAMPLE", "Account": self.account}
        answer = {"GetCallerIdentityResponse": {"GetCallerIdentityResult": result, "ResponseMetadata": {}}}
        body = json.dumps(answer if fits else {"Error": {"Code": "SignatureDoesNotMatch"}}).encode()
        await send({"type": "http.response.start", "status": self.status if fits else 403, "headers": []})
        await send({"type": "http.response.body", "body": body if self.body is None else self.body})


# Azure ----------------------------------------------------------------------------------------------------------------

SUBSCRIPTION = "11111111-2222-3333-4444-555555555555"
TENANT = "99999999-8888-7777-6666-555555555555"
MACHINE = f"/subscriptions/{SUBSCRIPTION}/resourcegroups/prod/providers/Microsoft.Compute/virtualMachines/billing"


def azure_document(nonce: str, *, created: float = NOW - 10, lasts: float = 6 * 3600, **changes: Any) -> bytes:
    def moment(seconds: float) -> str:
        return datetime.fromtimestamp(seconds, UTC).strftime("%m/%d/%y %H:%M:%S -0000")

    said = {
        "nonce": nonce,
        "plan": {"name": "", "product": "", "publisher": ""},
        "timeStamp": {"createdOn": moment(created), "expiresOn": moment(created + lasts)},
        "vmId": "d3e0e374-fda6-4649-bbc9-7f20dc379f34",
        "subscriptionId": SUBSCRIPTION,
        "sku": "RS3-Pro",
        **changes,
    }
    return json.dumps({name: value for name, value in said.items() if value is not None}).encode()
