"""GCP: identity tokens of accounts.google.com, bound to the node by their audience."""

import asyncio
import base64
import hashlib
import hmac
import json
from typing import Any

import jwt
import pytest
from cryptography.hazmat.primitives import serialization
from tests.foundation.tokens.key_server import Provider, jwk
from tests.trust.instance.clouds import NOW, PEER, THIEF, rsa_key

from aster.trust.credential import CredentialRefused
from aster.trust.instance.facts import Proven, Wanted, require_match
from aster.trust.instance.gcp import GcpVerifier, audience

ROLE = "billing@prod.iam.gserviceaccount.com"
ALL = Wanted("gcp", "prod-project", "europe-west1", ROLE)


def token(*, key: Any = None, kid: str | None = "k1", alg: str = "RS256", engine: Any = None, **claims: Any) -> str:
    said = {
        "iss": "https://accounts.google.com",
        "aud": audience(PEER),
        "azp": "112233",
        "sub": "112233",
        "email": ROLE,
        "email_verified": True,
        "iat": int(NOW) - 10,
        "exp": int(NOW) + 3590,
        "google": {
            "compute_engine": {
                "project_id": "prod-project",
                "project_number": 739419398126,
                "zone": "europe-west1-b",
                "instance_id": "152986662232938449",
                "instance_name": "billing",
                **(engine or {}),
            }
        },
        **claims,
    }
    payload = json.dumps({name: value for name, value in said.items() if value is not None}).encode()
    header = {} if kid is None else {"kid": kid}
    return jwt.api_jws.encode(payload, rsa_key("cloud") if key is None else key, algorithm=alg, headers=header)


async def prove(keys: Provider, shown: str, wanted: Wanted = ALL, *, peer: str = PEER, now: float = NOW) -> Proven:
    proven = await GcpVerifier(keys.url).prove(wanted, shown, peer=peer, now=now)
    require_match(wanted, proven)
    return proven


async def refused(keys: Provider, words: str, shown: str, wanted: Wanted = ALL, **given: Any) -> None:
    with pytest.raises(CredentialRefused, match=words):
        await prove(keys, shown, wanted, **given)


async def test_a_token_proves_project_region_and_service_account(keys: Provider) -> None:
    assert await prove(keys, token()) == Proven("prod-project", "europe-west1", ROLE)
    await prove(keys, token(iss="accounts.google.com"))


async def test_a_token_that_was_stolen_from_another_node_is_refused(keys: Provider) -> None:
    await refused(keys, "not bound to this node's key", token(), peer=THIEF)


@pytest.mark.parametrize(
    "aud", ["", PEER, audience(PEER).upper(), audience(PEER) + " ", "https://example.com", [audience(PEER)], 7]
)
async def test_only_the_exact_audience_counts(keys: Provider, aud: Any) -> None:
    await refused(keys, "another audience|lacks a claim", token(aud=aud))


@pytest.mark.parametrize(
    ("wanted", "words"),
    [
        (Wanted("gcp", "prod-projec"), "account"),
        (Wanted("gcp", "PROD-PROJECT"), "account"),
        (Wanted("gcp", "739419398126"), "account"),
        (Wanted("gcp", None, "europe-west"), "region"),
        (Wanted("gcp", None, "europe-west1-b"), "region"),
        (Wanted("gcp", None, None, "other@prod.iam.gserviceaccount.com"), "role_arn"),
        (Wanted("gcp", ""), "account"),
    ],
)
async def test_another_project_region_or_service_account_is_refused(keys: Provider, wanted: Wanted, words: str) -> None:
    await refused(keys, rf"another aster\.iid_{words}", token(), wanted)


async def test_an_unverified_address_is_no_service_account(keys: Provider) -> None:
    odd: list[dict[str, Any]] = [{"email_verified": False}, {"email_verified": None}, {"email": None}]
    for claims in odd:
        await refused(keys, r"says nothing of aster\.iid_role_arn", token(**claims))
    await refused(keys, "lacks a claim", token(email_verified="true"))


async def test_times_are_checked_against_the_clock_of_who_asks(keys: Provider) -> None:
    await refused(keys, "has expired", token(), now=NOW + 3590)
    await refused(keys, "not valid yet", token(), now=NOW - 71)
    await prove(keys, token(), now=NOW - 69)
    await refused(keys, "not valid yet", token(nbf=int(NOW) + 61))
    for name in ("exp", "iat", "iss", "aud", "google"):
        without: dict[str, Any] = {name: None}
        await refused(keys, "lacks a claim", token(**without))
    for exp in ("9999999999", True, float("inf")):
        await refused(keys, "lacks a claim|proves nothing", token(exp=exp))


