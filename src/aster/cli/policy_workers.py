"""`aster policy serve --workers N`: what several processes need, checked once, before there are several."""

import asyncio
import os
import shutil
import signal
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import msgspec
import typer

from aster.cli.running import run_async, stop_on_signals
from aster.cli.serving import log_as_told, tell
from aster.cli.workers import Supervisor, Worker
from aster.foundation.collector import spare_what_stays
from aster.foundation.errors import ConfigError
from aster.foundation.http.server import listen
from aster.foundation.sql import Database
from aster.policy.service.replicas import Replicas
from aster.policy.service.settings_table import SECRET_KEY
from aster.stack.data import POLICY_SECRET, DataDirectory
from aster.stack.options import StackOptions
from aster.stack.stack import Addresses, Shared, Stack


def serve_together(
    count: int, *, data: Path, host: str, port: int, as_json: bool, database: str | None, redis: str | None
) -> None:
    """Run ``count`` workers until they are stopped; raises `ConfigError`, or what makes the stores unusable."""
    started = time.perf_counter()
    _require_shared_stores(database, redis)
    options = StackOptions.from_environment(
        os.environ, data=data, host=host, port=port, systems=frozenset({"policy"}), database=database, redis=redis
    )
    log_as_told(options)
    _check(options)

    def announce(words: bytes) -> None:
        tell(msgspec.json.decode(words, type=Addresses), started=started, as_json=as_json)

    os.umask(0o077)
    with DataDirectory(options.data) as held, _meeting_place() as folder, listen(host, port) as listener:
        if options.is_loopback and options.policy[SECRET_KEY] is None:
            held.secret(POLICY_SECRET)  # made by one, before several ask for it
        supervisor = Supervisor(count, announce)
        worker = supervisor.supervise()
        if worker is not None:
            run_async(_serve(options, Shared(listener, held, folder, worker.number), worker))
    if worker is None:
        if not as_json:
            typer.echo("All workers have ended")
        raise typer.Exit(supervisor.code)


async def _serve(options: StackOptions, shared: Shared, worker: Worker) -> None:
    stop = stop_on_signals([signal.SIGTERM])
    worker.end_with_supervisor(stop)
    async with Stack(options, shared) as stack:
        spare_what_stays()
        worker.ready(msgspec.json.encode(stack.addresses))
        await stop.wait()


def _require_shared_stores(database: str | None, redis: str | None) -> None:
    if database is None or not database.startswith(("postgresql://", "postgres://")):
        raise ConfigError(
            "several workers need a database that takes turns for them: a file has one writer",
            hint="--database postgresql://USER:PASSWORD@HOST/NAME, or one worker, which serves thousands a second",
        )
    if redis is None:
        raise ConfigError(
            "several workers need a Redis to count rate limits together: each alone would allow the whole limit",
            hint="--redis redis://HOST:PORT",
        )


def _check(options: StackOptions) -> None:
    """Fail here and once, not in every worker; nothing stays open that a fork would share."""
    Database.open(options.database or "").close_now()

    async def ask() -> None:
        replicas = Replicas.open(options.redis or "")
        try:
            await replicas.check()
        finally:
            await replicas.close()

    asyncio.run(ask())


@contextmanager
def _meeting_place() -> Iterator[Path]:
    """A private folder, removed by the process that made it."""
    folder, maker = Path(tempfile.mkdtemp(prefix="aster-workers-")), os.getpid()
    try:
        yield folder
    finally:
        if os.getpid() == maker:
            shutil.rmtree(folder, ignore_errors=True)
