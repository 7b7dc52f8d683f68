"""What can go wrong below the calls, and the codes with which a connection is closed."""

from enum import IntEnum
from typing import ClassVar

from aster.foundation.errors import AsterError


class CloseCode(IntEnum):
    """QUIC application error codes of this platform; the peer reads them with the reason."""

    DONE = 0
    GOING_AWAY = 1
    PROTOCOL_VIOLATION = 2
    DEAD_PEER = 3
    TOO_BUSY = 4
    NOT_ADMITTED = 403


class TransportError(AsterError):
    """The network or the QUIC bindings could not do what was asked."""

    code: ClassVar[str] = "TRANSPORT_FAILED"


class InvalidAddress(TransportError):
    """A text is none of the address forms: ``aster1`` ticket, hex EndpointId, base64 NodeAddr."""

    code = "ADDRESS_INVALID"


class BindFailed(TransportError):
    """The local address can't be bound, usually because another process has it."""

    code = "BIND_FAILED"


class ConnectFailed(TransportError):
    """No connection came about: nobody there, the wrong key, or another protocol."""

    code = "CONNECT_FAILED"


class FramingError(TransportError):
    """The peer sent bytes that are no frames."""

    code = "FRAMING_INVALID"


class ConnectionLost(TransportError):
    """An established connection ended; ``close_code`` and ``reason`` are the peer's when it said why."""

    code = "CONNECTION_LOST"

    def __init__(self, message: str, *, close_code: int | None = None, reason: str = "") -> None:
        super().__init__(message)
        self.close_code = close_code
        self.reason = reason
