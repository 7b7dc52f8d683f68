"""An answer: a status, bytes, headers; and how it goes onto the wire."""

from collections.abc import Sequence
from typing import Any

import msgspec

from aster.foundation.http.request import Send

JSON = b"application/json"
NO_CONTENT = 204
NOT_MODIFIED = 304
_encode = msgspec.json.Encoder().encode

Header = tuple[bytes, bytes]


class Reply(msgspec.Struct, frozen=True):
    """``content_type`` is left out when the body is empty."""

    status: int = 200
    body: bytes = b""
    content_type: bytes = JSON
    headers: Sequence[Header] = ()

    @property
    def is_whole(self) -> bool:
        """Whether ``body`` is all that is answered, so that it may go in one piece."""
        return True

    def head(self, extra: Sequence[Header] = ()) -> list[Header]:
        """All headers."""
        headers = [*self.headers, *extra]
        if self.status not in (NO_CONTENT, NOT_MODIFIED):  # RFC 9110, section 8.6
            headers.append((b"content-length", b"%d" % len(self.body)))
        if self.body:
            headers.append((b"content-type", self.content_type))
        return headers

    async def send(self, send: Send, *, extra: Sequence[Header] = (), head_only: bool = False) -> None:
        await send({"type": "http.response.start", "status": self.status, "headers": self.head(extra)})
        await send({"type": "http.response.body", "body": b"" if head_only else self.body})


def json_reply(value: Any, status: int = 200, headers: Sequence[Header] = ()) -> Reply:
    return Reply(status, _encode(value), headers=headers)
