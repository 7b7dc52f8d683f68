"""What one source address may use of a relay."""

import pytest
from tests.transport.relay.client import join, open_client
from tests.transport.relay.conftest import StartRelay
from websockets.exceptions import WebSocketException

from aster.transport.relay import addresses
from aster.transport.relay.addresses import Addresses
from aster.transport.relay.limits import RelayLimits
from aster.transport.relay.server import RelayOptions


class Clock:
    def __init__(self) -> None:
        self.now = 0.0

    def __call__(self) -> float:
        return self.now


def test_an_address_has_so_many_connections_at_once_and_others_have_theirs() -> None:
    known = Addresses(RelayLimits(max_connections_of_address=2))
    arrived = [known.arrive("192.0.2.1") for _ in range(3)]
    assert [why for _, why in arrived] == [None, None, "address"]
    assert known.arrive("192.0.2.2")[1] is None
    for address, _ in arrived[:2]:
        known.leave(address)
    assert known.arrive("192.0.2.1")[1] is None
    assert known.connected == 2


def test_new_connections_have_a_rate_that_leaving_does_not_renew() -> None:
    clock = Clock()
    known = Addresses(RelayLimits(max_new_per_second_of_address=2, burst_of_address_seconds=1), clock)

    def come_and_go() -> str | None:
        address, why = known.arrive("192.0.2.1")
        known.leave(address)
        return why

    assert [come_and_go() for _ in range(4)] == [None, None, "rate", "rate"]
    clock.now += 0.5
    assert [come_and_go() for _ in range(2)] == [None, "rate"]


@pytest.mark.parametrize(
    ("one", "other", "same"),
    [
        ("2001:db8::1", "2001:db8::2:3", True),
        ("2001:db8::1", "2001:db8:0:1::1", False),
        ("::ffff:192.0.2.1", "192.0.2.1", True),
        ("fe80::1%eth0", "fe80::2", True),
        ("192.0.2.1", "192.0.2.2", False),
        ("", None, True),
    ],
)
def test_which_addresses_count_as_one(one: str, other: str | None, *, same: bool) -> None:
    known = Addresses(RelayLimits(max_connections_of_address=1))
    known.arrive(one)
    assert (known.arrive(other)[1] == "address") is same


def test_addresses_that_left_are_forgotten_in_the_end(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(addresses, "MAX_KNOWN", 10)
    known = Addresses(RelayLimits())
    for number in range(100):
        known.leave(known.arrive(f"192.0.2.{number}")[0])
    assert (known.connected, len(known._left)) == (0, 10)


async def test_a_connection_too_many_of_one_address_is_cut_and_counted(start_relay: StartRelay) -> None:
    relay = await start_relay(RelayOptions(limits=RelayLimits(max_connections_of_address=2), metrics_port=0))
    alice, bob = await join(relay.url), await join(relay.url)
    with pytest.raises((WebSocketException, OSError, EOFError)):
        await open_client(relay.url)
    await alice.send(bob.key, b"hello")
    assert await bob.next() == b"\x06" + alice.key + b"\x00hello"
    assert (relay.statistics.refused["address"], relay.statistics.addresses) == (1, 1)
    await alice.socket.close()
    await bob.next()
    await join(relay.url)


async def test_connections_of_one_address_that_begin_too_fast_are_cut(start_relay: StartRelay) -> None:
    limits = RelayLimits(max_new_per_second_of_address=1, burst_of_address_seconds=2)
    relay = await start_relay(RelayOptions(limits=limits))
    await join(relay.url)
    await join(relay.url)

    async def keep_coming() -> None:
        for _ in range(10):
            await open_client(relay.url)

    with pytest.raises((WebSocketException, OSError, EOFError)):
        await keep_coming()
    assert relay.statistics.refused["rate"] >= 1


async def test_clients_of_one_address_share_its_rate(start_relay: StartRelay) -> None:
    limits = RelayLimits(max_bytes_per_second_of_address=256 * 1024, burst_seconds=0.25)
    relay = await start_relay(RelayOptions(limits=limits))
    alice, bob, reader = [await join(relay.url) for _ in range(3)]
    for number in range(4):
        for sender in (alice, bob):
            await sender.send(reader.key, bytes([number]) * 16 * 1024)
    for _ in range(8):
        assert (await reader.next())[0] == 6
    assert relay.statistics.throttled > 0
