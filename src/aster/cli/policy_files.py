"""`aster policy check` and `eval`: policies in files, without any service. What all commands on files share is here."""

import sys
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from aster.cli.up import JsonOption
from aster.foundation.errors import ConfigError

if TYPE_CHECKING:
    from rich.console import Console

    from aster.policy.language import Diagnostic, Program

LOCALES = ("en-US", "zh-CN", "de-DE", "hi-IN")
FileArgument = Annotated[Path, typer.Argument(help="A policy, or - for standard input.")]
FilesArgument = Annotated[list[Path], typer.Argument(help="Policies, folders of them, or - for standard input.")]
LocaleOption = Annotated[
    str,
    typer.Option(
        "--locale", help="The policy's language: en-US, zh-CN, de-DE or hi-IN.", autocompletion=lambda: list(LOCALES)
    ),
]
AUTO = "auto"
FileLocaleOption = Annotated[
    str,
    typer.Option(
        "--locale",
        help="The policy's language: en-US, zh-CN, de-DE or hi-IN; auto: what a comment `# locale: zh-CN` near its top "
        "or its name (x.zh-CN.aster) says, else en-US.",
        autocompletion=lambda: [AUTO, *LOCALES],
    ),
]
RuleOption = Annotated[str | None, typer.Option("--rule", help="Which rule; the entry rule when left out.")]
ContextOption = Annotated[
    str, typer.Option("--context", help="JSON object of arguments by name, @FILE, or - for standard input.")
]
ModulesOption = Annotated[
    Path | None,
    typer.Option("--modules", help="The folder of the modules it uses; the policy's own folder when left out."),
]
COLOURS = {"error": "bold red", "warning": "bold yellow", "info": "bold cyan", "hint": "bold green"}
TAB = "  "


def check(
    files: FilesArgument,
    locale: FileLocaleOption = AUTO,
    modules: ModulesOption = None,
    fix: Annotated[bool, typer.Option("--fix", help="Rewrite the files with what can't change their meaning.")] = False,
    unsafe: Annotated[
        bool, typer.Option("--unsafe-fixes", help="Rewrite them with what was probably meant, too; look at it after.")
    ] = False,
    as_json: JsonOption = False,
) -> None:
    """Say what is wrong with policies, line by line; exit code 1 when one can't be evaluated or a type does not fit.

    With --fix, what is left after the fixes is told. Standard input is fixed to standard output, findings go to
    standard error.
    """
    from aster.cli.policy_fix import fixed
    from aster.cli.terminal import print_json

    told: list[dict[str, Any]] = []
    failed = False
    for file in policies(files):
        source = read(file)
        if fix or unsafe:
            source = fixed(file, source, locale, modules, unsafe=unsafe)
        found = findings(file, source, locale, modules)
        failed = failed or any(diagnostic.severity == "error" for diagnostic in found)
        if as_json:
            told += [{"file": str(file), **_fields(diagnostic)} for diagnostic in found]
        else:
            show(file, source, found, err=(fix or unsafe) and str(file) == "-")
    if as_json:
        print_json(told)
    if failed:
        raise typer.Exit(1)


def evaluate(
    file: FileArgument,
    rule: RuleOption = None,
    context: ContextOption = "{}",
    locale: FileLocaleOption = AUTO,
    modules: ModulesOption = None,
    trace: Annotated[bool, typer.Option("--trace", help="Print why, too.")] = False,
) -> None:
    """Evaluate a rule of a policy and print its value as JSON. Keys no parameter has are named on standard error."""
    from aster.cli.terminal import print_json

    values = arguments(context, file)
    program = program_of(file, locale, modules)
    outcome = program.evaluate(rule, context=values, trace=trace)
    warn_of_unknown(program, rule, values)
    print_json({"value": outcome.value, "trace": outcome.trace} if trace else outcome.value)


def _fields(diagnostic: "Diagnostic") -> dict[str, Any]:
    import msgspec

    return msgspec.structs.asdict(diagnostic)


# reading


CORE_IR_SUFFIX = ".json"
"""What `aster policy ir` printed is read as such."""


def policies(paths: Sequence[Path]) -> Iterator[Path]:
    """The files that are meant: those named, and all ``*.aster`` below folders."""
    for path in paths:
        if path.is_dir():
            yield from sorted(path.rglob("*.aster"))
        else:
            yield path


def read(file: Path) -> str:
    """The text of a file, or of standard input for ``-``. Raises `ConfigError`."""
    try:
        if str(file) == "-":
            return sys.stdin.buffer.read().decode()
        return file.read_text(encoding="utf-8")
    except OSError as error:
        raise ConfigError(f"{file} can't be read: {error.strerror or error}") from error
    except UnicodeDecodeError as error:
        raise ConfigError(f"{file} is not UTF-8 text") from error


