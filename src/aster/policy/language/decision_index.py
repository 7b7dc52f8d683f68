"""The decision index: a run of rows `If <conjunction> Return <constant>` becomes a dictionary and sorted cuts.

Rows qualify when nothing in them can fail: comparisons of certain paths with constants, Bool paths, and a constant
result. Rows of one shape (the same tests of the same paths, other constants) share a table: equalities are its key, a
range of one Int path becomes cuts for bisection, what is left is tested row by row within the bucket. The first row
that matches wins, as in the text.
"""

import heapq
from bisect import bisect_right
from typing import Any, NamedTuple

from aster.policy.language import core
from aster.policy.language.core import Expr, Stmt
from aster.policy.language.types import INTEGERS, TEXTS

LEAST_ROWS = 6
MISS = object()
"""What a table holds where no row matches."""

_CONSTANTS = (core.Const, core.Variant)
_SWAPPED = {"<": ">", ">": "<", "<=": ">=", ">=": "<=", "==": "==", "!=": "!="}
_UNBOUNDED = 2**63


class Condition(NamedTuple):
    """One conjunct of a row: ``operator`` of a path and a constant, or "true"/"false" of a Bool path."""

    operator: str
    key: tuple[Any, ...]
    path: Expr
    constant: Any


class Row(NamedTuple):
    shape: tuple[Any, ...]
    conditions: tuple[Condition, ...]
    result: Expr


class Table(NamedTuple):
    """An indexed run. ``keys`` are the paths of the dictionary's key; ``ranged`` the path of the cuts, if there is one;
    ``tests`` what is asked of each row in a bucket (operator, path), with its constants in the row's tuple.

    ``data`` maps a key (a value, or a tuple of several; None without keys) to a result, to (cuts, results), or to the
    rows left to test.
    """

    keys: tuple[Expr, ...]
    ranged: Expr | None
    tests: tuple[tuple[str, Expr], ...]
    rows: tuple[Row, ...]


class Rows:
    """The statements of a block as rows, each looked at once."""

    def __init__(self, statements: tuple[Stmt, ...]) -> None:
        self._statements = statements
        self._known: dict[int, Row | None] = {}

    def table_at(self, start: int) -> tuple[Table, int] | None:
        """The table that begins at a statement, and how many statements it replaces."""
        count = len(self._statements)
        if count - start < LEAST_ROWS:
            return None
        first, second = self._row(start), self._row(start + 1)
        if first is None or second is None or second.shape != first.shape or _arrange((first,)) is None:
            # The first row alone decides: all rows have its shape. Asked before they are gathered, long chains
            # stay linear.
            return None
        rows = [first, second]
        for index in range(start + 2, count):
            row = self._row(index)
            if row is None or row.shape != first.shape:
                break
            rows.append(row)
        if len(rows) < LEAST_ROWS:
            return None
        table = _arrange(tuple(rows))
        return None if table is None else (table, len(rows))

    def _row(self, index: int) -> Row | None:
        if index not in self._known:
            self._known[index] = row_of(self._statements[index])
        return self._known[index]


def row_of(statement: Stmt) -> Row | None:
    """A statement as a row, if it is one."""
    if not isinstance(statement, core.If) or len(statement.branches) != 1 or statement.otherwise:
        return None
    test, body = statement.branches[0]
    if len(body) != 1 or not isinstance(body[0], core.Return) or not is_constant(body[0].value):
        return None
    operands = test.operands if isinstance(test, core.Logical) and test.operator == "and" else (test,)
    conditions = []
    for operand in operands:
        condition = _condition(operand)
        if condition is None:
            return None
        conditions.append(condition)
    if len(conditions) > 1:
        conditions.sort(key=lambda found: (found.key, found.operator))
    return Row(tuple((found.operator, found.key) for found in conditions), tuple(conditions), body[0].value)


def is_constant(node: Expr) -> bool:
    """Whether an expression is the same value every time, made without a chance to fail."""
    if isinstance(node, core.Make):
        return all(is_constant(value) for value in node.values)
    return isinstance(node, _CONSTANTS)


