"""Layered settings: which layer wins, where a value came from, and errors that name a source but never a secret."""

import base64
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from aster.foundation.errors import ConfigError
from aster.foundation.kinds import FLAG, PATH, TEXT, base64_bytes, choice, hex_bytes, integer
from aster.foundation.settings import Document, Setting, SettingsTable, Sourced, describe_value, suggest

KEY = bytes(range(32))
KEY_TEXT = base64.b64encode(KEY).decode()

TABLE = SettingsTable(
    [
        Setting("host", TEXT, "127.0.0.1", "Where to listen.", "server", env="T_HOST"),
        Setting("port", integer(0, 65535), 8080, "The port.", "server", env="T_PORT"),
        Setting("debug", FLAG, False, "Say more.", "server", env="T_DEBUG"),
        Setting("mode", choice("dev", "jwt"), "dev", "How callers prove who they are.", "auth", env="T_MODE"),
        Setting("secret_key", base64_bytes(32), None, "The key.", "auth", env="T_SECRET", secret=True, unset="<none>"),
        Setting("password", TEXT, None, "For the database.", "auth", env="T_PASSWORD", secret=True),
        Setting("peer_id", hex_bytes(4), None, "A peer.", "network", key="peer", env="T_PEER"),
        Setting("data", PATH, "~/data", "Where to keep things.", "storage"),
    ]
)


def write(tmp_path: Path, name: str, text: str) -> Document:
    file = tmp_path / name
    file.write_text(text, encoding="utf-8")
    return Document.read(file)


def test_without_layers_everything_is_default() -> None:
    resolved = TABLE.resolve()
    assert dict(resolved) == {setting.name: setting.default for setting in TABLE.settings}
    assert {resolved.source(name) for name in resolved} == {"default"}
    assert len(resolved) == len(TABLE.settings)


ports = st.none() | st.integers(0, 65535)


@given(document=ports, environment=ports, inline=ports)
def test_the_highest_layer_that_says_something_wins(
    document: int | None, environment: int | None, inline: int | None
) -> None:
    resolved = TABLE.resolve(
        inline={"port": inline},
        environ={} if environment is None else {"T_PORT": str(environment)},
        document=Document("aster.toml", {"server": {} if document is None else {"port": document}}),
    )
    layers = [(inline, "inline"), (environment, "T_PORT"), (document, "aster.toml [server]"), (8080, "default")]
    value, source = next(layer for layer in layers if layer[0] is not None)
    assert (resolved["port"], resolved.source("port")) == (value, source)


@given(st.sampled_from([setting for setting in TABLE.settings if setting.env]), st.text(" \t\n", max_size=4))
def test_an_empty_environment_variable_counts_as_unset(setting: Setting, blank: str) -> None:
    resolved = TABLE.resolve(environ={setting.env or "": blank})
    assert resolved.source(setting.name) == "default"


def test_a_variable_of_no_setting_is_ignored() -> None:
    assert TABLE.resolve(environ={"T_OTHER": "x", "": "y"}) == TABLE.resolve()


DOCUMENTS = {
    "aster.toml": '[server]\nport = 9000\ndebug = true\n[network]\npeer = "0badcafe"\n',
    "aster.yaml": 'server:\n  port: 9000\n  debug: true\n  host: null\nnetwork: {peer: "0badcafe"}\n',
    "aster.YML": 'server: {port: 9000, debug: yes}\nnetwork:\n  peer: "0badcafe"\n',
}


@pytest.mark.parametrize("name", DOCUMENTS)
def test_toml_and_yaml_say_the_same(tmp_path: Path, name: str) -> None:
    resolved = TABLE.resolve(document=write(tmp_path, name, DOCUMENTS[name]))
    assert (resolved["port"], resolved["debug"], resolved["peer_id"]) == (9000, True, b"\x0b\xad\xca\xfe")
    assert resolved.source("port") == f"{tmp_path / name} [server]"
    assert resolved.source("peer_id") == f"{tmp_path / name} [network]"
    assert (resolved["host"], resolved.source("host")) == ("127.0.0.1", "default")


@pytest.mark.parametrize("name", ["empty.toml", "empty.yaml"])
def test_an_empty_document_changes_nothing(tmp_path: Path, name: str) -> None:
    assert dict(TABLE.resolve(document=write(tmp_path, name, "# nothing here\n"))) == dict(TABLE.resolve())


