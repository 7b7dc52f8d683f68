"""The metadata services of three clouds on one address, each speaking its own protocol and no other."""

import json
import time
from collections.abc import Callable
from typing import Any
from urllib.parse import parse_qs

from cryptography.hazmat.primitives.serialization.pkcs7 import PKCS7Options
from tests.trust.instance import test_aws, test_azure, test_gcp
from tests.trust.instance.clouds import ACCESS_KEY, REGION, SECRET, aws_document, azure_document, signed_data, text

SESSION = "session-of-the-metadata-service"


class MetadataService:
    """Answers as a machine's own; ``changes`` replace the answer of a path."""

    def __init__(self, address: str) -> None:
        self.address = address
        self.changes: dict[str, bytes] = {}

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        headers = {name.decode().lower(): value.decode() for name, value in scope["headers"]}
        query = {name: values[0] for name, values in parse_qs(scope["query_string"].decode()).items()}
        place = scope["method"], scope["path"]
        body = self.changes.get(scope["path"]) or self._answer(place, headers, query)
        await send({"type": "http.response.start", "status": 200 if body else 404, "headers": []})
        await send({"type": "http.response.body", "body": body or b""})

    def _answer(self, place: tuple[str, str], headers: dict[str, str], query: dict[str, str]) -> bytes | None:
        clouds: list[tuple[bool, Callable[[tuple[str, str], dict[str, str]], bytes | None]]] = [
            ("x-aws-ec2-metadata-token-ttl-seconds" in headers, lambda place, _: self._session(place)),
            (headers.get("x-aws-ec2-metadata-token") == SESSION, lambda place, _: self._aws(place)),
            (headers.get("metadata-flavor") == "Google", self._gcp),
            (headers.get("metadata") == "true", self._azure),
        ]
        return next((answer(place, query) for spoken, answer in clouds if spoken), None)

    def _session(self, place: tuple[str, str]) -> bytes | None:
        return SESSION.encode() if place == ("PUT", "/latest/api/token") else None

    def _aws(self, place: tuple[str, str]) -> bytes | None:
        role = {"Code": "Success", "AccessKeyId": ACCESS_KEY, "SecretAccessKey": SECRET, "Token": "tok/en+=="}
        signer = (test_aws.TRUSTED, test_aws.KEY)
        options = [PKCS7Options.Binary, PKCS7Options.NoCerts]
        return {
            "/latest/dynamic/instance-identity/rsa2048": text(
                signed_data(aws_document(), signer, options=options)
            ).encode(),
            "/latest/meta-data/placement/region": REGION.encode(),
            "/latest/meta-data/iam/security-credentials/": b"billing",
            "/latest/meta-data/iam/security-credentials/billing": json.dumps(role).encode(),
        }.get(place[1] if place[0] == "GET" else "")

    def _gcp(self, place: tuple[str, str], query: dict[str, str]) -> bytes | None:
        known = place == ("GET", "/computeMetadata/v1/instance/service-accounts/default/identity")
        if not known or query.get("format") != "full":
            return None
        now = int(time.time())
        return test_gcp.token(aud=query["audience"], iat=now, exp=now + 3600).encode()

    def _azure(self, place: tuple[str, str], query: dict[str, str]) -> bytes | None:
        now = time.time()
        if place == ("GET", "/metadata/attested/document"):
            content = azure_document(query["nonce"], created=now)
            return json.dumps({"encoding": "pkcs7", "signature": test_azure.attested(content)}).encode()
        if place == ("GET", "/metadata/identity/oauth2/token"):
            claims = {"aud": query["resource"], "iat": int(now), "nbf": int(now), "exp": int(now) + 86400}
            return json.dumps({"access_token": test_azure.identity(**claims), "token_type": "Bearer"}).encode()
        return None
