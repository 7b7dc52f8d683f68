"""The counters of all workers of one port, whichever of them is asked: each sample with the worker it is of.

Every worker tells its own counters on a Unix socket in a folder that only the service's user may enter.
"""

import asyncio
from collections.abc import Awaitable, Callable, Iterator, Sequence
from pathlib import Path

from prometheus_client import generate_latest
from prometheus_client.core import Metric
from prometheus_client.parser import text_string_to_metric_families
from prometheus_client.registry import Collector

from aster.foundation.logs import get_logger

ANSWER_SECONDS = 1.0
"""A worker that takes longer to tell its counters is left out of that answer."""

logger = get_logger("aster.workers")


class WorkerMetrics:
    """One worker's part: ``async with`` it, and `text` is everybody's."""

    def __init__(self, own: Callable[[], Awaitable[bytes]], folder: Path, number: int) -> None:
        """``own`` gives this worker's counters in Prometheus text format."""
        self._own = own
        self._folder = folder
        self._socket = folder / f"{number}.metrics"

    async def __aenter__(self) -> "WorkerMetrics":
        self._socket.unlink(missing_ok=True)  # of a worker that died at this place
        self._server = await asyncio.start_unix_server(self._tell, self._socket)
        return self

    async def __aexit__(self, *_: object) -> None:
        self._server.close()
        self._socket.unlink(missing_ok=True)

    async def text(self) -> bytes:
        """All workers' counters in Prometheus text format, each with a ``worker`` label."""
        sockets = sorted(self._folder.glob("*.metrics"))
        told = await asyncio.gather(*map(_ask, sockets))
        return generate_latest(_Merged([(path.stem, text) for path, text in zip(sockets, told, strict=True) if text]))

    async def _tell(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(await self._own())
        writer.close()


class _Merged(Collector):
    """Families of several texts, made one; a family keeps the help and the type of the first."""

    def __init__(self, texts: Sequence[tuple[str, str]]) -> None:
        self._texts = texts

    def collect(self) -> Iterator[Metric]:
        merged: dict[str, Metric] = {}
        for worker, text in self._texts:
            for family in text_string_to_metric_families(text):
                metric = merged.setdefault(family.name, Metric(family.name, family.documentation, family.type))
                for sample in family.samples:
                    metric.add_sample(sample.name, {**sample.labels, "worker": worker}, sample.value)
        yield from merged.values()


async def _ask(socket: Path) -> str:
    """What a worker tells; nothing when it is gone, or takes too long."""
    try:
        async with asyncio.timeout(ANSWER_SECONDS):
            reader, writer = await asyncio.open_unix_connection(socket)
            try:
                return (await reader.read()).decode()
            finally:
                writer.close()
    except (OSError, TimeoutError) as error:
        logger.warning("a worker did not tell its counters", worker=socket.stem, reason=type(error).__name__)
        return ""
