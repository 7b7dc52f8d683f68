"""Defaults of described fields: known as JSON, or known to the server alone."""

from collections.abc import Callable
from typing import Any

import msgspec


class DefaultFrom:
    """A ``default_factory`` that decodes JSON as a type, which is asked for late: it may not be defined yet."""

    def __init__(self, json: bytes, kind: Callable[[], Any]) -> None:
        self.json = json
        self._kind = kind

    def __call__(self) -> Any:
        return msgspec.json.decode(self.json, type=self._kind())


class NoDefault:
    """The ``default_factory`` of a field that may be left out but has a place on the wire, so that something must be
    there; what its default is, the description does not say (it is made anew each time)."""

    def __init__(self, name: str) -> None:
        self._name = name

    def __call__(self) -> Any:
        raise msgspec.ValidationError(f"`{self._name}` has to be given: its default is known to the server alone")
