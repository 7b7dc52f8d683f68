"""`SyncAstrocyte`: the engine for programs without an event loop."""

import asyncio
import threading
from collections.abc import Callable, Coroutine, Mapping
from functools import wraps
from os import PathLike
from types import TracebackType
from typing import Any, Concatenate, ParamSpec, Self, TypeVar

from astrocyte.config import AstrocyteSettings
from astrocyte.memory import Astrocyte
from astrocyte.models.provider import EmbeddingProvider

P = ParamSpec("P")
T = TypeVar("T")


def _blocking(
    method: Callable[Concatenate[Astrocyte, P], Coroutine[Any, Any, T]],
) -> Callable[Concatenate["SyncAstrocyte", P], T]:
    @wraps(method)
    def call(self: "SyncAstrocyte", /, *args: P.args, **kwargs: P.kwargs) -> T:
        return self._run(method(self.engine, *args, **kwargs))

    return call


class SyncAstrocyte:
    """`Astrocyte` with blocking methods of the same names; ``with`` opens and closes it. Safe to share between threads.

    Its event loop runs in a thread of its own. ``engine`` is the asynchronous engine inside.
    """

    def __init__(self, settings: AstrocyteSettings, *, provider: EmbeddingProvider | None = None) -> None:
        self.engine = Astrocyte(settings, provider=provider)
        self._loop: asyncio.AbstractEventLoop | None = None
        self._thread: threading.Thread | None = None

    @classmethod
    def from_config(cls, path: str | PathLike[str], *, storage_url: str | None = None) -> Self:
        """See `Astrocyte.from_config`."""
        return cls._around(Astrocyte.from_config(path, storage_url=storage_url))

    @classmethod
    def from_config_dict(cls, values: Mapping[str, Any]) -> Self:
        """See `Astrocyte.from_config_dict`."""
        return cls._around(Astrocyte.from_config_dict(values))

    @classmethod
    def _around(cls, engine: Astrocyte) -> Self:
        made = cls(engine.settings)
        made.engine = engine
        return made

    def __enter__(self) -> Self:
        loop = asyncio.new_event_loop()
        thread = threading.Thread(target=loop.run_forever, name="astrocyte", daemon=True)
        thread.start()
        self._loop, self._thread = loop, thread
        try:
            self._run(self.engine.__aenter__())
        except BaseException:
            self._stop()
            raise
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        try:
            self._run(self.engine.__aexit__(kind, error, trace))
        finally:
            self._stop()

    def _run(self, work: Coroutine[Any, Any, T]) -> T:
        loop = self._loop
        if loop is None:  # let the engine say that it is not open
            return asyncio.run(work)
        return asyncio.run_coroutine_threadsafe(work, loop).result()

    def _stop(self) -> None:
        loop, thread = self._loop, self._thread
        self._loop = self._thread = None
        if loop is not None and thread is not None:
            loop.call_soon_threadsafe(loop.stop)
            thread.join()
            loop.close()

    retain = _blocking(Astrocyte.retain)
    retain_batch = _blocking(Astrocyte.retain_batch)
    recall = _blocking(Astrocyte.recall)
    reflect = _blocking(Astrocyte.reflect)
    history = _blocking(Astrocyte.history)
    preview_forget = _blocking(Astrocyte.preview_forget)
    forget = _blocking(Astrocyte.forget)
    get_memory = _blocking(Astrocyte.get_memory)
    list_memories = _blocking(Astrocyte.list_memories)
    update_memory = _blocking(Astrocyte.update_memory)
    archive_memories = _blocking(Astrocyte.archive_memories)
    restore_memory = _blocking(Astrocyte.restore_memory)
    create_bank = _blocking(Astrocyte.create_bank)
    configure_bank = _blocking(Astrocyte.configure_bank)
    delete_bank = _blocking(Astrocyte.delete_bank)
    bank_info = _blocking(Astrocyte.bank_info)
    list_banks = _blocking(Astrocyte.list_banks)
    bank_statistics = _blocking(Astrocyte.bank_statistics)
    place_hold = _blocking(Astrocyte.place_hold)
    lift_hold = _blocking(Astrocyte.lift_hold)
    legal_holds = _blocking(Astrocyte.legal_holds)
    run_lifecycle = _blocking(Astrocyte.run_lifecycle)
    provenance = _blocking(Astrocyte.provenance)
    refresh_derived = _blocking(Astrocyte.refresh_derived)
    waiting = _blocking(Astrocyte.waiting)
    derive_due = _blocking(Astrocyte.derive_due)
    reembed = _blocking(Astrocyte.reembed)
    erase = _blocking(Astrocyte.erase)
    export_bank = _blocking(Astrocyte.export_bank)
    import_bank = _blocking(Astrocyte.import_bank)
    back_up = _blocking(Astrocyte.back_up)
    doctor = _blocking(Astrocyte.doctor)
    sweep = _blocking(Astrocyte.sweep)
    health = _blocking(Astrocyte.health)
    require_access = _blocking(Astrocyte.require_access)
