"""Every operation of the OpenAPI document, called with what it allows and forbids: no 5xx, every answer as it tells."""

import asyncio
import datetime
import io
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import requests
import schemathesis
import urllib3
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from schemathesis.checks import not_a_server_error
from schemathesis.generation import GenerationMode
from schemathesis.specs.openapi.checks import (
    content_type_conformance,
    response_schema_conformance,
    status_code_conformance,
)
from tests.policy.service.asgi import SECRET, Answered, send, signed
from tests.policy.service.test_isolation import MARK, settle_in

from aster.foundation.sql import Database, MemoryDatabase
from aster.policy.service.app import PolicyHttpService, create_policy_service
from aster.policy.service.settings import PolicySettings
from aster.stack.documents import policy_document

EXAMPLES = 5
CHECKS = [not_a_server_error, status_code_conformance, content_type_conformance, response_schema_conformance]
SETTINGS = PolicySettings(secret_key=SECRET, master_key="m" * 32, rate_enabled=False)


def operations() -> dict[str, Any]:
    database = MemoryDatabase()
    document = policy_document(create_policy_service(database, SETTINGS, environ={}).routes)
    database.close_now()
    schema: Any = schemathesis.openapi.from_dict(document)
    found = (each.ok() for each in schema.get_all_operations())
    return {f"{each.method.upper()} {each.path}": each for each in found}


OPERATIONS = operations()


@pytest.fixture
def runner() -> Iterator[asyncio.Runner]:
    with asyncio.Runner() as running:
        yield running


@pytest.fixture
def service(tmp_path: Path, runner: asyncio.Runner) -> Iterator[PolicyHttpService]:
    database = Database.open(tmp_path / "policy.db", durability="normal")
    yield create_policy_service(database, SETTINGS, environ={})
    database.close_now()


@pytest.mark.parametrize("name", OPERATIONS)
def test_an_operation_does_what_the_document_says(
    service: PolicyHttpService, runner: asyncio.Runner, name: str
) -> None:
    owned = runner.run(settle_in(service))
    statuses: set[int] = set()
    for mode in GenerationMode:

        @settings(max_examples=EXAMPLES, deadline=None, database=None, suppress_health_check=list(HealthCheck))
        @given(case=OPERATIONS[name].as_strategy(mode), is_ours=st.booleans())
        def ask(case: Any, is_ours: bool) -> None:
            if is_ours and case.path_parameters:
                case.path_parameters.update({each: owned[each] for each in owned.keys() & case.path_parameters.keys()})
            request = prepared(case)
            answered = runner.run(sign_and_send(service, request))
            statuses.add(answered.status)
            case.validate_response(response_of(request, answered), checks=CHECKS)

        ask()
    assert 401 not in statuses, "every request was signed for its own bytes"


def prepared(case: Any) -> Any:
    """The request as it would go onto the wire."""
    told = case.as_transport_kwargs(base_url="http://service")
    kept = {name: told[name] for name in ("method", "url", "headers", "params", "json", "data") if name in told}
    return requests.Request(**kept).prepare()


async def sign_and_send(service: PolicyHttpService, request: Any) -> Answered:
    body = request.body or b""
    payload = body.encode() if isinstance(body, str) else body
    headers = signed(request.method, request.path_url, payload, role="OWNER", user=MARK)
    if (kind := request.headers.get("Content-Type")) is not None:
        headers.append((b"content-type", kind.encode()))
    return await send(service, request.method, request.path_url, payload, headers)


def response_of(request: Any, answered: Answered) -> Any:
    """What the checks read."""
    response = requests.Response()
    response.status_code = answered.status
    response.headers.update(answered.headers)
    response.raw = urllib3.HTTPResponse(io.BytesIO(answered.body), answered.headers, answered.status)
    response._content = answered.body
    response.request, response.url, response.elapsed = request, request.url, datetime.timedelta(0)
    return response
