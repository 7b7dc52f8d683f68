"""A presigned GetCallerIdentity for one node: AWS's Signature Version 4 in the query, over host and EndpointId."""

import hashlib
import hmac
from dataclasses import dataclass, field
from datetime import UTC, datetime
from urllib.parse import quote

from aster.trust.instance.aws_sts import HEADER, MAX_AGE_SECONDS, regional_endpoint

EMPTY_BODY = hashlib.sha256(b"").hexdigest()


@dataclass(frozen=True, slots=True)
class AwsKeys:
    """The temporary keys of a role."""

    access_key: str
    secret_key: str = field(repr=False)
    session_token: str = field(repr=False)


def presigned_identity(keys: AwsKeys, *, region: str, peer: str, now: float) -> str:
    """An address that tells, asked with ``peer`` in the header, who the holder of ``keys`` is; for 15 minutes."""
    date = datetime.fromtimestamp(now, UTC).strftime("%Y%m%dT%H%M%SZ")
    scope = f"{date[:8]}/{region}/sts/aws4_request"
    endpoint = regional_endpoint(region)
    query = _encoded(
        {
            "Action": "GetCallerIdentity",
            "Version": "2011-06-15",
            "X-Amz-Algorithm": "AWS4-HMAC-SHA256",
            "X-Amz-Credential": f"{keys.access_key}/{scope}",
            "X-Amz-Date": date,
            "X-Amz-Expires": str(MAX_AGE_SECONDS),
            "X-Amz-Security-Token": keys.session_token,
            "X-Amz-SignedHeaders": f"host;{HEADER}",
        }
    )
    headers = f"host:{endpoint.removeprefix('https://')}\n{HEADER}:{peer}\n"
    request = f"GET\n/\n{query}\n{headers}\nhost;{HEADER}\n{EMPTY_BODY}"
    message = f"AWS4-HMAC-SHA256\n{date}\n{scope}\n{hashlib.sha256(request.encode()).hexdigest()}"
    key = f"AWS4{keys.secret_key}".encode()
    for part in (date[:8], region, "sts", "aws4_request", message):
        key = hmac.new(key, part.encode(), hashlib.sha256).digest()
    return f"{endpoint}/?{query}&X-Amz-Signature={key.hex()}"


def _encoded(values: dict[str, str]) -> str:
    return "&".join(f"{name}={quote(value, safe='-_.~')}" for name, value in sorted(values.items()))
