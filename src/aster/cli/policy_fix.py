"""`aster policy check --fix`: rewrite files with the fixes of their findings, again and again until none is left."""

from pathlib import Path

import typer

from aster.cli.policy_files import findings
from aster.cli.policy_format import write_whole

ROUNDS = 10


def fixed(file: Path, source: str, locale: str, modules: Path | None, *, unsafe: bool) -> str:
    """The fixed source, written to its file; standard input goes to standard output. Tells how many fixes there were.

    Raises `ConfigError` when the file can't be written.
    """
    from aster.policy.language import apply_fixes, fixes_of

    if str(file) != "-":
        source = file.read_bytes().decode()  # line ends stay what they are
    text, total = source, 0
    for _ in range(ROUNDS):
        text, count = apply_fixes(text, fixes_of(findings(file, text, locale, modules), unsafe=unsafe))
        total += count
        if not count:
            break
    if str(file) == "-":
        typer.echo(text, nl=False)
    elif text != source:
        write_whole(file, text)
    if total:
        typer.echo(f"{file}: fixed {total}", err=True)
    return text
