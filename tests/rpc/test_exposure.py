import logging

import pytest

from aster.config import AsterConfig
from aster.rpc import AsterServer, rpc, service
from aster.rpc.definition import definition_of
from aster.rpc.exposure import exposed_services
from aster.rpc.interceptors import CheckToken

LOOPBACK = AsterConfig(bind_addr="127.0.0.1:0")


@service
class Open:
    @rpc
    async def call(self) -> None: ...


@service(public=True)
class Public:
    @rpc
    async def call(self) -> None: ...


@service(requires="ops")
class Guarded:
    @rpc
    async def call(self) -> None: ...


@service
class HalfGuarded:
    @rpc(requires="ops")
    async def guarded(self) -> None: ...

    @rpc
    async def open(self) -> None: ...


@service(interceptors=[CheckToken(["t"])])
class WithToken:
    @rpc
    async def call(self) -> None: ...


ALL = [Open, Public, Guarded, HalfGuarded, WithToken]


def test_a_service_is_exposed_when_a_method_asks_for_nothing_and_nobody_said_that_this_is_meant() -> None:
    definitions = [definition_of(each) for each in ALL]
    assert exposed_services(definitions, []) == ["Open", "HalfGuarded"]
    assert exposed_services(definitions, [CheckToken(["t"])]) == []


async def test_an_open_gate_before_exposed_services_warns_at_the_start(caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.WARNING, "aster"):
        async with AsterServer([Open, Public], config=LOOPBACK, allow_all_consumers=True):
            pass
    [record] = [each for each in caplog.records if "anybody may call" in each.getMessage()]
    assert vars(record)["services"] == "Open"


@pytest.mark.parametrize("services", [[Public], [Guarded], [WithToken], [Public, Guarded]])
async def test_nothing_is_said_when_nothing_is_exposed(services: list[type], caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.WARNING, "aster"):
        async with AsterServer(services, config=LOOPBACK, allow_all_consumers=True):
            pass
    assert "anybody may call" not in caplog.text
