"""What the log says: which call a record belongs to, and never a secret."""

import base64
import io
import json
import logging
import time
from collections.abc import Iterator
from pathlib import Path

import msgspec
import pytest

from aster import AsterClient, AsterConfig, AsterServer, CallContext, rpc, service
from aster.foundation.errors import AsterError
from aster.foundation.logs import ROOTS, RequestFields, configure_logging, get_logger
from aster.rpc import LocalClient, PermissionDeniedError
from aster.trust.credential import Credential, credential_json, issue, read_credential_file
from aster.trust.identity_file import Peer, read_identity, write_identity
from aster.trust.keys import SigningKey, read_key_file, write_key_file

ROOT = SigningKey.generate()
NODE = SigningKey.generate()
OTHER = SigningKey.generate()
SERVER = SigningKey.generate()
LATER = int(time.time()) + 3600


class Ask(msgspec.Struct):
    name: str


@service
class Talker:
    @rpc
    async def talk(self, ask: Ask) -> Ask:
        get_logger("aster.test").info("structured")
        logging.getLogger("aster.test").warning("plain")
        logging.getLogger("host.orders").warning("the host's own")
        return ask

    @rpc
    async def fail(self, ask: Ask) -> Ask:
        raise ValueError("on purpose")


@pytest.fixture
def log() -> Iterator[io.StringIO]:
    """Everything that is logged, down to debug and unmasked: what holds no secret there, holds none anywhere."""
    stream = io.StringIO()
    configure_logging(format="json", level="debug", mask=False, stream=stream)
    yield stream
    for name in ROOTS:
        logger = logging.getLogger(name)
        logger.handlers.clear()
        logger.propagate = True
        logger.setLevel(logging.NOTSET)


def records(log: io.StringIO) -> dict[str, dict[str, object]]:
    return {line["msg"]: line for line in map(json.loads, log.getvalue().splitlines())}


async def test_every_record_inside_a_call_says_which_call_it_is(log: io.StringIO) -> None:
    config = AsterConfig(allow_all_consumers=True, bind_addr="127.0.0.1:0", secret_key=SERVER.seed)
    async with AsterServer([Talker()], config=config) as server:
        mine = AsterConfig(secret_key=NODE.seed, bind_addr="127.0.0.1:0")
        async with AsterClient(address=server.address, config=mine) as client:
            talker = await client.client(Talker)
            await talker.talk(Ask("ann"))
            get_logger("aster.test").info("outside")
            with pytest.raises(AsterError):
                await talker.fail(Ask("ann"))
    peer = NODE.public.hex()
    found = records(log)
    for message in ("structured", "plain", "handler failed"):
        assert (found[message]["service"], found[message]["peer"]) == ("Talker", peer)
        assert str(found[message]["request_id"]).startswith(f"{peer[:8]}-")
    assert (found["structured"]["method"], found["handler failed"]["method"]) == ("talk", "fail")
    assert found["structured"]["request_id"] == found["plain"]["request_id"]
    assert found["structured"]["request_id"] != found["handler failed"]["request_id"]
    assert "request_id" not in found["outside"]


async def test_the_callers_request_id_is_kept(log: io.StringIO) -> None:
    async with LocalClient([Talker()]) as client:
        await (await client.client(Talker)).talk(Ask("ann"), metadata={"x-request-id": "order-7" * 20})
    assert records(log)["structured"]["request_id"] == ("order-7" * 20)[:64]


async def test_a_host_can_have_the_fields_on_its_own_handlers() -> None:
    stream = io.StringIO()
    handler = logging.StreamHandler(stream)
    handler.setFormatter(logging.Formatter("%(service)s.%(method)s %(message)s"))
    handler.addFilter(RequestFields())
    host = logging.getLogger("host.orders")
    host.addHandler(handler)
    try:
        async with LocalClient([Talker()]) as client:
            await (await client.client(Talker)).talk(Ask("ann"))
    finally:
        host.removeHandler(handler)
    assert stream.getvalue() == "Talker.talk the host's own\n"


TOKEN = "canary-instance-token"
PASSWORD = "canary-proxy-password"
ONCE = issue(ROOT, role="consumer", expires_at=LATER, one_time=True)
EXPIRED = issue(ROOT, role="consumer", expires_at=2, issued_at=1)
CLOUD = issue(ROOT, role="consumer", expires_at=LATER, attributes={"aster.iid_provider": "aws"})


