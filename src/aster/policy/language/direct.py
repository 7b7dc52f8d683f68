"""A rule as one function from a context to JSON: the boundary and the body in one, without a record in between.

Only for what is usual: contexts and records that are dicts, fields of simple types, whole numbers of 30 bits (or within
declared bounds), which also proves most sums and products free of overflow. Whatever else comes, and whatever fails, is
left to a function that knows all ways, so that nothing is decided here that is not decided alike there.
"""

import ast
from collections.abc import Callable
from typing import Any, cast

from aster.policy.language import core
from aster.policy.language.budget import RulePlan, walk
from aster.policy.language.classes import Classes, value_bounds
from aster.policy.language.compiler import RuleCompiler, load_functions
from aster.policy.language.constants import Constants
from aster.policy.language.core import CheckedModule, Expr, FieldInfo, RuleInfo, Stmt
from aster.policy.language.decision_index import Table, path_key
from aster.policy.language.emitter import Emitter
from aster.policy.language.encoding import encode
from aster.policy.language.source import SourceText
from aster.policy.language.types import INTEGERS
from aster.policy.language.values import INT_MAX, SAFE_INTEGER

USUAL_INTEGER = 2**30 - 1
"""CPython compares integers of one digit several times faster than others."""

MAX_LEAVES = 24
"""Values a context may be made of; of many, most of them unused, `msgspec` reads each faster than Python does."""

_SIMPLE: dict[str, tuple[str, type]] = {
    "Bool": ("o_bool", bool),
    "Text": ("o_str", str),
    "Int": ("o_int", int),
    "Long": ("o_int", int),
    "Float": ("o_floating", float),
}
_GLOBALS: dict[str, Any] = {
    "o_type": type,
    "o_dict": dict,
    "o_json": encode,
    "o_exception": Exception,
    **dict(_SIMPLE.values()),
}
_PLAIN = frozenset({"Bool", "Text", "DateTime", "Null"})
"""Types whose values are their own JSON form."""

_OVERFLOWING: dict[str, type[ast.operator]] = {"+": ast.Add, "-": ast.Sub, "*": ast.Mult}


class NotDirect(Exception):
    """The rule needs more than this way gives."""


