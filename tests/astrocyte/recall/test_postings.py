from collections import Counter

from hypothesis import given, settings
from hypothesis import strategies as st

from astrocyte.recall import postings
from astrocyte.recall.postings import Postings, pack_terms
from astrocyte.stores.columns import Columns, SearchRow, columns_of

terms = st.sampled_from([0, 1, 7, 2**31, 2**32 - 1])
document = st.lists(terms, max_size=6)
batches = st.lists(st.lists(document, min_size=1, max_size=4), max_size=5)


def columns(documents: list[list[int]]) -> Columns:
    packed = [pack_terms(sorted(Counter(words).items())) for words in documents]
    rows = [SearchRow(row, row, None, None, [], None, 0, terms, None) for row, terms in enumerate(packed, 1)]
    return columns_of(rows, None)


@settings(deadline=None)
@given(batches, st.sampled_from([0, 3, 1000]), st.booleans())
def test_postings_find_what_a_dictionary_finds(
    batches: list[list[list[int]]], merge_at: int, are_told_in_parts: bool
) -> None:
    before, postings.MERGE_ENTRIES = postings.MERGE_ENTRIES, merge_at
    try:
        found = Postings.empty()
        documents: list[list[int]] = []
        for batch in batches:
            added = columns(batch)
            found = found.extended([added], len(documents), is_last=not are_told_in_parts)
            assert added.lengths.tolist() == [len(words) for words in batch]
            documents += batch
    finally:
        postings.MERGE_ENTRIES = before
    found = found.extended([], len(documents))
    for term in (0, 1, 7, 2**31, 2**32 - 1, 12345):
        places, counts = found.find(term)
        expected = {place: words.count(term) for place, words in enumerate(documents) if term in words}
        assert dict(zip(places.tolist(), counts.tolist(), strict=True)) == expected
        assert len(set(places.tolist())) == len(places)
