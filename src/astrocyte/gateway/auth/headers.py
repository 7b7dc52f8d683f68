"""What an authenticator reads: header values by lower-case name, whether they came over HTTP or with an RPC call."""

from collections.abc import Awaitable, Callable, Sequence

from aster.foundation.http.errors import BadRequest
from astrocyte.access.identity import AstrocyteContext

Headers = Callable[[bytes], Sequence[bytes]]
"""Every value that was sent under one name."""

Authenticator = Callable[[Headers], Awaitable[AstrocyteContext | None]]
"""Returns the caller's identity, None for anonymous; raises to refuse."""


def only_value(headers: Headers, name: bytes) -> bytes:
    """The value of a header that is trusted, without surrounding blanks; empty when it is absent.

    Two different values are refused: whoever reads the first would trust another caller than who reads the last.
    """
    values = {value.strip() for value in headers(name)}
    if len(values) > 1:
        raise BadRequest(f"{name.decode()} is given more than once")
    return values.pop() if values else b""
