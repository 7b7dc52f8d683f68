"""The shell behind the prompt: where it is, what it knows of the server, and what a line does."""

import asyncio
import io
import shlex
from collections.abc import Awaitable, Callable, Iterable, Mapping
from typing import TYPE_CHECKING

from aster.cli.calling import call_and_print
from aster.cli.contract_text import described_lines, method_line, type_lines
from aster.cli.terminal import print_error
from aster.foundation.errors import AsterError, ConfigError
from aster.rpc.builtin.asking import list_remote
from aster.rpc.contract.description import MethodDescription, Ref, ServiceDescription, reachable
from aster.rpc.patterns import Pattern
from aster.rpc.proxy import described

if TYPE_CHECKING:
    from aster.rpc.stub import Caller

HELP = """\
Service.method key=value …   call; a.b=3 reaches inside, text stays text
method {"key": "value"}      call inside a service, with JSON
method {…} {…} | @file       many messages, for methods that take a stream
ls                           services, or the methods of the one you are in
cd Service | cd ..           go into a service and out of it
describe [NAME]              a service, or a method with its types
help | exit                  this text; leave (Ctrl-D does too)
Ctrl-C ends the call that runs, and nothing else."""


class ShellSession:
    """One server, as far as this caller sees it."""

    def __init__(self, caller: "Caller", *, as_lines: bool) -> None:
        self._caller = caller
        self._as_lines = as_lines
        self.services: dict[str, ServiceDescription] = {}
        self.inside: str | None = None
        self.commands: Mapping[str, Callable[[list[str]], Awaitable[None]]] = {
            "help": self._help,
            "ls": self._ls,
            "cd": self._cd,
            "describe": self._describe,
        }

    async def load(self) -> None:
        """Ask the server what there is."""
        connection = await self._caller.connection()
        offered = (await list_remote(connection, self._caller.interceptors)).services
        newest = {each.name: self._caller.proxy(each.name, each.version) for each in offered}
        found = await asyncio.gather(*map(described, newest.values()))
        self.services = {each.description.name: each.description for each in found}

    async def run_line(self, line: str) -> bool:
        """Do what a line says; False when it failed, which has been told."""
        word, _, rest = line.strip().partition(" ")
        if not word or word.startswith("#"):
            return True
        try:
            command = self.commands.get(word)
            if command is not None:
                await command(_words(rest))
            else:
                service, method = self.target(word)
                proxy = self._caller.proxy(service.name, service.version)
                await call_and_print(proxy, method, _words(rest), as_lines=self._as_lines, stdin=io.StringIO())
        except AsterError as error:
            print_error(error)
            return False
        return True

    def target(self, word: str) -> tuple[ServiceDescription, str]:
        """The service and method that a word means from here."""
        here = self.services.get(self.inside or "")
        if here is not None and here.method(word) is not None:
            return here, word
        name, _, method = word.rpartition(".")
        service = self.services.get(name)
        if service is not None and method:
            return service, method
        if here is not None and "." not in word:
            return here, word  # the call's own error lists the methods there are
        known = ", ".join(self.services) or "nothing to this caller"
        raise ConfigError(
            f"'{word}' is no command and no method", hint=f"'help' tells more; the server offers: {known}"
        )

    async def _help(self, words: list[str]) -> None:
        print(HELP)

    async def _ls(self, words: list[str]) -> None:
        name = words[0] if words else self.inside
        if name is None:
            for each in self.services.values():
                print(f"{each.name:<24} version {each.version}  {each.description}".rstrip())
        else:
            service = self._service(name)
            for method in service.methods:
                print(method_line(method, service))

    async def _cd(self, words: list[str]) -> None:
        name = words[0].rstrip("/") if words else ".."
        self.inside = None if name in ("", "..") else self._service(name).name

    async def _describe(self, words: list[str]) -> None:
        name = words[0] if words else self.inside
        if name is None:
            raise ConfigError("describe what?", hint="describe Service, or describe Service.method")
        if name in self.services:
            print("\n".join(described_lines(self.services[name])))
            return
        service, method_name = self.target(name)
        method = service.method(method_name)
        if method is None:
            raise ConfigError(f"'{service.name}' has no method '{method_name}'")
        print("\n".join(_method_lines(service, method)))

    def _service(self, name: str) -> ServiceDescription:
        found = self.services.get(name)
        if found is None:
            raise ConfigError(f"there is no service '{name}'", hint=f"there is: {', '.join(self.services) or 'none'}")
        return found


def _method_lines(service: ServiceDescription, method: MethodDescription) -> Iterable[str]:
    yield method_line(method, service)
    if method.description:
        yield f"  {method.description}"
    if Pattern(method.pattern).streams_input:
        yield "  takes many messages: JSON values one after the other, or @file with one a line"
    asked = method.request.name if method.inline and isinstance(method.request, Ref) else None
    for name in reachable([method.request, method.reply], service.types):
        if name != asked:
            yield from type_lines(name, service, "  ")


def _words(text: str) -> list[str]:
    """Words as a shell splits them; JSON stays one, with its quotes."""
    text = text.strip()
    if text[:1] in ("{", "["):
        return [text]
    try:
        return shlex.split(text)
    except ValueError as error:
        raise ConfigError(f"that can't be split into words: {error}") from None
