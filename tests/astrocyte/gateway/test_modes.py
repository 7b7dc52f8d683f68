"""Which modes start, what they warn of, and that nothing falls back to one that trusts everybody."""

import sys

import pytest

from aster.foundation.errors import ConfigError, MissingExtra
from astrocyte.gateway.app import create_gateway
from astrocyte.gateway.settings import GatewaySettings, resolve_settings
from astrocyte.memory import Astrocyte


@pytest.fixture
def engine() -> Astrocyte:
    return Astrocyte.from_config_dict({"embedding": {"provider": "none"}})


@pytest.mark.parametrize("mode", ["api_key", "jwt_hs256", "jwt", "jwt_oidc", " API_KEY "])
def test_a_mode_without_its_variables_starts_with_a_warning(
    engine: Astrocyte, mode: str, caplog: pytest.LogCaptureFixture
) -> None:
    create_gateway(engine, resolve_settings(environ={"ASTROCYTE_AUTH_MODE": mode}))
    assert "every request will be refused" in caplog.text


@pytest.mark.parametrize("mode", ["none", "off", "dve", "basic"])
def test_an_unknown_mode_refuses_to_start(engine: Astrocyte, mode: str) -> None:
    with pytest.raises(ConfigError, match=f"Unknown ASTROCYTE_AUTH_MODE: {mode}"):
        create_gateway(engine, resolve_settings(environ={"ASTROCYTE_AUTH_MODE": mode}))


@pytest.mark.parametrize("mode", ["jwt_hs256", "jwt_oidc"])
def test_a_mode_whose_libraries_are_missing_names_the_extra(
    engine: Astrocyte, mode: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "jwt", None)
    with pytest.raises(MissingExtra, match=r"aster-platform\[gateway\]"):
        create_gateway(engine, resolve_settings(environ={"ASTROCYTE_AUTH_MODE": mode}))


@pytest.mark.parametrize("environ", [{}, {"ASTROCYTE_AUTH_MODE": ""}, {"ASTROCYTE_AUTH_MODE": " Dev "}])
def test_dev_is_the_default(environ: dict[str, str]) -> None:
    assert resolve_settings(environ=environ) == GatewaySettings()


@pytest.mark.parametrize("host", ["0.0.0.0", "::", "192.168.1.5", "example.com"])
def test_dev_refuses_an_address_that_strangers_reach(
    engine: Astrocyte, host: str, caplog: pytest.LogCaptureFixture
) -> None:
    with pytest.raises(ConfigError, match="trusts every caller"):
        create_gateway(engine, GatewaySettings(host=host))
    create_gateway(engine, GatewaySettings(host=host, allow_dev_auth=True))
    assert "trusts every caller" in caplog.text


@pytest.mark.parametrize("host", ["127.0.0.1", "::1", "localhost"])
def test_dev_starts_on_loopback(engine: Astrocyte, host: str) -> None:
    create_gateway(engine, GatewaySettings(host=host))


@pytest.mark.parametrize(
    ("environ", "words"),
    [
        ({"ASTROCYTE_AUTH_MODE": "api_key", "ASTROCYTE_API_KEY": "sk-1"}, "ASTROCYTE_API_KEY is short"),
        ({"ASTROCYTE_AUTH_MODE": "jwt", "ASTROCYTE_JWT_SECRET": "s" * 31}, "ASTROCYTE_JWT_SECRET is short"),
        ({"ASTROCYTE_AUTH_MODE": "jwt", "ASTROCYTE_JWT_SECRET": "s" * 32}, "ASTROCYTE_JWT_AUDIENCE is not set"),
        ({"ASTROCYTE_AUTH_MODE": "jwt_oidc", "ASTROCYTE_OIDC_JWKS_URL": "http://idp.example/keys"}, "is not https"),
    ],
)
def test_what_is_weak_is_warned_of(
    engine: Astrocyte, environ: dict[str, str], words: str, caplog: pytest.LogCaptureFixture
) -> None:
    create_gateway(engine, resolve_settings(environ=environ))
    assert words in caplog.text
    assert "sk-1" not in caplog.text
    assert "sss" not in caplog.text


@pytest.mark.parametrize(
    "environ",
    [
        {"ASTROCYTE_AUTH_MODE": "jwt_oidc", "ASTROCYTE_OIDC_JWKS_URL": "auth.example.com/keys"},
        {"ASTROCYTE_AUTH_MODE": "jwt_oidc", "ASTROCYTE_OIDC_JWKS_URL": "file:///etc/keys.json"},
        {"ASTROCYTE_AUTH_MODE": "jwt_oidc", "ASTROCYTE_OIDC_JWKS_URL": "https://me:secret@idp.example/keys"},
        {"ASTROCYTE_AUTH_MODE": "jwt_oidc", "ASTROCYTE_OIDC_JWKS_URL": "https://[::1/keys"},
        {"ASTROCYTE_AUTH_MODE": "jwt_oidc", "ASTROCYTE_OIDC_ACTOR_TYPE": "superuser"},
        {
            "ASTROCYTE_AUTH_MODE": "jwt",
            "ASTROCYTE_JWT_SECRET": "-----BEGIN PUBLIC KEY-----\nMIIB\n-----END PUBLIC KEY-----",
        },
    ],
)
def test_what_is_set_wrong_refuses_to_start(engine: Astrocyte, environ: dict[str, str]) -> None:
    with pytest.raises(ConfigError) as refused:
        create_gateway(engine, resolve_settings(environ=environ))
    assert "secret@" not in str(refused.value)


def test_no_secret_is_shown() -> None:
    names = ("ASTROCYTE_API_KEY", "ASTROCYTE_JWT_SECRET", "ASTROCYTE_ADMIN_TOKEN")
    settings = resolve_settings(environ=dict.fromkeys(names, "hunter2-hunter2-hunter2"))
    assert "hunter2" not in repr(settings)
    assert settings.api_key is not None
    assert settings.api_key.matches(b"hunter2-hunter2-hunter2")
    assert "hunter2" not in str(settings.api_key)


def test_settings_with_the_same_secrets_are_the_same() -> None:
    one, other = ({"ASTROCYTE_API_KEY": key} for key in ("hunter2", "hunter3"))
    assert resolve_settings(environ=one) == resolve_settings(environ=dict(one))
    assert resolve_settings(environ=one) != resolve_settings(environ=other)
    assert resolve_settings(environ=one).api_key != "hunter2"
    assert len({resolve_settings(environ=one).api_key, resolve_settings(environ=other).api_key}) == 2
