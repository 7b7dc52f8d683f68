"""Instance identities over real connections: the token that a client is configured with, judged at the gate."""

import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import msgspec
import pytest
from tests.foundation.tokens.key_server import Provider, jwk, running_key_server
from tests.rpc.messages import Ask, Greeter
from tests.trust.instance.clouds import rsa_key
from tests.trust.instance.test_gcp import token

from aster.config import AsterConfig
from aster.foundation.errors import ConfigError
from aster.rpc import AsterClient, AsterServer, PermissionDeniedError
from aster.trust.credential import Role, credential_json, issue
from aster.trust.instance.gcp import audience
from aster.trust.keys import SigningKey
from aster.trust.nonces import CHAIN, StoredJournal

ROOT, SERVER, NODE, THIEF = (SigningKey.generate() for _ in range(4))
NOW = int(time.time())
ASKED = {"aster.iid_provider": "gcp", "aster.iid_account": "prod-project", "aster.iid_region": "europe-west1"}


@pytest.fixture
def keys() -> Iterator[Provider]:
    with running_key_server() as provider:
        provider.publish(jwk(rsa_key("cloud"), "k1"))
        yield provider


def fresh(node: SigningKey = NODE, **claims: Any) -> str:
    return token(aud=audience(node.public.hex()), iat=NOW, exp=NOW + 3600, **claims)


def saved(folder: Path, role: Role = "consumer", endpoint: SigningKey | None = None) -> Path:
    bound = None if endpoint is None else endpoint.public.hex()
    file = folder / f"{role}.json"
    file.write_bytes(
        credential_json(issue(ROOT, role=role, expires_at=NOW + 3600, attributes=ASKED, endpoint_id=bound))
    )
    return file


def serving(folder: Path, keys: Provider, **options: object) -> AsterServer:
    config = AsterConfig(
        root_pubkey=ROOT.public,
        secret_key=SERVER.seed,
        bind_addr="127.0.0.1:0",
        storage_path=folder / "storage",
        iid_gcp_jwks_url=keys.url,
        **options,  # type: ignore[arg-type]  # settings by name
    )
    return AsterServer([Greeter()], config=config)


async def is_admitted(address: str, folder: Path, shown: str | None, node: SigningKey = NODE, **options: Any) -> bool:
    config = AsterConfig(
        secret_key=node.seed,
        bind_addr="127.0.0.1:0",
        enrollment_credential_file=saved(folder),
        enrollment_credential_iid=shown,
        **options,
    )
    caller = AsterClient(address=address, config=config)
    try:
        await (await caller.client(Greeter)).hello(Ask("ann"))
    except PermissionDeniedError:
        return False
    finally:
        await caller.close()
    return True


async def test_a_node_on_the_instance_that_its_credential_names_is_admitted(tmp_path: Path, keys: Provider) -> None:
    async with serving(tmp_path, keys) as server:
        assert await is_admitted(server.address, tmp_path, fresh())


async def test_every_other_node_is_refused_alike_and_the_audit_says_why(tmp_path: Path, keys: Provider) -> None:
    async with serving(tmp_path, keys) as server:
        for shown, node in (
            (None, NODE),
            ("", NODE),
            ("nonsense", NODE),
            (fresh(), THIEF),
            (fresh(engine={"project_id": "other"}), NODE),
            (fresh(key=rsa_key("stranger")), NODE),
        ):
            assert not await is_admitted(server.address, tmp_path, shown, node)
    journal = StoredJournal.open(str(tmp_path / "storage"))
    reasons = [record.event["reason"] for record in journal.audit.records(CHAIN)]
    await journal.close()
    words = (
        "no token",
        "no token",
        "malformed",
        "not bound to this node's key",
        "another aster.iid_account",
        "not fit",
    )
    assert len(reasons) == len(words)
    assert all(word in reason for word, reason in zip(words, reasons, strict=True)), reasons


async def test_a_token_in_a_file_is_read_anew_for_each_connection(tmp_path: Path, keys: Provider) -> None:
    file = tmp_path / "token"
    file.write_text("stale")
    async with serving(tmp_path, keys) as server:
        assert not await is_admitted(server.address, tmp_path, f"@{file}")
        file.write_text(fresh() + "\n")
        assert await is_admitted(server.address, tmp_path, f"@{file}")


@pytest.mark.parametrize("content", [None, b"\xff", b"x" * 17_000])
async def test_a_file_that_holds_no_token_is_named(tmp_path: Path, content: bytes | None) -> None:
    file = tmp_path / "token"
    if content is not None:
        file.write_bytes(content)
    with pytest.raises(ConfigError, match="inline: "):
        await is_admitted("ab" * 32, tmp_path, f"@{file}")


async def test_a_producer_shows_its_instance_to_clients_that_ask(tmp_path: Path, keys: Provider) -> None:
    file = tmp_path / "token"
    file.write_text(fresh(SERVER))
    own: dict[str, Any] = {
        "enrollment_credential_file": saved(tmp_path, "producer", SERVER),
        "enrollment_credential_iid": f"@{file}",
    }
    asks: dict[str, Any] = {"root_pubkey": ROOT.public, "allow_all_producers": False, "iid_gcp_jwks_url": keys.url}
    async with serving(tmp_path, keys, allow_all_producers=False, **own) as server:
        assert await is_admitted(server.address, tmp_path, fresh(), **asks)
        file.write_text(fresh(THIEF))
        assert not await is_admitted(server.address, tmp_path, fresh(), **asks)
        file.unlink()
        assert not await is_admitted(server.address, tmp_path, fresh(), **asks)


async def test_settings_that_can_not_work_stop_the_server_from_starting(tmp_path: Path, keys: Provider) -> None:
    with pytest.raises(ConfigError, match="aws_certificates"):
        await serving(tmp_path, keys, iid_aws_certificates=tmp_path / "nowhere.pem").start()


def test_the_section_is_read_from_the_file_beside_the_contract_s(tmp_path: Path) -> None:
    file = tmp_path / "aster.toml"
    file.write_text('[network]\nrelay_mode = "disabled"\n[instance_identity]\nazure_tenant = "x"\n')
    config = AsterConfig.from_file(file)
    assert (config.relay_mode, config.iid_azure_tenant) == ("disabled", "x")
    shown = msgspec.json.decode(config.print_config(json=True))
    assert shown["instance_identity"]["azure_tenant"] == {"value": "x", "source": f"{file} [instance_identity]"}
    file.write_text('[instance_identity]\nazure_tenat = "x"\n')
    with pytest.raises(ConfigError, match="did you mean 'azure_tenant'"):
        AsterConfig.from_file(file)
