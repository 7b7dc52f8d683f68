import itertools
import struct

import pytest
from hypothesis import given
from hypothesis import strategies as st

from aster.transport.errors import FramingError
from aster.transport.framing import HEADER_BYTES, Frame, FrameSplitter, frame

FRAMES = st.lists(st.tuples(st.integers(0, 255), st.integers(0, 2**64 - 1), st.binary(max_size=300)), max_size=12)


def fed_in_pieces(splitter: FrameSplitter, data: bytes, cuts: list[int]) -> list[Frame]:
    frames: list[Frame] = []
    edges = sorted({0, len(data), *(cut % (len(data) + 1) for cut in cuts)})
    for start, end in itertools.pairwise(edges):
        frames += splitter.feed(data[start:end])
    return frames


@given(frames=FRAMES, cuts=st.lists(st.integers(0, 10_000), max_size=20))
def test_frames_survive_any_cutting_of_the_stream(frames: list[tuple[int, int, bytes]], cuts: list[int]) -> None:
    wire = b"".join(frame(*each) for each in frames)
    assert fed_in_pieces(FrameSplitter(300), wire, cuts) == frames


@given(frames=FRAMES, limit=st.integers(0, 200), cuts=st.lists(st.integers(0, 10_000), max_size=20))
def test_a_frame_above_the_limit_is_reported_without_its_body_and_the_rest_goes_on(
    frames: list[tuple[int, int, bytes]], limit: int, cuts: list[int]
) -> None:
    wire = b"".join(frame(*each) for each in frames)
    expected = [(kind, call, body if len(body) <= limit else None) for kind, call, body in frames]
    assert fed_in_pieces(FrameSplitter(limit), wire, cuts) == expected


@given(data=st.binary(max_size=400), cuts=st.lists(st.integers(0, 400), max_size=10))
def test_any_bytes_are_frames_or_a_framing_error(data: bytes, cuts: list[int]) -> None:
    try:
        whole: list[Frame] | None = FrameSplitter(64).feed(data)
    except FramingError:
        whole = None
    try:
        pieces: list[Frame] | None = fed_in_pieces(FrameSplitter(64), data, cuts)
    except FramingError:
        pieces = None
    assert pieces == whole


def test_a_length_too_small_for_a_header_is_refused() -> None:
    with pytest.raises(FramingError, match="8 bytes"):
        FrameSplitter(10).feed(struct.pack("<IBQ", 8, 1, 1))


def test_an_announced_length_keeps_nothing_but_what_arrived() -> None:
    splitter = FrameSplitter(16)
    assert splitter.feed(struct.pack("<IBQ", 2**32 - 1, 3, 9)) == [(3, 9, None)]
    for _ in range(100):
        assert splitter.feed(bytes(1000)) == []
    assert len(splitter._partial) == 0


def test_an_empty_body_is_a_frame_of_header_size() -> None:
    assert len(frame(10, 0)) == HEADER_BYTES
