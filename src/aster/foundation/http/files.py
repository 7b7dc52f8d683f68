"""An answer that is a file: read in pieces while it is sent, so that its size does not matter."""

import asyncio
from collections.abc import Sequence
from typing import BinaryIO

from aster.foundation.http.reply import Header, Reply
from aster.foundation.http.request import Send

PIECE_BYTES = 256 * 1024


class FileReply(Reply, frozen=True):
    """Owns ``file``, open at its beginning; closes it when it is sent, and when it could not be."""

    file: BinaryIO | None = None
    length: int = 0

    @property
    def is_whole(self) -> bool:
        return False

    async def send(self, send: Send, *, extra: Sequence[Header] = (), head_only: bool = False) -> None:
        if self.file is None:
            raise RuntimeError("a file's answer needs its file")
        length = (b"content-length", b"%d" % self.length)
        headers = [*self.headers, *extra, length, (b"content-type", self.content_type)]
        with self.file as file:
            await send({"type": "http.response.start", "status": self.status, "headers": headers})
            while not head_only and (piece := await asyncio.to_thread(file.read, PIECE_BYTES)):
                await send({"type": "http.response.body", "body": piece, "more_body": True})
            await send({"type": "http.response.body", "body": b""})
