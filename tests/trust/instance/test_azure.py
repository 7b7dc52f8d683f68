"""Azure: attested documents bound by their nonce, managed identities bound by their audience."""

import json
from datetime import timedelta
from pathlib import Path
from typing import Any

import jwt
import pytest
from tests.foundation.tokens.key_server import Provider
from tests.trust.instance.clouds import (
    MACHINE,
    MOMENT,
    NOW,
    PEER,
    SUBSCRIPTION,
    TENANT,
    THIEF,
    azure_document,
    certificate,
    pem,
    rsa_key,
    signed_data,
    text,
)

from aster.foundation.errors import ConfigError
from aster.trust.credential import CredentialRefused
from aster.trust.instance.azure import AzureVerifier, audience, create, nonce
from aster.trust.instance.facts import Proven, Wanted, require_match
from aster.trust.instance.settings import InstanceSettings

ROOT_KEY, MIDDLE_KEY, LEAF_KEY = rsa_key("root"), rsa_key("middle"), rsa_key("leaf")
ROOT = certificate("Root", key=ROOT_KEY, is_authority=True)
MIDDLE = certificate("TLS CA", key=MIDDLE_KEY, issuer="Root", issuer_key=ROOT_KEY, is_authority=True)


def leaf(*dns: str, **changes: Any) -> Any:
    given = {"issuer": "TLS CA", "issuer_key": MIDDLE_KEY, **changes}
    return certificate(dns[0], key=LEAF_KEY, dns=dns, **given)


LEAF = leaf("westeurope.metadata.azure.com")
ALL = Wanted("azure", SUBSCRIPTION, "westeurope", MACHINE)


def attested(content: bytes | None = None, *, signer: Any = None, key: Any = None, carried: Any = (MIDDLE,)) -> str:
    raw = signed_data(
        azure_document(nonce(PEER)) if content is None else content, (signer or LEAF, key or LEAF_KEY), carried=carried
    )
    return text(raw)


def identity(*, key: Any = None, **claims: Any) -> str:
    said = {
        "iss": f"https://sts.windows.net/{TENANT}/",
        "aud": audience(TENANT, PEER),
        "tid": TENANT,
        "iat": int(NOW),
        "nbf": int(NOW),
        "exp": int(NOW) + 86400,
        "xms_mirid": MACHINE,
        **claims,
    }
    payload = json.dumps({name: value for name, value in said.items() if value is not None}).encode()
    return jwt.api_jws.encode(payload, key or rsa_key("cloud"), algorithm="RS256", headers={"kid": "k1"})


def token(**parts: str) -> str:
    return json.dumps(parts)


async def prove(keys: Provider, shown: str, wanted: Wanted = ALL, *, peer: str = PEER, now: float = NOW) -> Proven:
    proven = await AzureVerifier([ROOT], TENANT, keys.url).prove(wanted, shown, peer=peer, now=now)
    require_match(wanted, proven)
    return proven


async def refused(keys: Provider, words: str, shown: str, wanted: Wanted = ALL, **given: Any) -> None:
    with pytest.raises(CredentialRefused, match=words):
        await prove(keys, shown, wanted, **given)


async def test_document_and_identity_together_prove_subscription_region_and_identity(keys: Provider) -> None:
    shown = token(attested=attested(), identity=identity())
    assert await prove(keys, shown) == Proven(SUBSCRIPTION, "westeurope", MACHINE)


async def test_a_document_alone_proves_no_identity_and_an_identity_alone_no_region(keys: Provider) -> None:
    machine = token(attested=attested())
    await prove(keys, machine, Wanted("azure", SUBSCRIPTION, "westeurope"))
    await refused(keys, r"says nothing of aster\.iid_role_arn", machine)
    alone = token(identity=identity(iss=f"https://login.microsoftonline.com/{TENANT}/v2.0"))
    await prove(keys, alone, Wanted("azure", SUBSCRIPTION, None, MACHINE))
    await refused(keys, r"says nothing of aster\.iid_region", alone)


