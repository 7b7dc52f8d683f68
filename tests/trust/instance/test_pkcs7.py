"""Signed data, in DER and BER, of our own making and OpenSSL's; and that no byte of it can be another."""

import shutil
import subprocess
from pathlib import Path

import pytest
from asn1crypto import cms
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import padding
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat
from cryptography.hazmat.primitives.serialization.pkcs7 import PKCS7Options
from hypothesis import given
from hypothesis import strategies as st
from tests.trust.instance.clouds import certificate, pem, rsa_key, signed_data

from aster.trust.credential import CredentialRefused
from aster.trust.instance.ber import NotBer, der_from_ber
from aster.trust.instance.pkcs7 import base64_bytes, open_signed

KEY = rsa_key("aws")
SIGNER = certificate("Signer", key=KEY)
CONTENT = b'{"region": "eu-central-1"}'
BARE = signed_data(CONTENT, (SIGNER, KEY), options=[PKCS7Options.Binary, PKCS7Options.NoCerts])
FULL = signed_data(CONTENT, (SIGNER, KEY))


def open_length(der: bytes) -> bytes:
    """The same value in BER: every constructed length left open, octet strings in pieces of 7 bytes."""
    tag, long = der[0], der[1] & 0x80
    start = 2 + (der[1] & 0x7F if long else 0)
    content = der[start:]
    if tag == 0x04 and len(content) > 7:
        pieces = [content[at : at + 7] for at in range(0, len(content), 7)]
        return b"\x24\x80" + b"".join(bytes((4, len(piece))) + piece for piece in pieces) + b"\x00\x00"
    if not tag & 0x20:
        return der
    return bytes((tag, 0x80)) + b"".join(open_length(part) for part in parts(content)) + b"\x00\x00"


def parts(content: bytes) -> list[bytes]:
    found = []
    while content:
        size, start = content[1], 2
        if size & 0x80:
            start += size & 0x7F
            size = int.from_bytes(content[2:start], "big")
        found.append(content[: start + size])
        content = content[start + size :]
    return found


@pytest.mark.parametrize("raw", [BARE, FULL, open_length(BARE), open_length(FULL)])
def test_the_content_is_what_was_signed(raw: bytes) -> None:
    opened = open_signed(raw, [SIGNER])
    assert (opened.content, opened.signer) == (CONTENT, SIGNER)


@pytest.mark.parametrize("algorithm", [hashes.SHA384(), hashes.SHA512()])
def test_longer_digests_are_understood(algorithm: hashes.SHA384 | hashes.SHA512) -> None:
    assert open_signed(signed_data(CONTENT, (SIGNER, KEY), algorithm=algorithm)).content == CONTENT


def test_a_signature_without_attributes_covers_the_content_itself() -> None:
    raw = signed_data(CONTENT, (SIGNER, KEY), options=[PKCS7Options.Binary, PKCS7Options.NoAttributes])
    assert open_signed(raw).content == CONTENT
    with pytest.raises(CredentialRefused, match="does not fit"):
        open_signed(raw.replace(b"eu-central", b"us-central"))


def test_attributes_can_not_pass_for_a_content_that_was_signed() -> None:
    """The signature covers the attributes' bytes; shown as content without attributes they are nobody's document."""
    envelope = cms.ContentInfo.load(FULL)
    signer = envelope["content"]["signer_infos"][0]
    covered = signer["signed_attrs"].untag().dump(force=True)
    KEY.public_key().verify(signer["signature"].native, covered, padding.PKCS1v15(), hashes.SHA256())
    signer["signed_attrs"] = None
    envelope["content"]["encap_content_info"]["content"] = covered
    assert not open_signed(envelope.dump(force=True)).content.startswith((b"{", b"["))


def test_an_unknown_or_weak_signer_is_refused() -> None:
    with pytest.raises(CredentialRefused, match="certificate is not known"):
        open_signed(BARE)
    with pytest.raises(CredentialRefused, match="certificate is not known"):
        open_signed(BARE, [certificate("Signer", key=KEY)])
    weak = rsa_key("weak", 1024)
    with pytest.raises(CredentialRefused, match="too weak"):
        open_signed(signed_data(CONTENT, (certificate("Weak", key=weak), weak)))


