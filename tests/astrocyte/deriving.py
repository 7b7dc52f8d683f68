"""Deriving without a language model: a piece of the test's own, kept as the background keeps what a model wrote."""

from collections.abc import Sequence

from astrocyte import Astrocyte, NewMemory
from astrocyte.recall.postings import pack_terms
from astrocyte.stores.store import Derived, PreparedMemory, PreparedPassage, Task
from astrocyte.text.terms import index_terms


async def derive(
    engine: Astrocyte, bank: str, kind: str, subject: str, text: str, of: Sequence[int], *, number: int = 0
) -> None:
    """``of`` are places among the bank's facts, which go round."""
    store = engine._opened.store
    facts = [one.row for one in store.page(bank, 0, 1000) if one.record.layer == "fact"]
    memory = NewMemory(content=text, metadata={"subject": subject})
    passage = PreparedPassage(0, len(text), pack_terms(index_terms(text), frozenset()), None)
    piece = PreparedMemory(f"derived-{number}", memory, [passage], None, layer=kind)
    sources = sorted({facts[place % len(facts)] for place in of})
    await store.save_derived(Task(0, bank, kind, subject, 1, 0), kind, [Derived(piece, sources)], None, {"action": "x"})
