"""Which modes start, and that nothing falls back to one that trusts everybody."""

import pytest

from aster.foundation.errors import ConfigError
from astrocyte.gateway.app import create_gateway
from astrocyte.gateway.settings import GatewaySettings, resolve_settings
from astrocyte.memory import Astrocyte


@pytest.fixture
def engine() -> Astrocyte:
    return Astrocyte.from_config_dict({"embedding": {"provider": "none"}})


@pytest.mark.parametrize("mode", ["api_key", "jwt_hs256", "jwt", "jwt_oidc", " API_KEY "])
def test_a_mode_that_does_not_act_yet_refuses_to_start(engine: Astrocyte, mode: str) -> None:
    settings = resolve_settings(environ={"ASTROCYTE_AUTH_MODE": mode})
    with pytest.raises(ConfigError, match="not served yet"):
        create_gateway(engine, settings)


@pytest.mark.parametrize("mode", ["none", "off", "dve", "basic"])
def test_an_unknown_mode_refuses_to_start(engine: Astrocyte, mode: str) -> None:
    with pytest.raises(ConfigError, match=f"Unknown ASTROCYTE_AUTH_MODE: {mode}"):
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
