"""The handshake of ``aster/admission/1``: who comes, and if asked who serves, show a credential, over one stream.

A client that admits enrolled producers only writes DEMAND first; the server answers SHOWN with its own credential, and
the client goes on or hangs up: it shows nothing to a server that it does not trust. Then it writes PRESENT; the server
answers ADMITTED, or closes the connection with NOT_ADMITTED and the same words for every reason: a forged, expired,
stolen, malformed, oversized or slow credential looks alike. Both are judged against the key that QUIC has proven for
the other side.
"""

import asyncio
import time
from collections.abc import Collection
from dataclasses import dataclass

from aster.foundation.logs import get_logger
from aster.rpc.client_connection import refusal_for
from aster.rpc.gate import Gate
from aster.rpc.lane import Lane
from aster.rpc.protocol.core import ClientProtocol
from aster.rpc.status import PermissionDeniedError, UnavailableError
from aster.transport.endpoint import Connection
from aster.transport.errors import CloseCode, ConnectionLost, FramingError
from aster.transport.framing import FrameSplitter, frame
from aster.transport.pipe import Pipe
from aster.trust.admission import Admission, InstanceVerifier, judge
from aster.trust.credential import CredentialRefused
from aster.trust.presentation import MAX_PRESENTED, Presentation, encode_presentation
from aster.trust.refusals import Refusals

logger = get_logger("aster.trust")

ADMISSION_ALPN = b"aster/admission/1"
NOT_ADMITTED = "not admitted"
MAX_WAITING = 2
RECHECK_SECONDS = 60.0
"""How long a timer may sleep before it looks at the clock again, which may have been set."""

PRESENT = 1
ADMITTED = 2
DEMAND = 3
SHOWN = 4


@dataclass(frozen=True, slots=True)
class ProducerCheck:
    """What a client asks of a server before it calls: a producer's credential, signed by one of ``roots``."""

    roots: Collection[bytes]
    instances: InstanceVerifier

    async def judge(self, peer: str, shown: bytes) -> Admission:
        """Raises `PermissionDeniedError` unless ``peer`` may serve."""
        try:
            credential = await judge(
                shown, role="producer", peer=peer, roots=self.roots, now=time.time(), instances=self.instances
            )
        except CredentialRefused as error:
            logger.warning("the server was refused", peer=peer, reason=error.message)
            raise PermissionDeniedError(
                f"the server is not an admitted producer: {error.message}",
                hint="enroll it (aster enroll node --as producer), or allow_all_producers=True to skip the check",
            ) from None
        return Admission.of(credential, time.time())


async def enter(
    connection: Connection, presented: Presentation | None, producers: ProducerCheck | None, within: float
) -> Admission | None:
    """The client's side: check the server if asked to, then present a credential if there is one.

    Answers the producer's admission when it was checked; raises `PermissionDeniedError` when either side refuses.
    """
    frames = _Frames(await connection.open_pipe())
    producer = None
    outcome = CloseCode.NOT_ADMITTED, NOT_ADMITTED
    try:
        async with asyncio.timeout(within):
            if producers is not None:
                frames.write(DEMAND)
                producer = await producers.judge(connection.peer_id, (await frames.next(SHOWN))[1])
            if presented is not None:
                frames.write(PRESENT, encode_presentation(presented))
                await frames.next(ADMITTED)
        outcome = CloseCode.DONE, "admitted"
    except (ConnectionLost, FramingError) as error:
        lost = error if isinstance(error, ConnectionLost) else ConnectionLost(error.message)
        raise refusal_for(lost) from error
    except TimeoutError:
        raise UnavailableError(f"no decision on the credential within {within:g} s") from None
    finally:
        frames.close()
        connection.close(*outcome)
    return producer


def end_with_admission(lane: Lane[ClientProtocol], producer: Admission) -> None:
    """End a client's connection when the producer's credential expires; who connects again asks for a new one."""
    if lane.is_over or producer.expires_at is None:
        return
    left = producer.expires_at - time.time()
    if left <= 0:
        lane.close(CloseCode.DONE, "the producer's credential has expired")
    else:
        asyncio.get_running_loop().call_later(min(left, RECHECK_SECONDS), end_with_admission, lane, producer)


async def receive(
    connection: Connection, gate: Gate, own: Presentation | None, refusals: Refusals, within: float
) -> None:
    """The server's side: admit the peer or turn it away, within ``within`` seconds.

    ``own`` is the credential that this server shows to who demands one.
    """
    frames: _Frames | None = None
    peer, reason = connection.peer_id, None
    outcome = CloseCode.NOT_ADMITTED, NOT_ADMITTED
    try:
        async with asyncio.timeout(within):
            frames = _Frames(await connection.accept_pipe())
            kind, body = await frames.next(PRESENT, DEMAND)
            if kind == DEMAND:
                frames.write(SHOWN, encode_presentation(own or Presentation()))
                _, body = await frames.next(PRESENT)
            if await gate.present(peer, body):
                outcome = CloseCode.DONE, ""
                frames.write(ADMITTED)
                await connection.closed()
            elif gate.is_closed:
                outcome = CloseCode.GOING_AWAY, "the server was closed"
    except ConnectionLost as error:
        logger.debug("a peer left its admission", peer=peer, reason=error.message)
    except FramingError as error:
        reason = f"the handshake was malformed: {error.message}"
    except TimeoutError:
        reason = f"no credential was presented and judged within {within:g} s"
    if frames is not None:
        frames.close()
    connection.close(*outcome)
    if reason is not None and outcome[0] is CloseCode.NOT_ADMITTED:
        # After the answer: where nothing can be written, nobody waits for it.
        await refusals.record(peer, reason)


class _Frames:
    """The frames that the other side sends in one handshake, few and short, one after the other."""

    def __init__(self, pipe: Pipe) -> None:
        self._pipe = pipe
        self._splitter = FrameSplitter(MAX_PRESENTED)
        self._arrived: asyncio.Queue[tuple[int, bytes] | FramingError | ConnectionLost] = asyncio.Queue()
        pipe.start(self._take, self._arrived.put_nowait)

    def write(self, kind: int, body: bytes = b"") -> None:
        self._pipe.write(frame(kind, 0, body))

    async def next(self, *kinds: int) -> tuple[int, bytes]:
        """The next frame, of one of ``kinds``; anything else is a `FramingError`."""
        got = await self._arrived.get()
        if isinstance(got, Exception):
            raise got
        if got[0] not in kinds:
            raise FramingError("that is no frame of this handshake")
        return got

    def close(self) -> None:
        self._pipe.close()

    def _take(self, data: bytes) -> None:
        if self._arrived.qsize() > MAX_WAITING:
            return
        try:
            for kind, _, body in self._splitter.feed(data):
                if body is None:
                    raise FramingError(f"a frame has more than {MAX_PRESENTED} bytes")
                if self._arrived.qsize() >= MAX_WAITING:
                    raise FramingError("too many frames")
                self._arrived.put_nowait((kind, body))
        except FramingError as error:
            self._arrived.put_nowait(error)
