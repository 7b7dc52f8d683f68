"""The keys of a real provider on loopback: rotated, down, slow."""

import asyncio
from collections.abc import Callable
from typing import Any

import pytest
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPrivateKey

from astrocyte.gateway.auth.errors import IdentityProviderUnavailable, Unauthenticated

Form = Callable[..., dict[str, Any]]
Ask = Callable[..., Any]
Issue = Callable[..., str]


async def test_a_rotation_at_a_real_provider(
    ask_oidc: Ask, issue: Issue, provider: Any, other_key: RSAPrivateKey, publish_form: Form
) -> None:
    assert await ask_oidc(authorization=f"Bearer {issue()}")
    provider.publish(publish_form(other_key, "k2"))
    assert await ask_oidc(authorization=f"Bearer {issue()}"), "fresh keys are trusted for their ten minutes"
    assert await ask_oidc(authorization=f"Bearer {issue(key=other_key, kid='k2')}")
    for _ in range(5):
        with pytest.raises(Unauthenticated, match="signing key is not known"):
            await ask_oidc(authorization=f"Bearer {issue()}")
    assert provider.requests == 2


async def test_an_outage_of_a_real_provider_is_not_the_caller_s_fault(
    ask_oidc: Ask, issue: Issue, provider: Any, caplog: pytest.LogCaptureFixture
) -> None:
    provider.status = 500
    with pytest.raises(IdentityProviderUnavailable) as refused:
        await ask_oidc(authorization=f"Bearer {issue()}")
    assert (refused.value.status, str(refused.value)) == (503, "the identity provider's keys are not available")
    assert [vars(record).get("reason") for record in caplog.records] == ["status 500"]


async def test_a_slow_provider_does_not_stop_the_loop(ask_oidc: Ask, issue: Issue, provider: Any) -> None:
    provider.gate.clear()
    waiting = [asyncio.create_task(ask_oidc(authorization=f"Bearer {issue()}")) for _ in range(10)]
    await asyncio.to_thread(provider.asked.wait)
    with pytest.raises(Unauthenticated, match="malformed"):
        await ask_oidc(authorization="Bearer not-a-token")
    assert not any(task.done() for task in waiting)
    provider.gate.set()
    assert len(await asyncio.gather(*waiting)) == 10
    assert provider.requests == 1
