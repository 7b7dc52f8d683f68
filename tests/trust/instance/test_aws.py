"""AWS: who gets through with an STS request and an identity document, and everything that does not."""

import asyncio
import json
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.trust.instance.clouds import (
    ACCOUNT,
    INSTANCE,
    MOMENT,
    NOW,
    PEER,
    REGION,
    ROLE,
    THIEF,
    Sts,
    aws_document,
    certificate,
    pem,
    presigned,
    rsa_key,
    rsa_signature,
    signed_data,
    text,
)

from aster.foundation.errors import ConfigError
from aster.trust.credential import CredentialRefused
from aster.trust.instance.aws import AwsVerifier, _signed_document, _Token, create
from aster.trust.instance.facts import Proven, Wanted, require_match
from aster.trust.instance.settings import InstanceSettings

KEY = rsa_key("aws")
TRUSTED = certificate("Amazon Web Services LLC", key=KEY)
ALL = Wanted("aws", ACCOUNT, REGION, ROLE)


def token(content: bytes | None = None, **changes: Any) -> str:
    content = aws_document() if content is None else content
    said = {
        "sts": presigned(),
        "document": content.decode(),
        "signature": rsa_signature(content, KEY),
        **changes,
    }
    return json.dumps({name: value for name, value in said.items() if value is not None})


def pkcs7_token(raw: bytes, **changes: Any) -> str:
    return token(document=None, signature=None, rsa2048=text(raw), **changes)


async def prove(sts: Sts, shown: str, wanted: Wanted = ALL, *, peer: str = PEER, now: float = NOW) -> Proven:
    proven = await AwsVerifier([TRUSTED], endpoint=sts.endpoint).prove(wanted, shown, peer=peer, now=now)
    require_match(wanted, proven)
    return proven


async def refused(sts: Sts, words: str, shown: str, wanted: Wanted = ALL, **given: Any) -> None:
    with pytest.raises(CredentialRefused, match=words):
        await prove(sts, shown, wanted, **given)


async def test_a_signed_document_and_an_sts_request_prove_account_region_and_role(sts: Sts) -> None:
    assert await prove(sts, token()) == Proven(ACCOUNT, REGION, ROLE)


async def test_a_document_in_pkcs7_proves_the_same_with_or_without_its_certificate(sts: Sts) -> None:
    from cryptography.hazmat.primitives.serialization.pkcs7 import PKCS7Options

    for options in ((PKCS7Options.Binary,), (PKCS7Options.Binary, PKCS7Options.NoCerts)):
        raw = signed_data(aws_document(), (TRUSTED, KEY), options=options)
        assert await prove(sts, pkcs7_token(raw)) == Proven(ACCOUNT, REGION, ROLE)


async def test_an_sts_request_alone_proves_account_and_role_and_no_region(sts: Sts) -> None:
    shown = json.dumps({"sts": presigned()})
    assert await prove(sts, shown, Wanted("aws", ACCOUNT, None, ROLE)) == Proven(ACCOUNT, None, ROLE)
    await refused(sts, r"says nothing of aster\.iid_region", shown)


async def test_a_role_is_compared_without_its_path_and_otherwise_to_the_letter(sts: Sts) -> None:
    plain = f"arn:aws:iam::{ACCOUNT}:role/billing"
    assert (await prove(sts, token(), Wanted("aws", None, None, plain))).role == plain
    for other in (
        f"arn:aws:iam::{ACCOUNT}:role/Billing",
        f"arn:aws:iam::{ACCOUNT}:role/billing2",
        "arn:aws:iam::210987654321:role/billing",
        f"arn:aws-cn:iam::{ACCOUNT}:role/billing",
        f"arn:aws:iam::{ACCOUNT}:user/billing",
        "billing",
        "",
    ):
        await refused(sts, r"another aster\.iid_role_arn", token(), Wanted("aws", None, None, other))


@pytest.mark.parametrize("wanted", [Wanted("aws", "210987654321"), Wanted("aws", None, "us-east-1")])
async def test_another_account_or_region_is_refused(sts: Sts, wanted: Wanted) -> None:
    await refused(sts, r"is of another aster\.iid_", token(), wanted)


async def test_a_request_that_was_signed_for_another_node_is_refused_by_aws_itself(sts: Sts) -> None:
    await refused(sts, "AWS did not confirm its STS request: status 403", token(), peer=THIEF)
    assert sts.requests == 1


async def test_a_document_without_an_sts_request_is_refused(sts: Sts) -> None:
    await refused(sts, "is not JSON of", token(sts=None))


async def test_a_document_of_another_instance_than_the_caller_is_refused(sts: Sts) -> None:
    await refused(sts, "another instance", token(aws_document(instanceId="i-ffffffffffffffff0")))
    await refused(sts, "another instance", token(aws_document(accountId="210987654321")))
    sts.arn = sts.arn.replace(INSTANCE, "somebody")
    await refused(sts, "another instance", token())


