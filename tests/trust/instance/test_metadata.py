"""From a machine's metadata service to a token that its verifier believes, and back to an error that says why not."""

import time
from collections.abc import Iterator

import pytest
from tests.foundation.tokens.key_server import Provider, running
from tests.trust.instance import test_aws, test_azure, test_gcp
from tests.trust.instance.clouds import ACCOUNT, MACHINE, PEER, REGION, ROLE, SECRET, SUBSCRIPTION, TENANT, THIEF, Sts
from tests.trust.instance.metadata_service import MetadataService

from aster.trust.credential import CredentialRefused
from aster.trust.instance.aws import AwsVerifier
from aster.trust.instance.azure import AzureVerifier
from aster.trust.instance.facts import Proven
from aster.trust.instance.gcp import GcpVerifier
from aster.trust.instance.metadata import Metadata, MetadataUnavailable


@pytest.fixture
def service() -> Iterator[MetadataService]:
    with running(MetadataService) as service:
        yield service


async def test_an_aws_token_is_believed_for_its_node_alone(service: MetadataService, sts: Sts) -> None:
    shown = await Metadata(service.address).aws(PEER)
    assert SECRET not in shown
    verifier = AwsVerifier([test_aws.TRUSTED], endpoint=sts.endpoint)
    assert await verifier.prove(test_aws.ALL, shown, peer=PEER, now=time.time()) == Proven(ACCOUNT, REGION, ROLE)
    with pytest.raises(CredentialRefused, match="status 403"):
        await verifier.prove(test_aws.ALL, shown, peer=THIEF, now=time.time())


async def test_a_gcp_token_is_believed_for_its_node_alone(service: MetadataService, keys: Provider) -> None:
    shown = await Metadata(service.address).gcp(PEER)
    verifier = GcpVerifier(keys.url)
    assert (await verifier.prove(test_gcp.ALL, shown, peer=PEER, now=time.time())).account == "prod-project"
    with pytest.raises(CredentialRefused, match="not bound"):
        await verifier.prove(test_gcp.ALL, shown, peer=THIEF, now=time.time())


async def test_an_azure_token_has_what_was_asked_for(service: MetadataService, keys: Provider) -> None:
    metadata, verifier = Metadata(service.address), AzureVerifier([test_azure.ROOT], TENANT, keys.url)
    shown = await metadata.azure(PEER, TENANT)
    proven = await verifier.prove(test_azure.ALL, shown, peer=PEER, now=time.time())
    assert proven == Proven(SUBSCRIPTION, "westeurope", MACHINE)
    assert "identity" not in await metadata.azure(PEER)


@pytest.mark.parametrize(
    ("path", "answer", "words"),
    [
        ("/latest/meta-data/placement/region", b"x/../y", "named no region"),
        ("/latest/meta-data/iam/security-credentials/", b"../../x", "named no role"),
        ("/latest/meta-data/iam/security-credentials/billing", b'{"SecretAccessKey": "s3cret"}', "something else"),
        ("/latest/dynamic/instance-identity/rsa2048", b"\xff", "did not answer"),
        ("/latest/dynamic/instance-identity/rsa2048", b"x" * 300_000, "more than"),
    ],
)
async def test_what_is_no_answer_is_an_error_without_its_content(
    service: MetadataService, path: str, answer: bytes, words: str
) -> None:
    service.changes[path] = answer
    with pytest.raises(MetadataUnavailable, match=words) as caught:
        await Metadata(service.address).aws(PEER)
    assert "s3cret" not in str(caught.value)


async def test_a_machine_of_no_cloud_says_so(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HTTP_PROXY", "http://192.0.2.1:1")  # must not be asked
    for ask in (Metadata("http://127.0.0.1:1").aws, Metadata("http://127.0.0.1:1").gcp):
        with pytest.raises(MetadataUnavailable, match=r"ConnectError.*machine of that cloud"):
            await ask(PEER)
