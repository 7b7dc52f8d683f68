"""Expressions: names resolved, operators typed (specification §7.2, §8)."""

from abc import ABC, abstractmethod
from collections.abc import Callable
from decimal import Decimal
from typing import Any

from aster.policy.language import core, tree
from aster.policy.language.check_calls import CallChecker, any_secret
from aster.policy.language.core import Expr, Stmt
from aster.policy.language.declarations import is_secret
from aster.policy.language.library_types import SIGNATURES
from aster.policy.language.repairs import Repair
from aster.policy.language.terms import Term
from aster.policy.language.tokens import LongLiteral
from aster.policy.language.types import (
    BINARY_NUMBERS,
    BOOL,
    DECIMAL,
    EXACT_NUMBERS,
    FLOAT,
    FUNCTION,
    INT,
    INTEGERS,
    LONG,
    NOTHING,
    NULL,
    TEXT,
    TEXTS,
    UNKNOWN,
    Type,
    conflicts,
    join,
    list_of,
)

_LITERAL_TYPES: dict[type, Type] = {int: INT, LongLiteral: LONG, float: FLOAT, Decimal: DECIMAL, str: TEXT, bool: BOOL}
_ORDER_TYPES = frozenset({"Int", "Long", "Float"})


class ExpressionChecker(CallChecker, ABC):
    """Checks the expressions of one rule."""

    def expression(self, node: tree.Expression) -> Expr:
        return _EXPRESSIONS[type(node)](self, node)

    def _literal(self, node: tree.Literal) -> Expr:
        value = node.value
        kind = NULL if value is None else _LITERAL_TYPES[type(value)]
        return core.Const(node.start, node.end, kind, False, int(value) if kind is LONG else value)

    def _name(self, node: tree.Name) -> Expr:
        name, start, end = node.name, node.start, node.end
        variable = self.find(name)
        if variable is not None:
            return self.local(variable, start, end)
        found = self._declared(name, start, end)
        if found is not None:
            return found
        if name in SIGNATURES:
            return core.LibraryValue(start, end, FUNCTION, False, name)
        self.report("E101", start, end, repair=self.meant(name, start), name=name)
        return self.fail_with(start, end, "UNDEFINED_VARIABLE", name=name)

    def _declared(self, name: str, start: int, end: int) -> Expr | None:
        """A variant or a rule of the module, or of one it uses (`Risk.High`, `Risk.Band.High`, `Risk.score`)."""
        declarations = self.declarations
        qualifier, _, variant = name.rpartition(".")
        enum = declarations.enum(qualifier) if qualifier else None
        enums = declarations.enums_with(name) if enum is None else [enum]
        if enums:
            if len(enums) > 1:
                hint = " / ".join(f"{enum.name}.{name}" for enum in enums)
                self.report(
                    "E106", start, end, repair=Repair(start, end, f"{enums[-1].name}.{name}"), name=name, hint=hint
                )
            chosen = enums[-1]
            if variant in chosen.places:
                return core.Variant(start, end, Type("Enum", chosen.name), False, chosen.index, variant)
            self.report("E107", start, end, name=qualifier, other=variant)
            return self.fail_with(start, end, "UNDEFINED_VARIABLE", name=name)
        rule = declarations.rule(name)
        if rule is None:
            return None
        self.promises.distrust_all(rule)
        if declarations.program.has_secrets:
            self.promises.taint_all(rule)  # nobody knows who will call it
        return core.RuleValue(start, end, FUNCTION, False, rule)

    def _field(self, node: tree.Field) -> Expr:
        if isinstance(node.base, tree.Name) and self.find(node.base.name) is None:
            whole = ".".join((node.base.name, *node.names))
            if whole in SIGNATURES:
                return core.LibraryValue(node.start, node.end, FUNCTION, False, whole)
            declared = self._declared(whole, node.start, node.end)
            if declared is not None:
                return declared
        found = self.expression(node.base)
        for name in node.names:
            found = self._one_field(found, name, node)
        return found

    def _one_field(self, base: Expr, name: str, node: tree.Field) -> Expr:
        kind = base.type.args[0] if base.type.kind == "Maybe" else base.type
        if kind.kind == "Record":
            record = self.declarations.program.records[kind.name]
            for index, found in enumerate(record.fields):
                if found.name == name:
                    certain = kind is base.type
                    result = found.type if certain else UNKNOWN
                    secret = base.secret or found.secret
                    return core.FieldOf(node.start, node.end, result, secret, base, name, index if certain else -1)
            repair = self.meant_field(record, name, node)
            self.report("E011", node.start, node.end, repair=repair, record=kind.name, name=name)
        return core.FieldOf(node.start, node.end, UNKNOWN, base.secret, base, name, -1)

    def _arithmetic(self, node: tree.Arithmetic) -> Expr:
        first = self.expression(node.first)
        kind = first.type
        secret = first.secret
        steps = []
        for operator, operand_node in node.rest:
            operand = self.expression(operand_node)
            variant, result = _arithmetic_type(operator, kind, operand.type)
            self._check_operands(node, operator, kind, operand.type)
            steps.append(core.ArithmeticStep(operator, operand, variant, result))
            kind = result
            secret = secret or operand.secret
        return core.Arith(node.start, node.end, kind, secret, first, tuple(steps))

    def _check_operands(self, node: tree.Expression, operator: str, left: Type, right: Type) -> None:
        if {left.kind, right.kind} == {"Decimal", "Float"}:
            self.report("E031", node.start, node.end)
            return
        if operator in {"/", "//", "%"} and "Decimal" in {left.kind, right.kind}:
            self.report("E032", node.start, node.end, repair=self._division(node))
            return
        if operator == "+" and ("Text" in {left.kind, right.kind} or "DateTime" in {left.kind, right.kind}):
            return
        for kind in (left, right):
            if kind.kind in {"Text", "DateTime", "Bool", "Record", "Enum", "List", "Map", "Null", "Function"}:
                self.report("E001", node.start, node.end, expected=Term("a number"), actual=kind)
            elif kind.kind in {"Maybe", "Option"}:
                self.report("E021", node.start, node.end, expected=Term("a number"), actual=kind)

    def _division(self, node: tree.Expression) -> Repair | None:
        """One Decimal divided by another, as it has to be written."""
        if not isinstance(node, tree.Arithmetic) or len(node.rest) > 1 or node.rest[0][0] != "/":
            return None
        text = self.declarations.source.text
        above, below = (text[part.start : part.end] for part in (node.first, node.rest[0][1]))
        return Repair(node.start, node.end, f'Decimal.divide({above}, {below}, 2, "HALF_UP")')

    def _comparison(self, node: tree.Comparison) -> Expr:
        left, right = self.expression(node.left), self.expression(node.right)
        if node.operator in {"==", "!="}:
            bare = _equal_bare(left.type, right.type)
            if node.operator == "==" and left.type == BOOL and isinstance(right, core.Const) and right.value is True:
                self.redundant(node, left)
        else:
            bare = left.type.kind in _ORDER_TYPES and right.type.kind in _ORDER_TYPES
            bare = bare or (left.type.kind in EXACT_NUMBERS and right.type.kind in EXACT_NUMBERS)
            self._check_operands(node, node.operator, left.type, right.type)
        return core.Compare(node.start, node.end, BOOL, left.secret or right.secret, node.operator, left, right, bare)

    def _logic(self, node: tree.Logic) -> Expr:
        found = []
        self.flow.fork()
        for part in node.operands:
            found.append(self.expression(part))
            self.flow.assume(found[-1], node.operator == "and")
        self.flow.back()
        operands = tuple(found)
        return core.Logical(node.start, node.end, BOOL, any_secret(operands), node.operator, operands)

    def _not(self, node: tree.Not) -> Expr:
        operand = self.expression(node.operand)
        return core.Invert(node.start, node.end, BOOL, operand.secret, operand)

    def _negative(self, node: tree.Negative) -> Expr:
        operand = self.expression(node.operand)
        variant, result = _arithmetic_type("-", INT, operand.type)
        self._check_operands(node, "-", INT, operand.type)
        zero = core.Const(node.start, node.start, INT, False, 0)
        step = core.ArithmeticStep("-", operand, variant, result)
        return core.Arith(node.start, node.end, result, operand.secret, zero, (step,))

    def _choice(self, node: tree.Choice) -> Expr:
        chosen = []
        self.flow.fork()
        for condition_node, value_node in node.branches:
            condition = self.expression(condition_node)
            self.flow.fork()
            self.flow.assume(condition, True)
            chosen.append((condition, self.expression(value_node)))
            self.flow.back()
            self.flow.assume(condition, False)
        otherwise = self.expression(node.otherwise)
        self.flow.back()
        branches = tuple(chosen)
        kind = otherwise.type
        if len(branches) == 1 and branches[0][0].type == BOOL and _is_truth(branches[0][1], otherwise):
            self.redundant(node, branches[0][0])
        for _, value in branches:
            if conflicts(value.type, kind) and conflicts(kind, value.type):
                self.report("E008", node.start, node.end, expected=value.type, actual=kind)
            kind = join(value.type, kind)
        secret = otherwise.secret or any(value.secret for _, value in branches)
        return core.Choose(node.start, node.end, kind, secret, branches, otherwise)

    # values

    def _list(self, node: tree.ListOf) -> Expr:
        items = self.all(node.items)
        kind = NOTHING
        for item in items:
            if kind.kind != "Nothing" and conflicts(item.type, kind) and conflicts(kind, item.type):
                self.report("E020", item.start, item.end, expected=kind, actual=item.type)
            kind = join(kind, item.type)
        return core.MakeList(node.start, node.end, list_of(kind), any_secret(items), items)

    def _construction(self, node: tree.Construction) -> Expr:
        values = {name: self.expression(value) for name, value in node.fields}
        if len(values) < len(node.fields):
            seen: set[str] = set()
            for name, value in node.fields:
                if name in seen:
                    self.report("E104", value.start, value.end, name=name)
                seen.add(name)
        secret = any_secret(tuple(values.values()))
        record = self.declarations.record(node.name)
        ordered: list[Expr] | None = None
        if record is not None:
            ordered = self._record_values(node, record, values)
        else:
            self.report("E006", node.start, node.start + len(node.name), name=node.name)
        if record is None or ordered is None:
            short = node.name.rpartition(".")[2]
            return core.MakeLoose(node.start, node.end, UNKNOWN, secret, short, tuple(values.items()))
        return core.Make(node.start, node.end, Type("Record", record.name), secret, record.index, tuple(ordered))

    def _record_values(
        self, node: tree.Construction, record: core.RecordInfo, values: dict[str, Expr]
    ) -> list[Expr] | None:
        ordered: list[Expr] = []
        certain = True
        for found in record.fields:
            value = values.get(found.name)
            if value is None:
                if found.type.kind in {"Maybe", "Option"}:
                    ordered.append(core.Const(node.end, node.end, NULL, False, None))
                    continue
                self.report("E013", node.start, node.end, record=record.name, name=found.name)
                certain = False
                continue
            fitted = self.fitted(value, found.type)
            if fitted is None:
                certain = False
                if conflicts(value.type, found.type):
                    expected, actual = found.type, value.type
                    report = {"record": record.name, "name": found.name, "expected": expected, "actual": actual}
                    self.report("E012", value.start, value.end, **report)
            else:
                ordered.append(fitted)
        known = {found.name for found in record.fields}
        for name in values:
            if name not in known:
                certain = False
                repair = self.meant_field(record, name, node)
                self.report("E011", node.start, node.end, repair=repair, record=record.name, name=name)
        return ordered if certain else None

    def _wrapped(self, node: tree.Wrapped) -> Expr:
        return self.wrap(node, node.kind, self.expression(node.operand))

    def _await(self, node: tree.Await) -> Expr:
        name = self.word("AWAIT")
        self.report("W600", node.start, node.end, name=name)
        operand = self.expression(node.operand)
        if operand.type.kind not in {"Maybe", "Option", "Result", "Unknown", "Null"}:
            self.report("E015", node.start, node.end, actual=operand.type)
        return self.fail_with(node.start, node.end, "NOT_EXECUTABLE", (operand,), name=name)

    def _lambda(self, node: tree.Lambda) -> Expr:
        self.flow.fork()
        self.open_scope()
        captured: set[int] = set()
        first = self.slots
        self.captures.append((first, captured))
        parameters = []
        outer, self.passes_secret = self.passes_secret, None
        given = self.declarations.program.has_secrets if outer is None else outer
        for parameter in node.parameters:
            secret = given or is_secret(parameter.type)
            variable = self.define(parameter.name, UNKNOWN, secret, parameter.start, parameter.end)
            variable.used = True
            parameters.append(variable.slot)
            if parameter.type is not None:
                self.declarations.resolve(parameter.type)
        body = self.function_body(node.body)
        self.passes_secret = outer
        self.captures.pop()
        self.close_scope()
        self.flow.back()
        return core.Function(node.start, node.end, FUNCTION, False, tuple(parameters), tuple(sorted(captured)), body)

    @abstractmethod
    def function_body(self, body: "tree.Expression | tree.Block") -> tuple[Stmt, ...]:
        """A function's body, checked; the next stage of this checker knows statements."""


