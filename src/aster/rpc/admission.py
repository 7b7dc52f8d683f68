"""The handshake of ``aster/admission/1``: one stream, one credential, one answer.

The client writes PRESENT (the credential's JSON); the server answers ADMITTED, or closes the connection with
NOT_ADMITTED and the same words for every reason: a forged, expired, stolen, malformed, oversized or slow credential
looks alike. The credential is judged against the key that QUIC has proven for the peer.
"""

import asyncio

from aster.rpc.client_connection import refusal_for
from aster.rpc.gate import Gate
from aster.rpc.status import UnavailableError
from aster.transport.endpoint import Connection
from aster.transport.errors import CloseCode, ConnectionLost, FramingError
from aster.transport.framing import FrameSplitter, frame
from aster.transport.pipe import Pipe

ADMISSION_ALPN = b"aster/admission/1"
NOT_ADMITTED = "not admitted"
MAX_PRESENTED = 64 * 1024

PRESENT = 1
ADMITTED = 2


async def present_credential(connection: Connection, raw: bytes, within: float) -> None:
    """The client's side; raises `PermissionDeniedError` when the server does not admit."""
    pipe = await connection.open_pipe()
    pipe.write(frame(PRESENT, 0, raw))
    try:
        async with asyncio.timeout(within):
            await _first_frame(pipe, ADMITTED)
    except (ConnectionLost, FramingError) as error:
        lost = error if isinstance(error, ConnectionLost) else ConnectionLost(error.message)
        raise refusal_for(lost) from error
    except TimeoutError:
        raise UnavailableError(f"no decision on the credential within {within:g} s") from None
    finally:
        pipe.close()
        connection.close(CloseCode.DONE, "admitted")


async def judge_credential(connection: Connection, gate: Gate, within: float) -> None:
    """The server's side: admit the peer or turn it away, within ``within`` seconds."""
    pipe: Pipe | None = None
    admitted = False
    try:
        async with asyncio.timeout(within):
            pipe = await connection.accept_pipe()
            raw = await _first_frame(pipe, PRESENT)
            admitted = await gate.present(connection.peer_id, raw)
            if admitted:
                pipe.write(frame(ADMITTED, 0))
                await connection.closed()
    except (ConnectionLost, FramingError, TimeoutError):
        # Broken, malformed, oversized or slow: the answer is the uniform denial below.
        pass
    if pipe is not None:
        pipe.close()
    if admitted:
        connection.close(CloseCode.DONE, "")
    else:
        connection.close(CloseCode.NOT_ADMITTED, NOT_ADMITTED)


async def _first_frame(pipe: Pipe, kind: int) -> bytes:
    """The body of the one frame that a side of this handshake sends."""
    arrived: asyncio.Future[bytes] = asyncio.get_running_loop().create_future()
    splitter = FrameSplitter(MAX_PRESENTED)

    def take(data: bytes) -> None:
        try:
            for got, _, body in splitter.feed(data):
                if got != kind or body is None:
                    raise FramingError("that is no frame of this handshake")
                if not arrived.done():
                    arrived.set_result(body)
        except FramingError as error:
            fail(error)

    def fail(error: ConnectionLost | FramingError) -> None:
        if not arrived.done():
            arrived.set_exception(error)

    pipe.start(take, fail)
    return await arrived