async def test_a_token_of_another_issuer_is_refused(keys: Provider) -> None:
    for iss in ("https://accounts.google.com.evil.example", "https://accounts.google.com/", ""):
        await refused(keys, "another issuer", token(iss=iss))


async def test_a_token_without_an_instance_proves_nothing(keys: Provider) -> None:
    await refused(keys, "lacks a claim", token(google={}))
    await refused(keys, "lacks a claim", token(engine={"project_id": 7}))
    for zone in ("", "europe-west1", "EUROPE-WEST1-B", "europe-west1-b\n", "x/../europe-west1-b"):
        await refused(keys, "names no zone", token(engine={"zone": zone}))


async def test_a_forged_signature_is_refused(keys: Provider) -> None:
    await refused(keys, "the signature does not fit", token(key=rsa_key("stranger")))
    head, body, signature = token().split(".")
    other = base64.urlsafe_b64encode(b'{"iss":"https://accounts.google.com"}').rstrip(b"=").decode()
    await refused(keys, "does not fit", f"{head}.{other}.{signature}")
    await refused(keys, "malformed", f"{head}.{body}.")
    await refused(keys, "malformed", f"{head}.{body}")
    await refused(keys, "malformed", "é.é.é")


async def test_an_algorithm_that_the_token_chooses_is_refused(keys: Provider) -> None:
    await refused(keys, "proves nothing", token(key="", alg="none"))
    public = rsa_key("cloud").public_key()
    form = public.public_bytes(serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo)
    head = base64.urlsafe_b64encode(b'{"alg":"HS256","kid":"k1"}').rstrip(b"=").decode()
    signed = f"{head}.{token().split('.')[1]}"
    mac = base64.urlsafe_b64encode(hmac.new(form, signed.encode(), hashlib.sha256).digest()).rstrip(b"=").decode()
    await refused(keys, "algorithm is not the expected one", f"{signed}.{mac}")
    await refused(keys, "algorithm is not the expected one", token(alg="RS512"))


async def test_a_rotated_key_is_fetched_once_and_unknown_ones_do_not_flood_the_issuer(keys: Provider) -> None:
    verifier = GcpVerifier(keys.url)
    await verifier.prove(ALL, token(), peer=PEER, now=NOW)
    keys.publish(jwk(rsa_key("next"), "k2"))
    await verifier.prove(ALL, token(key=rsa_key("next"), kid="k2"), peer=PEER, now=NOW)
    for number in range(10):
        with pytest.raises(CredentialRefused, match="signing key is not known"):
            await verifier.prove(ALL, token(kid=f"made-up-{number}"), peer=PEER, now=NOW)
    assert keys.requests == 2


@pytest.mark.parametrize(
    ("status", "document"),
    [
        (500, b""),
        (200, b"<html>"),
        (200, b'{"keys": []}'),
        (200, b" " * 300_000),
        (302, b""),
        (200, b'{"keys": ' + b"[" * 100_000),
    ],
)
async def test_while_the_issuer_has_no_keys_nobody_is_admitted(keys: Provider, status: int, document: bytes) -> None:
    keys.status, keys.document = status, document
    await refused(keys, "can't be judged", token())


async def test_an_issuer_that_is_away_admits_nobody() -> None:
    with pytest.raises(CredentialRefused, match="can't be judged"):
        await GcpVerifier("http://127.0.0.1:1/keys").prove(ALL, token(), peer=PEER, now=NOW)


SHOWN = token()


def test_no_character_changed_in_a_token_verifies(keys: Provider) -> None:
    async def everywhere() -> None:
        verifier = GcpVerifier(keys.url)
        await verifier.prove(ALL, SHOWN, peer=PEER, now=NOW)
        for place in range(len(SHOWN)):
            changed = SHOWN[:place] + chr(ord(SHOWN[place]) ^ (1, 2, 32)[place % 3]) + SHOWN[place + 1 :]
            with pytest.raises(CredentialRefused):
                await verifier.prove(ALL, changed, peer=PEER, now=NOW)

    asyncio.run(everywhere())