@pytest.mark.parametrize(
    ("sections", "wrong", "suggested"),
    [
        ({"sever": {}}, "[sever]", "server"),
        ({"server": {"prot": 1}}, "'prot' in [server]", "port"),
        ({"server": {"peer": "x"}}, "'peer' in [server]", "port"),
        ({"network": {"peer_id": "00"}}, "'peer_id' in [network]", "peer"),
        ({"server": 3}, "[server], got a number", ""),
        ({True: {"x": 1}}, "[True]", "auth, network, server, storage"),
        ({"server": {1: 2}}, "'1' in [server]", "debug, host, port"),
    ],
)
def test_an_unknown_section_or_key_is_named_with_a_suggestion(
    sections: dict[Any, Any], wrong: str, suggested: str
) -> None:
    with pytest.raises(ConfigError) as caught:
        TABLE.resolve(document=Document("aster.toml", sections))
    assert "aster.toml" in caught.value.message
    assert wrong in caught.value.message
    assert suggested in (caught.value.hint or "")


def test_an_unknown_inline_setting_is_named_with_a_suggestion() -> None:
    with pytest.raises(ConfigError, match=r"unknown setting 'hots' \(did you mean 'host'\?\)"):
        TABLE.resolve(inline={"hots": "x"})


def test_without_a_close_word_all_known_ones_are_listed() -> None:
    assert suggest("zzz", ["b", "a"]) == "known: a, b"


WRONG: list[tuple[str, str, object, str]] = [
    ("port", "T_PORT", "many", "[server] port"),
    ("port", "T_PORT", "70000", "[server] port"),
    ("port", "T_PORT", "--5", "[server] port"),
    ("debug", "T_DEBUG", "maybe", "[server] debug"),
    ("mode", "T_MODE", "none", "[auth] mode"),
    ("secret_key", "T_SECRET", "hunter2hunter2", "[auth] secret_key"),
    ("secret_key", "T_SECRET", base64.b64encode(b"hunter2").decode(), "[auth] secret_key"),
    ("peer_id", "T_PEER", "xyz", "[network] peer"),
    ("peer_id", "T_PEER", "00", "[network] peer"),
]


@pytest.mark.parametrize(("name", "variable", "value", "place"), WRONG)
def test_a_bad_value_names_its_source_and_what_was_expected(name: str, variable: str, value: str, place: str) -> None:
    section, _, key = place.partition(" ")
    attempts: list[tuple[str, Callable[[], object]]] = [
        (variable, lambda: TABLE.resolve(environ={variable: value})),
        (f"aster.toml {place}", lambda: TABLE.resolve(document=Document("aster.toml", {section[1:-1]: {key: value}}))),
        (name, lambda: TABLE.resolve(inline={name: value})),
    ]
    for source, attempt in attempts:
        with pytest.raises(ConfigError) as caught:
            attempt()
        assert caught.value.message.startswith(f"{source}: expected ")
        assert caught.value.code == "CONFIG_INVALID"
        assert caught.value.details == {"setting": name}


anything = st.none() | st.booleans() | st.integers() | st.floats() | st.text() | st.binary() | st.lists(st.integers())


@given(st.sampled_from(TABLE.settings), anything)
def test_any_value_is_taken_or_refused_with_its_place(setting: Setting, value: object) -> None:
    document = Document("aster.toml", {setting.section: {setting.document_key: value}})
    try:
        resolved = TABLE.resolve(document=document)
    except ConfigError as error:
        assert f"aster.toml [{setting.section}] {setting.document_key}: expected {setting.kind.label}" in error.message  # noqa: PT017 - a value may also be fine
    else:
        resolved.render_text()
        resolved.render_json()


# The first characters keep it apart from words that are no secret, such as a setting's own name.
secret_texts = st.text(st.characters(codec="ascii", categories=["L", "N", "P"]), min_size=8, max_size=40).map(
    "q7Zx".__add__
)


