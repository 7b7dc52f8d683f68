"""Who an AWS caller is: a presigned request of STS GetCallerIdentity, sent to AWS and to nowhere else.

The request's signature covers the header ``x-aster-endpoint-id``. We send that header with the peer's own EndpointId,
so AWS refuses a request that was signed for another node. The address is matched as a whole, and the one that is called
is put together here: a token can choose a region, and no host, path, port or scheme.
"""

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from urllib.parse import parse_qsl

import msgspec

from aster.foundation.tokens.fetch import Fetcher, FetchFailed
from aster.trust.credential import CredentialRefused
from aster.trust.instance.facts import CLOCK_SKEW_SECONDS

HEADER = "x-aster-endpoint-id"
MAX_AGE_SECONDS = 900
MAX_ANSWER = 16 * 1024

_URL = re.compile(
    r"https://sts\.([a-z]{2}(?:-[a-z]{2,12}){1,3}-[1-9][0-9]?)\.amazonaws\.com/\?([A-Za-z0-9%&=._~-]{1,8000})"
)
_SCOPE = re.compile(r"[A-Z0-9]{16,128}/([0-9]{8})/([a-z0-9-]+)/sts/aws4_request")
_ASSUMED = re.compile(
    r"arn:(aws[a-z-]{0,20}):sts::([0-9]{12}):assumed-role/([A-Za-z0-9+=,.@_-]{1,64})/([A-Za-z0-9+=,.@_-]{2,64})"
)
_FIXED: Mapping[str, str] = {
    "Action": "GetCallerIdentity",
    "Version": "2011-06-15",
    "X-Amz-Algorithm": "AWS4-HMAC-SHA256",
    "X-Amz-SignedHeaders": f"host;{HEADER}",
}
_OTHERS = frozenset({"X-Amz-Credential", "X-Amz-Date", "X-Amz-Expires", "X-Amz-Signature"})
_OPTIONAL = frozenset({"X-Amz-Security-Token"})


@dataclass(frozen=True, slots=True)
class Caller:
    """An assumed role, and the name of its session: an instance's id when it is an EC2 instance's own role."""

    partition: str
    account: str
    role: str
    session: str


class _Result(msgspec.Struct, frozen=True):
    account: str = msgspec.field(name="Account")
    arn: str = msgspec.field(name="Arn")


class _Response(msgspec.Struct, frozen=True):
    result: _Result = msgspec.field(name="GetCallerIdentityResult")


class _Answer(msgspec.Struct, frozen=True):
    response: _Response = msgspec.field(name="GetCallerIdentityResponse")


def regional_endpoint(region: str) -> str:
    """Where AWS answers for a region."""
    return f"https://sts.{region}.amazonaws.com"


async def caller_identity(
    url: str, *, peer: str, now: float, endpoint: Callable[[str], str] = regional_endpoint
) -> Caller:
    """Who signed the request at ``url`` for ``peer``; `CredentialRefused` when AWS does not say so."""
    region, query = _checked(url, now)
    fetch = Fetcher(f"{endpoint(region)}/?{query}", headers={HEADER: peer}, max_bytes=MAX_ANSWER)
    try:
        answer = msgspec.json.decode(await fetch(), type=_Answer)
    except FetchFailed as error:
        raise CredentialRefused(f"AWS did not confirm its STS request: {error}") from None
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError):
        raise CredentialRefused("AWS answered its STS request with something else") from None
    found = _ASSUMED.fullmatch(answer.response.result.arn)
    if found is None or found[2] != answer.response.result.account:
        raise CredentialRefused("its STS request is not of an assumed role")
    return Caller(found[1], found[2], found[3], found[4])


def _checked(url: str, now: float) -> tuple[str, str]:
    """The region and the query of a presigned request that is current; everything in it is known and there once."""
    found = _URL.fullmatch(url)
    if found is None:
        raise CredentialRefused("its STS request is not a presigned one of a region of AWS")
    region, query = found[1], found[2]
    try:
        pairs = parse_qsl(query, keep_blank_values=True, strict_parsing=True, errors="strict", max_num_fields=20)
    except ValueError:
        raise CredentialRefused("its STS request is malformed") from None
    values = dict(pairs)
    names = set(values) - _OPTIONAL
    if len(values) != len(pairs) or names != {*_FIXED, *_OTHERS}:
        raise CredentialRefused("its STS request has other parameters than a presigned GetCallerIdentity")
    if any(values[name] != value for name, value in _FIXED.items()):
        raise CredentialRefused(f"its STS request is not a GetCallerIdentity that signs host and {HEADER}")
    scope = _SCOPE.fullmatch(values["X-Amz-Credential"])
    if scope is None or scope[2] != region or not values["X-Amz-Date"].startswith(scope[1]):
        raise CredentialRefused("its STS request is signed for another region or service")
    _require_current(values["X-Amz-Date"], values["X-Amz-Expires"], now)
    return region, query


def _require_current(date: str, expires: str, now: float) -> None:
    try:
        signed_at = datetime.strptime(date, "%Y%m%dT%H%M%SZ").replace(tzinfo=UTC).timestamp()
        lasts = int(expires) if re.fullmatch("[0-9]{1,6}", expires) else 0
    except ValueError:
        raise CredentialRefused("its STS request has no time") from None
    if signed_at > now + CLOCK_SKEW_SECONDS:
        raise CredentialRefused("its STS request is not valid yet")
    if signed_at + min(lasts, MAX_AGE_SECONDS) <= now:
        raise CredentialRefused("its STS request has expired")
