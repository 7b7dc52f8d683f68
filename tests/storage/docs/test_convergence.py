"""Any replicas, edits, partitions and order of messages: the same state in the end, and never a forged entry."""

import contextlib
from collections.abc import Callable
from contextlib import ExitStack

import msgspec
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule
from tests.storage.docs.exchange import MAX_BYTES, doc_store, exchange, state

from aster.storage.docs.clock import milliseconds_now
from aster.storage.docs.entries import Entry, Rank, check_entry, sign_entry
from aster.storage.docs.reconciling import Entries, Message, Part, answer, opening
from aster.storage.docs.replica import DocReplica
from aster.storage.docs.store import DocStore
from aster.storage.limits import DEFAULT_STORAGE_LIMITS
from aster.trust.keys import SigningKey

NOW = milliseconds_now()
"""Time stands still unless a rule moves it, so that many writes of different authors have the same clock."""

MOST = 5
KEYS = st.sampled_from(["a", "ab", "b", "b/1", "b/2", "c", "ö", "z" * 40])
SKEWS = st.integers(-300_000, 300_000)
"""Milliseconds that a replica's clock is off."""

REPLICAS = st.integers(0, MOST - 1)
STRANGER = SigningKey.generate()
_decode = msgspec.msgpack.Decoder(Message).decode


