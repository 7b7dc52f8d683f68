"""``allow_all_producers=False``: a client calls enrolled producers only, and nobody serves unenrolled."""

import time
from pathlib import Path

import pytest
from tests.rpc.messages import Answer, Ask, Greeter

from aster.config import AsterConfig
from aster.foundation.errors import ConfigError
from aster.rpc import AsterClient, AsterServer, PermissionDeniedError, UnavailableError
from aster.trust.credential import NODE_ROLE, Credential, credential_json, issue
from aster.trust.keys import SigningKey

ROOT = SigningKey.generate()
SERVER = SigningKey.generate()
NODE = SigningKey.generate()
LATER = int(time.time()) + 3600
CONSUMER = issue(ROOT, role="consumer", expires_at=LATER)


def producer(endpoint: SigningKey = SERVER, root: SigningKey = ROOT, **options: object) -> Credential:
    given = {"expires_at": LATER, **options}
    return issue(root, role="producer", endpoint_id=endpoint.public.hex(), **given)  # type: ignore[arg-type]


def saved(folder: Path, credential: Credential) -> Path:
    file = folder / f"{credential.signature[:12]}.json"
    file.write_bytes(credential_json(credential))
    return file


def serving(
    folder: Path, credential: Credential | None, greeter: Greeter | None = None, **options: object
) -> AsterServer:
    file = None if credential is None else saved(folder, credential)
    config = AsterConfig(
        root_pubkey=ROOT.public,
        secret_key=SERVER.seed,
        bind_addr="127.0.0.1:0",
        enrollment_credential_file=file,
        **options,  # type: ignore[arg-type]  # settings by name
    )
    return AsterServer([greeter or Greeter()], config=config)


async def ask(address: str, folder: Path, credential: Credential | None = CONSUMER, **options: object) -> Answer:
    given = {"root_pubkey": ROOT.public, "allow_all_producers": False, **options}
    config = AsterConfig(
        secret_key=NODE.seed,
        bind_addr="127.0.0.1:0",
        enrollment_credential_file=None if credential is None else saved(folder, credential),
        **given,  # type: ignore[arg-type]  # settings by name
    )
    async with AsterClient(address=address, config=config) as client:
        return await (await client.client(Greeter)).hello(Ask("ann"))


async def test_an_enrolled_producer_is_called(tmp_path: Path) -> None:
    async with serving(tmp_path, producer(), allow_all_producers=False) as server:
        assert (await ask(server.address, tmp_path)).text == "hello ann"


async def test_a_producer_is_checked_also_where_consumers_need_no_credential(tmp_path: Path) -> None:
    async with serving(tmp_path, producer(), allow_all_consumers=True) as server:
        assert (await ask(server.address, tmp_path, credential=None)).text == "hello ann"


REFUSED: dict[str, tuple[Credential | None, str]] = {
    "none": (None, "no credential was presented"),
    "another endpoint's": (producer(SigningKey.generate()), "belongs to another endpoint"),
    "another root's": (producer(root=SigningKey.generate()), "another root key"),
    "expired": (producer(issued_at=1, expires_at=2), "has expired"),
    "a consumer's": (issue(ROOT, role="consumer", expires_at=LATER), "is for a consumer"),
}


@pytest.mark.parametrize("name", REFUSED)
async def test_a_server_without_a_valid_producer_credential_is_not_called(tmp_path: Path, name: str) -> None:
    credential, reason = REFUSED[name]
    greeter = Greeter()
    async with serving(tmp_path, credential, greeter) as server:
        with pytest.raises(PermissionDeniedError, match=reason):
            await ask(server.address, tmp_path)
        assert (await ask(server.address, tmp_path, allow_all_producers=True)).text == "hello ann"


async def test_a_client_shows_nothing_to_a_server_it_refuses(tmp_path: Path) -> None:
    once = issue(ROOT, role="consumer", expires_at=LATER, one_time=True)
    async with serving(tmp_path, None, storage_path=tmp_path / "storage") as server:
        with pytest.raises(PermissionDeniedError, match="not an admitted producer"):
            await ask(server.address, tmp_path, once)
        assert (await ask(server.address, tmp_path, once, allow_all_producers=True)).text == "hello ann"


@pytest.mark.parametrize("name", REFUSED)
async def test_a_server_that_is_no_producer_does_not_start_where_producers_are_admitted(
    tmp_path: Path, name: str
) -> None:
    credential, reason = REFUSED[name]
    with pytest.raises(ConfigError, match=f"^inline: allow_all_producers=False.*{reason}"):
        await serving(tmp_path, credential, allow_all_producers=False).start()


async def test_a_connection_ends_with_the_producers_credential(tmp_path: Path) -> None:
    greeter = Greeter()
    async with serving(tmp_path, producer(expires_at=int(time.time()) + 2), greeter) as server:
        config = AsterConfig(
            root_pubkey=ROOT.public, allow_all_producers=False, enrollment_credential_file=saved(tmp_path, CONSUMER)
        )
        client = AsterClient(address=server.address, config=config)
        with pytest.raises(UnavailableError, match="the producer's credential has expired"):
            await (await client.client(Greeter)).wait(Ask("x"))
        await client.close()
        assert greeter.started.is_set()
        with pytest.raises(PermissionDeniedError, match="it has expired"):
            await ask(server.address, tmp_path)


async def test_producer_admission_needs_a_trust_anchor(tmp_path: Path) -> None:
    config = AsterConfig(allow_all_producers=False)
    with pytest.raises(ConfigError, match="needs a root public key"):
        await AsterServer([Greeter()], config=config).start()
    with pytest.raises(ConfigError, match="needs a root public key"):
        await AsterClient(address="ab" * 32, config=config).connect()


async def test_a_producer_may_call_another_and_is_known_as_one(tmp_path: Path) -> None:
    greeter = Greeter()
    async with serving(tmp_path, producer(), greeter) as server:
        mine = producer(NODE, attributes={"aster.name": "billing"})
        await ask(server.address, tmp_path, mine, allow_all_producers=True)
        assert greeter.seen is not None
        assert greeter.seen.attributes == {"aster.name": "billing", NODE_ROLE: "producer"}
        stolen = producer(SigningKey.generate())
        with pytest.raises(PermissionDeniedError, match="did not admit this client"):
            await ask(server.address, tmp_path, stolen, allow_all_producers=True)


def test_nobody_can_be_signed_into_being_a_producer() -> None:
    with pytest.raises(ConfigError, match=r"aster\.node_role can't be set"):
        issue(ROOT, role="consumer", expires_at=LATER, attributes={NODE_ROLE: "producer"})
