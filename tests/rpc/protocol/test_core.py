"""The protocol core is fed bytes; no loop, no network."""

import contextlib

import msgspec
import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from aster.rpc.limits import RpcLimits
from aster.rpc.protocol.core import ClientProtocol, ProtocolViolation, ServerProtocol
from aster.rpc.protocol.events import (
    CallCancelled,
    CreditReceived,
    Failed,
    GoingAway,
    Greeted,
    ItemReceived,
    MethodDeclared,
    PeerEnded,
    Replied,
    Requested,
    SessionAsked,
    SessionLeft,
    SessionOpened,
    SessionRefused,
)
from aster.rpc.protocol.states import (
    ASKS,
    SESSION_TRANSITIONS,
    TRANSITIONS,
    CallStates,
    Role,
    SessionState,
    SessionStates,
    State,
)
from aster.rpc.protocol.wire import PROTOCOL_VERSION, Declaration, Hello, Kind, Status
from aster.transport.errors import FramingError
from aster.transport.framing import frame

LIMITS = RpcLimits(max_message_bytes=100, max_methods=3)
HELLO = Declaration("Greeter", 1, "hello")


def pair() -> tuple[ClientProtocol, ServerProtocol]:
    client, server = ClientProtocol(LIMITS), ServerProtocol(LIMITS)
    assert [type(event) for event in server.receive(client.hello())] == [Greeted]
    assert [type(event) for event in client.receive(server.hello())] == [Greeted]
    method, wire = client.declare(HELLO)
    assert server.receive(wire) == [MethodDeclared(method, HELLO)]
    return client, server


def test_a_call_travels_and_its_answer_returns() -> None:
    client, server = pair()
    call, wire = client.request(1, 250, 0, b"meta", b"body")
    assert server.receive(wire) == [Requested(call, 1, 250, 0, b"meta", b"body", False)]
    assert client.receive(server.reply(call, b"answer")) == [Replied(call, b"answer")]


def test_a_failure_arrives_with_status_and_details() -> None:
    client, server = pair()
    call, wire = client.request(1, 0, 0, b"", b"")
    server.receive(wire)
    answer = server.fail(call, 5, "x" * 5000, {str(i): "v" for i in range(40)})
    [event] = client.receive(answer)
    assert isinstance(event, Failed)
    assert (event.status.status, len(event.status.message), len(event.status.details)) == (5, 4096, 32)


def test_frames_that_cross_on_the_wire_are_late_and_ignored() -> None:
    client, server = pair()
    call, wire = client.request(1, 0, 0, b"", b"")
    server.receive(wire)
    cancel = client.cancel(call)
    reply = server.reply(call, b"answer")
    assert server.receive(cancel) == []
    assert client.receive(reply) == []
    assert (client.cancel(call), server.reply(call, b""), server.fail(call, 1, "")) == (b"", b"", b"")


def test_a_cancelled_call_can_not_be_answered() -> None:
    client, server = pair()
    call, wire = client.request(1, 0, 0, b"", b"")
    server.receive(wire)
    assert server.receive(client.cancel(call)) == [CallCancelled(call)]
    assert server.reply(call, b"answer") == b""


def test_an_oversized_request_is_refused_and_the_next_one_served() -> None:
    client, server = pair()
    call, wire = client.request(1, 0, 0, b"", b"x" * 101)
    huge, huge_wire = client.request(1, 0, 0, b"", b"x" * 200_000)
    good, good_wire = client.request(1, 0, 0, b"", b"x" * 100)
    assert [event.call for event in server.receive(wire + huge_wire + good_wire) if isinstance(event, Requested)] == [
        good
    ]
    failures = client.receive(server.answers())
    assert [(f.call, f.status.status) for f in failures if isinstance(f, Failed)] == [(call, 8), (huge, 8)]


