"""Whoever does not hold the key does not get in, whatever the token says of itself."""

import base64
import hashlib
import hmac
import json
import time
from collections.abc import Callable
from typing import Any

import jwt
import pytest
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPrivateKey
from hypothesis import HealthCheck, assume, given, settings
from hypothesis import strategies as st

from aster.foundation.tokens.jws import MAX_TOKEN_BYTES, TokenRefused, checked_header
from astrocyte.gateway.auth.errors import Unauthenticated

SECRET = "a secret of at least thirty-two bytes"
Ask = Callable[..., Any]
Issue = Callable[..., str]
FUZZ = settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])


def segment(value: Any) -> str:
    raw = value if isinstance(value, bytes) else json.dumps(value).encode()
    return base64.urlsafe_b64encode(raw).rstrip(b"=").decode()


def hmac_signed(header: dict[str, Any], payload: dict[str, Any], key: bytes) -> str:
    text = f"{segment(header)}.{segment(payload)}"
    return f"{text}.{segment(hmac.digest(key, text.encode(), hashlib.sha256))}"


@pytest.fixture
def ask_hs256(ask_mode: Callable[..., Ask]) -> Ask:
    return ask_mode("jwt_hs256", JWT_SECRET=SECRET, JWT_AUDIENCE="astrocyte")


def good_claims() -> dict[str, Any]:
    return {"sub": "user:alice", "iss": "https://auth.example.com", "aud": "astrocyte", "exp": int(time.time()) + 3600}


async def refused(ask: Ask, token: str | bytes) -> None:
    bearer = b"Bearer " + (token.encode() if isinstance(token, str) else token)
    with pytest.raises(Unauthenticated) as error:
        await ask(authorization=bearer)
    assert error.value.status == 401


@pytest.mark.parametrize("alg", ["none", "None", "NONE", "nOnE", "", "HS256", "RS256"])
@pytest.mark.parametrize("signature", ["", "AA", "e30"])
async def test_an_unsigned_token_is_refused(ask_oidc: Ask, ask_hs256: Ask, alg: str, signature: str) -> None:
    token = f"{segment({'alg': alg, 'typ': 'JWT', 'kid': 'k1'})}.{segment(good_claims())}.{signature}"
    await refused(ask_oidc, token)
    await refused(ask_hs256, token)


async def test_a_public_key_is_no_secret(ask_oidc: Ask, signing_key: RSAPrivateKey) -> None:
    public = signing_key.public_key()
    for kind in (serialization.PublicFormat.SubjectPublicKeyInfo, serialization.PublicFormat.PKCS1):
        for encoding in (serialization.Encoding.PEM, serialization.Encoding.DER):
            key = public.public_bytes(encoding, kind)
            for alg in ("HS256", "RS256"):
                await refused(ask_oidc, hmac_signed({"alg": alg, "kid": "k1"}, good_claims(), key))


async def test_a_key_that_the_token_brings_along_is_not_used(
    ask_oidc: Ask, issue: Issue, other_key: RSAPrivateKey, publish_form: Callable[..., Any], provider: Any
) -> None:
    for extra in (
        {"jwk": publish_form(other_key, "k1")},
        {"jku": provider.url},
        {"x5u": provider.url},
        {"x5c": [segment(b"certificate")]},
    ):
        token = jwt.encode(good_claims(), other_key, algorithm="RS256", headers={"kid": "k1", **extra})
        await refused(ask_oidc, token)
    assert provider.requests == 1


@pytest.mark.parametrize("kid", ["", "../../etc/passwd", "' OR 1=1", "k1\x00", "K1", "k1 ", "x" * 5000])
async def test_a_key_id_is_compared_and_nothing_else(ask_oidc: Ask, issue: Issue, kid: str) -> None:
    await refused(ask_oidc, issue(kid=kid))


@pytest.mark.parametrize(
    "extra",
    [{"crit": ["exp"]}, {"crit": []}, {"crit": None}, {"b64": False, "crit": ["b64"]}, {"b64": True, "crit": ["b64"]}],
)
async def test_a_header_that_declares_something_critical_is_refused(ask_hs256: Ask, extra: dict[str, Any]) -> None:
    await refused(ask_hs256, hmac_signed({"alg": "HS256", **extra}, good_claims(), SECRET.encode()))


@pytest.mark.parametrize("alg", ["RS384", "RS512", "PS256", "ES256", "EdDSA", "HS384", "rs256"])
async def test_another_algorithm_is_refused_even_with_the_right_key(
    ask_oidc: Ask, issue: Issue, signing_key: RSAPrivateKey, alg: str
) -> None:
    if alg.startswith(("RS", "PS")):
        await refused(ask_oidc, issue(alg=alg))
    parts = issue().split(".")
    await refused(ask_oidc, ".".join([segment({"alg": alg, "kid": "k1"}), *parts[1:]]))


@pytest.mark.parametrize(
    "header",
    [
        b"{" * 12_000,
        b'{"alg":"HS256","a":' + b"[" * 10_000,
        b'{"alg":"HS256","a":' + b"9" * 10_000 + b"}",
        b'{"alg":["HS256"]}',
        b'{"alg":null}',
        b'{"kid":"k1"}',
        b"[]",
        b"\xff\xfe",
        b'{"alg":"HS256","kid":7}',
        b'{"alg":"HS256","alg":"none"}',
    ],
)
async def test_no_header_gets_past_the_parser(ask_oidc: Ask, ask_hs256: Ask, header: bytes) -> None:
    token = f"{segment(header)}.{segment(good_claims())}.{segment(b'x' * 32)}"
    await refused(ask_oidc, token)
    await refused(ask_hs256, token)


