"""Layer 2: the signature, its timestamp window, its keys."""

import hashlib

import pytest
from tests.policy.service.asgi import SECRET, ask, replaced, send, signed
from tests.policy.service.conftest import Clock

from aster.foundation.sql import Database
from aster.policy.service.app import PolicyHttpService, create_policy_service
from aster.policy.service.settings import PolicySettings
from aster.policy.service.signing import sign_request

HEAD = "/api/v1/audit/head"
VECTOR_BODY = (
    rb'{"source":"Module demo.\n\nRule ping produce Text:\n  Return \"pong\".",'
    rb'"functionName":"ping","context":{},"locale":"en-US"}'
)
VECTORS = [
    (
        "POST",
        "/api/v1/policies/evaluate-source",
        VECTOR_BODY,
        "87cf6d0b1c5c2c32acc0f5813d8fc1c78176d4e27c5d103ab5c8a908b1ce2dc6",
    ),
    (
        "POST",
        "/api/v1/policies/evaluate-source?trace=true",
        VECTOR_BODY,
        "4e681bb9a3c3a54556afa201306022a426af57f9c2535e57fac3b23cd9a5def1",
    ),
    ("GET", "/api/v1/policies", b"", "124bca40a1b1e019e02aee3e889a2a3f47a08ef420acb2aba126ef5e573e313a"),
]


def test_the_vectors_body_is_the_documented_one() -> None:
    digest = "8653187931fba09c15bd5b5089304095dd47985ff5dcd82b0664a5ad0fb960bd"
    assert hashlib.sha256(VECTOR_BODY).hexdigest() == digest


@pytest.mark.parametrize(("method", "target", "body", "signature"), VECTORS)
def test_signing_gives_the_documented_signatures(method: str, target: str, body: bytes, signature: str) -> None:
    headers = sign_request(
        method,
        target,
        body,
        tenant="acme-corp",
        secret="your-api-secret-here",
        nonce="c3ab8ff13720e8ad9047dd39466b3c89",
        timestamp_ms=1_708_776_000_000,
    )
    assert headers["X-Aster-Signature"] == signature


@pytest.mark.parametrize(("method", "target", "body", "signature"), VECTORS)
@pytest.mark.parametrize("upper", [False, True])
async def test_documented_signatures_are_accepted(
    database: Database, clock: Clock, method: str, target: str, body: bytes, signature: str, upper: bool
) -> None:
    settings = PolicySettings(secret_key="your-api-secret-here")
    service = create_policy_service(database, settings, environ={}, now_ms=clock)
    headers = [
        (b"x-tenant-id", b"acme-corp"),
        (b"x-aster-signature", (signature.upper() if upper else signature).encode()),
        (b"x-aster-nonce", b"c3ab8ff13720e8ad9047dd39466b3c89"),
        (b"x-aster-timestamp", b"1708776000000"),
    ]
    answered = await send(service, method, target, body, headers)
    assert answered.code == "ROLE_MISSING"


@pytest.mark.parametrize(
    ("name", "offset", "status"),
    [("past", -300_000, 200), ("future", 300_000, 200), ("too old", -300_001, 401), ("too far ahead", 300_001, 401)],
)
async def test_window_edges(stopped: PolicyHttpService, clock: Clock, name: str, offset: int, status: int) -> None:
    answered = await ask(stopped, "GET", HEAD, role="ADMIN", timestamp_ms=clock.ms + offset)
    assert answered.status == status
    if status == 401:
        assert answered.code == "TIMESTAMP_OUT_OF_WINDOW"


@pytest.mark.parametrize(
    "timestamp",
    [
        b"soon",
        b"-1708776000000",
        b"+1708776000000",
        b"1708776000000.0",
        b"0x18",
        b"1e12",
        b"9" * 400,
        "١٧٠٨٧٧٦٠٠٠٠٠٠".encode(),
        b"1708776000 000",
        b"1708776000000\x00",
    ],
)
async def test_odd_timestamps_are_unsigned(service: PolicyHttpService, timestamp: bytes) -> None:
    headers = replaced(signed("GET", HEAD, role="ADMIN"), b"x-aster-timestamp", timestamp)
    answered = await send(service, "GET", HEAD, headers=headers)
    assert (answered.status, answered.code) == (401, "TIMESTAMP_INVALID")


@pytest.mark.parametrize("nonce", ["a|b", "a" * 129, "two words", "tab\t"])
async def test_odd_nonces_are_unsigned(service: PolicyHttpService, nonce: str) -> None:
    answered = await ask(service, "GET", HEAD, role="ADMIN", nonce=nonce)
    assert (answered.status, answered.code) == (401, "NONCE_INVALID")


@pytest.mark.parametrize("signature", [b"", b"zz", b"00" * 31, b"0x" + b"0" * 62, b"g" * 64, b"00" * 33])
async def test_what_is_not_a_signature_is_unsigned(service: PolicyHttpService, signature: bytes) -> None:
    headers = replaced(signed("GET", HEAD, role="ADMIN"), b"x-aster-signature", signature)
    assert (await send(service, "GET", HEAD, headers=headers)).status == 401


async def test_path_and_query_are_signed_as_received(service: PolicyHttpService) -> None:
    target = "/api/v1/audit?size=%31&page=%30"
    assert (await ask(service, "GET", target, role="ADMIN")).status == 200
    for changed in (
        "/api/v1/audit?page=%30&size=%31",
        "/api/v1/audit?size=1&page=0",
        "/api/v1/%61udit?size=%31&page=%30",
    ):
        headers = signed("GET", target, role="ADMIN")
        assert (await send(service, "GET", changed, headers=headers)).status == 401


