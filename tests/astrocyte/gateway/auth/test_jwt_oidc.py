"""Mode ``jwt_oidc``: what a provider's token says, and what is refused."""

import time
from collections.abc import Callable
from typing import Any

import pytest
from cryptography.hazmat.primitives.asymmetric.rsa import generate_private_key

from aster.foundation.http.errors import BadRequest
from astrocyte.access.identity import ActorIdentity, AstrocyteContext
from astrocyte.gateway.auth.errors import AuthNotConfigured, Unauthenticated

Ask = Callable[..., Any]
Issue = Callable[..., str]


async def test_the_contract_s_example_maps_exactly(ask_oidc: Ask, issue: Issue) -> None:
    token = issue(sub="abc-123", astrocyte_actor_type="agent", tid="tenant-1", email="bot@example.com")
    assert await ask_oidc(authorization=f"Bearer {token}") == AstrocyteContext(
        principal="agent:abc-123",
        actor=ActorIdentity(type="agent", id="abc-123", claims={"email": "bot@example.com"}),
        tenant_id="tenant-1",
    )


async def test_claims_become_text(ask_oidc: Ask, issue: Issue) -> None:
    said = {"n": 7, "f": 1.5, "yes": True, "groups": ["a", "b"], "address": {"city": "Köln"}, "gone": None, "s": "x"}
    identity = await ask_oidc(authorization=f"Bearer {issue(**said, jti='1', iat=1, nbf=1)}")
    assert identity.actor.claims == {
        "n": "7",
        "f": "1.5",
        "yes": "True",
        "groups": '["a", "b"]',
        "address": '{"city": "K\\u00f6ln"}',
        "s": "x",
    }


@pytest.mark.parametrize(
    ("claims", "principal", "tenant"),
    [
        ({}, "user:abc-123", None),
        ({"astrocyte_actor_type": " Service "}, "service:abc-123", None),
        ({"astrocyte_principal": "user:alice"}, "user:alice", None),
        ({"tenant_id": "t2"}, "user:abc-123", "t2"),
        ({"tid": "t1", "tenant_id": "t2"}, "user:abc-123", "t1"),
        ({"tid": "", "tenant_id": " t2 "}, "user:abc-123", "t2"),
        ({"tid": 7}, "user:abc-123", "7"),
        ({"sub": "user:alice"}, "user:user:alice", None),
    ],
)
async def test_claims_have_their_places(
    ask_oidc: Ask, issue: Issue, claims: dict[str, Any], principal: str, tenant: str | None
) -> None:
    identity = await ask_oidc(authorization=f"Bearer {issue(**claims)}")
    assert (identity.principal, identity.tenant_id, identity.actor.claims) == (principal, tenant, None)


async def test_the_default_actor_type_is_configured(ask_mode: Callable[..., Ask], provider: Any, issue: Issue) -> None:
    names = {"OIDC_ISSUER": "https://auth.example.com", "OIDC_AUDIENCE": "astrocyte", "OIDC_ACTOR_TYPE": "Service"}
    identity = await ask_mode("jwt_oidc", OIDC_JWKS_URL=provider.url, **names)(authorization=f"Bearer {issue()}")
    assert identity.principal == "service:abc-123"


async def test_act_names_who_acts_for_sub(ask_oidc: Ask, issue: Issue) -> None:
    act = {"sub": "bot", "astrocyte_actor_type": "agent", "act": {"sub": "root"}, "client": "c"}
    identity = await ask_oidc(authorization=f"Bearer {issue(act=act, tid='t')}")
    assert identity == AstrocyteContext(
        principal="agent:bot",
        actor=ActorIdentity("agent", "bot", {"client": "c"}),
        on_behalf_of=ActorIdentity("user", "abc-123"),
        tenant_id="t",
    )