async def test_what_was_stolen_from_another_node_is_refused(keys: Provider) -> None:
    await refused(keys, "another nonce", token(attested=attested()), peer=THIEF)
    await refused(keys, "another audience", token(identity=identity()), peer=THIEF)
    for other in ("", nonce(THIEF), nonce(PEER)[1:], "11/28/18 00:16:17 -0000"):
        await refused(keys, "another nonce", token(attested=attested(azure_document(other))))


def test_a_nonce_has_ten_digits_and_is_of_its_node() -> None:
    assert len(nonce(PEER)) == 10
    assert nonce(PEER).isdigit()
    assert nonce(PEER) == nonce(PEER) != nonce(THIEF)


async def test_times_of_a_document_are_checked(keys: Provider) -> None:
    machine = Wanted("azure", SUBSCRIPTION)
    await refused(keys, "has expired", token(attested=attested()), machine, now=NOW + 6 * 3600)
    await refused(keys, "not valid yet", token(attested=attested(azure_document(nonce(PEER), created=NOW + 61))))
    for times in (None, {}, {"createdOn": "x", "expiresOn": "y"}, {"createdOn": 1, "expiresOn": 2}):
        content = azure_document(nonce(PEER), timeStamp=times)
        await refused(keys, "its attested document is none", token(attested=attested(content)))


@pytest.mark.parametrize(
    ("signer", "carried", "words"),
    [
        (leaf("metadata.azure.com.evil.example"), (MIDDLE,), "not the metadata service"),
        (leaf("evilmetadata.azure.com"), (MIDDLE,), "not the metadata service"),
        (leaf("a.b.metadata.azure.com"), (MIDDLE,), "not the metadata service"),
        (leaf("*.metadata.azure.com"), (MIDDLE,), "not the metadata service"),
        (leaf("www.example.com"), (MIDDLE,), "not the metadata service"),
        (certificate("westeurope.metadata.azure.com", key=LEAF_KEY), (), "not the metadata service"),
        (leaf("westeurope.metadata.azure.com"), (), "no trusted root"),
        (leaf("westeurope.metadata.azure.com", issuer_key=rsa_key("stranger")), (MIDDLE,), "no trusted root"),
        (leaf("westeurope.metadata.azure.com", ends=MOMENT - timedelta(1)), (MIDDLE,), "no trusted root"),
        (leaf("westeurope.metadata.azure.com", issuer=None, issuer_key=None), (), "no trusted root"),
        (leaf("westeurope.metadata.azure.com"), (MIDDLE, certificate("More", key=rsa_key("x"))), "prove nothing"),
    ],
)
async def test_a_signer_that_is_not_azure_s_metadata_service_is_refused(
    keys: Provider, signer: Any, carried: Any, words: str
) -> None:
    await refused(keys, words, token(attested=attested(signer=signer, carried=carried)))


async def test_a_root_that_only_came_along_is_not_trusted(keys: Provider) -> None:
    key = rsa_key("false root")
    root = certificate("False root", key=key, is_authority=True)
    signer = leaf("westeurope.metadata.azure.com", issuer="False root", issuer_key=key)
    await refused(keys, "no trusted root", token(attested=attested(signer=signer, carried=(root,))))


async def test_a_signature_of_another_key_is_refused(keys: Provider) -> None:
    raw = signed_data(azure_document(nonce(PEER)), (LEAF, LEAF_KEY), carried=[MIDDLE])
    for changed in (raw.replace(b"westeurope", b"eastussssx"), raw.replace(b"subscriptionId", b"subscriptionIx")):
        await refused(keys, "leads to no|malformed|does not fit|not the metadata", token(attested=text(changed)))