async def test_a_forged_document_is_refused_before_aws_is_asked(sts: Sts) -> None:
    stranger = certificate("Amazon Web Services LLC", key=rsa_key("stranger"))
    for shown, words in (
        (token(signature=rsa_signature(aws_document(), rsa_key("stranger"))), "no trusted certificate"),
        (token(document=aws_document(region="us-east-1").decode()), "no trusted certificate"),
        (token(signature="AAAA"), "no trusted certificate"),
        (token(signature="not base64"), "not base64"),
        (token(signature=""), "not base64"),
        (pkcs7_token(signed_data(aws_document(), (stranger, rsa_key("stranger")))), "another certificate"),
        (pkcs7_token(signed_data(aws_document(), (TRUSTED, KEY), (stranger, rsa_key("stranger")))), "2 signers"),
        (pkcs7_token(signed_data(aws_document(), (TRUSTED, KEY), carried=[stranger])), "another certificate"),
        (pkcs7_token(b"\x30\x80"), "malformed"),
        (token(aws_document(region=None)), "its identity document is none"),
        (token(b"[]"), "its identity document is none"),
        (token(rsa2048="AAAA"), "neither"),
        (token(signature=None), "neither"),
        (token(extra="x"), "is not JSON of"),
        ("{", "is not JSON of"),
        ("[" * 10_000, "is not JSON of"),
        ("\ud800", "is not JSON of"),
    ):
        await refused(sts, words, shown)
    assert sts.requests == 0


async def test_a_certificate_that_has_expired_signs_nothing(sts: Sts) -> None:
    old = certificate("Amazon Web Services LLC", key=KEY, ends=MOMENT - timedelta(days=1))
    with pytest.raises(ConfigError, match="no AWS certificate is trusted"):
        await AwsVerifier([old], endpoint=sts.endpoint).prove(ALL, token(), peer=PEER, now=NOW)


@pytest.mark.parametrize(
    "url",
    [
        presigned().replace("https://", "http://"),
        presigned(host="sts.eu-central-1.amazonaws.com.evil.example"),
        presigned(host="evil.example/sts.eu-central-1.amazonaws.com"),
        presigned(host="sts.eu-central-1.amazonaws.com@evil.example"),
        presigned(host="evil.example#sts.eu-central-1.amazonaws.com"),
        presigned(host="sts.eu-central-1.amazonaws.com:8080"),
        presigned(host="STS.eu-central-1.amazonaws.com"),
        presigned(host="sts.amazonaws.com"),
        presigned(host="s3.eu-central-1.amazonaws.com"),
        presigned(host="169.254.169.254"),
        presigned().replace("/?", "/latest/meta-data?"),
        presigned() + "#x",
        presigned() + "\n",
        presigned().replace("&X-Amz-Date", " &X-Amz-Date"),
        "",
        "file:///etc/passwd",
    ],
)
async def test_only_the_address_of_a_region_of_aws_is_ever_asked(sts: Sts, url: str) -> None:
    await refused(sts, "is not a presigned one of a region of AWS", token(sts=url))
    assert sts.requests == 0


@pytest.mark.parametrize(
    ("url", "words"),
    [
        (presigned(Action="GetSessionToken"), "not a GetCallerIdentity"),
        (presigned(Version="2010-01-01"), "not a GetCallerIdentity"),
        (presigned(X_Amz_Algorithm="AWS4-ECDSA-P256-SHA256"), "not a GetCallerIdentity"),
        (presigned(X_Amz_SignedHeaders="host"), "not a GetCallerIdentity"),
        (presigned(X_Amz_SignedHeaders="host;x-aster-endpoint-id;x-other"), "not a GetCallerIdentity"),
        (presigned(Extra="x"), "other parameters"),
        (presigned() + "&Action=GetCallerIdentity", "other parameters"),
        (presigned().replace("X-Amz-Expires", "X-Amz-Expired"), "other parameters"),
        (presigned() + "&&&", "malformed"),
        (presigned() + "&x", "malformed"),
        (presigned(X_Amz_Credential="AKIAAAAAAAAAAAAAAAAA/20270115/us-east-1/sts/aws4_request"), "another region"),
        (presigned(X_Amz_Credential=f"AKIAAAAAAAAAAAAAAAAA/20270115/{REGION}/s3/aws4_request"), "another region"),
        (presigned(at=NOW - 900), "has expired"),
        (presigned(at=NOW - 100, X_Amz_Expires="100"), "has expired"),
        (presigned(at=NOW - 1000, X_Amz_Expires="604800"), "has expired"),
        (presigned(X_Amz_Expires="0"), "has expired"),
        (presigned(X_Amz_Expires="-1"), "has expired"),
        (presigned(at=NOW + 61), "not valid yet"),
    ],
)
async def test_a_request_that_is_not_a_current_get_caller_identity_is_refused_unsent(
    sts: Sts, url: str, words: str
) -> None:
    await refused(sts, words, token(sts=url))
    assert sts.requests == 0


