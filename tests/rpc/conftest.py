import os
from collections.abc import Iterator

import pytest

from aster.rpc.contract.agreement import Agreements
from aster.transport.ffi import SWITCH, DriverUnusable, load_driver


@pytest.fixture(autouse=True)
def clean_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    """No setting of the machine that runs the tests reaches a server or client."""
    for name in os.environ:
        if name.startswith("ASTER_") and name != "ASTER_PRIVATE_NETWORK":
            monkeypatch.delenv(name)


@pytest.fixture(params=["stock", "lean"])
def transport_driver(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Run a test on each way to drive the QUIC bindings."""
    monkeypatch.setenv(SWITCH, request.param)
    load_driver.cache_clear()
    try:
        load_driver()
    except DriverUnusable:
        pytest.skip("the lean driver does not fit this machine")
    yield
    load_driver.cache_clear()


@pytest.fixture
def unasked_contract(monkeypatch: pytest.MonkeyPatch) -> None:
    """A client that does not ask what the server's contract is, as one in another language may be."""

    async def agree(*_: object, **__: object) -> None: ...

    monkeypatch.setattr(Agreements, "check", agree)