def test_an_oversized_answer_fails_its_call_alone() -> None:
    client, server = pair()
    call, wire = client.request(1, 0, 0, b"", b"")
    server.receive(wire)
    [event] = client.receive(server.reply(call, b"x" * 200_000))
    assert isinstance(event, Failed)
    assert event.status.status == 8


def test_a_ping_is_answered_with_its_own_bytes() -> None:
    client, server = pair()
    assert server.receive(frame(Kind.PING, 0, b"12345678")) == []
    assert server.answers() == frame(Kind.PONG, 0, b"12345678")
    assert server.answers() == b""
    assert client.receive(frame(Kind.PONG, 0, b"12345678")) == []


def test_a_server_that_goes_away_says_why() -> None:
    client, server = pair()
    assert client.receive(server.go_away("maintenance")) == [GoingAway("maintenance")]


def test_a_stream_flows_both_ways_until_the_server_ends_it() -> None:
    client, server = pair()
    call, wire = client.stream(1, 0, 0, b"")
    assert server.receive(wire) == [Requested(call, 1, 0, 0, b"", b"", True)]
    assert server.receive(client.item(call, b"one") + client.end(call)) == [ItemReceived(call, b"one"), PeerEnded(call)]
    assert server.receive(client.credit(call, 3, 4)) == [CreditReceived(call, 3, 4)]
    answers = server.item(call, b"two") + server.credit(call, 1, 2) + server.end(call)
    expected = [ItemReceived(call, b"two"), CreditReceived(call, 1, 2), PeerEnded(call)]
    assert client.receive(answers) == expected
    assert (server.item(call, b""), server.end(call), server.credit(call, 1, 1)) == (b"", b"", b"")
    assert server.receive(frame(Kind.ITEM, call) + frame(Kind.CREDIT, call, bytes(8)) + frame(Kind.END, call)) == []


def encoded(value: object) -> bytes:
    return msgspec.msgpack.encode(value)


VIOLATIONS_OF_A_CLIENT = {
    "second hello": ServerProtocol(LIMITS).hello(),
    "unknown kind": frame(99, 0),
    "a server's frame": frame(Kind.REPLY, 1, b""),
    "a long ping": frame(Kind.PING, 0, bytes(17)),
    "method out of order": frame(Kind.METHOD, 3, encoded(HELLO)),
    "unreadable method": frame(Kind.METHOD, 2, b"\xc1"),
    "too many methods": b"".join(frame(Kind.METHOD, i, encoded(HELLO)) for i in range(2, 5)),
    "oversized method": frame(Kind.METHOD, 2, bytes(200_000)),
    "short request": frame(Kind.REQUEST, 1, b"abc"),
    "undeclared method": frame(Kind.REQUEST, 1, bytes([2, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0])),
    "unknown encoding": frame(Kind.REQUEST, 1, bytes([1, 0, 0, 0, 0, 0, 0, 0, 0, 0, 2])),
    "metadata beyond the end": frame(Kind.REQUEST, 1, bytes([1, 0, 0, 0, 0, 0, 0, 0, 9, 0, 0])),
    "a call id used again": frame(Kind.REQUEST, 1, bytes([1] + [0] * 10)) * 2,
    "cancelling what never began": frame(Kind.CANCEL, 7),
    "an item of what never began": frame(Kind.ITEM, 7),
    "an item after the request": frame(Kind.REQUEST, 1, bytes([1] + [0] * 10)) + frame(Kind.ITEM, 1),
    "an item after the end": frame(Kind.STREAM, 1, bytes([1] + [0] * 10)) + frame(Kind.END, 1) + frame(Kind.ITEM, 1),
    "an oversized item": frame(Kind.STREAM, 1, bytes([1] + [0] * 10)) + frame(Kind.ITEM, 1, bytes(101)),
    "a short credit": frame(Kind.STREAM, 1, bytes([1] + [0] * 10)) + frame(Kind.CREDIT, 1, bytes(7)),
}


