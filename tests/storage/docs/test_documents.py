import itertools
import time
from collections.abc import Iterator
from pathlib import Path

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.storage.docs.exchange import doc_store, exchange, state

from aster.storage.blobs.store import BlobStore
from aster.storage.docs.clock import COUNTER_BITS, HybridClock
from aster.storage.docs.entries import Entry, sign_entry
from aster.storage.docs.reconciling import LISTED, Entries, answer
from aster.storage.docs.replica import DocReplica
from aster.storage.docs.store import DocStore
from aster.storage.docs.summary import BLOCK, MODULUS, Summary
from aster.storage.errors import BlobNotFound, DocNotFound, DocReadOnly, NameInvalid, QuotaExceeded
from aster.storage.limits import StorageLimits
from aster.storage.tickets import DocTicket, parse_doc_ticket
from aster.trust.keys import SigningKey


@pytest.fixture
def docs() -> Iterator[DocStore]:
    with doc_store() as store:
        yield store


@pytest.fixture
def others() -> Iterator[DocStore]:
    with doc_store() as store:
        yield store


def test_keys_are_set_read_and_deleted(docs: DocStore) -> None:
    doc = docs.create("settings")
    doc.set("port", b"80")
    doc.set("port", b"8080")
    doc.set("host", b"")
    assert doc.get("port") == b"8080"
    assert doc.get("host") == b""
    assert doc.get("nothing") is None
    assert doc.delete("port")
    assert not doc.delete("port")
    assert doc.get("port") is None
    assert [change.key for change in doc.entries()] == ["host"]
    doc.set("port", b"again")
    assert doc.get("port") == b"again"


def test_keys_are_found_by_prefix_in_order(docs: DocStore) -> None:
    doc = docs.create()
    for key in ("b", "a/2", "a/1", "a", "ä", "a0"):
        doc.set(key, b"")
    assert [change.key for change in doc.entries("a/")] == ["a/1", "a/2"]
    assert [change.key for change in doc.entries()] == ["a", "a/1", "a/2", "a0", "b", "ä"]