@given(st.sampled_from(["secret_key", "password"]), secret_texts)
def test_no_error_and_no_rendering_shows_a_secret(name: str, secret: str) -> None:
    setting = TABLE.by_name[name]
    for layer in (
        {"environ": {setting.env: secret}},
        {"inline": {name: secret}},
        {"document": Document("aster.toml", {"auth": {name: secret}})},
        {"document": Document("aster.toml", {"auth": {name: [secret]}})},
        {"document": Document("aster.toml", {"auth": {name: {"x": secret}}})},
        {"document": Document("aster.toml", {"auth": secret})},
    ):
        try:
            resolved = TABLE.resolve(**layer)
        except ConfigError as error:
            assert secret not in f"{error}{error!r}{error.details}"  # noqa: PT017 - a password may also be fine
        else:
            assert secret not in resolved.render_text() + resolved.render_json() + repr(resolved)


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("a.toml", 'secret_key = "hunter2'),
        ("a.toml", "secret_key = hunter2"),
        ("a.toml", "x = " + "9" * 5000),
        ("a.toml", "x = " + "[" * 5000),
        ("a.yaml", 'auth:\n  secret_key: "hunter2'),
        ("a.yaml", "auth:\n  secret_key: *hunter2"),
        ("a.yaml", "auth:\n  secret_key: !hunter2 x"),
        ("a.yaml", "auth:\n  secret_key: @hunter2"),
        ("a.yaml", "auth:\n  secret_key: !!int hunter2"),
        ("a.yaml", "auth:\n  secret_key: 2024-13-45"),
        ("a.yaml", "? {a: hunter2}\n: x"),
        ("a.yaml", "[" * 5000),
        ("a.yaml", "a: \x00"),
        ("a.yaml", "- a list"),
        ("a.yaml", "hunter2"),
        ("a.json", "{}"),
        ("a", "x"),
    ],
)
def test_a_document_that_cannot_be_parsed_is_named_and_not_quoted(tmp_path: Path, name: str, text: str) -> None:
    with pytest.raises(ConfigError) as caught:
        write(tmp_path, name, text)
    error: BaseException | None = caught.value
    assert str(tmp_path / name) in caught.value.message
    while error is not None:
        assert "hunter2" not in str(error)
        error = error.__cause__ or (None if error.__suppress_context__ else error.__context__)


@pytest.mark.parametrize("name", ["a.toml", "a.yaml"])
def test_a_syntax_error_is_located(tmp_path: Path, name: str) -> None:
    with pytest.raises(ConfigError, match="line 2"):
        write(tmp_path, name, "# fine\n@ = ]\n")


def test_a_document_that_cannot_be_read_is_named(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="absent"):
        Document.read(tmp_path / "absent.toml")
    with pytest.raises(ConfigError, match="directory"):
        Document.read(tmp_path)
    (tmp_path / "latin.toml").write_bytes(b'[server]\nhost = "\xff"\n')
    with pytest.raises(ConfigError, match=r"latin\.toml: is not UTF-8"):
        Document.read(tmp_path / "latin.toml")


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None, max_examples=60)
@given(st.text(max_size=40), st.sampled_from(["fuzz.toml", "fuzz.yaml"]))
def test_any_text_is_a_document_or_a_config_error(tmp_path: Path, text: str, name: str) -> None:
    (tmp_path / name).write_text(text.replace("\x00", ""), encoding="utf-8", errors="replace")
    try:
        TABLE.resolve(document=Document.read(tmp_path / name))
    except ConfigError as error:
        assert name in error.message  # noqa: PT017 - a text may also be fine


def test_printing_shows_sources_and_masks_secrets() -> None:
    resolved = TABLE.resolve(inline={"secret_key": KEY, "password": "correct horse battery staple"})
    text = resolved.render_text()
    assert "[server]\nhost : 127.0.0.1 (default)\nport : 8080 (default)" in text
    assert "secret_key : ****...1c1d1e1f (inline)" in text
    assert "password : ****...aple (inline)" in text
    assert "peer : <not set> (default)" in text
    assert KEY_TEXT not in text
    assert resolved.render_text({"network": ["peer_id"]}) == "[network]\npeer : <not set> (default)"
    tree = json.loads(resolved.render_json())
    assert tree["auth"]["secret_key"] == {"value": "****...1c1d1e1f", "source": "inline"}
    assert tree["network"]["peer"] == {"value": None, "source": "default"}
    assert tree["server"]["debug"] == {"value": False, "source": "default"}


def test_a_setting_that_is_not_set_is_shown_in_its_own_words() -> None:
    assert "secret_key : <none> (default)" in TABLE.resolve().render_text()


def test_replacing_a_value_leaves_the_original() -> None:
    resolved = TABLE.resolve()
    changed = resolved.replace("port", 1, "a rule")
    assert (changed["port"], changed.source("port")) == (1, "a rule")
    assert (resolved["port"], resolved.source("port")) == (8080, "default")


@pytest.mark.parametrize(
    ("value", "words"),
    [
        (None, "nothing"),
        (True, "a boolean"),
        (1.5, "a number"),
        ("hunter2", "text"),
        (b"abc", "3 bytes"),
        ([1], "a list"),
        ({}, "a section"),
        (Sourced(1, "x"), "a Sourced"),
    ],
)
def test_a_value_is_described_without_its_content(value: object, words: str) -> None:
    assert describe_value(value) == words