@pytest.mark.parametrize("name", VIOLATIONS_OF_A_CLIENT)
def test_a_client_that_breaks_the_protocol_is_caught(name: str) -> None:
    _, server = pair()
    with pytest.raises(ProtocolViolation):
        server.receive(VIOLATIONS_OF_A_CLIENT[name])


@pytest.mark.parametrize(
    "wire",
    [
        frame(Kind.REPLY, 7, b""),
        frame(Kind.ERROR, 7, encoded(Status(1, ""))),
        frame(Kind.ERROR, 7, b"\xc1"),
        frame(Kind.REQUEST, 1, bytes(20)),
        frame(Kind.GOAWAY, 0, b"\xc1"),
    ],
)
def test_a_server_that_breaks_the_protocol_is_caught(wire: bytes) -> None:
    client, _ = pair()
    with pytest.raises(ProtocolViolation):
        client.receive(wire)


def test_the_first_frame_must_be_a_greeting_of_this_version() -> None:
    with pytest.raises(ProtocolViolation, match="no HELLO"):
        ServerProtocol(LIMITS).receive(frame(Kind.PING, 0))
    other = frame(Kind.HELLO, 0, encoded(Hello(PROTOCOL_VERSION + 1, 1, 1, 1, 1)))
    with pytest.raises(ProtocolViolation, match="version 2"):
        ServerProtocol(LIMITS).receive(other)


def test_a_greeting_may_grow_new_fields() -> None:
    newer = frame(Kind.HELLO, 0, encoded([PROTOCOL_VERSION, 100, 10, 5, 6, 7, "something new"]))
    assert ServerProtocol(LIMITS).receive(newer) == [Greeted(Hello(PROTOCOL_VERSION, 100, 10, 5, 6, 7))]


@given(data=st.binary(max_size=300), greeted=st.booleans())
def test_any_bytes_are_events_or_a_framing_error(data: bytes, greeted: bool) -> None:
    for side in (ClientProtocol(LIMITS), ServerProtocol(LIMITS)):
        if greeted:
            side.receive(side.hello())
        with contextlib.suppress(FramingError):
            side.receive(data)


FRAMES = st.lists(
    st.builds(frame, st.sampled_from(list(Kind)), st.integers(0, 4), st.binary(max_size=40)), max_size=10
).map(b"".join)


@given(data=FRAMES)
@example(data=frame(Kind.GOAWAY, 0, b"\xa2a\x80"))
def test_any_well_framed_bytes_are_events_or_a_violation(data: bytes) -> None:
    client, server = pair()
    for side in (client, server):
        with contextlib.suppress(ProtocolViolation):
            side.receive(data)


@given(
    moves=st.lists(st.tuples(st.integers(1, 4), st.sampled_from(list(Role)), st.sampled_from(list(Kind))), max_size=40)
)
def test_a_call_is_open_from_its_request_to_its_first_end(moves: list[tuple[int, Role, Kind]]) -> None:
    states = CallStates()
    opened: set[int] = set()
    for call, sender, kind in moves:
        before = states.state(call)
        try:
            counted = states.move(call, sender, kind)
        except KeyError:
            assert (before, sender, kind) not in TRANSITIONS
            continue
        assert counted == ((before, sender, kind) in TRANSITIONS)
        if kind in (Kind.REQUEST, Kind.STREAM):
            assert call not in opened
            opened.add(call)
        assert states.is_open(call) == (states.state(call) in (State.OPEN, State.ANSWERING))


@given(
    moves=st.lists(st.tuples(st.integers(1, 4), st.sampled_from([Kind.REQUEST, Kind.STREAM, Kind.REPLY])), max_size=20)
)
def test_the_short_ways_to_begin_and_finish_a_call_do_what_the_table_says(moves: list[tuple[int, Kind]]) -> None:
    table, short = CallStates(), CallStates()
    for call, kind in moves:
        begins = kind is not Kind.REPLY
        try:
            counted = table.move(call, Role.CLIENT if begins else Role.SERVER, kind)
        except KeyError:
            with pytest.raises(KeyError):
                short.begin(call, kind) if begins else short.finish(call)
            continue
        if begins:
            short.begin(call, kind)
        else:
            assert short.finish(call) is counted
        assert [short.state(each) for each in range(6)] == [table.state(each) for each in range(6)]