class Replicas(RuleBasedStateMachine):
    """Replicas with clocks of their own that edit, restart, and exchange whole or in part across partitions.

    The network loses, repeats, reorders and damages messages, brings them to others than they were meant for, and
    between any two of them says what nobody wrote.
    """

    @initialize(
        count=st.integers(2, MOST), skews=st.lists(st.integers(-300_000, 300_000), min_size=MOST, max_size=MOST)
    )
    def begin(self, count: int, skews: list[int]) -> None:
        self.stack = ExitStack()
        self.now = NOW
        self.stores = [self.stack.enter_context(doc_store(now=self._clock(skews[at]))) for at in range(count)]
        first = self.stores[0].create()
        self.key = self.stores[0].write_key(first.namespace)
        self.other = self.stores[0].create()
        ticket = first.ticket((), write=True)
        self.replicas = [first, *(store.join(ticket) for store in self.stores[1:])]
        self.sides = [0] * count
        self.under_way: list[tuple[int, int, bytes]] = []
        self.seen: list[bytes] = []
        self.written: set[Entry] = set()
        self.ranks: dict[tuple[int, bytes], Rank] = {}

    @rule(at=REPLICAS, key=KEYS, value=st.binary(max_size=8))
    def set(self, at: int, key: str, value: bytes) -> None:
        replica = self._replica(at)
        self.written.add(replica.set(key, value))
        assert replica.get(key) == value

    @rule(at=REPLICAS, key=KEYS)
    def delete(self, at: int, key: str) -> None:
        replica = self._replica(at)
        if replica.delete(key):
            self.written.add(_entry(replica, key))
        assert replica.get(key) is None

    @rule(seconds=st.integers(1, 1000))
    def time_passes(self, seconds: int) -> None:
        self.now += seconds * 1000

    @rule(at=REPLICAS)
    def restart(self, at: int) -> None:
        place = at % len(self.replicas)
        before = state(self.replicas[place])
        self.stores[place] = DocStore(self.stores[place].blobs, self.stores[place].now)
        self.replicas[place] = self.stores[place].open(self.replicas[place].id)
        assert state(self.replicas[place]) == before

    @rule(data=st.data())
    def part(self, data: st.DataObject) -> None:
        """From now on only those of a side hear each other; what is under way between sides waits."""
        self.sides = [data.draw(st.integers(0, 1)) for _ in self.replicas]

    @rule()
    def heal(self) -> None:
        self.sides = [0] * len(self.replicas)

    @rule(near=REPLICAS, far=REPLICAS)
    def say(self, near: int, far: int) -> None:
        self._send(near, far, opening(self._replica(near)))

    @precondition(lambda self: bool(getattr(self, "under_way", None)))
    @rule(data=st.data(), comes_again=st.booleans())
    def deliver(self, data: st.DataObject, comes_again: bool) -> None:
        """Any message that is under way, before or after others; it may come again."""
        place = data.draw(st.integers(0, len(self.under_way) - 1))
        sender, to, wire = self.under_way[place]
        if self.sides[sender] == self.sides[to]:
            if not comes_again:
                self.under_way.pop(place)
            said = answer(self.replicas[to], _decode(wire), MAX_BYTES)
            if said:
                self._send(to, data.draw(st.one_of(st.just(sender), REPLICAS)), said)

    @rule()
    def lose_everything(self) -> None:
        self.under_way.clear()

    @precondition(lambda self: bool(getattr(self, "seen", None)))
    @rule(at=REPLICAS, data=st.data())
    def replay(self, at: int, data: st.DataObject) -> None:
        """What was ever said is said again, to anybody; no key goes back to what it was (see the invariant)."""
        answer(self._replica(at), _decode(data.draw(st.sampled_from(self.seen))), MAX_BYTES)

    @precondition(lambda self: bool(getattr(self, "seen", None)))
    @rule(at=REPLICAS, data=st.data(), bit=st.integers(0, 7))
    def damage(self, at: int, data: st.DataObject, bit: int) -> None:
        """A message with one wrong bit is none, or brings nothing that was not written (see the invariant)."""
        wire = bytearray(data.draw(st.sampled_from(self.seen)))
        wire[data.draw(st.integers(0, len(wire) - 1))] ^= 1 << bit
        with contextlib.suppress(msgspec.DecodeError):
            answer(self._replica(at), _decode(bytes(wire)), MAX_BYTES)

    @rule(near=REPLICAS, far=REPLICAS)
    def sync(self, near: int, far: int) -> None:
        one, two = near % len(self.replicas), far % len(self.replicas)
        if self.sides[one] == self.sides[two]:
            exchange(self.replicas[one], self.replicas[two])
            assert state(self.replicas[one]) == state(self.replicas[two])

    @rule(at=REPLICAS, key=KEYS, which=st.integers(0, 8))
    def forge(self, at: int, key: str, which: int) -> None:
        """An entry that lacks a signature, whose signed words were changed, or that is another document's."""
        replica, clock = self._replica(at), self.now << 16
        before = state(replica)
        good = sign_entry(self.key, STRANGER, key.encode(), clock, b"forged")
        forged = [
            sign_entry(STRANGER, STRANGER, key.encode(), clock, b"forged"),
            sign_entry(self.stores[0].write_key(self.other.namespace), STRANGER, key.encode(), clock, b"forged"),
            msgspec.structs.replace(good, author=self.key.public),
            msgspec.structs.replace(good, clock=good.clock + 1),
            msgspec.structs.replace(good, value=b"others"),
            msgspec.structs.replace(good, author_signature=bytes(64)),
            msgspec.structs.replace(good, write_signature=good.author_signature),
            msgspec.structs.replace(good, key=b"another"),
            msgspec.structs.replace(good, is_deleted=True, size=0, hash=bytes(32), value=None),
        ][which]
        answer(replica, [Entries((forged,))], MAX_BYTES)
        assert state(replica) == before

    @invariant()
    def every_entry_was_written_and_none_goes_back(self) -> None:
        for place, replica in enumerate(getattr(self, "replicas", ())):
            for key in replica.summary.keys(b"", None):
                entry = replica.entry(key)
                assert entry is not None
                check_entry(replica.namespace, entry, DEFAULT_STORAGE_LIMITS)
                assert entry in self.written
                assert self.ranks.get((place, key), entry.rank) <= entry.rank
                self.ranks[place, key] = entry.rank

    def teardown(self) -> None:
        if not hasattr(self, "replicas"):
            return
        with contextlib.closing(self.stack):
            for _ in range(2):
                for near, far in zip(self.replicas, [*self.replicas[1:], self.replicas[0]], strict=True):
                    exchange(near, far)
            states = [state(replica) for replica in self.replicas]
            assert all(each == states[0] for each in states)
            assert len({replica.opening() for replica in self.replicas}) == 1
            winners = {}
            for entry in sorted(self.written, key=lambda entry: entry.rank):
                winners[entry.key.decode()] = (entry.author.hex(), "" if entry.is_deleted else entry.hash.hex())
            assert states[0] == winners

    def _replica(self, at: int) -> DocReplica:
        return self.replicas[at % len(self.replicas)]

    def _clock(self, skew: int) -> Callable[[], int]:
        return lambda: self.now + skew

    def _send(self, near: int, far: int, message: tuple[Part, ...]) -> None:
        wire = msgspec.msgpack.encode(message)
        self.seen = [*self.seen[-20:], wire]
        if len(self.under_way) < 20:
            self.under_way.append((near % len(self.replicas), far % len(self.replicas), wire))


def _entry(replica: DocReplica, key: str) -> Entry:
    found = replica.entry(key.encode())
    assert found is not None
    return found


TestReplicas = Replicas.TestCase
TestReplicas.settings = settings(
    max_examples=40, stateful_step_count=40, deadline=None, suppress_health_check=list(HealthCheck)
)
