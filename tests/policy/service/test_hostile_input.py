"""Signed nonsense on every route of the table: always an answer of the envelope, never a failure of the server."""

import asyncio
import urllib.parse
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import msgspec
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from tests.policy.service.asgi import SECRET, Answered, send, signed

from aster.foundation.http.routes import Route
from aster.foundation.sql import Database
from aster.policy.service.app import PolicyHttpService, create_policy_service
from aster.policy.service.settings import PolicySettings

LOAN = 'Module loans.\n\nRule decide given income as Int, produce Text:\n  Return "granted".\n'

scalars = (
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text(max_size=20)
)
names = st.sampled_from(
    [
        *(
            "source",
            "context",
            "locale",
            "functionName",
            "inputs",
            "requests",
            "policyModule",
            "policyFunction",
            "version",
        ),
        *(
            "name",
            "notes",
            "comment",
            "role",
            "targetVersion",
            "reason",
            "activate",
            "expiresAt",
            "label",
            "roleCeiling",
        ),
        *("rateLimit", "approvalRequired", "unassignedRole"),
    ]
)
words = st.sampled_from(
    [LOAN, "loans", "decide", "en-US", "de-DE", "OWNER", "2026-01-01T00:00:00Z", "9999-12-31T23:59:59Z"]
)
values = st.recursive(
    scalars | words,
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(names | st.text(max_size=8), inner, max_size=6),
    max_leaves=20,
)
bodies = st.dictionaries(names, values, max_size=8).map(msgspec.json.encode) | st.binary(max_size=60)
path_words = st.text(min_size=1, max_size=12).map(lambda text: urllib.parse.quote(text, safe="")) | st.sampled_from(
    ["1", "0", "-1", "99999999999999999999", "%00", "%ff", "%2F", "..", "ID"]
)
queries = st.sampled_from(
    [
        *(
            "",
            "page=1",
            "page=-1",
            "size=9999999999999999999",
            "trace=true",
            "trace=1",
            "from=x",
            "limit=0",
            "before=1",
        ),
        *("from=0001-01-01T00:00:00%2B14:00", "to=2026-01-01T00:00:00Z", "after=5", "include=source", "function=%ff"),
        *("a&b&=&=1", "anchorSequence=1&anchorHash=x", "page=10000000&size=200", "module=%00", "success=true"),
    ]
)


@pytest.fixture
def runner() -> Iterator[asyncio.Runner]:
    with asyncio.Runner() as opened:
        yield opened


def test_no_nonsense_makes_a_route_fail(tmp_path: Path, runner: asyncio.Runner) -> None:
    database = Database.open(tmp_path / "policy.db", durability="normal")
    keyed = PolicySettings(secret_key=SECRET, master_key="m" * 32, rate_enabled=False)
    service = create_policy_service(database, keyed, environ={})
    made = runner.run(call(service, "POST", "/api/v1/policies", msgspec.json.encode({"source": LOAN})))
    policy_id: str = made.json["policyId"]

    @settings(max_examples=600, deadline=None, suppress_health_check=[HealthCheck.too_slow])
    @given(st.sampled_from(service.routes), bodies, st.lists(path_words, min_size=3, max_size=3), queries)
    def nonsense(route: Route, body: bytes, parts: list[str], query: str) -> None:
        path = route.path
        for part in parts:
            begin, found, rest = path.partition("{")
            path = begin + part.replace("ID", policy_id) + rest.partition("}")[2] if found else path
        answered = runner.run(call(service, route.method, f"{path}?{query}" if query else path, body))
        assert answered.status < 500, answered.body
        if answered.status >= 400:
            assert answered.json["errorCode"]

    nonsense()
    verified: Any = runner.run(call(service, "GET", "/api/v1/audit/verify-chain", b""))
    assert verified.json["valid"]
    runner.run(database.close())


async def call(service: PolicyHttpService, method: str, target: str, body: bytes) -> Answered:
    return await send(service, method, target, body, signed(method, target, body, role="OWNER"))