def test_more_keys_than_a_page_are_listed(docs: DocStore, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("aster.storage.docs.replica.PAGE", 3)
    doc = docs.create()
    for number in range(10):
        doc.set(f"{number:03}", b"")
    assert [change.key for change in doc.entries("0")] == [f"{number:03}" for number in range(10)]


def test_a_large_value_is_a_blob_that_no_collection_takes(docs: DocStore) -> None:
    doc = docs.create()
    large = b"large" * 100_000
    doc.set("file", large)
    assert docs.blobs.collect_garbage(grace_seconds=-1).blobs == 0
    assert doc.get("file") == large
    doc.set("file", b"small")
    assert docs.blobs.collect_garbage(grace_seconds=-1).blobs == 1


def test_everything_survives_a_restart(tmp_path: Path) -> None:
    blobs = BlobStore.at(tmp_path)
    docs = DocStore(blobs)
    doc, author = docs.create("notes"), docs.author().public
    doc.set("a", b"1")
    doc.set("b", b"2" * 5000)
    doc.delete("a")
    blobs.close()
    blobs = BlobStore.at(tmp_path)
    docs = DocStore(blobs)
    again = docs.open("notes")
    assert (again.id, docs.author().public) == (doc.id, author)
    assert again.get("a") is None
    assert again.get("b") == b"2" * 5000
    again.set("a", b"3")
    assert again.get("a") == b"3"
    assert (tmp_path / "storage.db").stat().st_mode & 0o077 == 0
    blobs.close()


def test_a_change_by_another_process_is_seen(tmp_path: Path) -> None:
    one, two = BlobStore.at(tmp_path), BlobStore.at(tmp_path)
    mine = DocStore(one).create("shared")
    theirs = DocStore(two).open("shared")
    theirs.set("key", b"value")
    assert mine.refresh() == 1
    assert mine.summary.fingerprint(b"", None) == theirs.summary.fingerprint(b"", None)
    mine.set("key", b"newer")
    assert theirs.get("key") == b"newer"
    one.close()
    two.close()


@pytest.mark.parametrize("key", ["", "x" * 1025, "\ud800"])
def test_some_texts_are_no_keys(docs: DocStore, key: str) -> None:
    with pytest.raises(NameInvalid):
        docs.create().set(key, b"")


def test_names_are_unique_and_ids_are_names_too(docs: DocStore) -> None:
    doc = docs.create("it")
    assert docs.open(doc.id) is docs.open("it")
    with pytest.raises(NameInvalid):
        docs.create("it")
    with pytest.raises(DocNotFound):
        docs.open("other")
    docs.remove("it")
    with pytest.raises(DocNotFound):
        docs.open(doc.id)


def test_the_number_of_keys_is_bounded() -> None:
    with doc_store(StorageLimits(max_doc_entries=2)) as docs:
        doc = docs.create()
        doc.set("1", b"")
        doc.set("2", b"")
        doc.set("2", b"more")
        with pytest.raises(QuotaExceeded):
            doc.set("3", b"")


def test_changes_are_numbered(docs: DocStore) -> None:
    doc = docs.create()
    doc.set("a", b"1")
    doc.set("b", b"2")
    seen = doc.changes()[-1].seq
    doc.set("a", b"3")
    doc.delete("b")
    assert [(change.key, change.is_deleted, change.is_local) for change in doc.changes(seen)] == [
        ("a", False, True),
        ("b", True, True),
    ]
    assert [change.key for change in doc.changes(0, "b")] == ["b"]


class TestShares:
    def test_a_write_ticket_lets_one_write(self, docs: DocStore, others: DocStore) -> None:
        mine = docs.create()
        theirs = others.join(parse_doc_ticket(str(mine.ticket(("aster1x",), write=True))))
        theirs.set("key", b"theirs")
        exchange(mine, theirs)
        assert mine.get("key") == b"theirs"
        assert next(mine.entries()).author == others.author().public.hex()

    def test_a_read_ticket_does_not(self, docs: DocStore, others: DocStore) -> None:
        mine = docs.create()
        mine.set("key", b"mine")
        theirs = others.join(mine.ticket((), write=False))
        exchange(theirs, mine)
        assert theirs.get("key") == b"mine"
        with pytest.raises(DocReadOnly):
            theirs.set("key", b"theirs")
        with pytest.raises(DocReadOnly):
            theirs.ticket((), write=True)

    def test_a_document_answers_only_once_it_was_shared(self, docs: DocStore) -> None:
        doc = docs.create()
        assert docs.shared(doc.namespace) is None
        doc.ticket((), write=False)
        assert docs.shared(doc.namespace) is doc

    def test_a_ticket_with_another_documents_key_is_refused(self, docs: DocStore) -> None:
        with pytest.raises(NameInvalid):
            docs.join(DocTicket(SigningKey.generate().public, SigningKey.generate().seed, ()))

    def test_a_reader_becomes_a_writer_by_a_second_ticket(self, docs: DocStore, others: DocStore) -> None:
        mine = docs.create()
        theirs = others.join(mine.ticket((), write=False))
        others.join(mine.ticket((), write=True))
        theirs.set("key", b"theirs")


class TestClocks:
    def test_what_follows_a_write_is_later_whatever_the_clock_says(self) -> None:
        now = [1000]
        clock = HybridClock(now=lambda: now[0])
        first = clock.tick()
        now[0] = 10
        assert clock.tick() > first
        clock.see(5000 << COUNTER_BITS)
        assert clock.tick() > 5000 << COUNTER_BITS

    def test_a_reply_wins_over_what_it_replies_to(self, docs: DocStore, others: DocStore) -> None:
        mine = docs.create()
        others.now = lambda: int(time.time() * 1000) - 60_000  # a clock that is a minute behind
        theirs = others.join(mine.ticket((), write=True))
        mine.set("key", b"first")
        exchange(theirs, mine)
        theirs.set("key", b"reply")
        exchange(theirs, mine)
        assert mine.get("key") == theirs.get("key") == b"reply"

    def test_an_entry_from_the_future_is_refused_and_can_come_again_later(self, docs: DocStore) -> None:
        doc, author = docs.create(), SigningKey.generate()
        ahead = int((time.time() + 3600) * 1000)
        entry = sign_entry(docs.write_key(doc.namespace), author, b"key", ahead << COUNTER_BITS, b"")
        answer(doc, [Entries((entry,))], 1000)
        assert doc.get("key") is None
        assert doc.refused == 1


def test_of_one_message_the_last_by_its_clock_stands(docs: DocStore, others: DocStore) -> None:
    mine = docs.create()
    theirs = others.join(mine.ticket((), write=True))
    older = mine.set("key", b"older")
    newer = mine.set("key", b"newer")
    theirs.merge([newer, older])
    assert theirs.get("key") == b"newer"


class TestCost:
    def test_ten_of_many_keys_take_few_round_trips(self, docs: DocStore, others: DocStore) -> None:
        mine = docs.create()
        theirs = others.join(mine.ticket((), write=True))
        key, author = docs.write_key(mine.namespace), docs.author()
        clock = int(time.time() * 1000) << COUNTER_BITS
        entries = [sign_entry(key, author, b"key/%06d" % number, clock, b"value") for number in range(6000)]
        for replica in (mine, theirs):
            replica._apply(entries, is_local=True)
        for number in range(5):
            mine.set(f"key/{number * 1000:06}", b"changed here")
            theirs.set(f"key/{number * 1000 + 500:06}", b"changed there")
        cost = exchange(mine, theirs)
        assert state(mine) == state(theirs)
        assert mine.get("key/000500") == b"changed there"
        assert cost.rounds <= 5
        assert cost.bytes < 100_000

    def test_equal_replicas_say_it_in_one_message(self, docs: DocStore, others: DocStore) -> None:
        mine = docs.create()
        theirs = others.join(mine.ticket((), write=True))
        for number in range(100):
            mine.set(f"{number}", b"")
        exchange(mine, theirs)
        cost = exchange(mine, theirs)
        assert (cost.rounds, cost.bytes < 100) == (1, True)

    @pytest.mark.parametrize("max_bytes", [1, 2000, 1 << 20])
    def test_a_small_budget_only_takes_longer(self, docs: DocStore, others: DocStore, max_bytes: int) -> None:
        mine = docs.create()
        theirs = others.join(mine.ticket((), write=True))
        for number in range(3 * LISTED):
            mine.set(f"m{number:03}", b"x" * 100)
            if number % 3:
                theirs.set(f"t{number:03}", b"y" * 100)
        for near, far in ((mine, theirs), (theirs, mine)):
            exchange(near, far, max_bytes)
        assert state(mine) == state(theirs)
        assert len(state(mine)) == 5 * LISTED


def test_a_large_value_that_has_not_come_is_told(docs: DocStore, others: DocStore) -> None:
    mine = docs.create()
    theirs = others.join(mine.ticket((), write=False))
    mine.set("file", b"large" * 1000)
    exchange(theirs, mine)
    with pytest.raises(BlobNotFound):
        theirs.get("file")
    assert [size for _, size in theirs.missing(10)] == [5000]


@settings(max_examples=80, deadline=None)
@given(
    puts=st.lists(st.tuples(st.binary(max_size=3), st.integers(0, MODULUS - 1)), max_size=60),
    low=st.binary(max_size=3),
    high=st.none() | st.binary(max_size=3),
    parts=st.integers(1, 20),
)
def test_sums_are_those_of_the_keys_in_the_range(
    puts: list[tuple[bytes, int]], low: bytes, high: bytes | None, parts: int
) -> None:
    half = len(puts) // 2
    summary = Summary(puts[:half])
    for key, number in puts[half:]:
        summary.put(key, number)
    inside = {key: number for key, number in dict(puts).items() if low <= key and (high is None or key < high)}
    found = summary.fingerprint(low, high)
    assert (found.count, int.from_bytes(found.total, "big")) == (len(inside), sum(inside.values()) % MODULUS)
    assert list(summary.keys(low, high)) == sorted(inside)
    ranges = summary.parts(low, high, parts)
    assert ranges[0][0] == low
    assert ranges[-1][1] == high
    assert [key for each in ranges for key in summary.keys(*each)] == sorted(inside)


def test_blocks_split_as_they_grow() -> None:
    summary = Summary()
    for number in range(5 * BLOCK):
        summary.put(b"%05d" % (number * 7919 % (5 * BLOCK)), number)
    assert list(summary.keys(b"", None)) == [b"%05d" % number for number in range(5 * BLOCK)]
    assert summary.fingerprint(b"", None).count == 5 * BLOCK


class TestRank:
    KEY, LOW, HIGH = (
        SigningKey.generate(),
        *sorted((SigningKey.generate() for _ in range(2)), key=lambda key: key.public),
    )

    def entry(self, clock: int, author: SigningKey, value: bytes | None) -> Entry:
        return sign_entry(self.KEY, author, b"key", clock, value)

    def test_the_later_clock_wins_whoever_wrote_and_whatever(self) -> None:
        assert self.entry(2, self.LOW, None).rank > self.entry(1, self.HIGH, b"value").rank

    def test_at_the_same_moment_the_larger_author_wins_whatever_the_value(self) -> None:
        for low, high in itertools.product((b"a", b"b", None), repeat=2):
            assert self.entry(1, self.LOW, low).rank < self.entry(1, self.HIGH, high).rank

    def test_of_one_author_at_one_moment_the_larger_hash_wins(self) -> None:
        one, two = sorted((self.entry(1, self.LOW, value) for value in (b"a", b"b")), key=lambda entry: entry.hash)
        assert one.rank < two.rank

    def test_entries_that_differ_in_anything_signed_are_never_equal(self) -> None:
        one = self.entry(1, self.LOW, b"value")
        for change in (
            {"clock": 2},
            {"author": self.HIGH.public},
            {"size": 6},
            {"hash": bytes(32)},
            {"is_deleted": True},
        ):
            assert msgspec.structs.replace(one, **change).rank != one.rank

    @pytest.mark.parametrize("is_turned", [False, True])
    def test_replicas_that_take_both_in_either_order_agree(self, docs: DocStore, is_turned: bool) -> None:
        doc, clock = docs.create(), int(time.time() * 1000) << COUNTER_BITS
        key = docs.write_key(doc.namespace)
        both = [sign_entry(key, author, b"key", clock, author.public[:3]) for author in (self.LOW, self.HIGH)]
        for entry in reversed(both) if is_turned else both:
            doc.merge([entry])
        assert doc.get("key") == self.HIGH.public[:3]


class TestForgettingDeletions:
    def test_only_old_ones_are_forgotten_and_no_key_comes_back(self, docs: DocStore, others: DocStore) -> None:
        mine = docs.create()
        theirs = others.join(mine.ticket((), write=True))
        for key in ("gone", "kept", "later"):
            mine.set(key, b"value")
        mine.delete("gone")
        exchange(mine, theirs)
        hour_later = lambda: int(time.time() * 1000) + 3_600_000  # noqa: E731
        for store in (docs, others):
            store.now = hour_later
        mine, theirs = (_reopened(store, mine.id) for store in (docs, others))
        mine.delete("later")
        assert mine.forget_deletions(1800) == 1
        assert set(state(mine)) == {"kept", "later"}
        exchange(mine, theirs)
        assert mine.get("gone") is None
        assert theirs.get("gone") is None

    def test_replicas_with_a_horizon_are_the_same_again_once_both_have_collected(self) -> None:
        now, limits = [int(time.time() * 1000)], StorageLimits(tombstone_seconds=60)
        with doc_store(limits, lambda: now[0]) as docs, doc_store(limits, lambda: now[0]) as others:
            mine = docs.create()
            theirs = others.join(mine.ticket((), write=True))
            mine.set("gone", b"")
            mine.delete("gone")
            exchange(mine, theirs)
            now[0] += 120_000
            assert docs.collect_garbage() == 1
            exchange(theirs, mine)
            assert state(mine) == {}  # an old deletion of what is not here is not taken up again
            assert others.collect_garbage() == 1
            assert exchange(mine, theirs).rounds == 1
            assert mine.opening() == theirs.opening()

    def test_they_are_kept_for_ever_unless_told_otherwise(self) -> None:
        now = [int(time.time() * 1000)]
        with doc_store(now=lambda: now[0]) as docs:
            doc = docs.create()
            doc.set("gone", b"")
            doc.delete("gone")
            now[0] += 10**12
            assert docs.collect_garbage() == 0
            assert set(state(doc)) == {"gone"}

    def test_another_process_sees_it(self, tmp_path: Path) -> None:
        blobs, other_blobs = BlobStore.at(tmp_path), BlobStore.at(tmp_path)
        doc = DocStore(blobs).create("notes")
        doc.set("a", b"")
        doc.set("gone", b"")
        doc.delete("gone")
        other = DocStore(other_blobs).open("notes")
        before = other.opening()
        assert doc.forget_deletions(-1) == 1
        assert other.opening() == doc.opening() != before
        blobs.close()
        other_blobs.close()


def _reopened(store: DocStore, doc: str) -> DocReplica:
    return DocStore(store.blobs, store.now).open(doc)
