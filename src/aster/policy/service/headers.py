"""Reading headers that are trusted: one value of each, however often it was sent."""

from typing import Protocol

from aster.foundation.http.request import Request


class HeaderConflict(Exception):
    """The same header was sent with different values: whoever reads the other one decides differently."""


class SingleHeaders(Protocol):
    """Headers by their names in lower case."""

    def get(self, name: bytes, /) -> bytes | None:
        """The header's value, None when it is missing; raises `HeaderConflict`."""


def single_headers(request: Request) -> SingleHeaders:
    """The headers themselves when none was sent twice: nearly every request then costs a look into a dictionary."""
    return _Checked(request) if request.repeats_headers else request.headers


class _Checked:
    """Headers of which some were sent more than once."""

    def __init__(self, request: Request) -> None:
        self._request = request

    def get(self, name: bytes, /) -> bytes | None:
        if len(set(self._request.headers_all(name))) > 1:
            raise HeaderConflict(name.decode())
        return self._request.header(name)