def test_a_session_is_asked_for_opened_and_left() -> None:
    client, server = pair()
    session, wire = client.ask_session()
    assert server.receive(wire) == [SessionAsked(session)]
    assert client.receive(server.open_session(session)) == [SessionOpened(session)]
    mine = Declaration("Greeter", 1, "hello", session=session)
    method, wire = client.declare(mine)
    assert server.receive(wire) == [MethodDeclared(method, mine)]
    assert server.receive(client.leave(session)) == [SessionLeft(session, (method,))]
    assert client.leave(session) == b""


def test_a_refused_session_is_over_for_both_sides() -> None:
    client, server = pair()
    session, wire = client.ask_session()
    server.receive(wire)
    refusal = server.refuse_session(session, 8, "no more")
    assert client.receive(refusal) == [SessionRefused(session, Status(8, "no more"))]
    assert client.leave(session) == b""
    assert client.ask_session()[0] == session + 1


def test_leaving_and_refusing_may_cross_on_the_wire() -> None:
    client, server = pair()
    session, wire = client.ask_session()
    server.receive(wire)
    leave, refusal = client.leave(session), server.refuse_session(session, 8, "no more")
    assert server.receive(leave) == []
    assert client.receive(refusal) == []


@pytest.mark.parametrize(
    "wire",
    [
        frame(Kind.SESSION, 0),
        frame(Kind.SESSION, 2),
        frame(Kind.SESSION, 1) + frame(Kind.SESSION, 1),
        frame(Kind.LEAVE, 0),
        frame(Kind.LEAVE, 1),
        frame(Kind.SESSION, 1) + frame(Kind.LEAVE, 1) + frame(Kind.SESSION, 1),
    ],
)
def test_a_session_out_of_order_is_a_violation(wire: bytes) -> None:
    _, server = pair()
    with pytest.raises(ProtocolViolation, match="is not allowed for session"):
        server.receive(wire)


def test_methods_of_ended_sessions_do_not_count_against_the_limit() -> None:
    client, server = pair()
    for _ in range(10):
        session, wire = client.ask_session()
        server.receive(wire)
        client.receive(server.open_session(session))
        for name in ("a", "b"):
            server.receive(client.declare(Declaration("Greeter", 1, name, session=session))[1])
        server.receive(client.leave(session))
    for name in ("c", "d"):
        server.receive(client.declare(Declaration("Greeter", 1, name))[1])
    with pytest.raises(ProtocolViolation, match="more than 3 methods"):
        server.receive(client.declare(Declaration("Greeter", 1, "e"))[1])


SESSION_MOVES = st.tuples(
    st.integers(0, 5), st.sampled_from(list(Role)), st.sampled_from([Kind.SESSION, Kind.LEAVE, Kind.METHOD])
)


@given(moves=st.lists(SESSION_MOVES, max_size=40))
def test_a_session_is_opened_once_and_forgotten_when_it_ends(moves: list[tuple[int, Role, Kind]]) -> None:
    states = SessionStates()
    asked: list[int] = []
    for session, sender, kind in moves:
        before = states.state(session)
        try:
            counted = states.move(session, sender, kind)
        except KeyError:
            assert (before, sender, kind) not in SESSION_TRANSITIONS
            assert states.state(session) == before
            continue
        assert counted == ((before, sender, kind) in SESSION_TRANSITIONS)
        if (sender, kind) == ASKS:
            asked.append(session)
        if before is SessionState.ENDED:
            assert states.state(session) is SessionState.ENDED
    assert asked == list(range(1, len(asked) + 1))
    assert states.last_session == len(asked)
