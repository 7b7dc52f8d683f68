"""The same engine without an event loop."""

import inspect
import threading
from pathlib import Path

import pytest

from astrocyte import Astrocyte, NewMemory, SyncAstrocyte
from astrocyte.errors import InvalidContent, NotOpen


@pytest.fixture
def values(url: str) -> dict[str, dict[str, str]]:
    return {"storage": {"url": url}, "embedding": {"provider": "none"}}


def test_every_operation_is_there_and_takes_the_same() -> None:
    names = [
        name
        for name, method in inspect.getmembers(Astrocyte, inspect.iscoroutinefunction)
        if not name.startswith("_") and not name.endswith("_for_ever")
    ]
    assert len(names) > 25
    for name in names:
        assert inspect.signature(getattr(SyncAstrocyte, name)) == inspect.signature(getattr(Astrocyte, name))


def test_it_remembers_finds_and_forgets(values: dict[str, dict[str, str]]) -> None:
    with SyncAstrocyte.from_config_dict(values) as memory:
        memory.retain_batch("b", [NewMemory(content="Ann keeps bees"), NewMemory(content="Ben paints")])
        assert [hit.text for hit in memory.recall("bees", "b").hits] == ["Ann keeps bees"]
        with pytest.raises(InvalidContent):
            memory.retain(" ", "b")
        assert memory.forget("b", scope="all").deleted_count == 2
    with pytest.raises(NotOpen):
        memory.recall("bees", "b")


def test_threads_share_it(values: dict[str, dict[str, str]], tmp_path: Path) -> None:
    file = tmp_path / "astrocyte.yaml"
    file.write_text(f"storage:\n  url: {values['storage']['url']}\nembedding:\n  provider: none\n")
    with SyncAstrocyte.from_config(file) as memory:
        threads = [threading.Thread(target=memory.retain, args=(f"fact {n}", "b")) for n in range(8)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert memory.bank_statistics("b").memories == 8
