"""Any replicas, any edits, any order of messages: the same state in the end, and never an unsigned entry."""

import contextlib
from contextlib import ExitStack

import msgspec
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule
from tests.storage.docs.exchange import MAX_BYTES, doc_store, exchange, state

from aster.storage.docs.clock import milliseconds_now
from aster.storage.docs.entries import Entry, check_entry, sign_entry
from aster.storage.docs.reconciling import Entries, Part, answer, opening
from aster.storage.docs.store import DocReplica
from aster.storage.limits import DEFAULT_STORAGE_LIMITS
from aster.trust.keys import SigningKey

NOW = milliseconds_now()
"""Time stands still, so that many writes of different authors have the same clock."""

KEYS = st.sampled_from(["a", "ab", "b", "b/1", "b/2", "c", "ö", "z" * 40])
REPLICAS = st.integers(0, 3)


class Replicas(RuleBasedStateMachine):
    """Four replicas that edit, exchange whole or in part, lose, repeat and reorder messages."""

    @initialize()
    def begin(self) -> None:
        self.stack = ExitStack()
        stores = [self.stack.enter_context(doc_store(now=lambda: NOW)) for _ in range(4)]
        first = stores[0].create()
        self.key = stores[0].write_key(first.namespace)
        ticket = first.ticket((), write=True)
        self.replicas = [first, *(store.join(ticket) for store in stores[1:])]
        self.under_way: list[tuple[int, tuple[Part, ...]]] = []
        self.written: set[Entry] = set()

    @rule(at=REPLICAS, key=KEYS, value=st.binary(max_size=8))
    def set(self, at: int, key: str, value: bytes) -> None:
        self.written.add(self.replicas[at].set(key, value))
        assert self.replicas[at].get(key) == value

    @rule(at=REPLICAS, key=KEYS)
    def delete(self, at: int, key: str) -> None:
        if self.replicas[at].delete(key):
            self.written.add(_entry(self.replicas[at], key))
        assert self.replicas[at].get(key) is None

    @rule(near=REPLICAS, far=REPLICAS)
    def say(self, near: int, far: int) -> None:
        self.under_way.append((far, opening(self.replicas[near])))

    @rule(data=st.data())
    def deliver(self, data: st.DataObject) -> None:
        """Any message, to whomever; its answer is under way to anybody; it may come again."""
        if self.under_way:
            place = data.draw(st.integers(0, len(self.under_way) - 1))
            to, message = self.under_way[place]
            if data.draw(st.booleans()):
                self.under_way.pop(place)
            said = answer(self.replicas[to], message, MAX_BYTES)
            if said and len(self.under_way) < 20:
                self.under_way.append((data.draw(REPLICAS), said))

    @rule()
    def lose_everything(self) -> None:
        self.under_way.clear()

    @rule(near=REPLICAS, far=REPLICAS)
    def sync(self, near: int, far: int) -> None:
        exchange(self.replicas[near], self.replicas[far])
        assert state(self.replicas[near]) == state(self.replicas[far])

    @rule(at=REPLICAS, key=KEYS, which=st.integers(0, 6))
    def forge(self, at: int, key: str, which: int) -> None:
        """An entry that lacks a signature, or whose signed words were changed, changes nothing."""
        stranger, before = SigningKey.generate(), state(self.replicas[at])
        good = sign_entry(self.key, stranger, key.encode(), 2**40 << 16, b"forged")
        forged = [
            sign_entry(stranger, stranger, key.encode(), 2**40 << 16, b"forged"),
            msgspec.structs.replace(good, author=self.key.public),
            msgspec.structs.replace(good, clock=good.clock + 1),
            msgspec.structs.replace(good, value=b"others"),
            msgspec.structs.replace(good, author_signature=bytes(64)),
            msgspec.structs.replace(good, write_signature=good.author_signature),
            msgspec.structs.replace(good, key=b"another"),
        ][which]
        answer(self.replicas[at], [Entries((forged,))], MAX_BYTES)
        assert state(self.replicas[at]) == before

    @invariant()
    def every_entry_is_signed(self) -> None:
        for replica in getattr(self, "replicas", ()):
            for key in replica.summary.keys(b"", None):
                entry = replica.entry(key)
                assert entry is not None
                check_entry(replica.namespace, entry, DEFAULT_STORAGE_LIMITS)
                assert entry in self.written

    def teardown(self) -> None:
        if not hasattr(self, "replicas"):
            return
        with contextlib.closing(self.stack):
            for _ in range(2):
                for near, far in ((0, 1), (1, 2), (2, 3), (3, 0)):
                    exchange(self.replicas[near], self.replicas[far])
            states = [state(replica) for replica in self.replicas]
            assert all(each == states[0] for each in states)
            winners = {}
            for entry in sorted(self.written, key=lambda entry: entry.rank):
                winners[entry.key.decode()] = (entry.author.hex(), "" if entry.is_deleted else entry.hash.hex())
            assert states[0] == winners


def _entry(replica: DocReplica, key: str) -> Entry:
    found = replica.entry(key.encode())
    assert found is not None
    return found


TestReplicas = Replicas.TestCase
TestReplicas.settings = settings(
    max_examples=25, stateful_step_count=25, deadline=None, suppress_health_check=list(HealthCheck)
)
