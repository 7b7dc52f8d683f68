"""The contract's page on `AsterConfig`: one test a table, sentence and example."""

import asyncio
import base64
import json
import logging
import os
import socket
import subprocess
import sys
import time
import tomllib
from pathlib import Path
from typing import Any

import msgspec
import pytest

from aster import AsterClient, AsterConfig, AsterServer, ConfigError, rpc, service
from aster.config import TABLE
from aster.rpc import ConnectionAttempt, PermissionDeniedError
from aster.trust.credential import Credential, credential_json, issue
from aster.trust.identity_file import Peer, write_identity
from aster.trust.keys import SigningKey, write_key_file

ROOT = SigningKey.generate()
NODE = SigningKey.generate()
LATER = int(time.time()) + 3600


class Text(msgspec.Struct):
    text: str


@service
class Echo:
    @rpc
    async def echo(self, message: Text) -> Text:
        return message


async def said(server: AsterServer, **settings: Any) -> str:
    """What a client with these settings hears."""
    config = AsterConfig(bind_addr="127.0.0.1:0", **settings)
    async with AsterClient(address=server.address, config=config) as client:
        return (await (await client.client(Echo)).echo(Text("hello"))).text


def written(file: Path, text: str) -> Path:
    file.write_text(text, encoding="utf-8")
    return file


def saved(folder: Path, credential: Credential) -> Path:
    return written(folder / f"{credential.signature[:12]}.json", credential_json(credential).decode())


def enrolled(folder: Path, root: SigningKey) -> Path:
    """An identity file with an enrollment of ``root``."""
    return write_identity(
        folder / "identity", NODE.seed, [Peer("edge", issue(root, role="consumer", expires_at=LATER))]
    )


FIELDS: list[tuple[str, Any, str, str, Any]] = [
    # field, default, variable, text, value
    ("root_pubkey", None, "ASTER_ROOT_PUBKEY", "ab" * 32, bytes.fromhex("ab" * 32)),
    ("root_pubkey_file", None, "ASTER_ROOT_PUBKEY_FILE", "~/.aster/root_pub.key", "~/.aster/root_pub.key"),
    ("enrollment_credential_file", None, "ASTER_ENROLLMENT_CREDENTIAL", "consumer.token", "consumer.token"),
    ("enrollment_credential_iid", None, "ASTER_ENROLLMENT_CREDENTIAL_IID", "token", "token"),
    ("allow_all_consumers", False, "ASTER_ALLOW_ALL_CONSUMERS", "true", True),
    ("allow_all_producers", True, "ASTER_ALLOW_ALL_PRODUCERS", "false", False),
    ("endpoint_addr", None, "ASTER_ENDPOINT_ADDR", "aGVsbG8gd29ybGQ=", "aGVsbG8gd29ybGQ="),
    ("storage_path", None, "ASTER_STORAGE_PATH", "/var/lib/aster", "/var/lib/aster"),
    ("health_port", 0, "ASTER_HEALTH_PORT", "8081", 8081),
    ("health_host", "127.0.0.1", "ASTER_HEALTH_HOST", "0.0.0.0", "0.0.0.0"),
    ("secret_key", None, "ASTER_SECRET_KEY", base64.b64encode(bytes(32)).decode(), bytes(32)),
    ("relay_mode", None, "ASTER_RELAY_MODE", "https://relay.example", "https://relay.example"),
    ("bind_addr", None, "ASTER_BIND_ADDR", "0.0.0.0:9000", "0.0.0.0:9000"),
    ("enable_monitoring", False, "ASTER_ENABLE_MONITORING", "on", True),
    ("enable_hooks", False, "ASTER_ENABLE_HOOKS", "yes", True),
    ("hook_timeout_ms", 5000, "ASTER_HOOK_TIMEOUT_MS", "250", 250),
    ("clear_ip_transports", False, "ASTER_CLEAR_IP_TRANSPORTS", "1", True),
    ("clear_relay_transports", False, "ASTER_CLEAR_RELAY_TRANSPORTS", "1", True),
    ("portmapper_config", None, "ASTER_PORTMAPPER_CONFIG", "disabled", "disabled"),
    ("proxy_url", None, "ASTER_PROXY_URL", "http://proxy:3128", "http://proxy:3128"),
    ("proxy_from_env", False, "ASTER_PROXY_FROM_ENV", "true", True),
    ("identity_file", None, "ASTER_IDENTITY_FILE", ".aster-identity", ".aster-identity"),
    ("log_format", "text", "ASTER_LOG_FORMAT", "json", "json"),
    ("log_level", "info", "ASTER_LOG_LEVEL", "debug", "debug"),
    ("log_mask", True, "ASTER_LOG_MASK", "false", False),
]


