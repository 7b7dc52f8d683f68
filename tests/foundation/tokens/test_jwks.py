"""The cache of a provider's keys: against a clock that the test moves, and against a real server on loopback."""

import asyncio
import json
from collections.abc import Callable
from typing import Any

import pytest
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPrivateKey, generate_private_key

from aster.foundation.tokens import jwks
from aster.foundation.tokens.fetch import Fetcher, FetchFailed
from aster.foundation.tokens.jwks import JwksCache, KeysUnavailable
from aster.foundation.tokens.jwks_document import KeySet, Unusable, parse_keys

Form = Callable[..., dict[str, Any]]


class Source:
    """A provider in memory, and the clock by which its keys age."""

    def __init__(self, *published: dict[str, Any]) -> None:
        self.published: tuple[dict[str, Any], ...] = published
        self.is_down = False
        self.fetches = 0
        self.seconds = 0.0
        self.cache = JwksCache(self.fetch, now=lambda: self.seconds)

    async def fetch(self) -> bytes:
        self.fetches += 1
        await asyncio.sleep(0)
        if self.is_down:
            raise FetchFailed("down")
        return json.dumps({"keys": self.published}).encode()


@pytest.fixture
def source(signing_key: RSAPrivateKey, publish_form: Form) -> Source:
    return Source(publish_form(signing_key, "k1"))


async def test_keys_are_fetched_once_in_ten_minutes(source: Source) -> None:
    for seconds in (0, 1, 599):
        source.seconds = seconds
        assert len(await source.cache.keys("k1")) == 1
    assert source.fetches == 1
    source.seconds = 600
    await source.cache.keys("k1")
    assert source.fetches == 2


async def test_many_callers_wait_for_one_fetch(source: Source) -> None:
    found = await asyncio.gather(*(source.cache.keys("k1") for _ in range(50)))
    assert all(len(keys) == 1 for keys in found)
    assert source.fetches == 1


async def test_a_caller_that_goes_away_does_not_stop_the_fetch_of_the_others(source: Source) -> None:
    first = asyncio.create_task(source.cache.keys("k1"))
    second = asyncio.create_task(source.cache.keys("k1"))
    await asyncio.sleep(0)
    first.cancel()
    assert len(await second) == 1
    assert source.fetches == 1


async def test_an_unknown_key_id_is_asked_for_once_and_then_not_for_a_while(source: Source) -> None:
    await source.cache.keys("k1")
    source.seconds = 100
    for number in range(20):
        assert await source.cache.keys(f"made-up-{number}") == ()
    assert source.fetches == 2
    source.seconds = 100 + jwks.COOL_DOWN_SECONDS
    assert await source.cache.keys("made-up") == ()
    assert source.fetches == 3


async def test_a_rotated_key_is_found_at_once(source: Source, other_key: RSAPrivateKey, publish_form: Form) -> None:
    await source.cache.keys("k1")
    source.seconds = 100
    source.published = (publish_form(other_key, "k2"),)
    assert len(await source.cache.keys("k2")) == 1
    assert await source.cache.keys("k1") == ()


async def test_old_keys_serve_a_day_while_the_provider_is_down(source: Source) -> None:
    await source.cache.keys("k1")
    source.is_down = True
    source.seconds = jwks.STALE_SECONDS - 1
    assert len(await source.cache.keys("k1")) == 1
    source.seconds = jwks.STALE_SECONDS
    with pytest.raises(KeysUnavailable):
        await source.cache.keys("k1")


async def test_while_the_provider_is_down_no_key_is_called_unknown(source: Source) -> None:
    source.is_down = True
    with pytest.raises(KeysUnavailable):
        await source.cache.keys("k1")
    source.is_down, source.seconds = False, jwks.RETRY_SECONDS
    await source.cache.keys("k1")
    source.is_down, source.seconds = True, 100
    for _ in range(5):
        with pytest.raises(KeysUnavailable):
            await source.cache.keys("k2")
    assert source.fetches == 3