def arguments(context: str, file: Path) -> dict[str, Any]:
    """The JSON object of a ``--context``. Raises `ConfigError`."""
    import msgspec

    if context == "-" and str(file) == "-":
        raise ConfigError("the policy and the context can't both be standard input")
    text = read(Path(context.removeprefix("@"))) if context.startswith("@") or context == "-" else context
    try:
        values = msgspec.json.decode(text)
    except msgspec.DecodeError as error:
        raise ConfigError(f"the context is not JSON: {error}") from None
    if not isinstance(values, dict):
        raise ConfigError("the context must be a JSON object of arguments by name")
    return values


def compiled(file: Path, source: str, locale: str, modules: Path | None) -> "Program":
    """The program, with the modules beside it. Raises `PolicySyntaxError`, and `CoreIRInvalid` for a ``.json``."""
    from aster.policy.language import ModuleFolder, compile_source
    from aster.policy.language.core_ir_read import program_of_ir

    folder = modules or (Path() if str(file) == "-" else file.parent)
    if file.suffix == CORE_IR_SUFFIX:
        return program_of_ir(source, modules=ModuleFolder(folder))
    return compile_source(source, language_of(file, source, locale), modules=ModuleFolder(folder))


def language_of(file: Path, source: str, locale: str) -> str:
    """The locale that is meant by a ``--locale``, which may be `auto`."""
    from aster.policy.language.locale_of import locale_of

    return locale_of(str(file), source) if locale == AUTO else locale


def findings(file: Path, source: str, locale: str, modules: Path | None) -> Sequence["Diagnostic"]:
    """What there is to say about a source, whether it is a program or not."""
    from aster.policy.language import PolicySyntaxError

    try:
        return compiled(file, source, locale, modules).diagnostics
    except PolicySyntaxError as error:
        return error.diagnostics


def program_of(file: Path, locale: str, modules: Path | None = None) -> "Program":
    """The program of a file; where there is none, says why and ends with exit code 1."""
    from aster.policy.language import PolicySyntaxError

    source = read(file)
    try:
        return compiled(file, source, locale, modules)
    except PolicySyntaxError as error:
        show(file, source, error.diagnostics, err=True)
        raise typer.Exit(1) from None


def warn_of_unknown(program: "Program", rule: str | None, context: Mapping[str, Any]) -> None:
    """Name the keys of a context that no parameter has, on standard error."""
    from difflib import get_close_matches

    known = program.parameters(rule)
    unknown = [key for key in context if key not in known]
    if not unknown or not set(context) & set(known):
        return
    for key in unknown:
        close = get_close_matches(key, known, 1)
        hint = f"; did you mean '{close[0]}'?" if close else ""
        typer.echo(f"warning: no parameter is called '{key}'{hint}", err=True)


# telling


def show(file: Path, source: str, found: Sequence["Diagnostic"], *, err: bool = False) -> None:
    """Findings with their lines; colours on a terminal only."""
    from rich.console import Console
    from rich.text import Text

    console = Console(soft_wrap=True, highlight=False, stderr=err)
    lines = source.replace("\r\n", "\n").replace("\r", "\n").split("\n")
    for diagnostic in found:
        where = f"{file} (module {diagnostic.module})" if diagnostic.module else str(file)
        head = Text(f"{where}:{diagnostic.start_line}:{diagnostic.start_column}: ")
        head.append(f"{diagnostic.severity} {diagnostic.code}", style=COLOURS[diagnostic.severity])
        console.print(head.append(f": {diagnostic.message}"))
        if diagnostic.module is None:
            _excerpt(console, lines, diagnostic)
        if diagnostic.help:
            console.print(Text(f"  help: {diagnostic.help}", style="green"))
        for fix in diagnostic.fixes:
            console.print(Text(f"  fix: {fix.title}{'' if fix.is_safe else ' ?'}", style="green"))
    errors = sum(diagnostic.severity == "error" for diagnostic in found)
    others = len(found) - errors
    counted = f"{errors} error{'s' * (errors != 1)}, {others} other finding{'s' * (others != 1)}"
    console.print(f"{file}: {counted}" if found else f"{file}: no findings")


def _excerpt(console: "Console", lines: Sequence[str], diagnostic: "Diagnostic") -> None:
    from rich.cells import cell_len
    from rich.text import Text

    if not 1 <= diagnostic.start_line <= len(lines):
        return
    line = lines[diagnostic.start_line - 1].replace("\t", TAB)
    raw = lines[diagnostic.start_line - 1]
    start = diagnostic.start_column - 1
    end = diagnostic.end_column - 1 if diagnostic.end_line == diagnostic.start_line else len(raw)
    before = cell_len(raw[:start].replace("\t", TAB))
    width = max(1, cell_len(raw[start:end].replace("\t", TAB)))
    number = f"{diagnostic.start_line:>4} | "
    console.print(Text(number, style="dim").append(line, style="not dim"))
    marks = Text(f"{' ' * 4} | ", style="dim")
    console.print(marks.append(f"{' ' * before}{'^' * width}", style=f"not dim {COLOURS[diagnostic.severity]}"))
