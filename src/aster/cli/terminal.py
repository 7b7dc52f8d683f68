"""How a command talks: colour and progress on a terminal, plain lines in a pipe, JSON lines when asked."""

import re
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import msgspec
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, SpinnerColumn, TextColumn, TimeRemainingColumn
from rich.text import Text

from aster.foundation.errors import AsterError
from aster.stack.narration import Advance, Narrator

PLAIN_PROGRESS_SECONDS = 2.0

_STEERING = re.compile(r"[\x00-\x08\x0b-\x1f\x7f-\x9f\u200e\u200f\u202a-\u202e\u2066-\u2069]")


class RichNarrator:
    """For a terminal."""

    def __init__(self, console: Console) -> None:
        self._console = console

    def heading(self, text: str) -> None:
        self._console.print(f"\n{text}", style="bold cyan", markup=False, highlight=False)

    def say(self, event: str, text: str, **fields: Any) -> None:
        self._console.print(f"  {text}", markup=False, highlight=False, soft_wrap=True)

    def note(self, event: str, **fields: Any) -> None:
        """People have the progress bar."""

    @contextmanager
    def progress(self, label: str, total: int) -> Iterator[Advance]:
        columns = (
            SpinnerColumn(),
            TextColumn("{task.description}"),
            BarColumn(),
            MofNCompleteColumn(),
            TimeRemainingColumn(),
        )
        with Progress(*columns, console=self._console, transient=True) as bar:
            task = bar.add_task(label, total=total)
            yield lambda items: bar.advance(task, items)


class PlainNarrator:
    """For a pipe or a log: no control characters, a line now and then."""

    def heading(self, text: str) -> None:
        print(f"\n== {text}", flush=True)

    def say(self, event: str, text: str, **fields: Any) -> None:
        print(f"  {text}", flush=True)

    def note(self, event: str, **fields: Any) -> None:
        """People have the lines."""

    @contextmanager
    def progress(self, label: str, total: int) -> Iterator[Advance]:
        done, told = 0, time.monotonic()

        def advance(items: int) -> None:
            nonlocal done, told
            done += items
            if time.monotonic() - told >= PLAIN_PROGRESS_SECONDS:
                told = time.monotonic()
                print(f"  {label}: {done} of {total}", flush=True)

        yield advance


class JsonNarrator:
    """One JSON object a line."""

    def heading(self, text: str) -> None:
        self._print({"event": "part", "text": text})

    def say(self, event: str, text: str, **fields: Any) -> None:
        self._print({"event": event, "text": text, **fields})

    def note(self, event: str, **fields: Any) -> None:
        self._print({"event": event, **fields})

    @contextmanager
    def progress(self, label: str, total: int) -> Iterator[Advance]:
        yield lambda items: None

    @staticmethod
    def _print(line: dict[str, Any]) -> None:
        print(msgspec.json.encode(line, enc_hook=str).decode(), flush=True)


def narrator(*, as_json: bool) -> Narrator:
    """The narrator that fits where standard output goes. NO_COLOR and TERM=dumb are respected."""
    if as_json:
        return JsonNarrator()
    console = Console()
    return RichNarrator(console) if console.is_terminal else PlainNarrator()


def visible(text: str) -> str:
    """``text`` with what would steer a terminal, or turn its writing around, written out; lines stay lines."""
    return _STEERING.sub(lambda found: found[0].encode("unicode_escape").decode(), text)


def print_error(error: AsterError) -> None:
    """What went wrong and the way out, on standard error."""
    console = Console(stderr=True)
    console.print(Text.assemble(("error", "bold red"), f": {visible(error.message)}"), soft_wrap=True)
    if error.hint:
        console.print(Text.assemble(("hint", "bold"), f":  {visible(error.hint)}"), soft_wrap=True)


def print_json(value: Any) -> None:
    sys.stdout.write(msgspec.json.format(msgspec.json.encode(value, enc_hook=str), indent=2).decode() + "\n")
    sys.stdout.flush()  # a server that prints its addresses goes on running, perhaps with a pipe for its output