@pytest.fixture(autouse=True)
def clean_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in os.environ:
        if name.startswith("ASTER_") and name != "ASTER_PRIVATE_NETWORK":
            monkeypatch.delenv(name)


BEYOND_THE_PAGE = {"local_discovery"}
"""Settings that the page does not know; each is off unless asked for."""


@pytest.mark.parametrize(("field", "default", "variable", "text", "value"), FIELDS, ids=[row[0] for row in FIELDS])
def test_field_reference(
    monkeypatch: pytest.MonkeyPatch, field: str, default: object, variable: str, text: str, value: object
) -> None:
    assert getattr(AsterConfig.from_env(), field) == default
    monkeypatch.setenv(variable, text)
    config = AsterConfig.from_env()
    assert getattr(config, field) == value
    assert config.source(field) == variable
    monkeypatch.setenv(variable, "")
    assert getattr(AsterConfig.from_env(), field) == default


def test_the_field_reference_names_every_field() -> None:
    assert {row[0] for row in FIELDS} == set(TABLE.by_name) - BEYOND_THE_PAGE


def test_all_environment_variables_use_the_prefix(monkeypatch: pytest.MonkeyPatch) -> None:
    assert all(row[2].startswith("ASTER_") for row in FIELDS)
    assert all((setting.env or "").startswith("ASTER_") for setting in TABLE.settings)
    assert {row[2] for row in FIELDS} == {row.env for row in TABLE.settings if row.name not in BEYOND_THE_PAGE}


ENVIRONMENT = f"""
# Trust
ASTER_ROOT_PUBKEY={"ab" * 32}
ASTER_ROOT_PUBKEY_FILE=~/.aster/root_pub.key
ASTER_ENROLLMENT_CREDENTIAL=consumer.token
ASTER_ENROLLMENT_CREDENTIAL_IID=token
ASTER_ALLOW_ALL_CONSUMERS=false
ASTER_ALLOW_ALL_PRODUCERS=true
# Connect
ASTER_ENDPOINT_ADDR=aGVsbG8gd29ybGQ=
# Storage
ASTER_STORAGE_PATH=/var/lib/aster
# Health
ASTER_HEALTH_PORT=0 # Port for health HTTP server (0=disabled, default)
ASTER_HEALTH_HOST=127.0.0.1 # Bind address for health server
# Network
ASTER_SECRET_KEY={base64.b64encode(bytes(32)).decode()}
ASTER_RELAY_MODE=default
ASTER_BIND_ADDR=0.0.0.0:9000
ASTER_ENABLE_MONITORING=false
ASTER_ENABLE_HOOKS=false
ASTER_HOOK_TIMEOUT_MS=5000
# Identity
ASTER_IDENTITY_FILE=.aster-identity
"""


def test_environment_variables_as_a_shell_reads_them(tmp_path: Path) -> None:
    file = written(tmp_path / "aster.env", ENVIRONMENT)
    run = subprocess.run(
        ["bash", "-c", f"set -a; . '{file}'; exec '{sys.executable}' -m aster config show --json"],
        capture_output=True,
        text=True,
        timeout=60,
    )
    assert run.returncode == 0, run.stderr
    tree = json.loads(run.stdout)
    for section in ("trust", "connect", "health"):
        assert all(row["source"].startswith("ASTER_") for row in tree[section].values()), section
    assert tree["storage"]["path"] == {"value": "/var/lib/aster", "source": "ASTER_STORAGE_PATH"}
    assert tree["network"]["bind_addr"] == {"value": "0.0.0.0:9000", "source": "ASTER_BIND_ADDR"}


