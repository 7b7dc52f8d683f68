"""The one question that admission asks, over the table of providers: whatever goes wrong is a refusal."""

import asyncio
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from tests.foundation.tokens.key_server import Provider
from tests.trust.instance.clouds import NOW, PEER
from tests.trust.instance.test_gcp import token

from aster.foundation.errors import ConfigError
from aster.trust.credential import CredentialRefused
from aster.trust.instance import InstanceSettings, InstanceVerifiers, Proven, Wanted, register_provider
from aster.trust.instance.verifiers import PROVIDERS, Factory
from aster.trust.presentation import MAX_TOKEN_BYTES

GCP = {
    "aster.role": "billing",
    "aster.iid_provider": "gcp",
    "aster.iid_account": "prod-project",
    "aster.iid_region": "europe-west1",
}


class Own:
    """A verifier of the test's own cloud, which proves what it was made with or does worse."""

    def __init__(self, proven: Proven | BaseException | None) -> None:
        self._proven = proven
        self.asked: list[tuple[Wanted, str, str]] = []

    async def prove(self, wanted: Wanted, token: str, *, peer: str, now: float) -> Proven:
        self.asked.append((wanted, token, peer))
        if self._proven is None:
            await asyncio.Event().wait()
        if isinstance(self._proven, BaseException):
            raise self._proven
        assert self._proven is not None
        return self._proven


@pytest.fixture(autouse=True)
def table() -> Iterator[dict[str, Factory]]:
    before = dict(PROVIDERS)
    yield PROVIDERS
    PROVIDERS.clear()
    PROVIDERS.update(before)


async def ask(attributes: dict[str, str], shown: str | None, verifiers: InstanceVerifiers | None = None) -> None:
    asked = verifiers or InstanceVerifiers()
    await asked.verify(attributes, shown, peer=PEER, roots=(), now=NOW)


def reasons(caplog: pytest.LogCaptureFixture) -> str:
    return " ".join(str(vars(record).get("reason")) for record in caplog.records)


async def refused(words: str, attributes: dict[str, str], shown: str | None = "x", **given: InstanceVerifiers) -> None:
    with pytest.raises(CredentialRefused, match=words):
        await ask(attributes, shown, **given)


async def test_a_credential_s_attributes_are_proven_by_a_token(keys: Provider) -> None:
    verifiers = InstanceVerifiers(InstanceSettings(gcp_jwks_url=keys.url))
    await ask(GCP, token(), verifiers)
    await ask({"aster.iid_provider": "gcp"}, token(), verifiers)
    await refused("another", {**GCP, "aster.iid_account": "other"}, token(), verifiers=verifiers)
    assert keys.requests == 1


async def test_no_token_an_oversized_one_or_no_provider_is_refused() -> None:
    await refused("no token was presented", GCP, None)
    await refused("no token was presented", GCP, "")
    await refused("more than 16384 bytes", GCP, "x" * (MAX_TOKEN_BYTES + 1))
    await refused("more than 16384 bytes", GCP, "\ud800" * MAX_TOKEN_BYTES)
    await refused(r"without aster\.iid_provider", {"aster.iid_account": "prod-project"})


@pytest.mark.parametrize("provider", ["", "AWS", "gcp ", "oracle", "instance", "\n" * 200])
async def test_an_unknown_provider_is_refused(provider: str) -> None:
    with pytest.raises(CredentialRefused, match="nobody here verifies") as caught:
        await ask({"aster.iid_provider": provider}, "x")
    assert "\n" not in caught.value.message


async def test_an_attribute_that_no_token_proves_is_refused() -> None:
    await refused("none that a token can prove", {**GCP, "aster.iid_zone": "europe-west1-b"})


async def test_a_provider_of_one_s_own_can_be_registered() -> None:
    own = Own(Proven("me", None, "root"))
    register_provider("own", lambda _: own)
    attributes = {"aster.iid_provider": "own", "aster.iid_account": "me", "aster.iid_role_arn": "root"}
    await ask(attributes, "mine")
    assert own.asked == [(Wanted("own", "me", None, "root"), "mine", PEER)]
    await refused(r"says nothing of aster\.iid_region", {**attributes, "aster.iid_region": ""})
    await refused(r"another aster\.iid_account", {**attributes, "aster.iid_account": "Me"})
    with pytest.raises(ConfigError, match="already"):
        register_provider("own", lambda _: own)
    with pytest.raises(ConfigError, match="already"):
        register_provider("aws", lambda _: own)


async def test_a_verifier_that_fails_or_hangs_admits_nobody(caplog: pytest.LogCaptureFixture) -> None:
    for failure in (ZeroDivisionError("secret"), KeyError("x"), OSError()):
        own = Own(failure)
        PROVIDERS["own"] = lambda _, own=own: own  # type: ignore[misc]
        await refused("the verifier of its instance identity failed", {"aster.iid_provider": "own"})
    PROVIDERS["own"] = lambda _: Own(None)
    await refused("within", {"aster.iid_provider": "own"}, verifiers=InstanceVerifiers(seconds=0.01))
    PROVIDERS["own"] = lambda _: Own(ConfigError("no certificates"))
    await refused("can't be verified here: no certificates", {"aster.iid_provider": "own"})
    assert "no certificates" in reasons(caplog)


async def test_without_certificates_an_aws_document_is_refused_and_the_log_says_what_to_set(
    caplog: pytest.LogCaptureFixture,
) -> None:
    from tests.trust.instance.test_aws import token as aws_token

    await refused("no AWS certificate is trusted", {"aster.iid_provider": "aws"}, aws_token())
    assert "aws_certificates" in reasons(caplog)


async def test_a_missing_package_refuses_and_names_the_extra(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setitem(sys.modules, "asn1crypto", None)
    await refused("'asn1crypto' is not installed", GCP, token())
    assert "aster-platform[cloud]" in reasons(caplog)


def test_what_is_configured_and_can_not_work_stops_the_start(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="aws_certificates"):
        InstanceVerifiers(InstanceSettings(aws_certificates=str(tmp_path / "nowhere.pem")))
    with pytest.raises(ConfigError, match="azure_tenant"):
        InstanceVerifiers(InstanceSettings(azure_tenant="x"))
