"""The family of errors: one base, one stable code a class."""

import re
from collections.abc import Iterator

import pytest

import aster.foundation.audit
import aster.foundation.http.service  # noqa: F401 - so that their errors are among the subclasses
from aster.foundation.errors import AsterError, ConfigError, StorageFull


def family(base: type[AsterError]) -> Iterator[type[AsterError]]:
    for child in base.__subclasses__():
        if child.__module__.startswith("aster.foundation."):
            yield child
            yield from family(child)


@pytest.mark.parametrize("kind", list(family(AsterError)), ids=lambda kind: kind.__name__)
def test_every_error_has_a_code_of_its_own_in_words(kind: type[AsterError]) -> None:
    assert re.fullmatch(r"[A-Z]+(_[A-Z]+)*", kind.code)
    assert kind.__doc__ is not None or kind.code != AsterError.code


def test_an_error_tells_what_and_the_way_out() -> None:
    error = ConfigError("port: expected a number", hint="give one", setting="port")
    assert str(error) == "port: expected a number (give one)"
    assert (error.message, error.hint, error.details) == ("port: expected a number", "give one", {"setting": "port"})
    assert str(StorageFull("the disk is full")) == "the disk is full"