@pytest.mark.parametrize(
    "payload",
    [b"[]", b'"x"', b"null", b"7", b"\xff", b"{", b'{"exp": NaN, "aud":"astrocyte"}', b"[" * 10_000, b'{"exp":1e999}'],
)
async def test_a_signed_payload_that_is_no_claims_is_refused(ask_hs256: Ask, payload: bytes) -> None:
    text = f"{segment({'alg': 'HS256'})}.{segment(payload)}"
    signature = segment(hmac.digest(SECRET.encode(), text.encode(), hashlib.sha256))
    await refused(ask_hs256, f"{text}.{signature}")


async def test_an_oversized_token_is_refused(ask_hs256: Ask) -> None:
    token = hmac_signed({"alg": "HS256"}, {**good_claims(), "pad": "x" * MAX_TOKEN_BYTES}, SECRET.encode())
    await refused(ask_hs256, token)


async def test_a_signature_has_one_spelling(ask_hs256: Ask) -> None:
    token = hmac_signed({"alg": "HS256"}, good_claims(), SECRET.encode())
    assert await ask_hs256(authorization=f"Bearer {token}")
    letters = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_"
    for letter in letters.replace(token[-1], ""):
        await refused(ask_hs256, token[:-1] + letter)
    for spelling in (token + "=", token + "==", token + ".", token + ".e30", token.replace(".", " ", 1), token + "A"):
        await refused(ask_hs256, spelling)


@pytest.mark.parametrize(
    ("header", "signature", "reason"),
    [
        ({"alg": "HS384"}, "AAAA", "algorithm"),
        ({"alg": "HS256", "crit": None}, "AAAA", "declares"),
        ({"alg": "HS256"}, "AAAB", None),
        ({"alg": "HS256"}, "AB", "malformed"),
        ({"alg": "HS256"}, "A", "malformed"),
        ({"alg": "HS256"}, "AAAA=", "malformed"),
    ],
)
def test_what_a_token_looks_like_is_judged_before_any_key_is_used(
    header: dict[str, Any], signature: str, reason: str | None
) -> None:
    token = f"{segment(header)}.{segment(good_claims())}.{signature}".encode()
    if reason is None:
        assert checked_header(token, "HS256").alg == "HS256"
        return
    with pytest.raises(TokenRefused, match=reason):
        checked_header(token, "HS256")


@st.composite
def mutations(draw: st.DrawFn) -> Callable[[bytes], bytes]:
    kind = draw(st.sampled_from(["replace", "insert", "delete", "swap", "cut", "segment"]))
    place, other = draw(st.integers(0, 2000)), draw(st.integers(0, 2000))
    text = draw(st.binary(min_size=1, max_size=4))

    def mutate(token: bytes) -> bytes:
        at, to = place % len(token), other % len(token)
        if kind == "replace":
            return token[:at] + text + token[at + len(text) :]
        if kind == "insert":
            return token[:at] + text + token[at:]
        if kind == "delete":
            return token[:at] + token[at + 1 + to % 5 :]
        if kind == "swap":
            letters = bytearray(token)
            letters[at], letters[to] = letters[to], letters[at]
            return bytes(letters)
        if kind == "cut":
            return token[:at]
        parts = token.split(b".")
        first, second = at % len(parts), to % len(parts)
        parts[first], parts[second] = parts[second], parts[first]
        return b".".join(parts)

    return mutate


@FUZZ
@given(changes=st.lists(mutations(), min_size=1, max_size=3))
async def test_a_changed_token_is_never_believed(
    ask_hs256: Ask, ask_oidc: Ask, issue: Issue, changes: list[Callable[[bytes], bytes]]
) -> None:
    good = hmac_signed({"alg": "HS256", "typ": "JWT"}, good_claims(), SECRET.encode()).encode()
    for ask, original in ((ask_hs256, good), (ask_oidc, issue().encode())):
        token = original
        for change in changes:
            token = change(token) or b"x"
        assume(token.strip() != original)
        await refused(ask, token)


@FUZZ
@given(value=st.binary(max_size=80))
async def test_no_authorization_header_gets_in_or_fails(ask_hs256: Ask, ask_oidc: Ask, value: bytes) -> None:
    for ask in (ask_hs256, ask_oidc):
        for header in (value, b"Bearer " + value):
            with pytest.raises(Unauthenticated):
                await ask(authorization=header)


@FUZZ
@given(
    header=st.dictionaries(st.sampled_from(["alg", "kid", "typ", "crit", "jwk", "x"]), st.text(max_size=8)),
    claims=st.dictionaries(st.sampled_from(["sub", "aud", "iss", "exp", "act"]), st.text(max_size=8)),
    key=st.binary(min_size=1, max_size=40),
)
async def test_a_token_made_without_the_key_is_never_believed(
    ask_hs256: Ask, ask_oidc: Ask, header: dict[str, Any], claims: dict[str, Any], key: bytes
) -> None:
    assume(key.rstrip(b"\0") != SECRET.encode())
    for alg in ({}, {"alg": "HS256"}, {"alg": "RS256", "kid": "k1"}):
        token = hmac_signed({**header, **alg}, {**good_claims(), **claims}, key)
        await refused(ask_hs256, token)
        await refused(ask_oidc, token)
