"""What the protocol tells its owner about received bytes."""

from msgspec import Struct

from aster.rpc.protocol.wire import Declaration, FarBody, Hello, Status


class Greeted(Struct, frozen=True):
    """The peer's first frame."""

    hello: Hello


class MethodDeclared(Struct, frozen=True):
    """Requests that carry ``method`` mean this declaration."""

    method: int
    declaration: Declaration


class Requested(Struct, frozen=True, gc=False):
    """A call begins; ``milliseconds`` is 0 without a deadline; ``streams`` says that its input follows as items."""

    call: int
    method: int
    milliseconds: int
    encoding: int
    metadata: bytes
    body: bytes | FarBody
    streams: bool


class ItemReceived(Struct, frozen=True, gc=False):
    """One message of a running call's stream."""

    call: int
    body: bytes | FarBody


class PeerEnded(Struct, frozen=True, gc=False):
    """The peer's stream is complete; when the peer is the server, so is the call."""

    call: int


class CreditReceived(Struct, frozen=True, gc=False):
    """The peer takes this many more messages and bytes."""

    call: int
    items: int
    bytes: int


class Replied(Struct, frozen=True, gc=False):
    """A call ended well."""

    call: int
    body: bytes | FarBody


class Unwanted(Struct, frozen=True):
    """A message on its way on a stream of its own, for a call that is over or can't have it."""

    body: FarBody


class Failed(Struct, frozen=True):
    """A call ended badly."""

    call: int
    status: Status


class CallCancelled(Struct, frozen=True):
    """The caller of a running call no longer waits."""

    call: int


class SessionAsked(Struct, frozen=True):
    """The client wants a session."""

    session: int


class SessionOpened(Struct, frozen=True):
    """The server opened a session."""

    session: int


class SessionRefused(Struct, frozen=True):
    """The server opens no such session."""

    session: int
    status: Status


class SessionLeft(Struct, frozen=True):
    """The client ended a session; its ``methods`` are no more."""

    session: int
    methods: tuple[int, ...]


class GoingAway(Struct, frozen=True):
    """The peer takes no new calls."""

    reason: str


Event = (
    Greeted
    | MethodDeclared
    | Requested
    | ItemReceived
    | PeerEnded
    | CreditReceived
    | Replied
    | Failed
    | CallCancelled
    | GoingAway
    | SessionAsked
    | SessionOpened
    | SessionRefused
    | SessionLeft
    | Unwanted
)
