"""What stands before the gate: room for handshakes, the deny-list, the hook."""

import asyncio
import subprocess
import sys
import time
from contextlib import AsyncExitStack
from pathlib import Path

import pytest
from tests.rpc.messages import Ask, Greeter

from aster.config import AsterConfig
from aster.foundation.errors import ConfigError
from aster.rpc import AsterClient, AsterServer, PermissionDeniedError, RpcLimits
from aster.rpc.acceptor import SHARE
from aster.rpc.admission import ADMISSION_ALPN
from aster.rpc.hooks import ConnectionAttempt
from aster.transport.address import parse_address
from aster.transport.endpoint import Endpoint, EndpointSettings
from aster.transport.errors import ConnectFailed
from aster.trust.credential import Credential, credential_id, credential_json, issue
from aster.trust.keys import SigningKey

ROOT = SigningKey.generate()
NODE = SigningKey.generate()
LATER = int(time.time()) + 3600


def guarded(storage: Path | None = None, greeter: Greeter | None = None) -> AsterServer:
    config = AsterConfig(root_pubkey=ROOT.public, storage_path=storage, bind_addr="127.0.0.1:0")
    return AsterServer([greeter or Greeter()], config=config)


def client(server: AsterServer, folder: Path, credential: Credential, key: SigningKey = NODE) -> AsterClient:
    file = folder / f"{credential.signature[:12]}.json"
    file.write_bytes(credential_json(credential))
    config = AsterConfig(enrollment_credential_file=file, secret_key=key.seed, bind_addr="127.0.0.1:0")
    return AsterClient(address=server.address, config=config)


async def is_admitted(server: AsterServer, folder: Path, credential: Credential, key: SigningKey = NODE) -> bool:
    caller = client(server, folder, credential, key)
    try:
        await (await caller.client(Greeter)).hello(Ask("ann"))
    except PermissionDeniedError:
        return False
    finally:
        await caller.close()
    return True


async def test_one_address_can_not_keep_the_others_out() -> None:
    limits = RpcLimits(max_handshakes=2 * SHARE, handshake_seconds=120)
    config = AsterConfig(allow_all_consumers=True, bind_addr="127.0.0.1:0")
    async with AsterServer([Greeter()], config=config, limits=limits) as server, AsyncExitStack() as stack:
        target = parse_address(server.address)
        crowd = await Endpoint.bind(EndpointSettings(bind_addr="127.0.0.1:0"))
        stack.push_async_callback(crowd.close)
        held = [await crowd.connect(target, ADMISSION_ALPN, 60) for _ in range(SHARE)]
        with pytest.raises(ConnectFailed):
            await crowd.connect(target, ADMISSION_ALPN, 60)
        other = AsterClient(address=server.address, config=AsterConfig(bind_addr="127.0.0.2:0"))
        stack.push_async_callback(other.close)
        assert (await (await other.client(Greeter)).hello(Ask("ann"))).text == "hello ann"
        assert len(held) == SHARE


async def test_a_denied_endpoint_stays_out_after_a_restart_until_it_is_allowed(tmp_path: Path) -> None:
    credential = issue(ROOT, role="consumer", expires_at=LATER)
    async with guarded(tmp_path / "storage") as server:
        assert await is_admitted(server, tmp_path, credential)
        await server.deny(NODE.public.hex(), "left the company")
        assert not await is_admitted(server, tmp_path, credential)
    async with guarded(tmp_path / "storage") as server:
        assert [(entry.id, entry.note) for entry in server.denied] == [(NODE.public.hex(), "left the company")]
        assert not await is_admitted(server, tmp_path, credential)
        assert await server.allow(NODE.public.hex())
        assert await is_admitted(server, tmp_path, credential)


async def test_what_is_denied_before_the_start_is_denied_after_it(tmp_path: Path) -> None:
    server = guarded(tmp_path / "storage")
    await server.deny(NODE.public.hex())
    async with server:
        assert not await is_admitted(server, tmp_path, issue(ROOT, role="consumer", expires_at=LATER))


