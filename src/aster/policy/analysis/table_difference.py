"""Whether two decision tables decide alike, without a solver."""

import time
from collections.abc import Iterator, Mapping
from typing import Any, NamedTuple

from aster.policy.analysis.cells import Domain, NotSettled, Path, Row, walk
from aster.policy.analysis.decision_table import DecisionTable, decision_table
from aster.policy.analysis.signatures import Change
from aster.policy.language.core import CheckedModule, RuleInfo


class Pair(NamedTuple):
    """Two tables over the same inputs."""

    old: DecisionTable
    new: DecisionTable
    domains: Mapping[Path, Domain]


def pair_of(
    old: CheckedModule, mine: RuleInfo, new: CheckedModule, other: RuleInfo, changes: tuple[Change, ...]
) -> Pair | None:
    """Both versions as tables, if they are tables and their inputs differ in ranges of numbers at most."""
    tables = decision_table(old, mine), decision_table(new, other)
    first, second = tables
    if first is None or second is None:
        return None
    ranged = {".".join(path) for table in (first, second) for path in table.ranges}
    if any(change.incompatible or (change.path and change.path not in ranged) for change in changes):
        return None
    domains = {**first.domains, **second.domains}
    if any(table.domains.get(path, domain) != domain for table in (first, second) for path, domain in domains.items()):
        return None
    return Pair(first, second, domains)


def disagreements(pair: Pair, until: float) -> Iterator[Mapping[Path, Any]]:
    """Examples on which the tables give other results, one for each pair of rows; when it ends there are no more.

    Raises `NotSettled`, at the latest when a moment of the clock is reached.
    """
    tables = (pair.old, pair.new)
    lists: list[tuple[Row, ...]] = [(*table.refusals, *table.rows) for table in tables]
    seen: set[tuple[int, ...]] = set()
    for cell in walk(lists, pair.domains):
        if time.monotonic() > until:
            raise NotSettled("the time is over")
        winners = tuple(active[0] if active else -1 for active in cell.active)
        results = [
            table.otherwise if winner < 0 else rows[winner].result
            for table, rows, winner in zip(tables, lists, winners, strict=True)
        ]
        if results[0] != results[1] and winners not in seen:
            seen.add(winners)
            yield cell.example
