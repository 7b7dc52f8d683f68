"""Kinds of values: what is shown can be read again, what is wrong says what was expected."""

import base64
from pathlib import Path
from typing import Any

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from aster.foundation.kinds import FLAG, FLAG_WORDS, PATH, PORT, TEXT, base64_bytes, choice, hex_bytes, integer
from aster.foundation.settings import Kind

KINDS: list[Any] = [TEXT, PATH, FLAG, PORT, hex_bytes(32), base64_bytes(32), choice("one", "two")]


@given(st.integers(-(10**6), 10**6))
def test_whole_numbers_are_read_back(value: int) -> None:
    kind = integer(-(10**6), 10**6)
    assert kind.from_text(f" {value} ") == kind.from_document(value) == kind.show(value) == value


@pytest.mark.parametrize(
    "text", ["", "x", "1.5", "1e3", "0x10", "1_000", "--5", "+-5", "-", "٣", "²", "9" * 30, "65536", "-1"]
)
def test_text_that_is_no_port_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match="expected a whole number from 0 to 65535, got"):
        PORT.from_text(text)


@pytest.mark.parametrize("value", [True, 1.0, "80", None, 65536, -1])
def test_a_document_value_that_is_no_port_is_refused(value: object) -> None:
    with pytest.raises(ValueError, match="expected a whole number from 0 to 65535, got"):
        PORT.from_document(value)


@given(st.sampled_from(list(FLAG_WORDS)), st.booleans())
def test_flags_are_read_in_any_case(word: str, upper: bool) -> None:
    assert FLAG.from_text(word.upper() if upper else word) is FLAG_WORDS[word]


@given(st.text())
def test_other_words_are_no_flags(text: str) -> None:
    assume(text.strip().lower() not in FLAG_WORDS)
    with pytest.raises(ValueError, match="expected one of true, 1, yes, on"):
        FLAG.from_text(text)


@given(st.binary(min_size=32, max_size=32), st.sampled_from([hex_bytes(32), base64_bytes(32)]))
def test_keys_are_read_back_and_masked(value: bytes, kind: Any) -> None:
    assert (
        kind.from_text(kind.show(value)) == kind.from_document(kind.show(value)) == kind.from_document(value) == value
    )
    assert kind.show(value) not in kind.mask(value)
    assert len(kind.mask(value)) < 16


@given(st.binary(max_size=64))
def test_keys_of_another_length_are_refused(value: bytes) -> None:
    assume(len(value) != 32)
    with pytest.raises(ValueError, match=f"expected base64 of 32 bytes, got {len(value)}"):
        base64_bytes(32).from_text(base64.b64encode(value).decode())
    with pytest.raises(ValueError, match=f"expected 64 hex characters, got {2 * len(value)}"):
        hex_bytes(32).from_text(value.hex())


@pytest.mark.parametrize("text", ["ü", "a", "====", "AA=A", "\x00"])
def test_text_that_is_no_base64_is_refused_without_repeating_it(text: str) -> None:
    with pytest.raises(ValueError, match="expected base64 of 32 bytes") as caught:
        base64_bytes(32).from_text(text * 20)
    assert text * 20 not in str(caught.value)


def test_choices_are_read_in_any_case() -> None:
    assert choice("one", "two").from_text(" TWO ") == "two"
    with pytest.raises(ValueError, match="expected one of one, two, got 'three'"):
        choice("one", "two").from_document("three")


def test_a_path_may_be_given_as_one() -> None:
    assert PATH.from_document(Path("/a/b")) == "/a/b"
    assert PATH.mask("/home/somebody/keys/identity.toml") == "****...dentity.toml"


@given(st.text(max_size=60))
def test_masking_never_shows_more_than_a_quarter_of_a_secret(secret: str) -> None:
    shown = TEXT.mask(secret).removeprefix("****").removeprefix("...")
    assert len(shown) * 4 <= len(secret)


@given(
    st.sampled_from(KINDS),
    st.none() | st.booleans() | st.integers() | st.floats() | st.text() | st.binary() | st.lists(st.none()),
)
def test_every_kind_takes_a_document_value_or_raises_value_error(kind: Kind, value: object) -> None:
    try:
        taken = kind.from_document(value)
    except ValueError as error:
        assert f"expected {kind.label}" in str(error)  # noqa: PT017 - a value may also be fine
    else:
        assert kind.from_document(kind.show(taken)) == taken
        assert kind.mask(taken).startswith("****")
