"""Defaults that a generated client writes as JSON, so that their description is what it was made from."""

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
