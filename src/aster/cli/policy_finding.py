"""`aster policy finding CODE`: what a finding means, and the way out."""

from typing import Annotated

import typer

from aster.cli.policy_files import COLOURS, LocaleOption
from aster.cli.up import JsonOption
from aster.foundation.errors import ConfigError


def _codes() -> list[str]:
    from aster.policy.language.diagnostics import CATALOGUE

    return list(CATALOGUE)


def finding(
    code: Annotated[str, typer.Argument(help="The code of a finding, such as E031.", autocompletion=_codes)],
    locale: LocaleOption = "en-US",
    as_json: JsonOption = False,
) -> None:
    """Tell what a finding of `aster policy check` means, and the way out, with the shortest policy that has it."""
    from rich.console import Console
    from rich.text import Text

    from aster.cli.terminal import print_json
    from aster.policy.language.diagnostics import CATALOGUE
    from aster.policy.language.finding_docs import FINDINGS
    from aster.policy.language.lexicon import load_lexicon
    from aster.policy.language.repairs import closest

    wanted = code.upper()
    if wanted not in CATALOGUE:
        near = closest(wanted, CATALOGUE)
        hint = f"did you mean {near}?" if near else "docs/reference/policy-findings.md lists all"
        raise ConfigError(f"there is no finding {code!r}", hint=hint)
    severity, message = CATALOGUE[wanted]
    told = FINDINGS[wanted]
    message = load_lexicon(locale).messages.get(wanted, message)
    if as_json:
        print_json({"code": wanted, "severity": severity, "message": message, **_fields(told.way_out, told.example)})
        return
    console = Console(soft_wrap=True, highlight=False)
    console.print(
        Text(f"{severity} {wanted}", style=COLOURS[severity]).append(f": {message}", style="not bold default")
    )
    console.print(Text(told.way_out))
    if told.example is not None:
        console.print()
        console.print(Text("".join(f"  {line}\n" for line in told.example.splitlines()), style="dim"), end="")


def _fields(way_out: str, example: str | None) -> dict[str, str | None]:
    return {"wayOut": way_out, "example": example}
