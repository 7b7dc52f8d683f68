"""Mode ``jwt_hs256``: tokens signed with a shared secret."""

import time
from collections.abc import Callable
from typing import Any

import jwt
import pytest

from aster.foundation.http.errors import BadRequest
from astrocyte.access.identity import ActorIdentity, AstrocyteContext
from astrocyte.gateway.auth.errors import AuthNotConfigured, Unauthenticated

SECRET = "a secret of at least thirty-two bytes"
Ask = Callable[..., Any]


@pytest.fixture(params=["jwt_hs256", "jwt"])
def ask(request: pytest.FixtureRequest, ask_mode: Callable[..., Ask]) -> Ask:
    ask: Ask = ask_mode(request.param, JWT_SECRET=SECRET, JWT_AUDIENCE="astrocyte")
    return ask


def token(secret: str = SECRET, alg: str = "HS256", **claims: Any) -> str:
    said = {"sub": "user:alice", "aud": "astrocyte", "exp": int(time.time()) + 3600, **claims}
    return jwt.encode({name: value for name, value in said.items() if value is not None}, secret, algorithm=alg)


async def test_sub_is_the_principal_as_it_is(ask: Ask) -> None:
    assert await ask(authorization=f"Bearer {token()}") == AstrocyteContext("user:alice")
    assert await ask(authorization=f"bEARER   {token(sub='Jürgen')}") == AstrocyteContext("Jürgen")


@pytest.mark.parametrize("claims", [{"exp": None}, {"iat": int(time.time())}, {"aud": ["other", "astrocyte"]}])
async def test_recommended_claims_may_be_missing_and_audiences_may_be_several(ask: Ask, claims: dict[str, Any]) -> None:
    assert (await ask(authorization=f"Bearer {token(**claims)}")).principal == "user:alice"


async def test_act_names_who_acts_for_sub(ask: Ask) -> None:
    identity = await ask(authorization=f"Bearer {token(act={'sub': 'agent:bot', 'act': {'sub': 'user:root'}})}")
    assert identity == AstrocyteContext(
        "agent:bot", actor=ActorIdentity("agent", "bot"), on_behalf_of=ActorIdentity("user", "alice")
    )


@pytest.mark.parametrize("value", [None, "", "Bearer", "Bearer ", "Basic dXNlcjpwdw==", "Token x", "Bearerx y"])
async def test_without_a_bearer_token_there_is_no_caller(ask: Ask, value: str | None) -> None:
    with pytest.raises(Unauthenticated, match="Bearer token required") as refused:
        await ask(**({} if value is None else {"authorization": value}))
    assert refused.value.headers == [(b"www-authenticate", b'Bearer realm="astrocyte"')]


@pytest.mark.parametrize(
    "claims",
    [
        {"exp": int(time.time()) - 1},
        {"exp": float("inf")},
        {"exp": "soon"},
        {"exp": [1]},
        {"nbf": int(time.time()) + 86_400},
        {"iat": int(time.time()) + 86_400},
        {"aud": None},
        {"aud": "another"},
        {"aud": ["another"]},
        {"aud": {"astrocyte": 1}},
        {"act": "agent:bot"},
        {"act": []},
        {"sub": "a\nb"},
        {"sub": "x" * 257},
    ],
)
async def test_a_token_whose_claims_do_not_hold_is_invalid(ask: Ask, claims: dict[str, Any]) -> None:
    with pytest.raises(Unauthenticated, match=r"^Invalid token$") as refused:
        await ask(authorization=f"Bearer {token(**claims)}")
    assert b'error="invalid_token"' in dict(refused.value.headers)[b"www-authenticate"]


@pytest.mark.parametrize("claims", [{"sub": None}, {"sub": ""}, {"sub": "  "}, {"act": {}}, {"act": {"sub": ""}}])
async def test_a_token_that_names_nobody_is_refused(ask: Ask, claims: dict[str, Any]) -> None:
    with pytest.raises(Unauthenticated, match="Token missing sub"):
        await ask(authorization=f"Bearer {token(**claims)}")


@pytest.mark.parametrize("subject", [7, True, ["user:alice"], {"a": 1}])
async def test_a_sub_that_is_no_text_names_nobody(ask: Ask, subject: Any) -> None:
    forged = jwt.api_jws.encode(
        b'{"aud":"astrocyte","sub":' + str(subject).lower().replace("'", '"').encode() + b"}", SECRET
    )
    with pytest.raises(Unauthenticated, match="Token missing sub"):
        await ask(authorization=f"Bearer {forged}")


@pytest.mark.parametrize("alg", ["HS384", "HS512"])
async def test_another_algorithm_is_refused(ask: Ask, alg: str) -> None:
    with pytest.raises(Unauthenticated, match="Invalid token"):
        await ask(authorization=f"Bearer {token(SECRET * 2, alg)}")


async def test_without_an_audience_configured_any_is_accepted(ask_mode: Callable[..., Ask]) -> None:
    ask = ask_mode("jwt_hs256", JWT_SECRET=SECRET)
    for audience in (None, "another", ["a", "b"]):
        assert (await ask(authorization=f"Bearer {token(aud=audience)}")).principal == "user:alice"


@pytest.mark.filterwarnings("ignore::jwt.InsecureKeyLengthWarning")
async def test_the_contract_s_short_secret_works_and_only_that(ask_mode: Callable[..., Ask]) -> None:
    ask = ask_mode("jwt_hs256", JWT_SECRET="your-256-bit-secret")
    assert (await ask(authorization=f"Bearer {token('your-256-bit-secret')}")).principal == "user:alice"
    with pytest.raises(Unauthenticated):
        await ask(authorization=f"Bearer {token('your-256-bit-secre')}")


async def test_without_a_secret_nobody_gets_in(ask_mode: Callable[..., Ask]) -> None:
    ask = ask_mode("jwt_hs256")
    with pytest.raises(Unauthenticated, match="Bearer token required"):
        await ask()
    for bearer in (token(), "x", "eyJhbGciOiJub25lIn0.e30."):
        with pytest.raises(AuthNotConfigured, match="ASTROCYTE_JWT_SECRET is not set"):
            await ask(authorization=f"Bearer {bearer}")


async def test_a_header_can_not_say_for_whom(ask: Ask) -> None:
    with pytest.raises(BadRequest, match="'act' claim"):
        await ask(authorization=f"Bearer {token()}", x_astrocyte_on_behalf_of="user:bob")


async def test_the_principal_header_says_nothing_here(ask: Ask) -> None:
    identity = await ask(authorization=f"Bearer {token()}", x_astrocyte_principal="user:root")
    assert identity.principal == "user:alice"