def test_inline_testing_and_scripts() -> None:
    config = AsterConfig(root_pubkey=bytes(range(32)), allow_all_consumers=True)
    assert config.root_pubkey == bytes(range(32))
    assert config.allow_all_consumers is True


TOML = """
[trust]
root_pubkey_file = "~/.aster/root_pub.key"
allow_all_consumers = false
allow_all_producers = true
[connect]
endpoint_addr = "aGVsbG8gd29ybGQ..."
[storage]
path = "/var/lib/aster"
[network]
relay_mode = "default"
bind_addr = "0.0.0.0:9000"
# secret_key = "<base64-encoded 32 bytes>"
enable_monitoring = false
enable_hooks = false
hook_timeout_ms = 5000
[logging]
format = "json"
level = "info"
mask = true
"""


def test_toml_file_format(tmp_path: Path) -> None:
    path = tmp_path / "aster.toml"
    path.write_text(TOML)
    config = AsterConfig.from_file(str(path))
    assert config.root_pubkey_file == "~/.aster/root_pub.key"
    assert config.endpoint_addr == "aGVsbG8gd29ybGQ..."
    assert config.storage_path == "/var/lib/aster"
    assert (config.relay_mode, config.bind_addr) == ("default", "0.0.0.0:9000")
    assert (config.log_format, config.log_level, config.log_mask) == ("json", "info", True)


def test_environment_variables_always_win_over_the_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "aster.toml"
    path.write_text(TOML)
    monkeypatch.setenv("ASTER_STORAGE_PATH", "/srv/aster")
    assert AsterConfig.from_file(path).storage_path == "/srv/aster"


@pytest.mark.parametrize("word", ["true", "1", "yes", "on", "TRUE", "Yes", "ON"])
def test_boolean_words_that_mean_true(monkeypatch: pytest.MonkeyPatch, word: str) -> None:
    monkeypatch.setenv("ASTER_ALLOW_ALL_CONSUMERS", word)
    assert AsterConfig.from_env().allow_all_consumers is True


@pytest.mark.parametrize("word", ["false", "0", "no", "off", "False", "NO", "Off"])
def test_boolean_words_that_mean_false(monkeypatch: pytest.MonkeyPatch, word: str) -> None:
    monkeypatch.setenv("ASTER_ALLOW_ALL_PRODUCERS", word)
    assert AsterConfig.from_env().allow_all_producers is False


PRINTED = """\
[trust]
root_pubkey : <not set> (default)
root_pubkey_file : ~/.aster/root_pub.key (ASTER_ROOT_PUBKEY_FILE)
enrollment_credential_file : <not set> (default)
allow_all_consumers : True (ASTER_ALLOW_ALL_CONSUMERS)
allow_all_producers : True (default)
[connect]
endpoint_addr : aGVsbG8gd29ybGQ... (ASTER_ENDPOINT_ADDR)
[network]
secret_key : ****...a1b2c3d4 (ASTER_SECRET_KEY)
relay_mode : <default> (default)
bind_addr : <any> (default)
enable_monitoring : False (default)
enable_hooks : False (default)
[storage]
path : <in-memory> (default)
"""