async def test_a_revoked_credential_ends_its_connections_and_no_others(tmp_path: Path) -> None:
    greeter = Greeter()
    stolen, sound = (issue(ROOT, role="consumer", expires_at=LATER + n) for n in (1, 2))
    async with guarded(None, greeter) as server:
        thief = client(server, tmp_path, stolen)
        waiting = asyncio.create_task((await thief.client(Greeter)).wait(Ask("x")))
        await greeter.started.wait()
        other = client(server, tmp_path, sound, SigningKey.generate())
        await other.connect()
        await server.deny(credential_id(stolen))
        with pytest.raises(PermissionDeniedError):
            await waiting
        await thief.close()
        assert (await (await other.client(Greeter)).hello(Ask("ann"))).text == "hello ann"
        await other.close()
        assert not await is_admitted(server, tmp_path, stolen, SigningKey.generate())
        assert await is_admitted(server, tmp_path, sound)


async def test_the_command_line_denies_at_a_running_server(tmp_path: Path) -> None:
    greeter = Greeter()
    credential = issue(ROOT, role="consumer", expires_at=LATER)
    async with guarded(tmp_path / "storage", greeter) as server:
        caller = client(server, tmp_path, credential)
        waiting = asyncio.create_task((await caller.client(Greeter)).wait(Ask("x")))
        await greeter.started.wait()
        command = [sys.executable, "-m", "aster", "trust", "deny", NODE.public.hex(), "--storage", "storage"]
        run = await asyncio.to_thread(subprocess.run, command, cwd=tmp_path, capture_output=True, text=True)
        assert run.returncode == 0, run.stderr
        with pytest.raises(PermissionDeniedError):
            await asyncio.wait_for(waiting, 60)
        await caller.close()
        assert not await is_admitted(server, tmp_path, credential)


async def passes(attempt: ConnectionAttempt) -> bool:
    return True


async def test_hooks_are_set_by_themselves_when_admission_is_active_or_there_is_one() -> None:
    async with AsterServer([Greeter()], root_pubkey=ROOT.public) as server:
        assert (server.config.enable_hooks, server.config.source("enable_hooks")) == (True, "admission")
    async with AsterServer([Greeter()], allow_all_consumers=True) as server:
        assert server.config.enable_hooks is False
    async with AsterServer([Greeter()], allow_all_consumers=True, hook=passes) as server:
        assert (server.config.enable_hooks, server.config.source("enable_hooks")) == (True, "hook")


async def test_hooks_that_are_switched_off_contradict_a_hook() -> None:
    config = AsterConfig(allow_all_consumers=True, enable_hooks=False)
    with pytest.raises(ConfigError, match="enable_hooks=False, but AsterServer has a hook"):
        await AsterServer([Greeter()], config=config, hook=passes).start()


async def test_a_start_that_failed_can_be_tried_again(tmp_path: Path) -> None:
    blocker = tmp_path / "storage"
    blocker.write_text("")
    server = guarded(blocker)
    with pytest.raises(Exception, match="storage"):
        await server.start()
    blocker.unlink()
    async with server:
        assert server.address


async def test_credentials_of_every_root_key_admit_while_keys_are_rotated(tmp_path: Path) -> None:
    new, other = SigningKey.generate(), SigningKey.generate()
    file = tmp_path / "roots"
    file.write_text(f"{new.public.hex()}\n{ROOT.public.hex()}  # until May\n")
    async with AsterServer([Greeter()], config=AsterConfig(root_pubkey_file=file)) as server:
        assert list(server.root_pubkeys) == [new.public, ROOT.public]
        assert server.root_pubkey == new.public
        for root, admits in ((new, True), (ROOT, True), (other, False)):
            assert await is_admitted(server, tmp_path, issue(root, role="consumer", expires_at=LATER)) is admits
