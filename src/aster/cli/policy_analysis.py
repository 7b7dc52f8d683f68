"""`aster policy analyze` and `diff`: what can't happen in a policy, and where two versions decide differently.

Exit codes of both: 0 nothing found; 1 something found; 2 wrong usage, or a policy that can't be analysed; 3 not found,
but not excluded either.
"""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from aster.cli import policy_files
from aster.cli.policy_files import COLOURS, FileArgument, LocaleOption, ModulesOption
from aster.cli.up import JsonOption
from aster.foundation.errors import AsterError

if TYPE_CHECKING:
    from aster.policy.analysis import Answer, Comparison, Finding, NotAnalysed, RuleAnalysis, Unmodelled
    from aster.policy.language import Program

FOUND, UNUSABLE, UNKNOWN = 1, 2, 3
RuleOption = Annotated[str | None, typer.Option("--rule", help="Which rule; see the command for when it is left out.")]
TimeoutOption = Annotated[float, typer.Option("--timeout", min=0.1, help="Seconds for each rule.")]


def analyze(
    file: FileArgument,
    rule: RuleOption = None,
    locale: LocaleOption = "en-US",
    modules: ModulesOption = None,
    timeout: TimeoutOption = 30.0,
    as_json: JsonOption = False,
) -> None:
    """Find what can never happen in a policy, what is not answered, and what is answered twice.

    For every rule (or the one named), within the declared types and ranges: branches that are never taken, conditions
    that always hold, inputs that no branch answers, rows of a table that overlap and answer differently, and how it can
    fail. Each with an input that shows it, which has been evaluated. Needs the extra `analysis`.

    Exit code 0: no warnings. 1: warnings. 2: the policy can't be analysed. 3: no warnings, but parts were not analysed.
    """
    with _unusable():
        from aster.policy.analysis import analyze_program

        source, program = _compile(file, locale, modules)
        found = analyze_program(program, rule, seconds=timeout)
    warnings = sum(finding.severity == "warning" for each in found for finding in each.findings)
    if as_json:
        from aster.cli.terminal import print_json

        print_json({"rules": found, "warnings": warnings, "complete": all(each.complete for each in found)})
    else:
        _tell_analysis(file, source, found)
    if warnings:
        raise typer.Exit(FOUND)
    if not all(each.complete for each in found):
        raise typer.Exit(UNKNOWN)


def diff(
    old: Annotated[Path, typer.Argument(help="The version there was, or - for standard input.")],
    new: Annotated[Path, typer.Argument(help="The version to compare with it.")],
    rule: RuleOption = None,
    find_all: Annotated[bool, typer.Option("--all", help="Look for a difference in every pair of branches.")] = False,
    locale: LocaleOption = "en-US",
    modules: ModulesOption = None,
    timeout: TimeoutOption = 30.0,
    as_json: JsonOption = False,
) -> None:
    """Find an input on which two versions of a policy decide differently, or prove that there is none.

    Compares the rule named, else the entry rule, on every input that either version accepts. Another value, another
    error, and accepting what the other refuses are differences. Needs the extra `analysis`.

    Exit code 0: the same on every input, proved. 1: different, shown by an input. 2: not comparable. 3: unknown.
    """
    with _unusable():
        from aster.policy.analysis import compare_programs

        before, after = _compile(old, locale, modules)[1], _compile(new, locale, modules)[1]
        found = compare_programs(before, after, rule, find_all=find_all, seconds=timeout)
    if as_json:
        from aster.cli.terminal import print_json

        print_json(found)
    else:
        _tell_comparison(old, new, found)
    code = {"same": 0, "differ": FOUND, "unknown": UNKNOWN}[found.verdict]
    if code:
        raise typer.Exit(code)


@contextmanager
def _unusable() -> Iterator[None]:
    """What keeps a command from its work has an exit code apart from what it may find."""
    try:
        yield
    except AsterError as error:
        from aster.cli.terminal import print_error

        print_error(error)
        raise typer.Exit(UNUSABLE) from None


def _compile(file: Path, locale: str, modules: Path | None) -> "tuple[str, Program]":
    from aster.policy.language import PolicySyntaxError

    source = policy_files.read(file)
    try:
        return source, policy_files.compiled(file, source, locale, modules)
    except PolicySyntaxError as error:
        policy_files.show(file, source, error.diagnostics)
        raise typer.Exit(UNUSABLE) from None


