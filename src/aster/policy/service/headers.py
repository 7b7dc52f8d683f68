"""Reading a header that is trusted: one value, however often it was sent."""

from aster.foundation.http.request import Request


class HeaderConflict(Exception):
    """The same header was sent with different values: whoever reads the other one decides differently."""


def single_header(request: Request, name: bytes) -> bytes | None:
    """The header's value, None when it is missing or empty; raises `HeaderConflict`."""
    values: dict[bytes, bytes | None] | None = request.state.get("single_headers")
    if values is None:
        values = request.state["single_headers"] = _read_once(request)
    value = values.get(name, b"")
    if value is None:
        raise HeaderConflict(name.decode())
    return value or None


def _read_once(request: Request) -> dict[bytes, bytes | None]:
    """Every header's value; None where there are several."""
    values: dict[bytes, bytes | None] = {}
    for name, value in request.scope["headers"]:
        values[name] = value if values.get(name, value) == value else None
    return values
