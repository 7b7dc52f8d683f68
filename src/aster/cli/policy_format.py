"""`aster policy fmt` and `translate`: the same program in its canonical form, or in another language."""

import difflib
import os
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from aster.cli.policy_files import (
    AUTO,
    LOCALES,
    FileArgument,
    FileLocaleOption,
    FilesArgument,
    language_of,
    policies,
    read,
    show,
)
from aster.foundation.errors import ConfigError

if TYPE_CHECKING:
    from aster.policy.language import Vocabulary


def fmt(
    files: FilesArgument,
    locale: FileLocaleOption = AUTO,
    check: Annotated[bool, typer.Option("--check", help="Write nothing; exit code 1 if a file would change.")] = False,
    diff: Annotated[bool, typer.Option("--diff", help="Write nothing; print what would change.")] = False,
) -> None:
    """Format policies in place (standard input to standard output): the same words, one way to write them.

    A file is written only if what comes out is the same program. Files that can't be parsed stay as they are.
    """
    from aster.policy.language import PolicySyntaxError, format_source

    failed = changed = total = 0
    for file in policies(files):
        total += 1
        source = read(file)
        try:
            formatted = format_source(source, language_of(file, source, locale))
        except PolicySyntaxError as error:
            show(file, source, error.diagnostics, err=True)
            failed += 1
            continue
        different = formatted != source
        changed += different
        if diff:
            _print_diff(file, source, formatted)
        elif str(file) == "-" and not check:
            typer.echo(formatted, nl=False)
        elif different:
            typer.echo(f"{'would change' if check else 'formatted'} {file}", err=str(file) == "-")
            if not check:
                write_whole(file, formatted)
    if total > 1 or check:
        done = "would change" if check or diff else "changed"
        typer.echo(f"{changed} of {total} {done}", err=True)
    if failed or (changed and (check or diff)):
        raise typer.Exit(1)


def translate(
    file: FileArgument,
    to: Annotated[
        str, typer.Option("--to", help="The language to translate to.", autocompletion=lambda: list(LOCALES))
    ],
    locale: FileLocaleOption = AUTO,
    vocabulary: Annotated[
        str | None,
        typer.Option("--vocabulary", help="A domain vocabulary of the policy's own language: a name or a file."),
    ] = None,
    to_vocabulary: Annotated[
        str | None, typer.Option("--to-vocabulary", help="A domain vocabulary of the other language: a name or a file.")
    ] = None,
    output: Annotated[Path | None, typer.Option("--output", "-o", help="Write to a file instead.")] = None,
) -> None:
    """Print a policy in another language: keywords and punctuation change; names, texts and comments stay.

    A comment `# locale: …` tells the new language. A vocabulary is one of those shipped (finance.loan, insurance.auto)
    or a file.
    """
    from aster.policy.language import PolicySyntaxError, translate_source
    from aster.policy.language.lexicon import locale_id
    from aster.policy.language.locale_of import relabelled

    source = read(file)
    spoken = language_of(file, source, locale)
    pairs = ((vocabulary, spoken), (to_vocabulary, to))
    words = [None if named is None else _vocabulary(named, language) for named, language in pairs]
    try:
        translated = translate_source(source, spoken, to, vocabulary=words[0], target_vocabulary=words[1])
    except PolicySyntaxError as error:
        show(file, source, error.diagnostics, err=True)
        raise typer.Exit(1) from None
    translated = relabelled(translated, locale_id(to))
    if output is None:
        typer.echo(translated, nl=False)
    else:
        write_whole(output, translated)


def write_whole(file: Path, text: str) -> None:
    """Replace a file at once: readers see the old text or the new one. Raises `ConfigError`."""
    try:
        target = file.resolve()
        mode = target.stat().st_mode & 0o777 if target.exists() else 0o644
        handle, name = tempfile.mkstemp(prefix=f".{target.name}.", dir=target.parent)
        try:
            with os.fdopen(handle, "w", encoding="utf-8", newline="\n") as out:
                out.write(text)
                out.flush()
                os.fsync(out.fileno())
            Path(name).chmod(mode)
            Path(name).replace(target)
        except BaseException:
            Path(name).unlink(missing_ok=True)
            raise
    except OSError as error:
        raise ConfigError(f"{file} can't be written: {error.strerror or error}") from error


def _vocabulary(named: str, locale: str) -> "Vocabulary":
    """A shipped vocabulary by its name, or one in a file. Raises `ConfigError` and `VocabularyInvalid`."""
    import msgspec

    from aster.policy.language import VOCABULARIES, load_vocabulary, read_vocabulary

    if named.partition("+")[0] in VOCABULARIES:
        return load_vocabulary(named, locale)
    try:
        return read_vocabulary(msgspec.json.decode(read(Path(named)), type=dict))
    except msgspec.DecodeError as error:
        raise ConfigError(f"{named} is not a vocabulary: {error}") from None


def _print_diff(file: Path, source: str, formatted: str) -> None:
    from rich.console import Console
    from rich.text import Text

    colours = {"+": "green", "-": "red", "@": "cyan"}
    console = Console(soft_wrap=True, highlight=False)
    before, after = source.splitlines(keepends=True), formatted.splitlines(keepends=True)
    for line in difflib.unified_diff(before, after, str(file), f"{file} (formatted)"):
        console.print(Text(line.rstrip("\n"), style=colours.get(line[0], "")))
