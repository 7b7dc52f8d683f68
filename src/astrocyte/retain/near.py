"""Finding what a new memory nearly repeats."""

from collections.abc import Sequence

from astrocyte.recall.search import Searcher
from astrocyte.retain.duplicates import NEAR, says_the_same
from astrocyte.stores.store import PreparedMemory

LOOKED_AT = 5


def near_duplicates(bank_id: str, memories: Sequence[PreparedMemory], searcher: Searcher) -> list[str | None]:
    """For each memory the id of a stored one that says the same, or None.

    Only short memories are compared, and only with what was stored before their batch.
    """
    import numpy as np

    found: list[str | None] = []
    for prepared in memories:
        packed = prepared.passages[0].vector if len(prepared.passages) == 1 else None
        if packed is None or prepared.memory.session_id is not None:
            found.append(None)
            continue
        vector = np.frombuffer(packed, "<f2").astype(np.float32)
        near = searcher.nearest(bank_id, vector, at_least=NEAR, count=LOOKED_AT)
        same = (one.record.memory_id for one in near if one.of == 1 and says_the_same(prepared.memory, one.record))
        found.append(next(same, None))
    return found
