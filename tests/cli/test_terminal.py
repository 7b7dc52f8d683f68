import pytest

from aster.cli.terminal import print_error, visible
from aster.foundation.errors import ConfigError


def test_nothing_in_an_error_steers_the_terminal(capsys: pytest.CaptureFixture[str]) -> None:
    print_error(ConfigError("unknown field '\x1b]0;pwn\x07evil\u202e'", hint="\x9b2J"))
    told = capsys.readouterr().err
    assert "\\x1b]0;pwn\\x07evil\\u202e" in told
    assert not {"\x1b", "\x07", "\x9b", "\u202e"} & set(told)


def test_lines_and_every_language_stay_as_they_are() -> None:
    assert visible("一\u3000二\n\tüß") == "一\u3000二\n\tüß"