async def test_a_changed_body_or_method_is_unsigned(service: PolicyHttpService) -> None:
    headers = signed("POST", HEAD, b'{"a": 1}', role="ADMIN")
    assert (await send(service, "POST", HEAD, b'{"a":1}', headers)).status == 401
    assert (await send(service, "PUT", HEAD, b'{"a": 1}', headers)).status == 401
    assert (await send(service, "POST", HEAD, b'{"a": 1}', headers)).status == 405


async def test_chunked_body_is_hashed_as_its_bytes(service: PolicyHttpService) -> None:
    body = b'{"a": 1}'
    headers = signed("POST", HEAD, body, role="ADMIN")
    assert (await send(service, "POST", HEAD, [body[:3], b"", body[3:]], headers)).status == 405


async def test_big_bodies_are_refused_declared_or_chunked(database: Database) -> None:
    service = create_policy_service(database, PolicySettings(secret_key=SECRET, body_bytes=1024), environ={})
    body = b"x" * 1025
    assert (await send(service, "POST", HEAD, body, signed("POST", HEAD, body))).code == "BODY_TOO_LARGE"
    chunks = [body[:600], body[600:]]
    assert (await send(service, "POST", HEAD, chunks, signed("POST", HEAD, body))).code == "BODY_TOO_LARGE"


async def test_a_bar_in_the_path_is_refused(service: PolicyHttpService) -> None:
    assert (await ask(service, "GET", "/api/v1/audit|head", role="ADMIN")).status == 401


async def test_unknown_tenant_and_wrong_secret_get_the_same_answer(database: Database) -> None:
    service = create_policy_service(database, environ={"ASTER_HMAC_SECRET_KNOWN": SECRET})
    unknown = (await ask(service, "GET", HEAD, tenant="unknown", role="ADMIN")).json
    wrong = (await ask(service, "GET", HEAD, tenant="known", secret="wrong", role="ADMIN")).json
    for body in (unknown, wrong):
        del body["requestId"], body["timestamp"]
    assert unknown == wrong
    assert unknown["errorCode"] == "SIGNATURE_INVALID"


async def test_environment_wins_over_the_property(database: Database) -> None:
    environ = {"ASTER_HMAC_SECRET_ACME_CORP": "own"}
    service = create_policy_service(database, PolicySettings(secret_key="shared"), environ=environ)
    assert (await ask(service, "GET", HEAD, secret="own", role="ADMIN")).status == 200
    assert (await ask(service, "GET", HEAD, secret="shared", role="ADMIN")).status == 401
    assert (await ask(service, "GET", HEAD, tenant="other", secret="shared", role="ADMIN")).status == 200
    del environ["ASTER_HMAC_SECRET_ACME_CORP"]
    assert (await ask(service, "GET", HEAD, secret="own", role="ADMIN")).status == 401


async def test_previous_secrets_are_accepted_during_rotation(database: Database) -> None:
    environ = {"ASTER_HMAC_SECRET_ACME": "new", "ASTER_HMAC_PREV_SECRET_ACME": "old", "ASTER_HMAC_PREV_SECRET_B": "old"}
    settings = PolicySettings(secret_key="shared-new", previous_secret_key="shared-old")
    service = create_policy_service(database, settings, environ=environ)
    for tenant, secret, status in [
        ("acme", "new", 200),
        ("acme", "old", 200),
        ("acme", "older", 401),
        ("acme", "shared-old", 401),
        ("b", "old", 401),
        ("b", "shared-new", 200),
        ("b", "shared-old", 200),
    ]:
        answered = await ask(service, "GET", HEAD, tenant=tenant, secret=secret, role="ADMIN")
        assert answered.status == status, (tenant, secret)


async def test_version_2_signs_tenant_role_and_user(service: PolicyHttpService) -> None:
    headers = signed("GET", HEAD, role="ADMIN", user="ada", version=2)
    assert (await send(service, "GET", HEAD, headers=headers)).status == 200
    for name, value in [(b"x-user-role", b"OWNER"), (b"x-user-id", b"bob"), (b"x-aster-signature-version", b"1")]:
        headers = replaced(signed("GET", HEAD, role="ADMIN", user="ada", version=2), name, value)
        assert (await send(service, "GET", HEAD, headers=headers)).status == 401
    headers = replaced(signed("GET", HEAD, role="ADMIN"), b"x-aster-signature-version", b"3")
    assert (await send(service, "GET", HEAD, headers=headers)).status == 401


async def test_version_2_can_be_required(database: Database) -> None:
    service = create_policy_service(database, PolicySettings(secret_key=SECRET, signature_version=2), environ={})
    assert (await ask(service, "GET", HEAD, role="ADMIN")).status == 401
    assert (await ask(service, "GET", HEAD, role="ADMIN", version=2)).status == 200


async def test_secrets_are_never_logged(database: Database, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level("DEBUG")
    settings = PolicySettings(secret_key="the shared one", previous_secret_key="the old one")
    service = create_policy_service(database, settings, environ={"ASTER_HMAC_SECRET_ACME_CORP": "the own one"})
    await ask(service, "GET", HEAD, secret="the own one", role="ADMIN")
    await ask(service, "GET", HEAD, secret="wrong", role="ADMIN")
    text = f"{caplog.text} {[vars(record) for record in caplog.records]} {settings!r}"
    assert "SIGNATURE_INVALID" in text
    assert not [secret for secret in ("the shared one", "the old one", "the own one") if secret in text]
