"""Signing: HMAC-SHA256 prepared once a secret is the one of RFC 2104."""

import hashlib
import hmac

import pytest
from hypothesis import given
from hypothesis import strategies as st

from aster.policy.service.signing import KeyedHash, keyed_hash

RFC_4231 = [
    (b"\x0b" * 20, b"Hi There", "b0344c61d8db38535ca8afceaf0bf12b881dc200c9833da726e9376c2e32cff7"),
    (b"Jefe", b"what do ya want for nothing?", "5bdcc146bf60754e6a042426089575c75a003f089d2739839dec58b964ec3843"),
    (
        b"\xaa" * 131,
        b"Test Using Larger Than Block-Size Key - Hash Key First",
        "60e431591ee0b67f0d8a26aacbf5b77f8e0bc6213728c5140546040f0ee37f54",
    ),
]


@pytest.mark.parametrize(("secret", "message", "expected"), RFC_4231)
def test_the_vectors_of_rfc_4231(secret: bytes, message: bytes, expected: str) -> None:
    assert keyed_hash(secret)(message).hex() == expected


@given(st.binary(max_size=200), st.lists(st.binary(max_size=300), min_size=1, max_size=4))
def test_it_is_the_standard_librarys_for_every_message(secret: bytes, messages: list[bytes]) -> None:
    prepared = KeyedHash(secret)
    for message in messages:
        assert prepared(message) == hmac.digest(secret, message, hashlib.sha256)
