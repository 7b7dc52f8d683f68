"""`aster policy repl`: declare rules, evaluate expressions, see why. An editor on a terminal, plain in a pipe."""

import json
import os
import sys
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import typer

from aster.cli.policy_files import LocaleOption, read
from aster.foundation.errors import AsterError, ConfigError

ANSWER = "replAnswer"
HELP = """\
Type a declaration (Rule, Define, Use, @entry …) and end it with an empty line, or an expression.
`Let x be 3.` keeps a value for later expressions.
  :trace on|off     tell why, too          :locale TAG     another language (forgets nothing)
  :load FILE        declare what it holds  :rules          what is declared
  :show             the declarations       :fmt            format them
  :reset            forget everything      :help, :quit
"""
_DECLARATIONS = ("FUNC_TO", "TYPE_DEF", "IMPORT", "MODULE_DECL", "TYPE_ALIAS")


class Session:
    """What was declared and bound; `answer` takes one whole input and gives what to print."""

    def __init__(self, locale: str = "en-US", folder: Path | None = None) -> None:
        self.locale = locale
        self.folder = folder or Path()
        self.declarations: list[str] = []
        self.bindings: list[str] = []
        self.tracing = False
        self.done = False

    def answer(self, text: str) -> str:
        """What to print for an input. Errors are answers, too."""
        stripped = text.strip()
        try:
            if not stripped:
                return ""
            if stripped.startswith(":"):
                name, _, argument = stripped[1:].partition(" ")
                return self._command(name, argument.strip())
            if self._declares(stripped):
                return self._declare(text)
            if self._binds(stripped):
                return self._bind(stripped)
            return self._evaluate(stripped)
        except AsterError as error:
            return _told(error)

    def is_whole(self, text: str) -> bool:
        """Whether an input is complete: a declaration ends with an empty line, brackets are closed."""
        if text.strip().startswith(":") or not text.strip():
            return True
        opened = sum(text.count(char) for char in "([") - sum(text.count(char) for char in ")]")
        if opened > 0:
            return False
        if not self._declares(text.strip()) and not text.rstrip().endswith(":"):
            return True
        return text.endswith("\n\n") or (text.count("\n") <= 1 and text.rstrip().endswith((".", "。", "।")))

    # commands

    def _command(self, name: str, argument: str) -> str:
        commands: dict[str, Callable[[str], str]] = {
            "help": lambda _: HELP,
            "quit": self._quit,
            "trace": self._trace,
            "locale": self._locale,
            "load": self._load,
            "rules": lambda _: "\n".join(self._program().rules) if self.declarations else "nothing is declared",
            "show": lambda _: "\n\n".join(text.strip("\n") for text in self.declarations),
            "fmt": self._format,
            "reset": self._reset,
        }
        found = commands.get({"q": "quit", "h": "help", "exit": "quit"}.get(name, name))
        return f"there is no command :{name}; see :help" if found is None else found(argument)

    def _quit(self, _: str) -> str:
        self.done = True
        return ""

    def _trace(self, argument: str) -> str:
        self.tracing = argument != "off" if argument else not self.tracing
        return f"trace {'on' if self.tracing else 'off'}"

    def _locale(self, argument: str) -> str:
        from aster.policy.language.lexicon import locale_id

        if argument:
            self.locale = locale_id(argument)
        return self.locale

    def _load(self, argument: str) -> str:
        path = Path(argument).expanduser()
        told = self._declare(read(path))
        self.folder = path.parent
        return told

    def _format(self, _: str) -> str:
        from aster.policy.language import format_source

        self.declarations = [format_source("\n\n".join(self.declarations), self.locale)] if self.declarations else []
        return self._command("show", "")

    def _reset(self, _: str) -> str:
        self.declarations, self.bindings = [], []
        return "everything is forgotten"

    # language

    def _first(self, text: str) -> tuple[str, ...]:
        from aster.policy.language.lexicon import load_lexicon
        from aster.policy.language.scanner import tokenize
        from aster.policy.language.source import SourceText

        tokens = tokenize(SourceText(text.strip(), load_lexicon(self.locale)))
        return tuple(kind for kind, _ in tokens[0].phrases)

    def _declares(self, text: str) -> bool:
        return text.startswith("@") or any(kind in _DECLARATIONS for kind in self._first(text))

    def _binds(self, text: str) -> bool:
        return "LET" in self._first(text)

    def _program(self, body: str = "") -> Any:
        from aster.policy.language import ModuleFolder, compile_source

        source = "\n\n".join([*self.declarations, body])
        return compile_source(source, self.locale, modules=ModuleFolder(self.folder))

    def _declare(self, text: str) -> str:
        """Take a declaration over if the whole still compiles; rules of the same name are replaced."""
        before = list(self.declarations)
        self.declarations = [known for known in before if not _named(known, text)] + [text]
        try:
            program = self._program()
        except AsterError:
            self.declarations = before
            raise
        warnings = [f"{found.severity}: {found.message}" for found in program.diagnostics if found.severity != "info"]
        return "\n".join(["ok", *warnings])

    def _bind(self, text: str) -> str:
        self.bindings.append(text)
        try:
            self._run("true")
        except AsterError:
            self.bindings.pop()
            raise
        return "ok"

    def _evaluate(self, text: str) -> str:
        from aster.policy.language import explain

        outcome = self._run(text.rstrip(".。।"))
        value = json.dumps(outcome.value, ensure_ascii=False)
        if not self.tracing:
            return value
        told = [f"{'  ' * sentence.depth}{sentence.text}" for sentence in explain(outcome.trace, self.locale)[1:-1]]
        return "\n".join([*told, value])

    def _run(self, expression: str) -> Any:
        lines = [f"  {line}" for line in [*self.bindings, f"Return {expression}."]]
        program = self._program("\n".join([f"Rule {ANSWER}, produce:", *lines]))
        return program.evaluate(ANSWER, trace=self.tracing)


