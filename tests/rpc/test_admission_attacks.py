"""Every attack on the admission gate, over real connections: refused alike, recorded each, admitted never."""

import asyncio
import contextlib
import time
from collections.abc import AsyncIterator
from dataclasses import dataclass
from pathlib import Path

import msgspec
import pytest
from tests.rpc.messages import Ask, Greeter

from aster.config import AsterConfig
from aster.rpc import AsterClient, AsterServer, PermissionDeniedError, RpcLimits
from aster.rpc.admission import ADMISSION_ALPN, ADMITTED, DEMAND, PRESENT
from aster.rpc.node import ALPN
from aster.transport.address import parse_address
from aster.transport.endpoint import Endpoint, EndpointSettings
from aster.transport.errors import CloseCode, ConnectFailed, ConnectionLost
from aster.transport.framing import frame
from aster.transport.pipe import Pipe
from aster.trust.credential import Credential, credential_json, issue
from aster.trust.keys import SigningKey
from aster.trust.nonces import CHAIN, StoredJournal
from aster.trust.presentation import MAX_PRESENTED, MAX_TOKEN_BYTES, Presentation, encode_presentation

ROOT = SigningKey.generate()
ATTACKER = SigningKey.generate()
VICTIM = SigningKey.generate().public.hex()
NOW = int(time.time())
LATER = NOW + 3600
GOOD = issue(ROOT, role="consumer", expires_at=LATER, attributes={"aster.role": "ops"})
UNIFORM = (CloseCode.NOT_ADMITTED, "not admitted")

PATIENT = {"handshake_seconds": 120.0, "ping_seconds": 60.0, "dead_after_seconds": 240.0}
"""Fifty endpoints in one process on a busy machine are slow, not dead."""


def present(credential: bytes | Credential, token: str | None = None) -> bytes:
    raw = credential if isinstance(credential, bytes) else credential_json(credential)
    return frame(PRESENT, 0, encode_presentation(Presentation(raw, token)))


def consumer(**options: object) -> Credential:
    return issue(ROOT, role="consumer", **{"expires_at": LATER, **options})  # type: ignore[arg-type]


def forged() -> Credential:
    theirs = issue(SigningKey.generate(), role="consumer", expires_at=LATER)
    return msgspec.structs.replace(theirs, root_pubkey=ROOT.public.hex())


@dataclass(frozen=True)
class Row:
    sent: bytes
    reason: str
    """What the audit says; the peer learns none of it."""


ATTACKS = {
    "forged": Row(present(forged()), "its signature does not fit"),
    "altered attribute": Row(
        present(msgspec.structs.replace(GOOD, attributes={"aster.role": "admin"})), "its signature does not fit"
    ),
    "altered expiry": Row(present(msgspec.structs.replace(GOOD, expires_at=LATER * 2)), "its signature does not fit"),
    "expired": Row(present(consumer(issued_at=NOW - 9, expires_at=NOW - 1)), "it has expired"),
    "not yet valid": Row(present(consumer(issued_at=LATER, expires_at=LATER + 9)), "it is not valid yet"),
    "wrong root": Row(present(issue(SigningKey.generate(), role="consumer", expires_at=LATER)), "another root key"),
    "stolen bound credential": Row(present(consumer(endpoint_id=VICTIM)), "it belongs to another endpoint"),
    "stolen producer credential": Row(
        present(issue(ROOT, role="producer", expires_at=LATER, endpoint_id=VICTIM)), "it belongs to another endpoint"
    ),
    "instance identity without a token": Row(
        present(consumer(attributes={"aster.iid_provider": "aws"})), "its instance identity"
    ),
    "oversized frame": Row(frame(PRESENT, 0, bytes(MAX_PRESENTED + 1)), "a frame has more than"),
    "frame that claims 4 GiB": Row(b"\xff\xff\xff\xff" + bytes(20), "a frame has more than"),
    "oversized credential": Row(present(credential_json(GOOD) + b" " * 20_000), "it has more than"),
    "oversized token": Row(present(GOOD, "x" * (MAX_TOKEN_BYTES + 1)), "its instance identity token has more"),
    "malformed credential": Row(present(b'{"role": "consumer"'), "it is no credential"),
    "deeply nested credential": Row(present(b"[" * 10_000), "it is no credential"),
    "malformed presentation": Row(frame(PRESENT, 0, b"\xc1"), "not in the form of this handshake"),
    "no credential": Row(present(b""), "no credential was presented"),
    "nothing in the frame": Row(frame(PRESENT, 0), "not in the form of this handshake"),
    "another frame": Row(frame(ADMITTED, 0), "no frame of this handshake"),
    "two demands": Row(frame(DEMAND, 0) + frame(DEMAND, 0), "no frame of this handshake"),
    "many frames": Row(frame(DEMAND, 0) * 50, "the handshake was malformed"),
    "another protocol": Row(b"GET / HTTP/1.1\r\n\r\n" * 10, "a frame has more than"),
}


@pytest.fixture
async def attacker() -> AsyncIterator[Endpoint]:
    endpoint = await Endpoint.bind(EndpointSettings(secret_key=ATTACKER.seed, bind_addr="127.0.0.1:0"))
    yield endpoint
    await endpoint.close()


def guarded(storage: Path, greeter: Greeter | None = None, **limits: float) -> AsterServer:
    config = AsterConfig(root_pubkey=ROOT.public, storage_path=storage, bind_addr="127.0.0.1:0")
    given = RpcLimits(**{**PATIENT, **limits})  # type: ignore[arg-type]  # limits by name
    return AsterServer([greeter or Greeter()], config=config, limits=given)


