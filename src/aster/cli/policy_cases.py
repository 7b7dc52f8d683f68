"""`aster policy test`: run cases against their policies and say which branches none of them takes."""

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from aster.cli.policy_files import ModulesOption, read, show
from aster.cli.policy_format import write_whole
from aster.cli.up import JsonOption
from aster.foundation.errors import ConfigError

if TYPE_CHECKING:
    from aster.policy.language.cases import CaseFile, Verdict
    from aster.policy.language.coverage import Branch, Coverage

NEAR = 6
"""How many folders above a file of cases its policy is looked for in."""


def run_all(
    paths: Annotated[list[Path], typer.Argument(help="Files of cases (*.cases.json), or folders of them.")],
    min_coverage: Annotated[
        float, typer.Option("--min-coverage", help="Fail below this percentage of branches taken.", min=0, max=100)
    ] = 0,
    modules: ModulesOption = None,
    junit: Annotated[Path | None, typer.Option("--junit", help="Write a JUnit report, for CI.")] = None,
    as_json: JsonOption = False,
) -> None:
    """Run cases; exit code 1 when one fails, a policy can't be compiled or too few branches are taken."""
    suite = _Suite(modules)
    for file in case_files(paths):
        suite.run(file)
    covered = suite.percent >= min_coverage
    if as_json:
        from aster.cli.terminal import print_json

        print_json(suite.report())
    else:
        suite.tell(min_coverage)
    if junit is not None:
        write_whole(junit, suite.junit())
    if suite.failures or not covered:
        raise typer.Exit(1)


def case_files(paths: Sequence[Path]) -> list[Path]:
    """The files of cases that are meant. Raises `ConfigError` when there are none."""
    found = [file for path in paths for file in (sorted(path.rglob("*.cases.json")) if path.is_dir() else [path])]
    if not found:
        raise ConfigError("there are no cases", hint="name files or folders with *.cases.json")
    return found


def policy_of(file: Path, policy: str) -> Path:
    """Where the policy of a file of cases is: beside it, or below a folder above it. Raises `ConfigError`."""
    wanted = Path(policy)
    folders = [file.parent, *file.resolve().parents[:NEAR]]
    places = [folder / wanted for folder in folders]
    places += [file.parent / wanted.name, file.resolve().parent.parent / "policies" / wanted.name]
    for place in places:
        if place.is_file():
            return place
    raise ConfigError(f"the policy {policy} of {file} is not found", hint="give its path from the file of cases")


class _Suite:
    """All files of one run: verdicts by file, coverage by policy."""

    def __init__(self, modules: Path | None) -> None:
        self.modules = modules
        self.verdicts: list[tuple[Path, Verdict]] = []
        self.coverages: dict[tuple[Path, str], Coverage | None] = {}

    def run(self, file: Path) -> None:
        from aster.policy.language.cases import Verdict, read_cases, run_cases

        cases = read_cases(read(file))
        policy = policy_of(file, cases.policy)
        coverage = self._coverage(policy, cases)
        if coverage is None:
            verdicts = [Verdict(case.name, case.entry or cases.entry, "does not compile") for case in cases.cases]
        else:
            verdicts = run_cases(coverage, cases)
        self.verdicts += [(file, verdict) for verdict in verdicts]

    def _coverage(self, policy: Path, cases: "CaseFile") -> "Coverage | None":
        from aster.cli.policy_files import compiled
        from aster.policy.language import PolicySyntaxError
        from aster.policy.language.coverage import Coverage

        key = (policy.resolve(), cases.locale)
        if key not in self.coverages:
            source = read(policy)
            try:
                self.coverages[key] = Coverage(compiled(policy, source, cases.locale, self.modules))
            except PolicySyntaxError as error:
                show(policy, source, error.diagnostics, err=True)
                self.coverages[key] = None
        return self.coverages[key]

    @property
    def failures(self) -> list[tuple[Path, "Verdict"]]:
        return [(file, verdict) for file, verdict in self.verdicts if verdict.reason is not None]

    @property
    def percent(self) -> float:
        """Branches taken of all policies' branches."""
        found = [coverage for coverage in self.coverages.values() if coverage is not None]
        total = sum(len(coverage.branches) for coverage in found)
        missed = sum(len(coverage.missed) for coverage in found)
        return 100.0 if not total else 100.0 * (total - missed) / total

    def missed(self) -> list[tuple[Path, "Branch"]]:
        return [
            (path, branch) for (path, _), coverage in self.coverages.items() if coverage for branch in coverage.missed
        ]

    def tell(self, min_coverage: float) -> None:
        from rich.console import Console
        from rich.text import Text

        console = Console(soft_wrap=True, highlight=False)
        for file, verdict in self.failures:
            head = Text("FAIL ", style="bold red")
            console.print(head.append(f"{file}: {verdict.name}: {verdict.reason}", style="not bold default"))
        for path, branch in self.missed():
            place = f"{path}:{branch.line}:{branch.column}: "
            told = Text(place).append("never taken", style="yellow")
            console.print(told.append(f" in {branch.rule}: “{branch.text}” {branch.way}"))
        passed = len(self.verdicts) - len(self.failures)
        console.print(
            Text(
                f"{passed} of {len(self.verdicts)} cases pass, {self.percent:.1f} % of branches taken",
                style="bold red" if self.failures else "bold green",
            )
        )
        if self.percent < min_coverage:
            console.print(Text(f"fewer than the {min_coverage:g} % of branches asked for", style="bold red"))

    def report(self) -> dict[str, Any]:
        return {
            "passed": len(self.verdicts) - len(self.failures),
            "failed": len(self.failures),
            "coverage": round(self.percent, 2),
            "cases": [
                {"file": str(file), "name": verdict.name, "rule": verdict.rule, "reason": verdict.reason}
                for file, verdict in self.verdicts
            ],
            "missed": [
                {"file": str(path), "rule": branch.rule, "line": branch.line, "column": branch.column}
                | {"text": branch.text, "way": branch.way}
                for path, branch in self.missed()
            ],
        }

    def junit(self) -> str:
        # It brings an HTTP client with it, which no other command waits for.
        from xml.sax.saxutils import escape, quoteattr

        counts = f'tests="{len(self.verdicts)}" failures="{len(self.failures)}"'
        lines = ['<?xml version="1.0" encoding="UTF-8"?>', f'<testsuite name="aster policy" {counts}>']
        for file, verdict in self.verdicts:
            case = f"  <testcase classname={quoteattr(str(file))} name={quoteattr(verdict.name)}"
            reason = verdict.reason
            lines.append(f"{case}/>" if reason is None else f"{case}><failure>{escape(reason)}</failure></testcase>")
        return "\n".join([*lines, "</testsuite>", ""])
