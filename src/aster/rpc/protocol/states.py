"""The states of one call and of one session, and the only tables that change them.

Both sides keep the same state for a call, moved by the frames they send and the frames they receive; frames that cross
on the wire find the call CLOSED, or the session ENDED, and are ignored.
"""

from enum import IntEnum

from aster.rpc.protocol.wire import Kind


class State(IntEnum):
    """Where a call is: not begun, both sides may speak, the client's input is complete, over."""

    IDLE = 0
    OPEN = 1
    ANSWERING = 2
    CLOSED = 3


IDLE, CLOSED = State.IDLE, State.CLOSED


class Role(IntEnum):
    """Who sends a frame."""

    CLIENT = 0
    SERVER = 1


TRANSITIONS: dict[tuple[State, Role, Kind], State] = {
    (State.IDLE, Role.CLIENT, Kind.REQUEST): State.ANSWERING,
    (State.IDLE, Role.CLIENT, Kind.STREAM): State.OPEN,
    (State.OPEN, Role.CLIENT, Kind.ITEM): State.OPEN,
    (State.OPEN, Role.CLIENT, Kind.END): State.ANSWERING,
    (State.OPEN, Role.CLIENT, Kind.CREDIT): State.OPEN,
    (State.OPEN, Role.CLIENT, Kind.CANCEL): State.CLOSED,
    (State.OPEN, Role.SERVER, Kind.ITEM): State.OPEN,
    (State.OPEN, Role.SERVER, Kind.CREDIT): State.OPEN,
    (State.OPEN, Role.SERVER, Kind.END): State.CLOSED,
    (State.OPEN, Role.SERVER, Kind.REPLY): State.CLOSED,
    (State.OPEN, Role.SERVER, Kind.ERROR): State.CLOSED,
    (State.ANSWERING, Role.CLIENT, Kind.CREDIT): State.ANSWERING,
    (State.ANSWERING, Role.CLIENT, Kind.CANCEL): State.CLOSED,
    (State.ANSWERING, Role.SERVER, Kind.ITEM): State.ANSWERING,
    (State.ANSWERING, Role.SERVER, Kind.CREDIT): State.ANSWERING,
    (State.ANSWERING, Role.SERVER, Kind.END): State.CLOSED,
    (State.ANSWERING, Role.SERVER, Kind.REPLY): State.CLOSED,
    (State.ANSWERING, Role.SERVER, Kind.ERROR): State.CLOSED,
}

Rule = dict[State, State]
"""What one kind of frame from one side makes of each state."""

RULES: dict[Role, dict[int, Rule]] = {
    role: {kind: {state: new for (state, *frame), new in TRANSITIONS.items() if frame == [role, kind]} for kind in Kind}
    for role in Role
}
"""The same table by sender and kind: a frame pays for one look-up by its call's state."""

BEGINS: dict[int, State] = {kind: new for (state, _, kind), new in TRANSITIONS.items() if state is State.IDLE}
"""What the frames that begin a call, all of them the client's, make of it."""

LATE_KINDS = frozenset({Kind.CANCEL, Kind.REPLY, Kind.ERROR, Kind.ITEM, Kind.END, Kind.CREDIT})
"""What may arrive for a call that this side has closed already."""


class CallStates:
    """The open calls of one connection."""

    def __init__(self) -> None:
        self._open: dict[int, State] = {}
        self.last_call = 0

    def __len__(self) -> int:
        return len(self._open)

    def is_open(self, call: int) -> bool:
        return call in self._open

    def state(self, call: int) -> State:
        """An id above every id seen is IDLE; one that is not open any more is CLOSED."""
        known = self._open.get(call)
        if known is not None:
            return known
        return State.IDLE if call > self.last_call else State.CLOSED

    def begin(self, call: int, kind: Kind) -> None:
        """What `move` does with the client's frame that begins a call. `KeyError` when no rule allows it."""
        if call <= self.last_call:
            raise KeyError((self.state(call), Role.CLIENT, kind))
        self._open[call] = BEGINS[kind]
        self.last_call = call

    def finish(self, call: int) -> bool:
        """What `move` does with a frame that ends a call whatever its state, as REPLY does: False when it is late.

        `KeyError` when the call has not begun.
        """
        if self._open.pop(call, None) is not None:
            return True
        if call > self.last_call:
            raise KeyError((IDLE, call))
        return False

    def say(self, call: int, sender: Role, kind: Kind) -> bool:
        """Apply one frame of this side within a call: False when it is over. `KeyError` when no rule allows it."""
        state = self._open.get(call)
        if state is None:
            return False
        target = RULES[sender][kind][state]
        if target is CLOSED:
            del self._open[call]
        elif target is not state:
            self._open[call] = target
        return True

    def move(self, call: int, sender: Role, kind: Kind) -> bool:
        """Apply one frame: True when it counts, False when it is late. `KeyError` when no rule allows it."""
        state = self._open.get(call)
        if state is None:
            state = IDLE if call > self.last_call else CLOSED
        target = RULES[sender][kind].get(state)
        if target is CLOSED:
            del self._open[call]
        elif target is not None:
            if target is not state:
                self._open[call] = target
                if call > self.last_call:
                    self.last_call = call
        elif state is CLOSED and kind in LATE_KINDS:
            return False
        else:
            raise KeyError((state, sender, kind))
        return True


class SessionState(IntEnum):
    """Where a session is: not begun, asked for by the client, open, over."""

    UNUSED = 0
    ASKED = 1
    OPEN = 2
    ENDED = 3


SESSION_TRANSITIONS: dict[tuple[SessionState, Role, Kind], SessionState] = {
    (SessionState.UNUSED, Role.CLIENT, Kind.SESSION): SessionState.ASKED,
    (SessionState.ASKED, Role.SERVER, Kind.SESSION): SessionState.OPEN,
    (SessionState.ASKED, Role.SERVER, Kind.LEAVE): SessionState.ENDED,
    (SessionState.ASKED, Role.CLIENT, Kind.LEAVE): SessionState.ENDED,
    (SessionState.OPEN, Role.CLIENT, Kind.LEAVE): SessionState.ENDED,
}


class SessionStates:
    """The sessions of one connection, besides its own. Numbers count up by one, so what is over needs no memory."""

    def __init__(self) -> None:
        self._known: dict[int, SessionState] = {}
        self.last_session = 0

    def state(self, session: int) -> SessionState:
        known = self._known.get(session)
        if known is not None:
            return known
        return SessionState.UNUSED if session == self.last_session + 1 else SessionState.ENDED

    def move(self, session: int, sender: Role, kind: Kind) -> bool:
        """Apply one frame: True when it counts, False when it is late. `KeyError` when no rule allows it."""
        state = self.state(session)
        target = SESSION_TRANSITIONS.get((state, sender, kind))
        if target is None:
            if state is SessionState.ENDED and 0 < session <= self.last_session and (sender, kind) != ASKS:
                return False
            raise KeyError((state, sender, kind))
        if target is SessionState.ENDED:
            del self._known[session]
        else:
            self._known[session] = target
        self.last_session = max(self.last_session, session)
        return True


ASKS = (Role.CLIENT, Kind.SESSION)
"""What is never late: no number is asked for twice."""