async def at_the_door(attacker: Endpoint, server: AsterServer) -> tuple[Pipe, "asyncio.Future[ConnectionLost]"]:
    connection = await attacker.connect(parse_address(server.address), ADMISSION_ALPN, 60)
    pipe = await connection.open_pipe()
    ended: asyncio.Future[ConnectionLost] = asyncio.get_running_loop().create_future()
    pipe.start(lambda data: None, ended.set_result)
    return pipe, ended


async def ends_the_call(attacker: Endpoint, server: AsterServer) -> ConnectionLost:
    """What happens to a peer that goes on to the services, admitted or not."""
    connection = await attacker.connect(parse_address(server.address), ALPN, 60)
    with contextlib.suppress(ConnectionLost):  # the refusal may come before there is a pipe
        pipe = await connection.open_pipe()
        pipe.write(b"hello")
    return await asyncio.wait_for(connection.closed(), 60)


def audited(storage: Path) -> list[dict[str, object]]:
    journal = StoredJournal.open(str(storage))
    try:
        assert journal.audit.verify(CHAIN).valid
        return [record.event for record in journal.audit.records(CHAIN, limit=1000)]
    finally:
        journal.database.close_now()


@pytest.mark.parametrize("name", ATTACKS)
async def test_an_attack_is_refused_like_any_other_and_recorded(tmp_path: Path, attacker: Endpoint, name: str) -> None:
    attack = ATTACKS[name]
    async with guarded(tmp_path) as server:
        pipe, ended = await at_the_door(attacker, server)
        pipe.write(attack.sent)
        lost = await asyncio.wait_for(ended, 60)
        assert (lost.close_code, lost.reason) == UNIFORM
        lost = await ends_the_call(attacker, server)
        assert (lost.close_code, lost.reason) == UNIFORM
    at_door, at_service = audited(tmp_path)
    assert attack.reason in str(at_door["reason"])
    assert (at_door["event"], at_door["peer"]) == ("refused", ATTACKER.public.hex())
    assert (at_service["event"], at_service["peer"]) == ("refused", ATTACKER.public.hex())
    assert "no valid credential was presented" in str(at_service["reason"])


@pytest.mark.parametrize("trickled", [b"", b"\x00"], ids=["silent", "trickled"])
async def test_a_slow_presentation_is_refused_like_any_other_and_recorded(
    tmp_path: Path, attacker: Endpoint, trickled: bytes
) -> None:
    async with guarded(tmp_path, handshake_seconds=3) as server:
        pipe, ended = await at_the_door(attacker, server)
        pipe.write(present(GOOD)[:13])
        while not ended.done():
            pipe.write(trickled)
            await asyncio.wait([ended], timeout=0.05)
        lost = ended.result()
        assert (lost.close_code, lost.reason) == UNIFORM
    [refused] = audited(tmp_path)
    assert "no credential was presented and judged within 3 s" in str(refused["reason"])


async def test_another_protocol_gets_no_connection_and_is_recorded(tmp_path: Path, attacker: Endpoint) -> None:
    async with guarded(tmp_path) as server:
        with pytest.raises(ConnectFailed):
            await attacker.connect(parse_address(server.address), b"h3", 20)
        lost = await ends_the_call(attacker, server)  # later than the failed handshake
        assert (lost.close_code, lost.reason) == UNIFORM
    reasons = [str(event["reason"]) for event in audited(tmp_path)]
    assert len(reasons) == 2
    assert any("no handshake" in reason for reason in reasons)


async def is_admitted(server: AsterServer, file: Path, key: SigningKey | None = None) -> bool:
    config = AsterConfig(
        enrollment_credential_file=file,
        secret_key=(key or SigningKey.generate()).seed,
        bind_addr="127.0.0.1:0",
    )
    client = AsterClient(address=server.address, config=config, limits=RpcLimits(**PATIENT))  # type: ignore[arg-type]  # limits by name
    try:
        await (await client.client(Greeter)).hello(Ask("ann"))
    except PermissionDeniedError:
        return False
    finally:
        await client.close()
    return True


async def test_a_one_time_credential_admits_once_in_sequence_at_once_and_after_a_restart(tmp_path: Path) -> None:
    file, storage = tmp_path / "once.json", tmp_path / "storage"
    file.write_bytes(credential_json(consumer(one_time=True)))
    async with guarded(storage) as server:
        admitted = await asyncio.gather(*(is_admitted(server, file) for _ in range(50)))
        assert sorted(admitted) == [False] * 49 + [True]
        assert not await is_admitted(server, file)
    async with guarded(storage) as server:
        assert not await is_admitted(server, file)
    events = audited(storage)
    assert [event["event"] for event in events].count("admitted") == 1
    assert [event.get("reason") for event in events].count("it is a one-time credential that was used before") == 51


async def test_a_one_time_credential_that_another_check_refuses_is_not_used_up(tmp_path: Path) -> None:
    file, storage, owner = tmp_path / "once.json", tmp_path / "storage", SigningKey.generate()
    file.write_bytes(credential_json(consumer(one_time=True, endpoint_id=owner.public.hex())))
    async with guarded(storage) as server:
        assert not await is_admitted(server, file)
        assert await is_admitted(server, file, owner)


async def test_without_storage_the_log_says_why_a_one_time_credential_is_refused(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    file = tmp_path / "once.json"
    file.write_bytes(credential_json(consumer(one_time=True)))
    with caplog.at_level("INFO"):
        async with AsterServer([Greeter()], root_pubkey=ROOT.public) as server:
            assert not await is_admitted(server, file)
    [record] = [record for record in caplog.records if record.getMessage() == "a peer was refused"]
    assert vars(record)["reason"] == "it is a one-time credential, and without storage_path none can be honoured"