async def test_a_provider_that_is_down_is_not_asked_by_every_request(source: Source) -> None:
    source.is_down = True
    for seconds in (0, 1, 4.9):
        source.seconds = seconds
        with pytest.raises(KeysUnavailable):
            await source.cache.keys("k1")
    assert source.fetches == 1
    source.is_down, source.seconds = False, jwks.RETRY_SECONDS
    assert len(await source.cache.keys("k1")) == 1


async def test_an_answer_without_keys_replaces_nothing(source: Source) -> None:
    await source.cache.keys("k1")
    source.published, source.seconds = (), 700
    assert len(await source.cache.keys("k1")) == 1


def test_keys_that_are_not_for_signatures_are_left_out(signing_key: RSAPrivateKey, publish_form: Form) -> None:
    weak = generate_private_key(65537, 1024)
    good = publish_form(signing_key, "good")
    entries = [
        good,
        {**good, "kid": "enc", "use": "enc"},
        {**good, "kid": "ec", "kty": "EC"},
        {**good, "kid": "other-alg", "alg": "RS512"},
        {**good, "kid": "sign-only", "key_ops": ["sign"]},
        {**good, "kid": "private", "d": "AQAB"},
        {**good, "kid": "no-modulus", "n": ""},
        {**good, "kid": "bad-base64", "n": "*" * 342},
        {**good, "kid": "even-exponent", "e": "Ag"},
        {**good, "kid": "huge-exponent", "e": good["n"]},
        {**good, "kid": "wide-exponent", "e": "AgAAAAAAAAAB"},
        {**good, "kid": "huge-modulus", "n": "_" * 4000},
        {**good, "kid": 7},
        publish_form(weak, "weak"),
        {"kty": "oct", "kid": "secret", "k": "AAAA"},
        "text",
        None,
    ]
    found = parse_keys(json.dumps({"keys": entries}).encode())
    assert [kid for kid, _ in found.keys] == ["good"]
    bare = {name: good[name] for name in ("kty", "n", "e")}
    assert len(parse_keys(json.dumps({"keys": [bare]}).encode()).find(None)) == 1


@pytest.mark.parametrize(
    "document", [b"", b"{}", b"[]", b"\xff", b'{"keys": {}}', b'{"keys": []}', b"<html>", b'{"keys": ' + b"[" * 100_000]
)
def test_what_is_no_set_of_keys_is_unusable(document: bytes) -> None:
    with pytest.raises(Unusable):
        parse_keys(document)


def test_too_many_keys_are_unusable(signing_key: RSAPrivateKey, publish_form: Form) -> None:
    with pytest.raises(Unusable, match="more than 100"):
        parse_keys(json.dumps({"keys": [publish_form(signing_key, str(number)) for number in range(101)]}).encode())


def test_without_a_key_id_only_a_single_key_is_found(signing_key: RSAPrivateKey) -> None:
    key = signing_key.public_key()
    assert KeySet([("a", key)]).find(None) == [key]
    assert KeySet([("a", key), ("b", key)]).find(None) == []
    assert KeySet().find(None) == []


async def test_a_provider_that_never_answers_is_given_up(provider: Any) -> None:
    provider.gate.clear()
    with pytest.raises(FetchFailed, match="no complete answer"):
        await Fetcher(provider.url, seconds=0.05)()


async def test_a_redirect_is_not_followed(provider: Any) -> None:
    provider.status, provider.headers = 302, [(b"location", provider.url.encode())]
    with pytest.raises(FetchFailed, match="status 302"):
        await Fetcher(provider.url)()
    assert provider.requests == 1


async def test_an_answer_without_end_is_cut_off(provider: Any) -> None:
    provider.document = b" " * 300_000
    with pytest.raises(FetchFailed, match="more than"):
        await Fetcher(provider.url)()


async def test_nobody_listening_is_a_failed_fetch(provider: Any) -> None:
    with pytest.raises(FetchFailed, match="ConnectError"):
        await Fetcher("http://127.0.0.1:1/jwks.json")()
