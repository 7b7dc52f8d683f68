import contextlib
import json
from pathlib import Path
from typing import get_type_hints

import pytest
from hypothesis import given
from hypothesis import strategies as st

from aster.config import TABLE, AsterConfig, InlineSettings, SettingNotSupported
from aster.config.aster_config import ALL
from aster.config.table import SHOWN
from aster.config.unsupported import refuse_unsupported
from aster.foundation.errors import ConfigError


def write(folder: Path, text: str) -> Path:
    path = folder / "aster.toml"
    path.write_text(text, encoding="utf-8")
    return path


def test_every_row_of_the_table_is_a_typed_attribute_and_an_inline_argument() -> None:
    names = set(ALL.by_name)
    assert names == set(get_type_hints(InlineSettings))
    assert names == {name for name in get_type_hints(AsterConfig) if not name.startswith("_")}
    config = AsterConfig()
    for name in names:
        assert getattr(config, name) == ALL.by_name[name].default


def test_an_inline_argument_wins_over_the_environment_and_the_environment_over_a_file(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = write(tmp_path, '[network]\nbind_addr = "127.0.0.1:1"\nrelay_mode = "default"\nhook_timeout_ms = 7\n')
    monkeypatch.setenv("ASTER_BIND_ADDR", "127.0.0.1:2")
    monkeypatch.setenv("ASTER_RELAY_MODE", "disabled")
    config = AsterConfig.from_file(path, bind_addr="127.0.0.1:3")
    assert (config.bind_addr, config.source("bind_addr")) == ("127.0.0.1:3", "inline")
    assert (config.relay_mode, config.source("relay_mode")) == ("disabled", "ASTER_RELAY_MODE")
    assert (config.hook_timeout_ms, config.source("hook_timeout_ms")) == (7, f"{path} [network]")


def test_a_trust_anchor_in_the_environment_reaches_an_inline_config(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ASTER_ROOT_PUBKEY", "ab" * 32)
    assert AsterConfig(relay_mode="disabled").root_pubkey == bytes.fromhex("ab" * 32)


@pytest.mark.parametrize(
    "document",
    ["[trust]\nroot_pubkeyfile = 'x'\n", "[netwrok]\nbind_addr = 'x'\n", "trust = 3\n", "[trust\n"],
)
def test_a_document_with_anything_unknown_is_refused(tmp_path: Path, document: str) -> None:
    with pytest.raises(ConfigError):
        AsterConfig.from_file(write(tmp_path, document))


def test_an_unknown_key_is_answered_with_the_closest_known_one(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="did you mean 'root_pubkey_file'") as caught:
        AsterConfig.from_file(write(tmp_path, "[trust]\nroot_pubkeyfile = 'x'\n"))
    assert "aster.toml" in str(caught.value)


@pytest.mark.parametrize(
    ("variable", "text", "message"),
    [
        ("ASTER_SECRET_KEY", "A" * 40 + "AA==", "ASTER_SECRET_KEY: expected base64 of 32 bytes, got 31"),
        ("ASTER_ROOT_PUBKEY", "abcd", "ASTER_ROOT_PUBKEY: expected 64 hex characters, got 4"),
        ("ASTER_ALLOW_ALL_CONSUMERS", "maybe", "ASTER_ALLOW_ALL_CONSUMERS: expected one of true"),
        ("ASTER_HEALTH_PORT", "65536", "ASTER_HEALTH_PORT: expected a whole number"),
        ("ASTER_BIND_ADDR", "localhost:80", "ASTER_BIND_ADDR: expected an IP address and port"),
        ("ASTER_BIND_ADDR", "::1:80", "ASTER_BIND_ADDR: expected an IP address and port"),
        ("ASTER_RELAY_MODE", "ftp://relay", "ASTER_RELAY_MODE: expected 'default', 'disabled', or the URL"),
        ("ASTER_LOG_LEVEL", "loud", "ASTER_LOG_LEVEL: expected one of debug"),
    ],
)
def test_a_malformed_value_is_an_error_that_names_its_source(
    monkeypatch: pytest.MonkeyPatch, variable: str, text: str, message: str
) -> None:
    monkeypatch.setenv(variable, text)
    with pytest.raises(ConfigError) as caught:
        AsterConfig.from_env()
    assert str(caught.value).startswith(message)


@pytest.mark.parametrize("address", ["0.0.0.0:9000", "[::1]:0", "127.0.0.1:65535"])
def test_a_bind_address_is_an_ip_address_and_a_port(address: str) -> None:
    assert AsterConfig(bind_addr=address).bind_addr == address


@pytest.mark.parametrize(
    ("written", "read"),
    [("Default", "default"), ("DISABLED", "disabled"), ("https://relay.example:8443", "https://relay.example:8443")],
)
def test_relay_mode_takes_its_words_in_any_case_and_urls(written: str, read: str) -> None:
    assert AsterConfig(relay_mode=written).relay_mode == read


def test_a_secret_is_in_no_print_repr_or_error(capsys: pytest.CaptureFixture[str]) -> None:
    secret = bytes(range(32))
    config = AsterConfig(secret_key=secret, proxy_url="http://user:hunter2@proxy:3128")
    config.print_config()
    config.print_config(json=True)
    shown = capsys.readouterr().out + repr(config)
    assert secret.hex() not in shown
    assert "hunter2" not in shown
    assert "****...1c1d1e1f" in shown


def test_a_setting_outside_the_short_list_is_printed_once_it_is_set(capsys: pytest.CaptureFixture[str]) -> None:
    text = AsterConfig(log_format="json", hook_timeout_ms=9).print_config()
    assert capsys.readouterr().out == f"{text}\n"
    assert "hook_timeout_ms : 9 (inline)" in text
    assert "[logging]\nformat : json (inline)" in text


def test_json_lists_every_setting_with_value_and_source() -> None:
    tree = json.loads(AsterConfig(health_port=8081).print_config(json=True))
    assert tree["health"]["port"] == {"value": 8081, "source": "inline"}
    assert sum(len(section) for section in tree.values()) == len(ALL.settings)


def test_a_config_is_frozen() -> None:
    with pytest.raises(AttributeError, match="frozen"):
        AsterConfig().allow_all_consumers = True


def test_the_short_list_names_settings_of_its_sections() -> None:
    for section, names in SHOWN.items():
        assert {TABLE.by_name[name].section for name in names} == {section}


def test_the_defaults_ask_for_nothing_that_is_not_supported() -> None:
    refuse_unsupported(AsterConfig())


@pytest.mark.parametrize("word", ["disabled", "Disabled"])
def test_a_port_mapper_that_shall_be_off_stops_the_start_and_says_what_to_do(word: str) -> None:
    with pytest.raises(SettingNotSupported, match="inline: portmapper_config") as refused:
        refuse_unsupported(AsterConfig(portmapper_config=word))
    assert refused.value.hint is not None
    assert "network namespace" in refused.value.hint
    refuse_unsupported(AsterConfig(portmapper_config="enabled"))


def test_a_relay_s_token_is_masked_wherever_settings_are_shown(capsys: pytest.CaptureFixture[str]) -> None:
    config = AsterConfig(relay_mode="https://sesame@relay.example/")
    config.print_config()
    config.print_config(json=True)
    shown = capsys.readouterr().out + repr(config)
    assert "sesame" not in shown
    assert shown.count("https://****@relay.example/") == 3
    for wrong in ("https://sesame@", "ftp://sesame@relay.example", "https://user:sesame@relay.example"):
        with pytest.raises(ConfigError) as refused:
            AsterConfig(relay_mode=wrong)
        assert "sesame" not in str(refused.value)


KEYS = st.sampled_from([setting.document_key for setting in ALL.settings]) | st.text(max_size=12)
SECTIONS = st.sampled_from(ALL.sections) | st.text(max_size=8)
VALUES = st.one_of(st.text(max_size=20), st.integers(), st.booleans(), st.floats(allow_nan=False))


@given(section=SECTIONS, key=KEYS, value=VALUES)
def test_reading_any_document_gives_a_config_or_a_config_error(
    tmp_path_factory: pytest.TempPathFactory, section: str, key: str, value: object
) -> None:
    text = f"[{json.dumps(section)}]\n{json.dumps(key)} = {json.dumps(value)}\n"
    with contextlib.suppress(ConfigError):
        AsterConfig.from_file(write(tmp_path_factory.mktemp("config"), text))


VARIABLES = st.sampled_from([setting.env for setting in TABLE.settings if setting.env])
# What an operating system can put into an environment: no NUL, and no half of a surrogate pair.
ENVIRONMENT_TEXT = st.text(st.characters(exclude_characters="\0", exclude_categories=["Cs"]), max_size=80)
LIKELY = st.sampled_from(
    ["true", "0x1", "-1", "9" * 40, "[::1]:0", "[::1", "https://[", "http://a:b", "A" * 44, "é" * 64]
)


@given(values=st.dictionaries(VARIABLES, ENVIRONMENT_TEXT | LIKELY, max_size=4))
def test_any_environment_gives_a_config_or_a_config_error_that_names_a_variable(values: dict[str, str]) -> None:
    with pytest.MonkeyPatch.context() as patch:
        for name, text in values.items():
            patch.setenv(name, text)
        said = ""
        try:
            AsterConfig.from_env()
        except ConfigError as error:
            said = str(error)
    assert not said or said.partition(":")[0] in values


@given(text=st.text(max_size=200) | st.lists(st.sampled_from(list("[]{}=\"'\n#.,ab1")), max_size=60).map("".join))
def test_any_text_in_a_file_gives_a_config_or_a_config_error(
    tmp_path_factory: pytest.TempPathFactory, text: str
) -> None:
    file = tmp_path_factory.mktemp("config") / "aster.toml"
    file.write_bytes(text.encode("utf-8", "surrogatepass"))
    with contextlib.suppress(ConfigError):
        AsterConfig.from_file(file)


@pytest.mark.parametrize("raw", [b"\xff\xfe", b"\0", b"[" * 100_000, b"a=" + b"9" * 10_000, b'[trust]\n"\\uD800"=1'])
def test_hostile_bytes_in_a_file_are_a_config_error(tmp_path: Path, raw: bytes) -> None:
    file = tmp_path / "aster.toml"
    file.write_bytes(raw)
    with pytest.raises(ConfigError, match=r"aster\.toml"):
        AsterConfig.from_file(file)


def test_the_documents_health_section_is_read(tmp_path: Path) -> None:
    config = AsterConfig.from_file(write(tmp_path, '[health]\nport = 8081\nhost = "0.0.0.0"\n'))
    assert (config.health_port, config.health_host) == (8081, "0.0.0.0")
