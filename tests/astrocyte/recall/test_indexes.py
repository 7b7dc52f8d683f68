from collections.abc import Callable

from astrocyte.memory import Astrocyte
from astrocyte.recall.indexes import BankIndexes
from astrocyte.stores.store import Changes, Position, Store


class Interrupted:
    """A store where something else happens while changes are asked for."""

    def __init__(self, store: Store) -> None:
        self._store = store
        self.meanwhile: Callable[[], object] | None = None

    def changes(self, bank_id: str, since: Position | None) -> Changes | None:
        meanwhile, self.meanwhile = self.meanwhile, None
        if meanwhile is not None:
            meanwhile()
        return self._store.changes(bank_id, since)


async def test_an_index_let_go_while_it_was_in_use_can_be_let_go_again(plain: Astrocyte) -> None:
    for bank in ("a", "b", "c"):
        await plain.retain("tea", bank)
    store = Interrupted(plain._opened.store)
    indexes = BankIndexes(store, cache_bytes=1)  # type: ignore[arg-type]  # the one method that is called
    indexes.current("a")
    store.meanwhile = lambda: indexes.current("b")
    assert indexes.current("a") is not None
    assert indexes.current("c") is not None
    assert indexes.current("b") is not None
