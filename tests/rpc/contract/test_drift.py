import logging
from pathlib import Path

import msgspec
import pytest

from aster.config import AsterConfig
from aster.rpc import AsterServer, rpc, service
from aster.rpc.contract.drift import ContractDrift
from aster.rpc.contract.manifest import ManifestInvalid, manifest_json, manifest_of
from aster.rpc.contract.service import describe_service
from aster.rpc.definition import definition_of

LOOPBACK = AsterConfig(bind_addr="127.0.0.1:0")


class Old(msgspec.Struct):
    name: str


class New(msgspec.Struct):
    name: str
    age: int


@service("People")
class People:
    @rpc
    async def add(self, request: Old) -> None: ...


@service("People")
class Drifted:
    @rpc
    async def add(self, request: New) -> None: ...


@service("People")
class Slower:
    @rpc(timeout=9.0)
    async def add(self, request: Old) -> None: ...


def write_manifest(path: Path, *services: type) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(manifest_json(manifest_of(describe_service(definition_of(each)) for each in services)))
    return path


async def test_a_server_does_not_start_on_a_drifted_manifest_and_says_what_broke(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    write_manifest(tmp_path / ".aster" / "manifest.json", People)
    async with AsterServer([People()], config=LOOPBACK):
        pass
    server = AsterServer([Drifted()], config=LOOPBACK)
    with pytest.raises(ContractDrift) as refused:
        await server.start()
    assert (
        "breaking: request of People.add: age is a new required field: "
        "breaks old clients (they call new servers: it is not sent)" in str(refused.value)
    )
    assert "aster contract gen" in (refused.value.hint or "")


async def test_a_manifest_can_be_named_and_must_then_be_there(tmp_path: Path) -> None:
    named = write_manifest(tmp_path / "agreed.json", People)
    with pytest.raises(ContractDrift):
        await AsterServer([Drifted()], config=LOOPBACK, manifest=named).start()
    with pytest.raises(ManifestInvalid, match="can't be read"):
        await AsterServer([People()], config=LOOPBACK, manifest=tmp_path / "gone.json").start()


async def test_a_changed_policy_is_told_and_served(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    named = write_manifest(tmp_path / "agreed.json", Slower)
    with caplog.at_level(logging.WARNING, "aster"):
        async with AsterServer([People()], config=LOOPBACK, manifest=named):
            pass
    assert "a policy differs from the manifest" in caplog.text


async def test_services_that_the_manifest_does_not_hold_are_served(tmp_path: Path) -> None:
    @service("Other")
    class Other:
        @rpc
        async def nothing(self) -> None: ...

    named = write_manifest(tmp_path / "agreed.json", People)
    async with AsterServer([Other()], config=LOOPBACK, manifest=named):
        pass
