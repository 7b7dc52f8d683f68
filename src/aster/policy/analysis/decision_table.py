"""Rules that are decision tables: rows of simple conditions with constant results, and one result for all the rest.

What can be asked of them is settled by `cells` in time about linear in the rows, exactly and without a solver. All
other rules, and tables with conditions of another kind, are the solver's.
"""

from collections.abc import Iterator, Mapping
from decimal import Decimal
from typing import Any, NamedTuple

from aster.policy.analysis.cells import Domain, Path, Row, Test
from aster.policy.language import core
from aster.policy.language.compile_statements import flattened
from aster.policy.language.core import CheckedModule, Expr, FieldInfo, RuleInfo, Stmt
from aster.policy.language.decision_index import Condition, is_constant, path_key, row_of
from aster.policy.language.encoding import encode
from aster.policy.language.values import FLOAT_MAX, INT_MAX, INT_MIN, SAFE_INTEGER

LEAST_ROWS = 1
_DECIMAL_LIMIT = Decimal(10) ** 38
_TYPES: Mapping[str, tuple[type, ...]] = {"int": (int,), "float": (int, float), "decimal": (int, Decimal)}
_KINDS = {"Int": "int", "Long": "int", "Float": "float", "Decimal": "decimal"}
REFUSED = ("refused",)
NOTHING = ("nothing",)
"""What identifies "not accepted", and "no row holds and nothing is returned"."""


class DecisionTable(NamedTuple):
    """A rule as rows. ``statements`` are the conditions and results they come from; ``otherwise`` the last result.

    ``domains`` has the paths that are asked about or bounded, over everything their types can hold; ``refusals`` are
    rows, to be put before the others, of the inputs outside of the declared ranges.
    """

    rows: tuple[Row, ...]
    statements: tuple[tuple[Expr, core.Return], ...]
    otherwise: Any
    domains: Mapping[Path, Domain]
    ranges: Mapping[Path, tuple[Test, ...]]

    @property
    def refusals(self) -> tuple[Row, ...]:
        outside = {"<=": ">", ">=": "<"}
        return tuple(
            Row({path: ((outside[operator], bound),)}, REFUSED)
            for path, tests in self.ranges.items()
            for operator, bound in tests
        )

    def within(self) -> dict[Path, Domain]:
        """The domains, held to the declared ranges."""
        found = {}
        for path, domain in self.domains.items():
            low, high = domain.low, domain.high
            for operator, bound in self.ranges.get(path, ()):
                low, high = (max(low, bound), high) if operator == ">=" else (low, min(high, bound))
            found[path] = domain._replace(low=low, high=high)
        return found


def decision_table(module: CheckedModule, rule: RuleInfo, *, least: int = LEAST_ROWS) -> DecisionTable | None:
    """A rule as a decision table, None if it is none or a small one."""
    statements = flattened(rule.body)
    if len(statements) < least:
        return None
    reader = _Reader(module, rule)
    rows: list[Row] = []
    places: list[tuple[Expr, core.Return]] = []
    for index, statement in enumerate(statements):
        if isinstance(statement, core.Return):
            result = reader.result(statement.value) if index + 1 == len(statements) else None
            return None if result is None or len(rows) < least else reader.table(rows, places, result)
        row = reader.row(statement)
        if row is None or not isinstance(statement, core.If):
            return None
        test, body = statement.branches[0]
        rows.append(row)
        places.append((test, body[0]))  # type: ignore[arg-type]  # `row_of` says that it is a `Return`
    return reader.table(rows, places, NOTHING) if len(rows) >= least else None