def _console() -> Any:
    from rich.console import Console

    return Console(soft_wrap=True, highlight=False)


def _json(value: Any) -> str:
    import msgspec

    return msgspec.json.encode(value, enc_hook=str).decode()


# --- analyze ---------------------------------------------------------------------------------------------------------


def _tell_analysis(file: Path, source: str, found: "Sequence[RuleAnalysis]") -> None:
    console = _console()
    lines = source.splitlines()
    for each in found:
        for finding in each.findings:
            _tell_finding(console, file, lines, finding)
        for place in each.not_analysed:
            console.print(_place(file, place), end="", markup=False)
            console.print("not analysed", style="bold cyan", end="")
            console.print(f": {place.what} (rule '{each.rule}')", markup=False)
    counts = [sum(finding.severity == severity for each in found for finding in each.findings) for severity in COLOURS]
    warnings, others = counts[list(COLOURS).index("warning")], counts[list(COLOURS).index("info")]
    left_open = sum(len(each.not_analysed) for each in found)
    if warnings or others or left_open:
        words = f"{warnings} warnings, {others} other findings, {left_open} places not analysed"
    else:
        words = f"nothing to report in {len(found)} rules; every input within the declared ranges was considered"
    console.print(f"{file}: {words}", markup=False)


def _tell_finding(console: Any, file: Path, lines: Sequence[str], finding: "Finding") -> None:
    console.print(_place(file, finding), end="", markup=False)
    console.print(f"{finding.severity} {finding.kind}", style=COLOURS[finding.severity], end="")
    console.print(f": {finding.message}", markup=False)
    if finding.module is None:
        _excerpt(console, lines, finding)
    if finding.witness is not None:
        console.print(f"  input   {_json(finding.witness.context)}", markup=False)
        console.print(f"  answer  {finding.witness.outcome}", markup=False)
        if finding.witness.otherwise is not None:
            console.print(f"  without the earlier row  {finding.witness.otherwise}", markup=False)


def _place(file: Path, place: "Finding | NotAnalysed | Unmodelled") -> str:
    where = file if place.module is None else f"{file}, in module {place.module}"
    return f"{where}:{place.line}:{place.column}: "


def _excerpt(console: Any, lines: Sequence[str], finding: "Finding") -> None:
    from rich.cells import cell_len

    line = lines[finding.line - 1]
    end = finding.end_column - 1 if finding.end_line == finding.line else len(line)
    before, marked = line[: finding.column - 1], line[finding.column - 1 : end]
    console.print(f"  {line}", markup=False)
    console.print(f"  {' ' * cell_len(before)}{'^' * max(1, cell_len(marked))}", style=COLOURS[finding.severity])


# --- diff ------------------------------------------------------------------------------------------------------------


def _tell_comparison(old: Path, new: Path, found: "Comparison") -> None:
    console = _console()
    for change in found.signature:
        console.print("signature", style="bold cyan", end="")
        console.print(f": {change.path + ' ' if change.path else ''}{change.message}", markup=False)
    for difference in found.differences:
        console.print("different", style="bold red", end="")
        console.print(f": input {_json(difference.context)}", markup=False)
        for file, answer in ((old, difference.old), (new, difference.new)):
            console.print(f"  {file}: {_answer(answer)}", markup=False)
    console.print(*_summary(found), markup=False)
    if found.verdict == "same":
        for given in found.inputs:
            console.print(f"  {given.path}: {given.allowed}", markup=False)
    if found.verdict == "unknown":
        for place in found.unmodelled:
            file = old if place.version == "old" else new
            console.print(f"  {_place(file, place)}not analysed: {place.what}", markup=False)


def _answer(answer: "Answer") -> str:
    return f"{answer} (line {answer.line})" if answer.line is not None else str(answer)


def _summary(found: "Comparison") -> tuple[str]:
    if found.verdict == "same":
        words = "decides alike on every input within the declared ranges (proved)"
        return (f"same: rule '{found.rule}' {words}{': ' if found.inputs else ''}".rstrip(),)
    if found.verdict == "differ":
        count = len(found.differences)
        return (f"rule '{found.rule}' decides differently; {count} input{'s' if count > 1 else ''} shown",)
    return (f"unknown: no difference was found, none was excluded; {'; '.join(dict.fromkeys(found.reasons))}",)