async def test_a_second_signer_is_refused(keys: Provider) -> None:
    other = certificate("Second", key=rsa_key("second"))
    raw = signed_data(azure_document(nonce(PEER)), (LEAF, LEAF_KEY), (other, rsa_key("second")), carried=[MIDDLE])
    await refused(keys, "2 signers", token(attested=text(raw)))


async def test_a_region_is_proven_by_a_signer_of_one_region_only(keys: Provider) -> None:
    machine = Wanted("azure", SUBSCRIPTION)
    for names in (("metadata.azure.com",), ("westeurope.metadata.azure.com", "eastus.metadata.azure.com")):
        shown = token(attested=attested(signer=leaf(*names)))
        assert await prove(keys, shown, machine) == Proven(SUBSCRIPTION, None, None)
        await refused(keys, "says nothing of", shown, Wanted("azure", None, "westeurope"))
    named = token(attested=attested(signer=leaf("metadata.azure.com", "westeurope.metadata.azure.com")))
    await prove(keys, named, Wanted("azure", None, "westeurope"))


@pytest.mark.parametrize(
    ("claims", "words"),
    [
        ({"iss": "https://sts.windows.net/11111111-8888-7777-6666-555555555555/"}, "another issuer"),
        ({"iss": f"https://login.microsoftonline.com/{TENANT}/v2.0/"}, "another issuer"),
        ({"tid": "11111111-8888-7777-6666-555555555555"}, "not of a managed identity"),
        ({"tid": None}, "lacks a claim"),
        ({"xms_mirid": None}, "lacks a claim"),
        ({"xms_mirid": "/subscriptions/x/resourcegroups/y"}, "not of a managed identity"),
        ({"xms_mirid": f"/x{MACHINE}"}, "not of a managed identity"),
        ({"aud": "https://management.azure.com/"}, "another audience"),
        ({"exp": int(NOW)}, "has expired"),
        ({"key": rsa_key("stranger")}, "does not fit"),
        ({"xms_mirid": MACHINE.replace("billing", "other")}, r"another aster\.iid_role_arn"),
        ({"xms_mirid": MACHINE.replace("1111", "2222")}, "different subscriptions"),
    ],
)
async def test_an_identity_that_does_not_fit_is_refused(keys: Provider, claims: Any, words: str) -> None:
    await refused(keys, words, token(attested=attested(), identity=identity(**claims)))


@pytest.mark.parametrize("shown", ["", "{}", "[]", '{"other": "x"}', '{"attested": 7}', "\ud800", "[" * 5000])
async def test_what_is_no_token_is_refused(keys: Provider, shown: str) -> None:
    await refused(keys, "Azure token is", shown)


async def test_without_roots_or_tenant_nothing_is_believed(keys: Provider) -> None:
    nobody = AzureVerifier([MIDDLE], None, None)
    with pytest.raises(ConfigError, match="azure_certificates"):
        await nobody.prove(ALL, token(attested=attested()), peer=PEER, now=NOW)
    with pytest.raises(ConfigError, match="azure_tenant"):
        await nobody.prove(ALL, token(identity=identity()), peer=PEER, now=NOW)


def test_settings_that_could_never_admit_stop_the_start(tmp_path: Path) -> None:
    file = tmp_path / "azure.pem"
    file.write_bytes(pem(MIDDLE))
    for settings, words in (
        (InstanceSettings(azure_certificates=str(file)), "no root certificate"),
        (InstanceSettings(azure_certificates=str(tmp_path / "nowhere")), "can't be read"),
        (InstanceSettings(azure_certificates=str(tmp_path / "empty")), "can't be read"),
        (InstanceSettings(azure_tenant="contoso.com"), "a tenant's id"),
        (InstanceSettings(azure_jwks_url="https://example.com/keys"), "without azure_tenant"),
    ):
        with pytest.raises(ConfigError, match=words):
            create(settings)
    file.write_bytes(pem(MIDDLE, ROOT))
    create(InstanceSettings(azure_certificates=str(file), azure_tenant=TENANT))