def test_a_detached_signature_has_no_content() -> None:
    raw = signed_data(CONTENT, (SIGNER, KEY), options=[PKCS7Options.Binary, PKCS7Options.DetachedSignature])
    with pytest.raises(CredentialRefused, match="malformed"):
        open_signed(raw)


def test_parts_that_nobody_signed_are_refused() -> None:
    envelope = cms.ContentInfo.load(BARE)
    envelope["content"]["signer_infos"][0]["unsigned_attrs"] = [
        {"type": "counter_signature", "values": [cms.ContentInfo.load(BARE)["content"]["signer_infos"][0]]}
    ]
    with pytest.raises(CredentialRefused, match="nobody signed"):
        open_signed(envelope.dump(force=True), [SIGNER])


@pytest.mark.skipif(shutil.which("openssl") is None, reason="needs openssl to sign with")
@pytest.mark.parametrize("form", [(), ("-indef",), ("-stream",), ("-nocerts",), ("-noattr",)])
def test_what_openssl_signs_is_understood(tmp_path: Path, form: tuple[str, ...]) -> None:
    (tmp_path / "signer.pem").write_bytes(pem(SIGNER))
    private = KEY.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
    (tmp_path / "key.pem").write_bytes(private)
    (tmp_path / "document").write_bytes(CONTENT)
    command = ["openssl", "smime", "-sign", "-in", "document", "-signer", "signer.pem", "-inkey", "key.pem"]
    options = ["-outform", "DER", "-nodetach", "-binary", "-md", "sha256", *form]
    raw = subprocess.run([*command, *options], cwd=tmp_path, capture_output=True, check=True).stdout
    assert open_signed(raw, [SIGNER]).content == CONTENT


@pytest.mark.parametrize("raw", [BARE, FULL, open_length(BARE)], ids=["bare", "full", "ber"])
def test_no_byte_changed_verifies(raw: bytes) -> None:
    for place in range(len(raw)):
        changed = bytearray(raw)
        changed[place] ^= (1, 0x20, 0x80)[place % 3]
        try:
            opened = open_signed(bytes(changed), [SIGNER])
        except CredentialRefused:
            continue
        assert any(each != SIGNER for each in (opened.signer, *opened.carried)), place


@given(raw=st.binary(max_size=300))
def test_any_bytes_are_refused(raw: bytes) -> None:
    with pytest.raises(CredentialRefused):
        open_signed(raw)


@given(place=st.integers(0, len(FULL) - 1), piece=st.binary(max_size=8), cut=st.integers(0, 8))
def test_no_bytes_put_in_or_taken_out_verify(place: int, piece: bytes, cut: int) -> None:
    changed = FULL[:place] + piece + FULL[place + cut :]
    if changed == FULL:
        return
    try:
        opened = open_signed(changed, [SIGNER])
    except CredentialRefused:
        return
    assert any(each != SIGNER for each in (opened.signer, *opened.carried))


@pytest.mark.parametrize(
    "raw",
    [
        b"",
        b"\x30",
        b"\x30\x05\x00",
        b"\x30\x80",
        b"\x30\x80\x00",
        b"\x30\x00\x00",
        b"\x04\x80\x00\x00",
        b"\x04\x81\x01x",
        b"\x04\x82\x00\x01x",
        b"\x04\x85\x00\x00\x00\x00\x01x",
        b"\x04\x84\xff\xff\xff\xff",
        b"\x1f\x01\x00",
        b"\x24\x03\x02\x01\x00",
        b"\x30\x02\x00\x00",
        b"\x30\x80" * 100,
        b"\x30\x02\x30\x05" + b"\x00" * 5,
    ],
)
def test_what_is_not_ber_in_one_reading_is_refused(raw: bytes) -> None:
    with pytest.raises(NotBer):
        der_from_ber(raw)


def test_der_stays_as_it_is() -> None:
    assert der_from_ber(FULL) == FULL
    assert der_from_ber(open_length(FULL)) == FULL


@pytest.mark.parametrize("text", ["", "A", "AA=A", "AB==", "AAAA AAAA", "é", "AAA=\x00"])
def test_base64_has_one_spelling(text: str) -> None:
    with pytest.raises(CredentialRefused, match="not base64"):
        base64_bytes(text)
