"""The contract's page on `AsterConfig`: one test a table, sentence and example."""

import base64
import os
from pathlib import Path
from typing import Any

import pytest

from aster import AsterConfig

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
        if name.startswith("ASTER_"):
            monkeypatch.delenv(name)


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
