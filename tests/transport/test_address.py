import base64
import contextlib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from aster.transport.address import MAX_DIRECT, NodeAddress, parse_address
from aster.transport.errors import InvalidAddress

KEY = "ab" * 32
SOCKETS = st.one_of(
    st.builds("{}:{}".format, st.ip_addresses(v=4), st.integers(0, 65535)),
    st.builds("[{}]:{}".format, st.ip_addresses(v=6), st.integers(0, 65535)),
)
ADDRESSES = st.builds(
    NodeAddress,
    st.binary(min_size=32, max_size=32).map(bytes.hex),
    st.sampled_from([None, "https://relay.example:8443/", "http://10.0.0.1"]),
    st.lists(SOCKETS, max_size=MAX_DIRECT).map(tuple),
)


@given(address=ADDRESSES)
def test_a_ticket_keeps_key_relay_and_addresses(address: NodeAddress) -> None:
    assert parse_address(address.ticket()) == address
    assert parse_address(f"  {address.ticket().upper()}\n") == address


@given(address=ADDRESSES)
def test_a_node_addr_keeps_key_relay_and_addresses(address: NodeAddress) -> None:
    assert parse_address(address.node_addr()) == address


def test_a_hex_endpoint_id_is_an_address_without_a_place() -> None:
    assert parse_address(KEY.upper()) == NodeAddress(KEY)


@given(address=ADDRESSES, data=st.data())
def test_a_mistyped_ticket_is_refused(address: NodeAddress, data: st.DataObject) -> None:
    ticket = address.ticket()
    place = data.draw(st.integers(6, len(ticket) - 1))
    letter = data.draw(st.sampled_from("abcdefghijklmnopqrstuvwxyz234567"))
    mistyped = ticket[:place] + letter + ticket[place + 1 :]
    if base64.b32decode(_padded(mistyped)) != base64.b32decode(_padded(ticket)):
        with pytest.raises(InvalidAddress):
            parse_address(mistyped)


def _padded(ticket: str) -> str:
    text = ticket[6:].upper()
    return text + "=" * (-len(text) % 8)


@given(text=st.text(max_size=200) | st.binary(max_size=120).map(lambda raw: base64.b64encode(raw).decode()))
def test_any_text_is_an_address_or_an_invalid_address(text: str) -> None:
    for written in (text, f"aster1{text}"):
        with contextlib.suppress(InvalidAddress):
            assert len(parse_address(written).endpoint_id) == 64


@pytest.mark.parametrize(
    "address",
    [
        lambda: NodeAddress("abc"),
        lambda: NodeAddress(KEY, "ftp://relay"),
        lambda: NodeAddress(KEY, None, ("localhost:1",)),
        lambda: NodeAddress(KEY, None, ("1.2.3.4:99999",)),
        lambda: NodeAddress(KEY, None, ("1.2.3.4:1",) * (MAX_DIRECT + 1)),
        lambda: parse_address("a" * 5000),
        lambda: parse_address(base64.b64encode(b"hello world").decode()),
    ],
)
def test_what_is_no_address_can_not_be_made(address: object) -> None:
    with pytest.raises(InvalidAddress):
        address()  # type: ignore[operator]  # a table of constructions