class _Reader:
    """Reads rows, and the domains of what they ask about."""

    def __init__(self, module: CheckedModule, rule: RuleInfo) -> None:
        self.rule = rule
        self.records = {record.name: record for record in module.records}
        self.enums = {enum.name: enum for enum in module.enums}
        self.domains: dict[Path, Domain] = {}
        self._paths: dict[tuple[Any, ...], Path | None] = {}

    def table(self, rows: list[Row], places: list[tuple[Expr, core.Return]], otherwise: Any) -> DecisionTable | None:
        ranges: dict[Path, tuple[Test, ...]] = {}
        for path, field in self._fields(self.rule.parameters, (), frozenset()):
            tests = self._bounds(path, field)
            if tests is None:
                return None
            if tests:
                ranges[path] = tests
        return DecisionTable(tuple(rows), tuple(places), otherwise, self.domains, ranges)

    def row(self, statement: Stmt) -> Row | None:
        found = row_of(statement)
        result = None if found is None else self.result(found.result)
        if found is None or result is None:
            return None
        tests: dict[Path, tuple[Test, ...]] = {}
        for condition in found.conditions:
            path = self._path(condition)
            test = None if path is None else self._test(condition, self.domains[path])
            if path is None or test is None:
                return None
            tests[path] = (*tests.get(path, ()), test)
        return Row(tests, result)

    def result(self, node: Expr) -> Any | None:
        """What identifies a result: equal ones are the same in JSON form."""
        if isinstance(node, core.Const):
            value = node.value
            return "constant", isinstance(value, bool), encode(value)
        if isinstance(node, core.Variant):
            return "variant", self.enums_by_index(node.enum), node.name
        if isinstance(node, core.Make) and is_constant(node):
            return ("made", node.type.name, *(self.result(value) for value in node.values))
        if isinstance(node, core.Arith):
            number = _folded(node)
            return None if number is None else ("constant", False, number)
        key = path_key(node)
        path = None if key is None else self._named(key)
        return None if path is None else ("path", *path)

    def enums_by_index(self, index: int) -> str:
        return next(enum.name for enum in self.enums.values() if enum.index == index)

    # paths

    def _path(self, condition: Condition) -> Path | None:
        """The path of a condition, its domain known; None for one of another kind."""
        if condition.key not in self._paths:
            path = self._named(condition.key)
            domain = None if path is None else self._domain(condition.path)
            if path is not None and domain is not None:
                self.domains[path] = domain
            self._paths[condition.key] = path if domain is not None else None
        return self._paths[condition.key]

    def _named(self, key: tuple[Any, ...]) -> Path | None:
        slot, *indices = key
        if slot >= len(self.rule.parameters):
            return None
        field = self.rule.parameters[slot]
        names = [field.name]
        for index in indices:
            field = self.records[field.type.name].fields[index]
            names.append(field.name)
        return tuple(names)

    def _domain(self, node: Expr) -> Domain | None:
        kind = node.type.kind
        if kind in {"Int", "Long"}:
            return Domain("int", INT_MIN, INT_MAX)
        if kind == "Float":
            return Domain("float", -FLOAT_MAX, FLOAT_MAX)
        if kind == "Decimal":
            return Domain("decimal", -_DECIMAL_LIMIT, _DECIMAL_LIMIT)
        if kind == "Bool":
            return Domain("bool", values=(True, False))
        if kind == "Enum":
            return Domain("enum", values=self.enums[node.type.name].variants)
        return Domain("text", others=True) if kind == "Text" else None

    @staticmethod
    def _test(condition: Condition, domain: Domain) -> Test | None:
        operator, constant = condition.operator, condition.constant
        if operator in {"true", "false"}:
            return "==", operator == "true"
        value = constant.name if isinstance(constant, core.Variant) else constant.value
        if domain.kind in _TYPES:
            return (operator, value) if type(value) in _TYPES[domain.kind] else None
        expected = bool if domain.kind == "bool" else str
        return (operator, value) if operator in {"==", "!="} and type(value) is expected else None

    # ranges

    def _fields(
        self, fields: tuple[FieldInfo, ...], path: Path, inside: frozenset[str]
    ) -> Iterator[tuple[Path, FieldInfo]]:
        for field in fields:
            yield (*path, field.name), field
            kind = field.declared
            if kind is not None and kind.kind == "Record" and kind.name not in inside:
                yield from self._fields(self.records[kind.name].fields, (*path, field.name), inside | {kind.name})

    def _bounds(self, path: Path, field: FieldInfo) -> tuple[Test, ...] | None:
        """What a field's constraints demand; None for what is no range of numbers."""
        kind = "" if field.declared is None else field.declared.kind
        tests: list[Test] = []
        for constraint in field.constraints:
            if constraint.kind == "required" and kind in {*_KINDS, "Text", "Bool", "Enum", "Record"}:
                continue
            bounds = [(">=", constraint.low), ("<=", constraint.high)]
            tests += [(operator, bound) for operator, bound in bounds if bound is not None]
            if constraint.kind != "range" or kind not in _KINDS:
                return None
        if not all(type(bound) in _TYPES[_KINDS[kind]] for _, bound in tests):
            return None
        if tests and path not in self.domains:
            self.domains[path] = _WHOLE[_KINDS[kind]]
        return tuple(tests)


def _folded(node: core.Arith) -> int | None:
    """The value of sums and differences of whole numbers that are written out."""
    operands = [node.first, *(step.operand for step in node.steps)]
    if not all(isinstance(each, core.Const) and type(each.value) is int for each in operands):
        return None
    total: int = node.first.value  # type: ignore[attr-defined]  # a constant, as all of them
    for step in node.steps:
        if step.operator not in {"+", "-"} or abs(total) > SAFE_INTEGER:
            return None
        value: int = step.operand.value  # type: ignore[attr-defined]  # a constant, as all of them
        total = total + value if step.operator == "+" else total - value
    return total if abs(total) <= SAFE_INTEGER else None


_WHOLE = {
    "int": Domain("int", INT_MIN, INT_MAX),
    "float": Domain("float", -FLOAT_MAX, FLOAT_MAX),
    "decimal": Domain("decimal", -_DECIMAL_LIMIT, _DECIMAL_LIMIT),
}