def _is_truth(yes: Expr, no: Expr) -> bool:
    return isinstance(yes, core.Const) and isinstance(no, core.Const) and yes.value is True and no.value is False


def _equal_bare(left: Type, right: Type) -> bool:
    if left.kind in BINARY_NUMBERS | {"Decimal"} and right.kind in BINARY_NUMBERS | {"Decimal"}:
        return True
    if left.kind in TEXTS and right.kind in TEXTS:
        return True
    return left == right and left.kind in {"Bool", "Enum"}


def _arithmetic_type(operator: str, left: Type, right: Type) -> tuple[str, Type]:
    """How an operator calculates on two types, and the type it yields."""
    if operator == "+" and (left.kind in TEXTS or right.kind in TEXTS):
        both = left.kind in TEXTS and right.kind in TEXTS
        return ("text" if both else "any"), TEXT
    if left.kind in INTEGERS and right.kind in INTEGERS:
        if operator == "/":
            return "float", FLOAT
        return "int", LONG if "Long" in {left.kind, right.kind} else INT
    if left.kind in BINARY_NUMBERS and right.kind in BINARY_NUMBERS:
        return "float", FLOAT
    if left.kind in EXACT_NUMBERS and right.kind in EXACT_NUMBERS:
        return "exact", DECIMAL
    return "any", UNKNOWN


_EXPRESSIONS: dict[type, Callable[[ExpressionChecker, Any], Expr]] = {
    tree.Literal: ExpressionChecker._literal,
    tree.Name: ExpressionChecker._name,
    tree.Field: ExpressionChecker._field,
    tree.Call: ExpressionChecker._call,
    tree.Arithmetic: ExpressionChecker._arithmetic,
    tree.Comparison: ExpressionChecker._comparison,
    tree.Logic: ExpressionChecker._logic,
    tree.Not: ExpressionChecker._not,
    tree.Negative: ExpressionChecker._negative,
    tree.Choice: ExpressionChecker._choice,
    tree.ListOf: ExpressionChecker._list,
    tree.Construction: ExpressionChecker._construction,
    tree.Wrapped: ExpressionChecker._wrapped,
    tree.Await: ExpressionChecker._await,
    tree.Lambda: ExpressionChecker._lambda,
}