def test_debugging_configuration(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    monkeypatch.setenv("ASTER_ROOT_PUBKEY_FILE", "~/.aster/root_pub.key")
    monkeypatch.setenv("ASTER_ALLOW_ALL_CONSUMERS", "true")
    monkeypatch.setenv("ASTER_ENDPOINT_ADDR", "aGVsbG8gd29ybGQ...")
    monkeypatch.setenv("ASTER_SECRET_KEY", base64.b64encode(bytes(28) + bytes.fromhex("a1b2c3d4")).decode())
    AsterConfig.from_env().print_config()
    assert capsys.readouterr().out == PRINTED


def test_json_output(capsys: pytest.CaptureFixture[str]) -> None:
    AsterConfig.from_env().print_config(json=True)
    assert '"relay_mode"' in capsys.readouterr().out


def test_sensitive_fields_are_masked_and_the_root_key_is_not() -> None:
    root = bytes(range(32))
    text = AsterConfig(root_pubkey=root, enrollment_credential_file="/etc/aster/consumer.token").print_config()
    assert f"root_pubkey : {root.hex()} (inline)" in text
    assert "/etc/aster" not in text


# --- Resolution order ------------------------------------------------------------------------------------------------


async def test_built_in_defaults_are_an_ephemeral_key_memory_and_open_gates() -> None:
    seen = set()
    for _ in range(2):
        async with AsterServer(services=[Echo()]) as server:
            seen.add(server.endpoint_id)
            assert server.config.storage_path is None
            assert await said(server) == "hello"
    assert len(seen) == 2


def test_a_toml_file_overrides_the_defaults(tmp_path: Path) -> None:
    config = AsterConfig.from_file(written(tmp_path / "aster.toml", "[network]\nhook_timeout_ms = 9\n"))
    assert config.hook_timeout_ms == 9
    assert config.enable_hooks is False


async def test_environment_variables_are_loaded_when_no_config_is_passed(monkeypatch: pytest.MonkeyPatch) -> None:
    key = SigningKey.generate()
    monkeypatch.setenv("ASTER_SECRET_KEY", base64.b64encode(key.seed).decode())
    async with AsterServer(services=[Echo()]) as server:
        assert server.endpoint_id == key.public.hex()
        monkeypatch.setenv("ASTER_ENDPOINT_ADDR", server.endpoint_addr)
        monkeypatch.delenv("ASTER_SECRET_KEY")
        async with AsterClient() as client:
            assert (await (await client.client(Echo)).echo(Text("hello"))).text == "hello"


# --- Trust fields ----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("value", [b"short", bytes(33), "ab", 5])
def test_root_pubkey_has_32_bytes(value: object) -> None:
    with pytest.raises(ConfigError, match=r"^root_pubkey: expected 64 hex characters"):
        AsterConfig(root_pubkey=value)  # type: ignore[arg-type]


async def test_root_pubkey_has_the_highest_priority(tmp_path: Path) -> None:
    file = written(tmp_path / "root.pub", SigningKey.generate().public.hex())
    identity = enrolled(tmp_path, SigningKey.generate())
    config = AsterConfig(root_pubkey=ROOT.public, root_pubkey_file=file, identity_file=identity)
    async with AsterServer(services=[Echo()], config=config) as server:
        assert server.root_pubkey == ROOT.public


@pytest.mark.parametrize(
    "text", [ROOT.public.hex(), json.dumps({"public_key": ROOT.public.hex()})], ids=["hex", "json"]
)
async def test_root_pubkey_file_is_hex_or_json(tmp_path: Path, text: str) -> None:
    config = AsterConfig(root_pubkey_file=written(tmp_path / "root.pub", text))
    async with AsterServer(services=[Echo()], config=config) as server:
        assert server.root_pubkey == ROOT.public
        assert not server.config.allow_all_consumers


async def test_an_enrollment_credential_is_required_for_consumers_in_production(tmp_path: Path) -> None:
    credential = issue(ROOT, role="consumer", expires_at=LATER)
    async with AsterServer(services=[Echo()], root_pubkey=ROOT.public) as server:
        with pytest.raises(PermissionDeniedError):
            await said(server)
        assert await said(server, enrollment_credential_file=saved(tmp_path, credential)) == "hello"


async def test_a_credential_with_instance_attributes_requires_an_instance_token(tmp_path: Path) -> None:
    credential = issue(ROOT, role="consumer", expires_at=LATER, attributes={"aster.iid_provider": "aws"})
    async with AsterServer(services=[Echo()], root_pubkey=ROOT.public) as server:
        for token in (None, "forged"):
            with pytest.raises(PermissionDeniedError):
                await said(
                    server,
                    enrollment_credential_file=saved(tmp_path, credential),
                    enrollment_credential_iid=token,
                )


async def test_allow_all_consumers_skips_the_consumer_gate() -> None:
    config = AsterConfig(root_pubkey=ROOT.public, allow_all_consumers=True)
    async with AsterServer(services=[Echo()], config=config) as server:
        assert await said(server) == "hello"


async def test_allow_all_producers_skips_the_producer_gate_and_is_the_default(tmp_path: Path) -> None:
    async with AsterServer(services=[Echo()], allow_all_consumers=True) as server:
        assert await said(server, root_pubkey=ROOT.public) == "hello"
        with pytest.raises(PermissionDeniedError, match="not an admitted producer"):
            await said(server, root_pubkey=ROOT.public, allow_all_producers=False)


# --- Connect, storage and health fields ------------------------------------------------------------------------------


async def test_endpoint_addr_is_a_node_addr_or_an_endpoint_id() -> None:
    async with AsterServer(services=[Echo()], allow_all_consumers=True) as server:
        assert base64.b64decode(server.endpoint_addr, validate=True).decode().startswith(server.endpoint_id)
        config = AsterConfig(endpoint_addr=server.endpoint_addr, bind_addr="127.0.0.1:0")
        async with AsterClient(config=config) as client:
            assert (await (await client.client(Echo)).echo(Text("hello"))).text == "hello"
        # An EndpointId alone is an address too; where it leads is known to relays and lookups, of which there are none.
        unknown = AsterClient(config=AsterConfig(endpoint_addr=server.endpoint_id))
        with pytest.raises(ConfigError, match="does not say where the peer is"):
            await unknown.connect()
        await unknown.close()


async def test_endpoint_addr_is_required_for_the_client(monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(ConfigError, match="no address to connect to"):
        await AsterClient().connect()
    monkeypatch.setenv("ASTER_ENDPOINT_ADDR", "nonsense")
    with pytest.raises(ConfigError, match=r"^ASTER_ENDPOINT_ADDR: "):
        await AsterClient().connect()


async def test_storage_path_keeps_what_must_survive_and_memory_does_not(tmp_path: Path) -> None:
    denied = SigningKey.generate()
    for storage, kept in ((tmp_path / "storage", True), (None, False)):
        config = AsterConfig(storage_path=storage, allow_all_consumers=True)
        async with AsterServer(services=[Echo()], config=config) as server:
            await server.deny(denied.public.hex())
        async with AsterServer(services=[Echo()], config=config) as server:
            assert bool(server.denied) is kept


async def test_health_port_0_disables_the_server_and_any_other_starts_it() -> None:
    assert AsterConfig.from_env().health_port == 0
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    with pytest.raises(ConnectionRefusedError):
        await asyncio.open_connection("127.0.0.1", port)
    async with AsterServer(services=[Echo()], config=AsterConfig(health_port=port)):
        _, writer = await asyncio.open_connection("127.0.0.1", port)
        writer.close()


async def test_health_host_0_0_0_0_listens_on_every_address() -> None:
    with socket.socket() as probe:
        probe.bind(("0.0.0.0", 0))
        port = probe.getsockname()[1]
    async with AsterServer(services=[Echo()], config=AsterConfig(health_port=port, health_host="0.0.0.0")):
        _, writer = await asyncio.open_connection("127.0.0.2", port)
        writer.close()


# --- Network fields --------------------------------------------------------------------------------------------------


async def test_secret_key_determines_a_stable_endpoint_id() -> None:
    key = SigningKey.generate()
    for _ in range(2):
        async with AsterServer(services=[Echo()], config=AsterConfig(secret_key=key.seed)) as server:
            assert server.endpoint_id == key.public.hex()


@pytest.mark.parametrize("mode", ["default", "disabled", "https://relay.example", "http://127.0.0.1:3340"])
def test_relay_mode_is_default_disabled_or_a_url(mode: str) -> None:
    assert AsterConfig(relay_mode=mode).relay_mode == mode
    with pytest.raises(ConfigError, match="'default', 'disabled', or the URL of a relay"):
        AsterConfig(relay_mode="sometimes")


async def test_bind_addr_is_where_the_server_listens() -> None:
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    async with AsterServer(services=[Echo()], config=AsterConfig(bind_addr=f"127.0.0.1:{port}")) as server:
        assert f"127.0.0.1:{port}" in base64.b64decode(server.endpoint_addr).decode().splitlines()


async def test_enable_hooks_is_set_when_admission_is_active() -> None:
    async with AsterServer(services=[Echo()], root_pubkey=ROOT.public) as server:
        assert server.config.enable_hooks is True
    async with AsterServer(services=[Echo()], allow_all_consumers=True) as server:
        assert server.config.enable_hooks is False


async def test_a_hook_that_takes_longer_than_hook_timeout_ms_refuses() -> None:
    async def undecided(attempt: ConnectionAttempt) -> bool:
        await asyncio.Event().wait()
        return True

    config = AsterConfig(allow_all_consumers=True, enable_hooks=True, hook_timeout_ms=20)
    async with AsterServer(services=[Echo()], config=config, hook=undecided) as server:
        with pytest.raises(PermissionDeniedError):
            await said(server)


async def test_clear_relay_transports_leaves_no_relay() -> None:
    config = AsterConfig(relay_mode="http://127.0.0.1:3340", clear_relay_transports=True)
    async with AsterServer(services=[Echo()], config=config) as server:
        _, relay, *_ = base64.b64decode(server.endpoint_addr).decode().split("\n")
        assert relay == ""


# --- Identity file ---------------------------------------------------------------------------------------------------

IDENTITY = """\
[node]
secret_key = "{secret_key}"

[[peers]]
name = "billing-producer"
role = "producer"
root_pubkey = "{root_pubkey}"
type = "policy"
expires_at = {expires_at}
endpoint_id = "{endpoint_id}"
attributes = {{}}
signature = "{producer}"

[[peers]]
name = "analytics-consumer"
role = "consumer"
root_pubkey = "{root_pubkey}"
type = "policy"
expires_at = {expires_at}
attributes = {{}}
signature = "{consumer}"
"""


def identity_as_documented(folder: Path) -> Path:
    """The page's example, with real keys and signatures in its places."""
    mine = NODE.public.hex()
    producer = issue(ROOT, role="producer", issued_at=0, expires_at=LATER, endpoint_id=mine)
    consumer = issue(ROOT, role="consumer", issued_at=0, expires_at=LATER)
    text = IDENTITY.format(
        secret_key=base64.b64encode(NODE.seed).decode(),
        root_pubkey=ROOT.public.hex(),
        expires_at=LATER,
        endpoint_id=mine,
        producer=producer.signature,
        consumer=consumer.signature,
    )
    return written(folder / ".aster-identity", text)


async def test_the_identity_file_is_found_in_the_working_directory_by_server_and_client(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    identity_as_documented(tmp_path)
    monkeypatch.chdir(tmp_path)
    async with AsterServer(services=[Echo()], peer="billing-producer") as server:
        assert (server.endpoint_id, server.root_pubkey) == (NODE.public.hex(), ROOT.public)
        monkeypatch.setenv("ASTER_ENDPOINT_ADDR", server.endpoint_addr)
        monkeypatch.setenv("ASTER_ALLOW_ALL_PRODUCERS", "false")
        with pytest.raises(ConfigError, match="has the key of the server"):
            await AsterClient(peer="analytics-consumer").connect()
        monkeypatch.setenv("ASTER_SECRET_KEY", base64.b64encode(SigningKey.generate().seed).decode())
        async with AsterClient(peer="analytics-consumer") as client:
            assert (await (await client.client(Echo)).echo(Text("hello"))).text == "hello"


async def test_the_identity_file_is_selected_by_variable_and_the_entry_by_peer(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("ASTER_IDENTITY_FILE", str(identity_as_documented(tmp_path)))
    async with AsterServer(services=[Echo()], peer="billing-producer") as server:
        assert server.endpoint_id == NODE.public.hex()
    with pytest.raises(ConfigError, match=r"no peer named 'billing'.*did you mean 'billing-producer'"):
        await AsterServer(services=[Echo()], peer="billing").start()


def test_enroll_node_generates_the_identity_file(tmp_path: Path) -> None:
    write_key_file(tmp_path / "root.key", ROOT)
    for name, kind in (("billing-producer", "producer"), ("analytics-consumer", "consumer")):
        command = [sys.executable, "-m", "aster", "enroll", "node", name, "--as", kind, "--root-key", "root.key"]
        run = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, timeout=60)
        assert run.returncode == 0, run.stderr
    document = tomllib.loads((tmp_path / ".aster-identity").read_text())
    assert len(base64.b64decode(document["node"]["secret_key"])) == 32
    assert [(peer["name"], peer["role"], peer["type"]) for peer in document["peers"]] == [
        ("billing-producer", "producer", "policy"),
        ("analytics-consumer", "consumer", "policy"),
    ]
    for peer in document["peers"]:
        assert peer["root_pubkey"] == ROOT.public.hex()
        assert {"expires_at", "endpoint_id", "attributes", "signature"} <= set(peer)


# --- Logging ---------------------------------------------------------------------------------------------------------

LOGGING = """\
from aster.foundation.logs import get_logger
from aster.rpc.node import apply_log_settings
from aster import AsterConfig

apply_log_settings(AsterConfig.from_env())
get_logger("aster.test").debug("fine detail")
get_logger("aster.test").info("it happened", private_key="hunter2")
"""


def logged(**environment: str) -> str:
    run = subprocess.run(
        [sys.executable, "-c", LOGGING],
        env={**os.environ, **environment},
        capture_output=True,
        text=True,
        timeout=60,
    )
    assert run.returncode == 0, run.stderr
    return run.stderr


def test_log_format_json_is_structured_and_text_is_for_people() -> None:
    assert json.loads(logged(ASTER_LOG_FORMAT="json"))["msg"] == "it happened"
    assert "INFO    aster.test — it happened" in logged()


def test_log_level_decides_what_is_logged() -> None:
    assert "fine detail" not in logged()
    assert "fine detail" in logged(ASTER_LOG_LEVEL="debug")
    assert logged(ASTER_LOG_LEVEL="error") == ""


def test_log_mask_masks_sensitive_fields_unless_it_is_off() -> None:
    assert "hunter2" not in logged()
    assert "hunter2" in logged(ASTER_LOG_MASK="false")


# --- Dev mode --------------------------------------------------------------------------------------------------------


async def test_without_an_anchor_dev_mode_makes_a_key_opens_the_gate_and_warns(
    caplog: pytest.LogCaptureFixture,
) -> None:
    with caplog.at_level(logging.WARNING):
        async with AsterServer(services=[Echo()]) as server:
            assert server.root_pubkey is not None
            assert len(server.root_pubkey) == 32
            assert server.config.allow_all_consumers is True
            assert await said(server) == "hello"
    [warning] = [record for record in caplog.records if "Dev mode" in record.getMessage()]
    assert warning.getMessage() == "Dev mode: allow_all_consumers=True (ephemeral root key)."
    assert warning.levelname == "WARNING"


async def test_root_pubkey_file_switches_to_production(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setenv("ASTER_ROOT_PUBKEY_FILE", str(written(tmp_path / "root.pub", ROOT.public.hex())))
    credential = saved(tmp_path, issue(ROOT, role="consumer", expires_at=LATER))
    other = saved(tmp_path, issue(SigningKey.generate(), role="consumer", expires_at=LATER))
    async with AsterServer(services=[Echo()]) as server:
        assert server.root_pubkey == ROOT.public
        assert await said(server, enrollment_credential_file=credential) == "hello"
        for file in (None, other):
            with pytest.raises(PermissionDeniedError):
                await said(server, enrollment_credential_file=file)
    assert "Dev mode" not in caplog.text


@pytest.mark.parametrize("text", [None, "", "not a key", '{"public_key": 5}'])
async def test_an_anchor_that_can_not_be_used_is_no_dev_mode(tmp_path: Path, text: str | None) -> None:
    file = tmp_path / "root.pub"
    if text is not None:
        file.write_text(text)
    with pytest.raises(ConfigError, match=r"^inline: .*root.pub"):
        await AsterServer(services=[Echo()], config=AsterConfig(root_pubkey_file=file)).start()
