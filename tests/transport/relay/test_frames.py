from contextlib import suppress

import pytest
from hypothesis import given
from hypothesis import strategies as st

from aster.transport.errors import FramingError
from aster.transport.relay.frames import (
    KEY_BYTES,
    PING_BYTES,
    SIGNATURE_BYTES,
    VERSION_1,
    VERSION_2,
    Authentication,
    FrameKind,
    Ignored,
    Ping,
    Pong,
    Send,
    Status,
    challenge_frame,
    denied_frame,
    gone_frame,
    parse_client_frame,
    receive_frame,
    restarting_frame,
    status_frame,
)

KEYS = st.binary(min_size=KEY_BYTES, max_size=KEY_BYTES)
DATAGRAMS = st.binary(min_size=3, max_size=2000)


@given(KEYS, DATAGRAMS, st.sampled_from([FrameKind.SEND, FrameKind.SEND_BATCH]))
def test_datagrams_name_their_destination(destination: bytes, payload: bytes, kind: FrameKind) -> None:
    assert parse_client_frame(bytes([kind]) + destination + payload) == Send(destination, kind, payload)


@given(KEYS, KEYS, DATAGRAMS, st.sampled_from([FrameKind.SEND, FrameKind.SEND_BATCH]))
def test_what_is_passed_on_differs_from_what_was_sent_in_kind_and_key_alone(
    source: bytes, destination: bytes, payload: bytes, kind: FrameKind
) -> None:
    assert receive_frame(source, Send(destination, kind, payload)) == bytes([kind + 2]) + source + payload


@given(st.binary(max_size=200))
def test_any_message_is_a_frame_or_a_framing_error(message: bytes) -> None:
    with suppress(FramingError):
        parse_client_frame(message)


@given(st.sampled_from([FrameKind.SEND, FrameKind.SEND_BATCH]), st.data())
def test_a_datagram_frame_cut_short_is_refused(kind: FrameKind, data: st.DataObject) -> None:
    least = 1 + KEY_BYTES + (1 if kind is FrameKind.SEND else 3)
    message = bytes([kind]) + data.draw(st.binary(max_size=least - 2))
    with pytest.raises(FramingError):
        parse_client_frame(message)


@given(KEYS, st.binary(min_size=SIGNATURE_BYTES, max_size=SIGNATURE_BYTES))
def test_an_authentication_carries_key_and_signature(key: bytes, signature: bytes) -> None:
    message = bytes([FrameKind.AUTHENTICATION]) + key + bytes([SIGNATURE_BYTES]) + signature
    assert parse_client_frame(message) == Authentication(key, signature)
    for wrong in (message[:-1], message + b"\0", message[:33] + b"\x3f" + message[34:]):
        with pytest.raises(FramingError):
            parse_client_frame(wrong)


@given(st.binary(min_size=PING_BYTES, max_size=PING_BYTES))
def test_pings_and_pongs_carry_eight_bytes(token: bytes) -> None:
    assert parse_client_frame(bytes([FrameKind.PING]) + token) == Ping(token)
    assert parse_client_frame(bytes([FrameKind.PONG]) + token) == Pong(token)
    with pytest.raises(FramingError):
        parse_client_frame(bytes([FrameKind.PING]) + token + b"\0")


@pytest.mark.parametrize("kind", [0, 2, 3, 6, 7, 8, 11, 12, 13])
def test_frames_that_only_a_relay_sends_are_refused_from_a_client(kind: int) -> None:
    with pytest.raises(FramingError, match="does not send"):
        parse_client_frame(bytes([kind]) + bytes(40))


def test_kinds_of_later_versions_are_ignored() -> None:
    assert parse_client_frame(b"\x0e whatever") == Ignored()


def test_the_relay_s_own_frames_are_as_the_protocol_says() -> None:
    assert challenge_frame(b"c" * 16) == b"\x00" + b"c" * 16
    assert denied_frame("no") == b"\x03\x02no"
    assert len(denied_frame("x" * 200)) == 2 + 63
    assert gone_frame(b"k" * 32) == b"\x08" + b"k" * 32
    assert restarting_frame(1.5, 120) == b"\x0c\x00\x00\x05\xdc\x00\x01\xd4\xc0"
    assert status_frame(VERSION_2, Status.REPLACED) == b"\x0d\x01"
    assert status_frame(VERSION_1, Status.REPLACED).startswith(b"\x0banother")
    assert status_frame(VERSION_1, Status.HEALTHY) == b"\x0b"