def _condition(node: Expr) -> Condition | None:
    if isinstance(node, core.Invert):
        key = path_key(node.operand) if node.operand.type.kind == "Bool" else None
        return None if key is None else Condition("false", key, node.operand, None)
    if not isinstance(node, core.Compare):
        key = path_key(node) if node.type.kind == "Bool" else None
        return None if key is None else Condition("true", key, node, None)
    if not node.bare:
        return None
    path, constant, operator = node.left, node.right, node.operator
    if isinstance(path, _CONSTANTS):
        path, constant, operator = constant, path, _SWAPPED[operator]
    key = path_key(path)
    if key is None or not isinstance(constant, _CONSTANTS):
        return None
    return Condition(operator, key, path, constant)


def path_key(node: Expr) -> tuple[Any, ...] | None:
    """What identifies a path of certain fields from a variable; None for anything else."""
    names: list[int] = []
    while isinstance(node, core.FieldOf) and node.index >= 0:
        names.append(node.index)
        node = node.base
    return (node.slot, *reversed(names)) if isinstance(node, core.Local) else None


def _is_key(condition: Condition) -> bool:
    if condition.operator != "==":
        return False
    path, constant = condition.path.type.kind, condition.constant.type.kind
    return (
        (path in TEXTS and constant in TEXTS)
        or (path in INTEGERS and constant in INTEGERS)
        or (path == constant and path in {"Bool", "Enum"})
    )


def _is_bound(condition: Condition) -> bool:
    whole = condition.path.type.kind in INTEGERS and condition.constant is not None
    return whole and condition.operator in {"<", "<=", ">", ">="} and condition.constant.type.kind in INTEGERS


def _arrange(rows: tuple[Row, ...]) -> Table | None:
    conditions = rows[0].conditions
    keys = [found for found in conditions if _is_key(found)]
    if len({found.key for found in keys}) != len(keys):
        return None
    rest = [found for found in conditions if not _is_key(found)]
    ranged = rest[0].path if rest and all(_is_bound(found) and found.key == rest[0].key for found in rest) else None
    if not keys and ranged is None:
        return None
    tests = () if ranged is not None else tuple((found.operator, found.path) for found in rest)
    return Table(tuple(found.path for found in keys), ranged, tests, rows)


def fill(table: Table, value_of: Any, result_of: Any) -> Any:
    """The data of a table. ``value_of`` gives the run-time value of a constant expression, ``result_of`` what a table
    holds for a row's result."""
    buckets: dict[Any, list[tuple[int, Row]]] = {}
    for index, row in enumerate(table.rows):
        keys = tuple(value_of(found.constant) for found in row.conditions if _is_key(found))
        key = keys[0] if len(keys) == 1 else keys
        buckets.setdefault(key, []).append((index, row))
    if table.ranged is not None:
        ranged = {key: _cut([row for _, row in found], value_of, result_of) for key, found in buckets.items()}
        return ranged if table.keys else ranged[()]
    if not table.tests:
        return {key: result_of(found[0][1].result) for key, found in buckets.items()}
    return {
        key: tuple(
            (*(value_of(test.constant) for test in _tested(row) if test.constant is not None), result_of(row.result))
            for _, row in found
        )
        for key, found in buckets.items()
    }


def _tested(row: Row) -> list[Condition]:
    return [found for found in row.conditions if not _is_key(found)]


def _cut(rows: list[Row], value_of: Any, result_of: Any) -> tuple[list[int], list[Any]]:
    """Cuts and results for bisection: the result between two cuts is that of the first row that covers it."""
    spans = []
    for index, row in enumerate(rows):
        low, high = -_UNBOUNDED, _UNBOUNDED
        for condition in _tested(row):
            bound = value_of(condition.constant)
            if condition.operator in {">", ">="}:
                low = max(low, bound + (condition.operator == ">"))
            else:
                high = min(high, bound + (condition.operator == "<="))
        if low < high:
            spans.append((low, high, index))
    cuts = sorted({edge for low, high, _ in spans for edge in (low, high)})
    starting = sorted(spans)
    results: list[Any] = [MISS]
    covering: list[tuple[int, int]] = []
    position = 0
    for cut in cuts:
        while position < len(starting) and starting[position][0] <= cut:
            low, high, index = starting[position]
            heapq.heappush(covering, (index, high))
            position += 1
        while covering and covering[0][1] <= cut:
            heapq.heappop(covering)
        results.append(result_of(rows[covering[0][0]].result) if covering else MISS)
    return cuts, results


def look_up(cut: tuple[list[int], list[Any]], value: int) -> Any:
    """The result of a ranged bucket for a value."""
    return cut[1][bisect_right(cut[0], value)]
