from pathlib import Path

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from aster.foundation.errors import ConfigError
from aster.trust.credential import (
    CLOCK_SKEW_SECONDS,
    Credential,
    CredentialRefused,
    credential_json,
    issue,
    parse_credential,
    read_credential_file,
    signing_bytes,
    verify,
)
from aster.trust.keys import SigningKey

ROOT = SigningKey.from_seed(bytes(range(32)))
PEER = "ab" * 32
NOW = 1_700_000_000
GOOD = issue(
    ROOT,
    role="consumer",
    issued_at=NOW,
    expires_at=NOW + 60,
    attributes={"aster.role": "ops", "aster.name": "edge"},
    endpoint_id=PEER.upper(),
    one_time=True,
)
COMPACT = msgspec.json.encode(GOOD)


def check(credential: Credential, *, peer: str = PEER, now: float = NOW, root: SigningKey = ROOT) -> None:
    verify(credential, roots={root.public}, role="consumer", peer=peer, now=now)


def test_a_credential_admits_its_endpoint_until_it_expires() -> None:
    check(GOOD)
    check(parse_credential(credential_json(GOOD)))
    check(GOOD, now=NOW + 59.9)
    with pytest.raises(CredentialRefused, match="expired"):
        check(GOOD, now=NOW + 60)


def test_a_credential_without_an_endpoint_admits_any() -> None:
    check(issue(ROOT, role="consumer", issued_at=NOW, expires_at=NOW + 60), peer="cd" * 32)


@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        ({"attributes": {"aster.role": "admin"}}, "signature"),
        ({"expires_at": NOW + 61}, "signature"),
        ({"issued_at": NOW - 1}, "signature"),
        ({"nonce": "00" * 32}, "signature"),
        ({"endpoint_id": None}, "signature"),
        ({"endpoint_id": "cd" * 32}, "signature"),
        ({"role": "producer"}, "signature"),
        ({"type": "policy", "nonce": None}, "signature"),
        ({"type": "policy"}, "nonce"),
        ({"nonce": None}, "nonce"),
        ({"nonce": "AB" * 32}, "nonce is not"),
        ({"endpoint_id": "zz"}, "endpoint_id is not"),
        ({"root_pubkey": "zz"}, "root_pubkey is not"),
        ({"signature": ""}, "signature is not"),
        ({"signature": "00" * 64}, "signature does not fit"),
        ({"expires_at": NOW}, "before it begins"),
        ({"issued_at": -1}, "out of range"),
        ({"attributes": {"\ud800": ""}}, "not valid text"),
    ],
)
def test_an_altered_credential_is_refused(changes: dict[str, object], reason: str) -> None:
    with pytest.raises(CredentialRefused, match=reason):
        check(msgspec.structs.replace(GOOD, **changes))


def test_who_signed_for_whom_and_from_when_is_checked() -> None:
    with pytest.raises(CredentialRefused, match="another root key"):
        check(GOOD, root=SigningKey.generate())
    with pytest.raises(CredentialRefused, match="another endpoint"):
        check(GOOD, peer="cd" * 32)
    with pytest.raises(CredentialRefused, match="not valid yet"):
        check(GOOD, now=NOW - CLOCK_SKEW_SECONDS - 1)
    producer = issue(ROOT, role="producer", issued_at=NOW, expires_at=NOW + 60, endpoint_id=PEER)
    with pytest.raises(CredentialRefused, match="for a producer"):
        check(producer)


@given(place=st.integers(0, len(COMPACT) - 1), flip=st.integers(1, 255))
def test_no_byte_changed_in_a_credential_verifies(place: int, flip: int) -> None:
    raw = bytearray(COMPACT)
    raw[place] ^= flip
    with pytest.raises(CredentialRefused):
        check(parse_credential(bytes(raw)))


@given(raw=st.binary(max_size=200))
def test_any_bytes_are_a_credential_or_refused(raw: bytes) -> None:
    with pytest.raises(CredentialRefused):
        parse_credential(raw)


TEXTS = st.text(st.characters(exclude_categories=["Cs"]), max_size=10)


@given(one=st.dictionaries(TEXTS, TEXTS, max_size=3), two=st.dictionaries(TEXTS, TEXTS, max_size=3))
def test_different_attributes_have_different_signed_bytes(one: dict[str, str], two: dict[str, str]) -> None:
    first, second = (msgspec.structs.replace(GOOD, attributes=each) for each in (one, two))
    assert (signing_bytes(first) == signing_bytes(second)) == (one == two)


def test_an_oversized_or_deep_credential_is_refused() -> None:
    with pytest.raises(CredentialRefused, match="more than"):
        parse_credential(b" " * 20_000)
    with pytest.raises(CredentialRefused):
        parse_credential(b"[" * 10_000)


def test_what_could_never_admit_is_not_signed() -> None:
    with pytest.raises(ConfigError, match="names its endpoint"):
        issue(ROOT, role="producer", expires_at=NOW + 60, issued_at=NOW)
    with pytest.raises(ConfigError, match="expires before"):
        issue(ROOT, role="consumer", expires_at=NOW - 1, issued_at=NOW)


def test_a_credential_file_that_is_none_names_its_source(tmp_path: Path) -> None:
    file = tmp_path / "consumer.json"
    with pytest.raises(ConfigError, match=r"^ASTER_ENROLLMENT_CREDENTIAL: .*can't be read"):
        read_credential_file(str(file), source="ASTER_ENROLLMENT_CREDENTIAL")
    file.write_text("{}")
    with pytest.raises(ConfigError, match="it is no credential"):
        read_credential_file(str(file), source="ASTER_ENROLLMENT_CREDENTIAL")
    file.write_bytes(credential_json(GOOD))
    assert read_credential_file(str(file), source="inline") == GOOD


def test_a_repr_has_neither_nonce_nor_signature() -> None:
    assert GOOD.nonce is not None
    assert GOOD.nonce not in repr(GOOD)
    assert GOOD.signature not in repr(GOOD)
