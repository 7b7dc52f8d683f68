"""The OpenAPI document holds: whatever is sent, no answer is a failure, and every answer is as the document says."""

import asyncio
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import schemathesis
from hypothesis import HealthCheck, given, settings
from schemathesis.checks import not_a_server_error
from schemathesis.specs.openapi.checks import (
    content_type_conformance,
    response_schema_conformance,
    status_code_conformance,
)

from aster.foundation.http.server import HttpServer
from aster.stack.documents import memory_document
from astrocyte.gateway.app import create_gateway
from astrocyte.memory import Astrocyte

EXAMPLES = 8
CHECKS = [not_a_server_error, status_code_conformance, content_type_conformance, response_schema_conformance]
VALUES: dict[str, Any] = {"storage": {"url": "sqlite:///unused.db"}, "embedding": {"provider": "none"}}
ROUTES = create_gateway(Astrocyte.from_config_dict(VALUES)).routes
SCHEMA = schemathesis.openapi.from_dict(memory_document(ROUTES))


@pytest.fixture(scope="module")
def url(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """A gateway on a real socket, in a loop of its own."""
    path = tmp_path_factory.mktemp("gateway") / "memory.db"
    ready, stop = threading.Event(), asyncio.Event()
    found: list[str] = []
    loop = asyncio.new_event_loop()
    thread = threading.Thread(target=lambda: loop.run_until_complete(_serve(path, found, ready, stop)))
    thread.start()
    ready.wait()
    yield found[0]
    loop.call_soon_threadsafe(stop.set)
    thread.join()
    loop.close()


async def _serve(path: Path, found: list[str], ready: threading.Event, stop: asyncio.Event) -> None:
    async with Astrocyte.from_config_dict(VALUES | {"storage": {"url": f"sqlite:///{path}"}}) as engine:
        server = HttpServer(host="127.0.0.1", port=0)
        await server.start(create_gateway(engine))
        found.append(server.url)
        ready.set()
        await stop.wait()
        await server.close()


@pytest.mark.parametrize(
    ("method", "path"), [(route.method, route.path) for route in ROUTES], ids=lambda part: str(part).strip("/")
)
def test_every_answer_is_as_the_document_says(url: str, method: str, path: str) -> None:
    operation = SCHEMA[path][method]

    @settings(
        max_examples=EXAMPLES, deadline=None, database=None, suppress_health_check=list(HealthCheck), derandomize=True
    )
    @given(case=operation.as_strategy())
    def check(case: Any) -> None:
        answer = case.call(base_url=url)
        case.validate_response(answer, checks=CHECKS)

    check()
