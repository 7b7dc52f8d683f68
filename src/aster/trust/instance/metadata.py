"""What a node asks its machine's metadata service for, to prove where it runs: tokens bound to the node's key.

Each provider's function takes the hex EndpointId and returns the text for ``enrollment_credential_iid``.
"""

import re
import time
from collections.abc import Mapping
from typing import TypeVar
from urllib.parse import quote

import msgspec

from aster.foundation.errors import AsterError
from aster.foundation.tokens.fetch import Fetcher, FetchFailed
from aster.trust.instance import azure, gcp
from aster.trust.instance.aws_presign import AwsKeys, presigned_identity

ADDRESS = "http://169.254.169.254"
SECONDS = 5.0

_ROLE = re.compile(r"[A-Za-z0-9+=,.@_-]{1,64}")
_REGION = re.compile(r"[a-z0-9-]{1,40}")

V = TypeVar("V")


class MetadataUnavailable(AsterError):
    """The machine has no metadata service of this cloud, or it does not give what was asked."""

    code = "METADATA_UNAVAILABLE"


class _AwsRole(msgspec.Struct, frozen=True):
    access_key: str = msgspec.field(name="AccessKeyId")
    secret_key: str = msgspec.field(name="SecretAccessKey")
    session_token: str = msgspec.field(name="Token")


class _AzureDocument(msgspec.Struct, frozen=True):
    signature: str


class _AzureIdentity(msgspec.Struct, frozen=True):
    access_token: str


class Metadata:
    """The metadata service at ``address``, which is asked directly, never through a proxy."""

    def __init__(self, address: str = ADDRESS, *, seconds: float = SECONDS) -> None:
        self._address = address.rstrip("/")
        self._seconds = seconds

    async def aws(self, peer: str) -> str:
        """The instance's signed document, and an STS request of its role, signed for ``peer``; for 15 minutes."""
        lifetime = {"X-aws-ec2-metadata-token-ttl-seconds": "60"}
        session = {"X-aws-ec2-metadata-token": await self._get("/latest/api/token", lifetime, method="PUT")}
        document = await self._get("/latest/dynamic/instance-identity/rsa2048", session)
        region = _like(_REGION, await self._get("/latest/meta-data/placement/region", session), "region")
        folder = "/latest/meta-data/iam/security-credentials/"
        role = _like(_ROLE, (await self._get(folder, session)).partition("\n")[0], "role")
        keys = _decoded(_AwsRole, await self._get(folder + role, session))
        sts = presigned_identity(
            AwsKeys(keys.access_key, keys.secret_key, keys.session_token), region=region, peer=peer, now=time.time()
        )
        return msgspec.json.encode({"rsa2048": document, "sts": sts}).decode()

    async def gcp(self, peer: str) -> str:
        """The identity token of the instance's service account with ``peer`` as audience; for an hour."""
        path = "/computeMetadata/v1/instance/service-accounts/default/identity"
        audience = quote(gcp.audience(peer), safe="")
        return await self._get(f"{path}?audience={audience}&format=full", {"Metadata-Flavor": "Google"})

    async def azure(self, peer: str, tenant: str | None = None) -> str:
        """The attested document with the nonce of ``peer``; with a tenant the managed identity's token too."""
        header = {"Metadata": "true"}
        path = f"/metadata/attested/document?api-version=2021-02-01&nonce={azure.nonce(peer)}"
        token = {"attested": _decoded(_AzureDocument, await self._get(path, header)).signature}
        if tenant is not None:
            resource = quote(azure.audience(tenant, peer), safe="")
            path = f"/metadata/identity/oauth2/token?api-version=2018-02-01&resource={resource}"
            token["identity"] = _decoded(_AzureIdentity, await self._get(path, header)).access_token
        return msgspec.json.encode(token).decode()

    async def _get(self, path: str, headers: Mapping[str, str], *, method: str = "GET") -> str:
        fetch = Fetcher(
            self._address + path, method=method, headers=headers, seconds=self._seconds, through_proxy=False
        )
        try:
            return (await fetch()).decode("utf-8").strip()
        except (FetchFailed, UnicodeDecodeError) as error:
            place = path.partition("?")[0]
            raise MetadataUnavailable(
                f"the metadata service at {self._address} did not answer {place}: {error}",
                hint="is this a machine of that cloud, and has it an identity or role of its own?",
            ) from None


def _decoded(kind: type[V], text: str) -> V:
    """The answer as ``kind``; an error repeats nothing of it, for it may hold keys."""
    try:
        return msgspec.json.decode(text, type=kind)
    except (msgspec.MsgspecError, RecursionError):
        raise MetadataUnavailable("the metadata service answered with something else") from None


def _like(form: re.Pattern[str], text: str, what: str) -> str:
    if not form.fullmatch(text):
        raise MetadataUnavailable(f"the metadata service named no {what}")
    return text