def repl(locale: LocaleOption = "en-US") -> None:
    """Try the language: declare rules, evaluate expressions, see why (`:help` tells the commands)."""
    session = Session(locale)
    if sys.stdin.isatty() and sys.stdout.isatty():
        with _history() as history:
            _converse(session, _edited(session, history))
    else:
        _converse(session, _whole(session, sys.stdin))


def _converse(session: Session, inputs: Iterable[str]) -> None:
    for text in inputs:
        told = session.answer(text)
        if told:
            typer.echo(told)
        if session.done:
            return


def _whole(session: Session, lines: Iterable[str]) -> Iterator[str]:
    """Whole inputs from plain lines."""
    text = ""
    for line in lines:
        text += line if line.endswith("\n") else f"{line}\n"
        if session.is_whole(text):
            yield text
            text = ""
    if text.strip():
        yield text


def _edited(session: Session, history: Path) -> Iterator[str]:
    """Whole inputs from an editor that keeps a history and the indentation of the line before."""
    from aster.foundation.extras import load_extra

    toolkit = load_extra("prompt_toolkit", extra="shell")
    histories = load_extra("prompt_toolkit.history", extra="shell")
    editor = toolkit.PromptSession(history=histories.FileHistory(str(history)))
    typer.echo("Aster policy language; :help tells the commands, :quit ends.")
    while True:
        text, start = "", ""
        try:
            while True:
                line = editor.prompt("... " if text else f"{session.locale}> ", default=start)
                text += f"{line}\n"
                if session.is_whole(text):
                    break
                start = " " * (len(line) - len(line.lstrip(" ")) + (2 if line.rstrip().endswith((":", "：")) else 0))
        except KeyboardInterrupt:
            continue
        except EOFError:
            return
        yield text


@contextmanager
def _history() -> Iterator[Path]:
    """The file of past inputs, readable by its owner only."""
    folder = Path(os.environ.get("XDG_STATE_HOME") or Path.home() / ".local" / "state") / "aster"
    path = folder / "policy-history"
    try:
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        os.close(os.open(path, os.O_CREAT | os.O_APPEND | os.O_WRONLY, 0o600))
        path.chmod(0o600)
    except OSError as error:
        raise ConfigError(f"the history {path} can't be kept: {error.strerror or error}") from error
    yield path


def _named(known: str, text: str) -> bool:
    """Whether two declarations declare the same single name."""
    first, second = known.strip().split("\n", 1)[0].split(), text.strip().split("\n", 1)[0].split()
    alone = known.strip().count("\n\n") == 0
    return alone and len(first) > 1 and first[:2] == second[:2]


def _told(error: AsterError) -> str:
    diagnostics = getattr(error, "diagnostics", ())
    if diagnostics:
        return "\n".join(f"error {found.code}: {found.message}" for found in diagnostics if found.severity == "error")
    return f"error {error.code}: {error.message}"
