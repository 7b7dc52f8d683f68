"""The policy service's settings: the contract's property names in every layer."""

from pathlib import Path

import pytest

from aster.foundation.errors import ConfigError
from aster.foundation.settings import Document
from aster.policy.service.settings import SECRET_KEY, PolicySettings, resolve_settings


def test_a_property_is_read_from_the_section_its_dots_name(tmp_path: Path) -> None:
    file = tmp_path / "policy.toml"
    file.write_text('[aster.security.hmac]\nsecret-key = "from the file"\n\n[aster.ratelimit]\nmax-requests = 5\n')
    resolved = resolve_settings(document=Document.read(file))
    assert PolicySettings.of(resolved).secret_key == "from the file"
    assert PolicySettings.of(resolved).rate_requests == 5
    assert resolved.source(SECRET_KEY) == f"{file} [aster.security.hmac]"


def test_the_environment_wins_over_the_file_and_inline_over_both(tmp_path: Path) -> None:
    file = tmp_path / "policy.toml"
    file.write_text('[aster.security.hmac]\nsecret-key = "file"\n')
    environ = {"ASTER_SECURITY_HMAC_SECRET_KEY": "environment"}
    document = Document.read(file)
    assert resolve_settings(environ=environ, document=document)[SECRET_KEY] == "environment"
    assert resolve_settings(environ=environ, document=document, inline={SECRET_KEY: "inline"})[SECRET_KEY] == "inline"


@pytest.mark.parametrize(
    "text",
    ["[aster.security.hmac]\nsecret = 1\n", "[aster.securty]\nx = 1\n", "[aster.security.hmac]\nsecret-key = 1\n"],
)
def test_unknown_or_wrong_settings_are_errors(tmp_path: Path, text: str) -> None:
    file = tmp_path / "policy.toml"
    file.write_text(text)
    with pytest.raises(ConfigError):
        resolve_settings(document=Document.read(file))


def test_secrets_are_masked_wherever_settings_are_shown() -> None:
    resolved = resolve_settings(inline={SECRET_KEY: "a very secret secret"})
    shown = resolved.render_text() + resolved.render_json() + repr(PolicySettings.of(resolved))
    assert "a very secret" not in shown
