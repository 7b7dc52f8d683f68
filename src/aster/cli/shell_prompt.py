"""The shell's prompt on a terminal: completion, history, and Ctrl-C for the call that runs."""

import asyncio
import os
import signal
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from prompt_toolkit import PromptSession
from prompt_toolkit.completion import CompleteEvent, Completer, Completion
from prompt_toolkit.document import Document
from prompt_toolkit.history import FileHistory

from aster.cli.shell_session import ShellSession
from aster.foundation.errors import ConfigError
from aster.rpc.contract.canonical import members
from aster.rpc.contract.description import OneOf, Record, Ref, Scalar

LEAVE = ("exit", "quit")


class ShellCompleter(Completer):
    """Commands and targets first, then the fields of the method's message, then the values of a field."""

    def __init__(self, session: ShellSession) -> None:
        self._session = session

    def get_completions(self, document: Document, complete_event: CompleteEvent) -> Iterator[Completion]:
        before = document.text_before_cursor.lstrip()
        words = before.split(" ")
        word = words[-1]
        for choice in self.choices(words):
            if choice.startswith(word):
                yield Completion(choice, start_position=-len(word))

    def choices(self, words: list[str]) -> list[str]:
        """What the last of the words may become."""
        session = self._session
        if len(words) == 1:
            return [*self._targets(), *session.commands, *LEAVE]
        if words[0] in ("cd", "ls"):
            return [*session.services, ".."]
        if words[0] == "describe":
            return [*session.services, *self._targets()]
        return self._fields(words)

    def _targets(self) -> list[str]:
        session = self._session
        here = session.services.get(session.inside or "")
        inside = [method.name for method in here.methods] if here else []
        return inside + [f"{each.name}.{method.name}" for each in session.services.values() for method in each.methods]

    def _fields(self, words: list[str]) -> list[str]:
        try:
            service, name = self._session.target(words[0])
        except ConfigError:
            return []
        method = service.method(name)
        record = service.types.get(method.request.name) if method and isinstance(method.request, Ref) else None
        if not isinstance(record, Record):
            return []
        given = {word.partition("=")[0] for word in words[1:-1]}
        field_name, separator, _ = words[-1].partition("=")
        for field in record.fields:
            if separator and field.name == field_name:
                choices = members(field.type, service.types)
                values = [value for each in choices if isinstance(each, OneOf) for value in each.values]
                values += ["true", "false"] if Scalar("bool") in choices else []
                return [f"{field_name}={value}" for value in values]
        return [f"{field.name}=" for field in record.fields if field.name not in given]


async def prompt_lines(session: ShellSession, history: Path) -> None:
    """Read and run lines until the end of input or `exit`."""
    prompt: PromptSession[str] = PromptSession(
        history=FileHistory(str(private_file(history))), completer=ShellCompleter(session), complete_while_typing=False
    )
    while True:
        try:
            line = await prompt.prompt_async(f"aster {session.inside or ''}> ".replace(" >", ">"))
        except EOFError:
            return
        except KeyboardInterrupt:
            continue
        if line.strip() in LEAVE:
            return
        await run_until_interrupted(session.run_line(line))


async def run_until_interrupted(work: Any) -> None:
    """Run one line; Ctrl-C cancels it, and its handler on the server with it."""
    loop = asyncio.get_running_loop()
    task = loop.create_task(work)
    before = signal.getsignal(signal.SIGINT)
    loop.add_signal_handler(signal.SIGINT, task.cancel)
    try:
        await asyncio.wait([task])
    finally:
        loop.remove_signal_handler(signal.SIGINT)
        signal.signal(signal.SIGINT, before)
    if task.cancelled():
        print("cancelled")
    else:
        task.result()


def private_file(path: Path) -> Path:
    """A file that only its owner reads, made when it is not there: a history may hold what was typed in haste."""
    try:
        path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
        os.close(os.open(path, os.O_CREAT | os.O_APPEND | os.O_WRONLY, 0o600))
        path.chmod(0o600)
    except OSError as error:
        raise ConfigError(f"{path} can't be written: {error.strerror or error}") from error
    return path
