"""A slip in a variable's name is told, and what only looks like one is not."""

import logging

import pytest

from aster import AsterConfig
from aster.config import misspelt as misspelt_module
from aster.config.aster_config import VARIABLES
from aster.config.misspelt import misspelt


@pytest.mark.parametrize(
    ("written", "meant"),
    [
        ("ASTER_ROOT_PUBKEYFILE", "ASTER_ROOT_PUBKEY_FILE"),
        ("ASTER_ALLOW_ALL_CONSUMER", "ASTER_ALLOW_ALL_CONSUMERS"),
        ("ASTER_ENROLLMENT_CREDENTIAL_FILE", "ASTER_ENROLLMENT_CREDENTIAL"),
        ("aster_relay_mode", "ASTER_RELAY_MODE"),
        ("ASTER_RELAY_TOKENS", "ASTER_RELAY_TOKEN"),
    ],
)
def test_a_slip_is_told_with_what_is_meant(written: str, meant: str) -> None:
    assert list(misspelt({written: "x"}, VARIABLES)) == [(written, meant)]


def test_what_is_ours_or_nothing_like_it_is_let_be() -> None:
    fine = ["ASTER_HOME", "ASTER_TEAM", "ASTER_HMAC_SECRET_ACME", "ASTER_PROFILE", "PATH", *VARIABLES.values()]
    assert list(misspelt(dict.fromkeys(fine, "x"), VARIABLES)) == []


def test_it_is_said_once_and_never_with_the_value(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(misspelt_module, "_told", set())
    monkeypatch.setenv("ASTER_SECRETKEY", "c2VjcmV0")
    with caplog.at_level(logging.WARNING):
        AsterConfig.from_env()
        AsterConfig.from_env()
    assert [record.getMessage() for record in caplog.records] == [
        "the environment variable ASTER_SECRETKEY is no setting: did you mean ASTER_SECRET_KEY?"
    ]
