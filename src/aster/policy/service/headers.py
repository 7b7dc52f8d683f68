"""Reading a header that is trusted: one value, however often it was sent."""

from aster.foundation.http.request import Request


class HeaderConflict(Exception):
    """The same header was sent with different values: whoever reads the other one decides differently."""


def single_header(request: Request, name: bytes) -> bytes | None:
    """The header's value, None when it is missing or empty; raises `HeaderConflict`."""
    if request.repeats_headers and len(set(request.headers_all(name))) > 1:
        raise HeaderConflict(name.decode())
    return request.headers.get(name) or None
