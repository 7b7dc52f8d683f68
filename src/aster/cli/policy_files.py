"""`aster policy check` and `eval`: policies in files, without any service."""

import sys
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from aster.cli.up import JsonOption
from aster.foundation.errors import ConfigError

if TYPE_CHECKING:
    from aster.policy.language import Diagnostic

FileArgument = Annotated[Path, typer.Argument(help="A policy, or - for standard input.")]
LocaleOption = Annotated[str, typer.Option("--locale", help="en-US, zh-CN, de-DE or hi-IN.")]
COLOURS = {"error": "bold red", "warning": "bold yellow", "info": "bold cyan", "hint": "bold green"}


def check(file: FileArgument, locale: LocaleOption = "en-US", as_json: JsonOption = False) -> None:
    """Say what is wrong with a policy, line by line; exit code 1 when it can't be evaluated or a type does not fit."""
    from aster.cli.terminal import print_json
    from aster.policy.language import PolicySyntaxError, compile_source

    source = _read(file)
    try:
        found: Sequence[Diagnostic] = compile_source(source, locale).diagnostics
    except PolicySyntaxError as error:
        found = error.diagnostics
    if as_json:
        print_json(found)
    else:
        _show(file, source, found)
    if any(diagnostic.severity == "error" for diagnostic in found):
        raise typer.Exit(1)


def evaluate(
    file: FileArgument,
    rule: Annotated[str | None, typer.Option("--rule", help="Which rule; the entry rule when left out.")] = None,
    context: Annotated[str, typer.Option("--context", help="JSON object of arguments by name, or @FILE.")] = "{}",
    locale: LocaleOption = "en-US",
    trace: Annotated[bool, typer.Option("--trace", help="Print why, too.")] = False,
) -> None:
    """Evaluate a rule of a policy and print its value as JSON."""
    import msgspec

    from aster.cli.terminal import print_json
    from aster.policy.language import PolicySyntaxError, compile_source

    try:
        values = msgspec.json.decode(_read(Path(context[1:])) if context.startswith("@") else context)
    except msgspec.DecodeError as error:
        raise ConfigError(f"the context is not JSON: {error}") from None
    if not isinstance(values, dict):
        raise ConfigError("the context must be a JSON object of arguments by name")
    source = _read(file)
    try:
        program = compile_source(source, locale)
    except PolicySyntaxError as error:
        _show(file, source, error.diagnostics)
        raise typer.Exit(1) from None
    outcome = program.evaluate(rule, context=values, trace=trace)
    print_json({"value": outcome.value, "trace": outcome.trace} if trace else outcome.value)


def _read(file: Path) -> str:
    try:
        return sys.stdin.read() if str(file) == "-" else file.read_text(encoding="utf-8")
    except OSError as error:
        raise ConfigError(f"{file} can't be read: {error.strerror or error}") from error
    except UnicodeDecodeError as error:
        raise ConfigError(f"{file} is not UTF-8 text") from error


def _show(file: Path, source: str, found: Sequence["Diagnostic"]) -> None:
    from rich.console import Console
    from rich.text import Text

    console = Console(soft_wrap=True, highlight=False)
    lines = source.splitlines()
    for diagnostic in found:
        place = f"{file}:{diagnostic.start_line}:{diagnostic.start_column}: "
        head = Text(place)
        head.append(f"{diagnostic.severity} {diagnostic.code}", style=COLOURS[diagnostic.severity])
        console.print(head.append(f": {diagnostic.message}"))
        _excerpt(console, lines, diagnostic)
    errors = sum(diagnostic.severity == "error" for diagnostic in found)
    console.print(f"{file}: {errors} errors, {len(found) - errors} other findings" if found else f"{file}: no findings")


def _excerpt(console: Any, lines: Sequence[str], diagnostic: "Diagnostic") -> None:
    if not 1 <= diagnostic.start_line <= len(lines):
        return
    line = lines[diagnostic.start_line - 1]
    same_line = diagnostic.end_line == diagnostic.start_line
    width = max(1, (diagnostic.end_column if same_line else len(line) + 1) - diagnostic.start_column)
    console.print(f"  {line}", markup=False)
    console.print(f"  {' ' * (diagnostic.start_column - 1)}{'^' * width}", markup=False)
    if diagnostic.help:
        console.print(f"  {diagnostic.help}", markup=False)
