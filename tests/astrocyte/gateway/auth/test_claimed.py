"""Modes that trust the caller's word: what counts as a word."""

from collections.abc import Callable
from typing import Any

import pytest

from aster.foundation.http.errors import BadRequest
from astrocyte.access.identity import ActorIdentity, AstrocyteContext
from astrocyte.errors import InvalidPrincipal
from astrocyte.gateway.auth.claimed import claimed_identity
from astrocyte.gateway.auth.errors import AuthNotConfigured, Unauthenticated
from astrocyte.gateway.auth.headers import only_value

KEY = "sk-your-secret-key-here"
Ask = Callable[..., Any]


@pytest.fixture(params=["dev", "api_key"])
def ask(request: pytest.FixtureRequest, ask_mode: Callable[..., Ask]) -> Ask:
    ask = ask_mode(request.param, API_KEY=KEY)

    async def with_key(**headers: str | bytes) -> Any:
        return await ask(x_api_key=KEY, **headers)

    return with_key


async def test_the_principal_is_taken_at_its_word(ask: Ask) -> None:
    identity = await ask(x_astrocyte_principal=" agent:support-bot ")
    assert identity == AstrocyteContext("agent:support-bot", actor=ActorIdentity("agent", "support-bot"))


async def test_a_caller_can_act_for_somebody(ask: Ask) -> None:
    identity = await ask(x_astrocyte_principal="agent:bot", x_astrocyte_on_behalf_of="alice")
    assert identity.on_behalf_of == ActorIdentity("user", "alice")


@pytest.mark.parametrize("value", [b"us\xe9r", b"a\x00b", b"a\tb", b"x" * 257, b"\xff"])
async def test_what_is_no_principal_is_refused(ask: Ask, value: bytes) -> None:
    with pytest.raises(InvalidPrincipal):
        await ask(x_astrocyte_principal=value)
    with pytest.raises(InvalidPrincipal):
        await ask(x_astrocyte_principal="agent:bot", x_astrocyte_on_behalf_of=value)


def test_nobody_can_not_act_for_somebody() -> None:
    with pytest.raises(InvalidPrincipal):
        claimed_identity(lambda name: [b"user:alice"] if name == b"x-astrocyte-on-behalf-of" else [])


def test_a_header_with_two_values_is_refused_and_a_repeated_one_is_not() -> None:
    assert only_value(lambda _: [b"a", b" a "], b"x-api-key") == b"a"
    with pytest.raises(BadRequest, match="x-api-key is given more than once"):
        only_value(lambda _: [b"a", b"b"], b"x-api-key")


@pytest.mark.parametrize(
    "key", [None, b"", b"wrong", KEY[:-1].encode(), KEY.encode() + b"x", b"\xff\xfe", b"sk-\xc3\xa9"]
)
async def test_another_key_is_refused_before_the_principal_is_looked_at(
    ask_mode: Callable[..., Ask], key: bytes | None
) -> None:
    headers: dict[str, Any] = {} if key is None else {"x_api_key": key}
    for principal in ({}, {"x_astrocyte_principal": "user:alice"}, {"x_astrocyte_principal": b"\xff"}):
        with pytest.raises(Unauthenticated, match="Invalid or missing API key"):
            await ask_mode("api_key", API_KEY=KEY)(**headers, **principal)


async def test_a_key_of_other_bytes_works(ask_mode: Callable[..., Ask]) -> None:
    ask = ask_mode("api_key", API_KEY="schlüssel-für-alle")
    assert (await ask(x_api_key="schlüssel-für-alle", x_astrocyte_principal="bob")).principal == "bob"


@pytest.mark.parametrize("principal", [{}, {"x_astrocyte_principal": ""}, {"x_astrocyte_principal": "   "}])
async def test_a_key_without_a_principal_is_refused(ask_mode: Callable[..., Ask], principal: dict[str, str]) -> None:
    with pytest.raises(Unauthenticated, match="X-Astrocyte-Principal required") as refused:
        await ask_mode("api_key", API_KEY=KEY)(x_api_key=KEY, **principal)
    assert dict(refused.value.headers)[b"www-authenticate"].startswith(b"ApiKey")


async def test_without_a_configured_key_nobody_gets_in(ask_mode: Callable[..., Ask]) -> None:
    for headers in ({}, {"x_api_key": ""}, {"x_api_key": "None", "x_astrocyte_principal": "user:alice"}):
        with pytest.raises(AuthNotConfigured, match="ASTROCYTE_API_KEY is not set"):
            await ask_mode("api_key")(**headers)