async def test_what_aws_answers_is_not_taken_for_more_than_it_is(sts: Sts) -> None:
    for arn in (
        f"arn:aws:iam::{ACCOUNT}:user/billing",
        f"arn:aws:sts::{ACCOUNT}:federated-user/billing",
        f"arn:aws:sts::210987654321:assumed-role/billing/{INSTANCE}",
        f"arn:aws:sts::{ACCOUNT}:assumed-role/billing/{INSTANCE}\n",
    ):
        sts.arn = arn
        await refused(sts, "not of an assumed role", token())
    for body in (b"", b"{}", b"<xml/>", b"\xff", b"[" * 10_000):
        sts.body = body
        await refused(sts, "with something else", token())
    sts.body = b" " * 20_000
    await refused(sts, "more than 16384 bytes", token())
    sts.status, sts.body = 302, None
    await refused(sts, "status 302", token())


async def test_without_an_answer_from_aws_nobody_is_admitted() -> None:
    verifier = AwsVerifier([TRUSTED], endpoint=lambda _: "http://127.0.0.1:1")
    with pytest.raises(CredentialRefused, match="ConnectError"):
        await verifier.prove(ALL, token(), peer=PEER, now=NOW)


def test_certificates_come_from_a_file_or_a_folder(tmp_path: Path) -> None:
    other = certificate("Other", key=rsa_key("other"))
    (tmp_path / "eu.pem").write_bytes(pem(TRUSTED))
    (tmp_path / "us.crt").write_bytes(pem(other))
    (tmp_path / "readme.txt").write_text("not read")
    assert create(InstanceSettings(aws_certificates=str(tmp_path)))._certificates == (TRUSTED, other)
    assert create(InstanceSettings(aws_certificates=str(tmp_path / "eu.pem")))._certificates == (TRUSTED,)
    assert create(InstanceSettings())._certificates == ()


@pytest.mark.parametrize(
    ("content", "words"), [(b"", "no PEM file"), (b"text", "no PEM file"), (b"-----BEGIN CERTIFICATE-----\n", "no PEM")]
)
def test_a_file_that_holds_no_certificate_stops_the_start(tmp_path: Path, content: bytes, words: str) -> None:
    file = tmp_path / "aws.pem"
    file.write_bytes(content)
    with pytest.raises(ConfigError, match=f"aws_certificates: .*{words}"):
        create(InstanceSettings(aws_certificates=str(file)))
    with pytest.raises(ConfigError, match="can't be read"):
        create(InstanceSettings(aws_certificates=str(tmp_path / "nowhere.pem")))


def test_a_weak_certificate_stops_the_start(tmp_path: Path) -> None:
    file = tmp_path / "aws.pem"
    file.write_bytes(pem(certificate("Old", key=rsa_key("weak", 1024))))
    with pytest.raises(ConfigError, match="no RSA key of 2048 bits"):
        create(InstanceSettings(aws_certificates=str(file)))


DOCUMENT = aws_document()
SIGNATURE = rsa_signature(DOCUMENT, KEY)


@given(place=st.integers(0, len(DOCUMENT) - 1), flip=st.integers(1, 127))
def test_no_byte_changed_in_a_document_verifies(place: int, flip: int) -> None:
    raw = bytearray(DOCUMENT)
    raw[place] ^= flip
    with pytest.raises(CredentialRefused):
        _signed_document(_Token(sts="", document=raw.decode("latin-1"), signature=SIGNATURE), [TRUSTED])


@given(place=st.integers(0, len(SIGNATURE) - 1), flip=st.integers(1, 127))
def test_no_character_changed_in_a_signature_verifies(place: int, flip: int) -> None:
    changed = SIGNATURE[:place] + chr(ord(SIGNATURE[place]) ^ flip) + SIGNATURE[place + 1 :]
    if changed.replace("\n", "").replace("\r", "") == SIGNATURE.replace("\n", ""):
        return  # a line that ends otherwise
    with pytest.raises(CredentialRefused):
        _signed_document(_Token(sts="", document=DOCUMENT.decode(), signature=changed), [TRUSTED])


URL = presigned()


def test_no_character_changed_in_an_sts_request_is_confirmed(sts: Sts) -> None:
    async def everywhere() -> None:
        for place in range(len(URL)):
            changed = URL[:place] + chr(ord(URL[place]) ^ (1, 2, 32)[place % 3]) + URL[place + 1 :]
            if changed.lower() == URL.lower() and "%" in URL[place - 2 : place]:
                continue  # %2f is %2F
            await refused(sts, ".", json.dumps({"sts": changed}), Wanted("aws", ACCOUNT))

    asyncio.run(everywhere())