@pytest.mark.parametrize(
    ("claims", "reason"),
    [
        ({"exp": 1}, "expired"),
        ({"exp": None}, "required claim"),
        ({"nbf": 2**40}, "not valid yet"),
        ({"iat": 2**40}, "not valid yet"),
        ({"iss": "https://auth.example.com/"}, "issuer"),
        ({"iss": None}, "required claim"),
        ({"iss": ["https://auth.example.com"]}, "issuer"),
        ({"aud": "other"}, "audience"),
        ({"aud": None}, "required claim"),
        ({"aud": ["other"]}, "audience"),
        ({"aud": "Astrocyte"}, "audience"),
        ({"astrocyte_actor_type": "superuser"}, "astrocyte_actor_type"),
        ({"astrocyte_actor_type": 7}, "astrocyte_actor_type"),
        ({"astrocyte_principal": ""}, "astrocyte_principal"),
        ({"astrocyte_principal": 7}, "astrocyte_principal"),
        ({"astrocyte_principal": "a\u202eb"}, "printable"),
        ({"tid": ["t1"]}, "tenant"),
        ({"tenant_id": "a\nb"}, "printable"),
        ({"act": "bot"}, "act claim"),
        ({"act": {"sub": "bot", "astrocyte_actor_type": "root"}}, "astrocyte_actor_type"),
    ],
)
async def test_claims_that_do_not_hold_are_named_and_not_repeated(
    ask_oidc: Ask, issue: Issue, claims: dict[str, Any], reason: str
) -> None:
    with pytest.raises(Unauthenticated, match=f"^Invalid OIDC token: .*{reason}") as refused:
        await ask_oidc(authorization=f"Bearer {issue(**claims)}")
    assert "superuser" not in str(refused.value)
    assert refused.value.headers[0][0] == b"www-authenticate"


async def test_an_audience_among_others_is_accepted(ask_oidc: Ask, issue: Issue) -> None:
    assert await ask_oidc(authorization=f"Bearer {issue(aud=['other', 'astrocyte'])}")


@pytest.mark.parametrize("subject", [None, "", " "])
async def test_a_token_that_names_nobody_is_refused(ask_oidc: Ask, issue: Issue, subject: str | None) -> None:
    with pytest.raises(Unauthenticated, match=r"^Token missing sub$"):
        await ask_oidc(authorization=f"Bearer {issue(sub=subject)}")


@pytest.mark.parametrize("value", [None, "", "Bearer", "Basic x"])
async def test_without_a_bearer_token_there_is_no_caller(ask_oidc: Ask, value: str | None) -> None:
    with pytest.raises(Unauthenticated, match=r"^Bearer token required$"):
        await ask_oidc(**({} if value is None else {"authorization": value}))


async def test_missing_variables_are_named_in_order(ask_mode: Callable[..., Ask], issue: Issue) -> None:
    bearer = {"authorization": f"Bearer {issue()}"}
    url = "https://auth.example.com/keys"
    with pytest.raises(Unauthenticated, match="Bearer token required"):
        await ask_mode("jwt_oidc")()
    with pytest.raises(AuthNotConfigured, match=r"^ASTROCYTE_OIDC_JWKS_URL is not set$"):
        await ask_mode("jwt_oidc", OIDC_ISSUER="i", OIDC_AUDIENCE="a")(**bearer)
    for names in ({}, {"OIDC_ISSUER": "i"}, {"OIDC_AUDIENCE": "a"}):
        with pytest.raises(
            AuthNotConfigured, match=r"^ASTROCYTE_OIDC_ISSUER and ASTROCYTE_OIDC_AUDIENCE are required$"
        ):
            await ask_mode("jwt_oidc", OIDC_JWKS_URL=url, **names)(**bearer)


async def test_a_header_can_not_say_for_whom(ask_oidc: Ask, issue: Issue) -> None:
    with pytest.raises(BadRequest):
        await ask_oidc(authorization=f"Bearer {issue()}", x_astrocyte_on_behalf_of="user:bob")


async def test_a_token_one_second_past_its_end_is_refused(ask_oidc: Ask, issue: Issue) -> None:
    with pytest.raises(Unauthenticated, match="expired"):
        await ask_oidc(authorization=f"Bearer {issue(exp=int(time.time()) - 1)}")


async def test_a_token_without_a_key_id_is_accepted_from_a_provider_with_one_key(ask_oidc: Ask, issue: Issue) -> None:
    assert await ask_oidc(authorization=f"Bearer {issue(kid=None)}")


async def test_a_token_without_a_key_id_is_refused_from_a_provider_with_several(
    ask_oidc: Ask, issue: Issue, provider: Any, signing_key: Any, other_key: Any, publish_form: Callable[..., Any]
) -> None:
    provider.publish(publish_form(signing_key, "k1"), publish_form(other_key, "k2"))
    with pytest.raises(Unauthenticated, match="signing key is not known"):
        await ask_oidc(authorization=f"Bearer {issue(kid=None)}")


async def test_of_two_keys_with_one_id_either_may_have_signed(
    ask_oidc: Ask, issue: Issue, provider: Any, signing_key: Any, other_key: Any, publish_form: Callable[..., Any]
) -> None:
    provider.publish(publish_form(other_key, "k1"), publish_form(signing_key, "k1"))
    assert await ask_oidc(authorization=f"Bearer {issue()}")
    stranger = generate_private_key(65537, 2048)
    with pytest.raises(Unauthenticated, match="signature does not fit"):
        await ask_oidc(authorization=f"Bearer {issue(key=stranger)}")