def spellings(secret: bytes) -> set[str]:
    return {secret.hex(), secret.hex().upper(), base64.b64encode(secret).decode(), repr(secret)[2:-1]}


CANARIES = {
    TOKEN,
    PASSWORD,
    *(spelling for key in (ROOT, NODE, OTHER, SERVER) for spelling in spellings(key.seed)),
    *(credential.signature for credential in (ONCE, EXPIRED, CLOUD)),
    str(ONCE.nonce),
}


def leaked(text: str) -> set[str]:
    return {canary for canary in CANARIES if canary in text}


async def test_no_secret_is_in_any_record_of_server_and_client(tmp_path: Path, log: io.StringIO) -> None:
    errors = []
    config = AsterConfig(
        root_pubkey=ROOT.public, secret_key=SERVER.seed, storage_path=tmp_path / "storage", bind_addr="127.0.0.1:0"
    )
    async with AsterServer([Talker()], config=config, debug_errors=True) as server:
        for credential, node in ((ONCE, NODE), (ONCE, OTHER), (EXPIRED, NODE), (CLOUD, NODE)):
            file = tmp_path / "credential.json"
            file.write_bytes(credential_json(credential))
            mine = AsterConfig(
                secret_key=node.seed,
                enrollment_credential_file=file,
                enrollment_credential_iid=TOKEN,
                bind_addr="127.0.0.1:0",
            )
            client = AsterClient(address=server.address, config=mine)
            try:
                await (await client.client(Talker)).talk(Ask("ann"))
            except PermissionDeniedError as error:
                errors.append(repr(error) + str(error))
            finally:
                await client.close()
        shown = repr(server) + repr(server.config) + repr(vars(server)) + repr(vars(client))
    text = log.getvalue()
    assert len(errors) == 3
    assert text.count("a peer was refused") == 3
    assert not leaked(text + shown + "".join(errors))


def broken(folder: Path) -> Iterator[tuple[str, object]]:
    """Files with secrets, each where another kind of file is expected, and then cut short."""
    key = write_key_file(folder / "root.key", ROOT)
    identity = write_identity(folder / "identity", NODE.seed, [Peer("edge", ONCE)])
    credential = folder / "credential.json"
    credential.write_bytes(credential_json(ONCE))
    for file in (key, identity, credential):
        raw = file.read_bytes()
        for cut in (raw, raw[: len(raw) // 2], raw.replace(b'"', b"", 1)):
            file.write_bytes(cut)
            yield str(file), read_key_file
            yield str(file), read_identity
            yield str(file), lambda path: read_credential_file(path, source="test")
            yield str(file), lambda path: AsterConfig.from_file(path)


def test_no_secret_is_in_the_errors_about_the_files_that_hold_them(tmp_path: Path) -> None:
    errors = []
    for path, read in broken(tmp_path):
        try:
            read(path)  # type: ignore[operator]  # readers of one path
        except AsterError as error:
            errors.append(repr(error) + str(error) + repr(error.details) + repr(error.__cause__))
    assert len(errors) > 20
    assert not leaked("".join(errors))


def test_no_secret_is_in_what_is_printed_or_represented(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    config = AsterConfig(
        secret_key=NODE.seed,
        enrollment_credential_iid=TOKEN,
        proxy_url=f"http://user:{PASSWORD}@proxy:3128",
    )
    config.print_config()
    config.print_config(json=True)
    text = capsys.readouterr().out + repr(config) + str(config) + repr(config.with_inline(log_level="debug"))
    text += repr(ROOT) + repr(ONCE) + repr(Peer("edge", ONCE)) + str(ONCE)
    assert not leaked(text)


def test_a_malformed_secret_is_not_repeated(monkeypatch: pytest.MonkeyPatch) -> None:
    for variable in ("ASTER_SECRET_KEY", "ASTER_ROOT_PUBKEY"):
        for spelling in (*spellings(NODE.seed), f"{NODE.seed.hex()}ab", base64.b64encode(NODE.seed).decode()[:-4]):
            monkeypatch.setenv(variable, spelling)
            said = ""
            try:
                AsterConfig.from_env()
            except AsterError as error:
                said = repr(error) + str(error)
            assert not leaked(said)
            assert spelling not in said
            monkeypatch.delenv(variable)


def test_the_canaries_are_found_where_they_are() -> None:
    assert leaked(f"a token {TOKEN}") == {TOKEN}
    assert isinstance(ONCE, Credential)
    assert CallContext.running.get(None) is None