class DirectCompiler(RuleCompiler):
    """Compiles one rule. ``leaves`` are the variables of the context's values, by path (see `path_key`)."""

    def __init__(
        self, emit: Emitter, plans: tuple[RulePlan, ...], constants: Constants, rule: RuleInfo, classes: Classes
    ) -> None:
        super().__init__(emit, plans, constants)
        self.rule = rule
        self.classes = classes
        self.leaves: dict[tuple[Any, ...], str] = {}
        self.magnitudes: dict[tuple[Any, ...], int] = {}
        self.changed = {node.slot for node in walk(rule.body) if isinstance(node, core.Bind)}

    def decision(self) -> ast.stmt:
        emit = self.emit
        emit.at(self.rule.start)
        reading = [self.unless(self.is_of("r", "o_dict"))]
        for slot, parameter in enumerate(self.rule.parameters):
            reading += self.read("r", parameter, (slot,))
        body = [*reading, *self.body(self.rule.body)]
        emit.at(self.rule.start)
        if not isinstance(body[-1], ast.Return):
            body.append(emit.node(ast.Return, value=emit.constant(None)))
        handler = emit.node(ast.ExceptHandler, type=emit.load("o_exception"), name=None, body=[self.otherwise()])
        guarded = emit.node(ast.Try, body=body, handlers=[handler], orelse=[], finalbody=[])
        return emit.define(f"f{self.rule.index}", ["r"], [guarded])

    # the context

    def read(self, holder: str, field: FieldInfo, path: tuple[Any, ...]) -> list[ast.stmt]:
        """Read a parameter or field into a variable, tested; a record becomes the variables of its fields."""
        emit = self.emit
        is_parameter = len(path) == 1
        name = f"v{path[0]}" if is_parameter else self.temporary()
        value = self.item(emit.load(holder), emit.constant(field.name))
        kind = field.type.kind
        if kind == "Enum":
            members = {member.value: member for member in self.classes.enum_named(field.type.name)}
            found = emit.call(self.constants.add(members.get), value)
            test = emit.compare(emit.load(name), ast.IsNot, emit.constant(None))
            return [emit.assign(name, found), self.unless(self.leaf(path, name, test))]
        assigned = emit.assign(name, value)
        if kind == "Record":
            if is_parameter and path[0] in self.changed:
                raise NotDirect
            record = self.classes.module.records[self.classes.record_index[field.type.name]]
            reading = [assigned, self.unless(self.is_of(name, "o_dict"))]
            for index, inner in enumerate(record.fields):
                reading += self.read(name, inner, (*path, index))
            return reading
        if kind not in _SIMPLE:
            raise NotDirect
        tests = [self.is_of(name, _SIMPLE[kind][0])]
        bounds = value_bounds(field)
        if bounds is not None:
            low, high = bounds
            if kind in INTEGERS:
                low, high = _usual(low, -INT_MAX - 1, -USUAL_INTEGER), _usual(high, INT_MAX, USUAL_INTEGER)
                if not (is_parameter and path[0] in self.changed):
                    self.magnitudes[path] = max(abs(low), abs(high))
            tests.append(emit.compare(emit.load(name), ast.GtE, emit.constant(low)))
            tests.append(emit.compare(emit.load(name), ast.LtE, emit.constant(high)))
        return [assigned, self.unless(self.leaf(path, name, emit.both(tests)))]

    def leaf(self, path: tuple[Any, ...], name: str, test: ast.expr) -> ast.expr:
        self.leaves[path] = name
        if len(self.leaves) > MAX_LEAVES:
            raise NotDirect
        return test

    def is_of(self, name: str, kind: str) -> ast.expr:
        emit = self.emit
        return emit.compare(emit.call("o_type", emit.load(name)), ast.Is, emit.load(kind))

    def unless(self, test: ast.expr) -> ast.stmt:
        return self.emit.node(ast.If, test=self.emit.negate(test), body=[self.otherwise()], orelse=[])

    def otherwise(self) -> ast.stmt:
        return self.emit.node(ast.Return, value=self.emit.call("o_otherwise", self.emit.load("r")))

    # the body

    def expression(self, node: Expr) -> ast.expr:
        if isinstance(node, core.FieldOf | core.Local):
            key = path_key(node)
            name = None if key is None else self.leaves.get(key)
            if name is not None:
                self.emit.at(node.start)
                return self.emit.load(name)
            if isinstance(node, core.Local) and self.is_record(node.slot):
                raise NotDirect
        elif isinstance(node, core.Arith) and self.magnitude(node) is not None:
            return self.bare(node)
        return super().expression(node)

    def is_record(self, slot: int) -> bool:
        return slot < len(self.rule.parameters) and self.rule.parameters[slot].type.kind == "Record"

    def bare(self, node: core.Arith) -> ast.expr:
        """Arithmetic that can't leave 64 bits."""
        value = self.expression(node.first)
        for step in node.steps:
            operand = self.expression(step.operand)
            self.emit.at(node.start)
            value = self.emit.node(ast.BinOp, left=value, op=_OVERFLOWING[step.operator](), right=operand)
        return value

    def magnitude(self, node: Expr) -> int | None:
        """The largest absolute value a whole number can have here; None if it is not known to fit 64 bits."""
        if isinstance(node, core.Const):
            return abs(node.value) if type(node.value) is int else None
        if isinstance(node, core.FieldOf | core.Local):
            key = path_key(node)
            return None if key is None else self.magnitudes.get(key)
        if not isinstance(node, core.Arith) or len(node.steps) > 4:
            return None
        largest = self.magnitude(node.first)
        for step in node.steps:
            operand = self.magnitude(step.operand)
            if largest is None or operand is None or step.variant != "int" or step.operator not in _OVERFLOWING:
                return None
            largest = largest * operand if step.operator == "*" else largest + operand
            if largest > INT_MAX:
                return None
        return largest

    # the result

    def statement(self, statement: Stmt) -> list[ast.stmt]:
        if not isinstance(statement, core.Return):
            return super().statement(statement)
        value = self.result(statement.value)
        self.emit.at(statement.start)
        return [self.emit.node(ast.Return, value=value)]

    def result(self, node: Expr) -> ast.expr:
        """The JSON form of a value."""
        if isinstance(node, core.Const):
            self.emit.at(node.start)
            return self.emit.constant(encode(node.value))
        value = self.expression(node)
        emit = self.emit
        emit.at(node.start)
        if node.type.kind in _PLAIN:
            return value
        if node.type.kind not in INTEGERS:
            return emit.call("o_json", value)
        if (self.magnitude(node) or SAFE_INTEGER + 1) <= SAFE_INTEGER:
            return value
        name = self.temporary()
        found = emit.node(ast.NamedExpr, target=emit.store(name), value=value)
        above = emit.compare(found, ast.GtE, emit.constant(-SAFE_INTEGER))
        safe = emit.both([above, emit.compare(emit.load(name), ast.LtE, emit.constant(SAFE_INTEGER))])
        text = emit.call("o_str", emit.load(name))
        return emit.node(ast.IfExp, test=safe, body=emit.load(name), orelse=text)

    def result_of(self, node: Expr) -> Any:
        value = super().result_of(node)
        return encode(value) if isinstance(node, core.Const) else value

    def found(self, value: ast.expr, table: Table) -> ast.expr:
        if all(isinstance(row.result, core.Const) for row in table.rows):
            return value
        return self.emit.call("o_json", value)


def _usual(bound: int, least: int, usual: int) -> int:
    """A declared bound, or the usual one where none is declared."""
    return usual if bound == least else bound


def direct(
    module: CheckedModule,
    plans: tuple[RulePlan, ...],
    source: SourceText,
    classes: Classes,
    rule: RuleInfo,
    functions: dict[str, Any],
    otherwise: Callable[[Any], Any],
    build: type[DirectCompiler] = DirectCompiler,
) -> Callable[[Any], Any] | None:
    """A rule's direct function, None if there is none. ``functions`` are the compiled ones it may call."""
    constants = Constants(module, classes)
    constants.names.update({name: made for name, made in functions.items() if name[0] == "f"})
    constants.names.update(_GLOBALS, o_otherwise=otherwise)
    try:
        body = build(Emitter(source), plans, constants, rule, classes).decision()
        load_functions([body], constants)
    except (NotDirect, RecursionError):
        return None
    return cast("Callable[[Any], Any]", constants.names[f"f{rule.index}"])
