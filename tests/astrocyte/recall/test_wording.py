"""A question's words find their like in texts that share none with it."""

from collections.abc import Mapping, Sequence

import numpy as np
import pytest

from astrocyte.memories import NewMemory
from astrocyte.memory import Astrocyte
from astrocyte.models.minilm import MiniLm
from astrocyte.models.word_vectors import BYTES, WIDTH, pack_words, unpack_words
from astrocyte.recall.bank_index import BankIndex, build_index
from astrocyte.recall.wording import Wording
from astrocyte.stores.columns import SearchRow, columns_of
from astrocyte.stores.store import Changes, Position

STORES = ("sqlite", "postgres")


def bank(size: int) -> BankIndex:
    rows = [SearchRow(100 + row, row, None, None, [], None, 0, b"", None) for row in range(size)]
    return build_index(Changes(Position(7, 1), None, [columns_of(rows, None)], []))


def random_words(count: int, seed: int) -> "np.ndarray[tuple[int, int], np.dtype[np.float32]]":
    return np.random.default_rng(seed).standard_normal((count, 384), dtype=np.float32)


def test_packed_words_keep_their_angles() -> None:
    words = random_words(30, 0)
    words[1] = words[0] + 0.3 * words[1]
    held = unpack_words(pack_words(words))
    assert held.shape == (30, WIDTH)
    assert np.allclose((held**2).sum(axis=1), 1, atol=1e-5)
    true = words / np.linalg.norm(words, axis=1, keepdims=True)
    assert np.abs(held @ held.T - true @ true.T).mean() < 0.1
    assert held[0] @ held[1] > 0.9


def test_the_directions_are_the_same_everywhere() -> None:
    """They are part of what stores hold: another machine or release must project alike."""
    assert pack_words(np.eye(384, dtype=np.float32)[:2]).hex()[:32] == "a5a55aaaa55555a5aaaaaa5555aa55a5"


def test_the_text_with_the_most_alike_words_is_ahead_and_one_without_words_is_left_out() -> None:
    asked = random_words(3, 1)
    texts = {100 + place: pack_words(random_words(5, place + 10)) for place in range(6)}
    texts[104] = pack_words(np.concatenate([random_words(4, 50), asked[:2] + 0.2 * random_words(2, 51)]))
    texts[102] = b""
    looked: list[tuple[int, list[int]]] = []

    def kept(number: int, rows: Sequence[int]) -> Mapping[int, bytes]:
        looked.append((number, list(rows)))
        return texts

    places, fits = Wording(pack_words(asked), kept).scores(bank(6), [5, 4, 2, 0, 1])
    assert looked == [(7, [100, 101, 102, 104, 105])]
    assert places.tolist() == [5, 4, 0, 1]
    assert int(places[fits.argmax()]) == 4
    assert fits.mean() == pytest.approx(0, abs=1e-6)


@pytest.mark.parametrize("asked", [b"", pack_words(random_words(2, 1))])
def test_nothing_is_said_where_there_is_nothing_to_compare(asked: bytes) -> None:
    places, fits = Wording(asked, lambda number, rows: {}).scores(bank(3), [0, 1, 2])
    assert len(places) == len(fits) == 0


def test_words_that_tell_nothing_are_left_out(model: MiniLm) -> None:
    vectors, (words, nothing) = model.embed_words(["What did you do, Caroline?", "Why was it them?"])
    assert len(words) == BYTES
    assert nothing == b""
    assert np.allclose(vectors, model.embed(["What did you do, Caroline?", "Why was it them?"]), atol=0.02)


async def test_a_word_finds_its_like_where_no_word_is_shared(astrocyte: Astrocyte) -> None:
    said = ["my pottery class starts on Monday", "the invoice is due", "we moved the server", "it rains again"]
    await astrocyte.retain_batch("b", [NewMemory(content=text, session_id=f"s{n}") for n, text in enumerate(said)])
    (first, *_) = (await astrocyte.recall("which ceramics lessons?", "b")).hits
    assert first.text == said[0]
    assert "wording" in first.evidence
    assert "keyword" not in first.evidence


async def test_the_words_of_a_forgotten_memory_are_gone_and_no_other_bank_sees_any(astrocyte: Astrocyte) -> None:
    stored = await astrocyte.retain_batch("b", [NewMemory(content="a boat"), NewMemory(content="a garden")])
    await astrocyte.retain("a house", "other")
    store = astrocyte._opened.store
    changes = store.changes("b", None)
    assert changes is not None
    rows = changes.added[0].rows.tolist()
    number = changes.position.bank
    assert set(store.words(number, rows)) == set(rows)
    assert store.words(number + 1, rows) == {}
    await astrocyte.forget("b", memory_ids=[str(stored[0].memory_id)])
    assert set(store.words(number, rows)) == {rows[1]}
