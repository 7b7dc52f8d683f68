"""Expressions of the core as `ast.expr`: bare operators where types are certain, general operations elsewhere."""

import ast
from abc import ABC, abstractmethod
from collections.abc import Callable
from typing import Any

from aster.policy.language import core
from aster.policy.language.budget import UNCHARGED_LIBRARY, RulePlan, function_cost
from aster.policy.language.constants import Constants
from aster.policy.language.core import Expr, Stmt
from aster.policy.language.emitter import AND, LOAD, OR, Emitter
from aster.policy.language.library_types import SIGNATURES
from aster.policy.language.values import FLOAT_MAX, INT_MAX, INT_MIN

FLAT_CHAIN = 16
"""Operands up to which a chain of operators is nested; longer ones go through one variable."""

_ARITHMETIC = {"+": "o_add", "-": "o_sub", "*": "o_mul", "/": "o_div", "//": "o_quo", "%": "o_rem"}
_COMPARE = {"<": "o_lt", "<=": "o_le", ">": "o_gt", ">=": "o_ge", "==": "o_eq", "!=": "o_ne"}
_BARE_ARITHMETIC: dict[str, type[ast.operator]] = {"+": ast.Add, "-": ast.Sub, "*": ast.Mult, "/": ast.Div}
BARE_COMPARE: dict[str, type[ast.cmpop]] = {
    "<": ast.Lt,
    "<=": ast.LtE,
    ">": ast.Gt,
    ">=": ast.GtE,
    "==": ast.Eq,
    "!=": ast.NotEq,
}


class ExpressionCompiler(ABC):
    """Compiles the expressions of the rule with an ``index``."""

    def __init__(self, emit: Emitter, plans: tuple[RulePlan, ...], constants: Constants) -> None:
        self.emit = emit
        self.plans = plans
        self.constants = constants
        self.temporaries = 0
        self.index = 0

    @abstractmethod
    def body(self, statements: tuple[Stmt, ...]) -> list[ast.stmt]:
        """The statements of a block; the next stage of this compiler knows them."""

    def temporary(self) -> str:
        self.temporaries += 1
        return f"t{self.temporaries}"

    def item(self, value: ast.expr, index: ast.expr) -> ast.expr:
        return self.emit.node(ast.Subscript, value=value, slice=index, ctx=LOAD)

    def condition(self, node: Expr) -> ast.expr:
        """A test: the bare expression where it is a Bool, its truth otherwise."""
        if isinstance(node, core.Logical):
            tests = [self.condition(operand) for operand in node.operands]
            self.emit.at(node.start)
            operator: ast.boolop = AND if node.operator == "and" else OR
            return self.emit.node(ast.BoolOp, op=operator, values=tests)
        if isinstance(node, core.Invert):
            operand = self.condition(node.operand)
            self.emit.at(node.start)
            return self.emit.negate(operand)
        value = self.expression(node)
        if node.type.kind == "Bool":
            return value
        self.emit.at(node.start)
        return self.emit.call("o_true", value)

    def expression(self, node: Expr) -> ast.expr:
        return _EXPRESSIONS[type(node)](self, node)

    def _const(self, node: core.Const) -> ast.expr:
        self.emit.at(node.start)
        return self.constants.of(node.value, self.emit)

    def _local(self, node: core.Local) -> ast.expr:
        self.emit.at(node.start)
        return self.emit.load(f"v{node.slot}")

    def _variant(self, node: core.Variant) -> ast.expr:
        self.emit.at(node.start)
        return self.emit.load(self.constants.variant(node.enum, node.name))

    def _field(self, node: core.FieldOf) -> ast.expr:
        return self.field_of(self.expression(node.base), node)

    def field_of(self, base: ast.expr, node: core.FieldOf) -> ast.expr:
        self.emit.at(node.start)
        if node.index >= 0:
            return self.emit.node(ast.Attribute, value=base, attr=f"f{node.index}", ctx=LOAD)
        return self.emit.call("o_field", base, self.emit.constant(node.name))

    def _arith(self, node: core.Arith) -> ast.expr:
        value = self.expression(node.first)
        if len(node.steps) > FLAT_CHAIN:
            return self.long_chain(node, value)
        for step in node.steps:
            operand = self.expression(step.operand)
            self.emit.at(node.start)
            value = self.step(step, value, operand)
        return value

    def long_chain(self, node: core.Arith, value: ast.expr) -> ast.expr:
        """`(t := first, t := t + second, …)[-1]`: as deep as one step, however long the chain is."""
        emit = self.emit
        name = self.temporary()
        parts = [value]
        for step in node.steps:
            operand = self.expression(step.operand)
            emit.at(node.start)
            parts[-1] = emit.node(ast.NamedExpr, target=emit.store(name), value=parts[-1])
            parts.append(self.step(step, emit.load(name), operand))
        return self.item(emit.node(ast.Tuple, elts=parts, ctx=LOAD), emit.constant(len(parts) - 1))

    def step(self, step: core.ArithmeticStep, left: ast.expr, right: ast.expr) -> ast.expr:
        emit = self.emit
        if step.variant == "text":
            return emit.call("o_join", emit.load("run"), left, right)
        bare = _BARE_ARITHMETIC.get(step.operator)
        if bare is None or step.variant in {"any", "exact"}:
            if step.operator == "+":
                run = emit.constant(None) if step.variant == "exact" else emit.load("run")
                return emit.call("o_add", run, left, right)
            return emit.call(_ARITHMETIC[step.operator], left, right)
        low, high, code = (INT_MIN, INT_MAX, "INTEGER_OVERFLOW")
        if step.variant == "float":
            low, high, code = (-FLOAT_MAX, FLOAT_MAX, "FLOAT_OVERFLOW")  # type: ignore[assignment]  # floats bound floats
        name = self.temporary()
        result = emit.node(ast.BinOp, left=left, op=bare(), right=right)
        guard = emit.node(
            ast.Compare,
            left=emit.constant(low),
            ops=[ast.LtE(), ast.LtE()],
            comparators=[
                emit.node(ast.NamedExpr, target=emit.store(name), value=result),
                emit.constant(high),
            ],
        )
        failing = emit.call("o_fail", emit.constant(code))
        return emit.node(ast.IfExp, test=guard, body=emit.load(name), orelse=failing)

    def _compare(self, node: core.Compare) -> ast.expr:
        left, right = self.expression(node.left), self.expression(node.right)
        self.emit.at(node.start)
        if node.bare:
            if node.left.type.kind == "Enum":
                return self.emit.compare(left, ast.Is if node.operator == "==" else ast.IsNot, right)
            return self.emit.compare(left, BARE_COMPARE[node.operator], right)
        return self.emit.call(_COMPARE[node.operator], left, right)

    def _test_value(self, node: core.Logical | core.Invert) -> ast.expr:
        return self.condition(node)

    def _choose(self, node: core.Choose) -> ast.expr:
        tests = [(self.condition(test), self.expression(value), test.start) for test, value in node.branches]
        value = self.expression(node.otherwise)
        for test, chosen, start in reversed(tests):
            self.emit.at(start)
            value = self.emit.node(ast.IfExp, test=test, body=chosen, orelse=value)
        return value

    def _list(self, node: core.MakeList) -> ast.expr:
        items = [self.expression(item) for item in node.items]
        self.emit.at(node.start)
        return self.emit.node(ast.List, elts=items, ctx=LOAD)

    def _make(self, node: core.Make) -> ast.expr:
        values = [self.expression(value) for value in node.values]
        self.emit.at(node.start)
        return self.emit.call(self.constants.maker(node.record), *values)

    def _make_loose(self, node: core.MakeLoose) -> ast.expr:
        values = [self.expression(value) for _, value in node.fields]
        emit = self.emit
        emit.at(node.start)
        keys: list[ast.expr | None] = [emit.constant("__type")]
        keys += [emit.constant(name) for name, _ in node.fields]
        return emit.node(ast.Dict, keys=keys, values=[emit.constant(node.name), *values])

    def _wrap(self, node: core.Wrap) -> ast.expr:
        operand = self.expression(node.operand)
        self.emit.at(node.start)
        return self.emit.call(f"o_{node.kind}", operand)

    def _widen(self, node: core.Widen) -> ast.expr:
        operand = self.expression(node.operand)
        self.emit.at(node.start)
        return self.emit.call("o_float", operand)

    def _call_rule(self, node: core.CallRule) -> ast.expr:
        arguments = [self.expression(argument) for argument in node.arguments]
        self.emit.at(node.start)
        if self.plans[node.rule].needs_run:
            arguments.insert(0, self.emit.load("run"))
        return self.emit.call(f"f{node.rule}", *arguments)

    def _call_library(self, node: core.CallLibrary) -> ast.expr:
        arguments = [self.expression(argument) for argument in node.arguments]
        self.emit.at(node.start)
        name = self.constants.library(node.function)
        run = self.emit.constant(None) if node.function in UNCHARGED_LIBRARY else self.emit.load("run")
        return self.emit.call(name, run, *arguments)

    def _call_value(self, node: core.CallValue) -> ast.expr:
        callee = self.expression(node.callee)
        arguments = [self.expression(argument) for argument in node.arguments]
        self.emit.at(node.start)
        return self.emit.call("o_call", self.emit.load("run"), callee, *arguments)

    def _rule_value(self, node: core.RuleValue) -> ast.expr:
        self.emit.at(node.start)
        plan = self.plans[node.rule]
        cost = 0 if plan.metered else plan.cost
        return self.closure(f"f{node.rule}", self.constants.arity(node.rule), cost, ["run"] if plan.needs_run else [])

    def _library_value(self, node: core.LibraryValue) -> ast.expr:
        self.emit.at(node.start)
        arity = len(SIGNATURES[node.function].parameters)
        return self.closure(self.constants.library(node.function), arity, 1, ["run"])

    def closure(self, function: str, arity: int, cost: int, held: list[str]) -> ast.expr:
        """A function value: a function of the module, and the variables that it is given first, as they are now."""
        emit = self.emit
        variables = [emit.load(name) for name in held]
        return emit.call("o_bind", emit.load(function), emit.constant(arity), emit.constant(cost), *variables)

    def _function(self, node: core.Function) -> ast.expr:
        """Its body becomes a function of the module: nested ones would take time that grows with their square."""
        body = self.body(node.body)
        self.emit.at(node.start)
        name = f"l{self.index}_{len(self.constants.hoisted)}"
        held = ["run", *(f"v{slot}" for slot in node.captured)]
        names = [f"v{slot}" for slot in node.parameters]
        self.constants.hoisted.append(self.emit.define(name, [*held, *names], body))
        return self.closure(name, len(names), function_cost(node, self.plans), held)

    def _fail(self, node: core.Fail) -> ast.expr:
        operands = [self.expression(operand) for operand in node.operands]
        emit = self.emit
        emit.at(node.start)
        keywords = [emit.node(ast.keyword, arg=name, value=emit.constant(value)) for name, value in node.values]
        failing: ast.expr = emit.node(
            ast.Call, func=emit.load("o_fail"), args=[emit.constant(node.code)], keywords=keywords
        )
        if operands:
            failing = emit.node(ast.Tuple, elts=[*operands, failing], ctx=LOAD)
        return failing


_EXPRESSIONS: dict[type, Callable[[ExpressionCompiler, Any], ast.expr]] = {
    core.Const: ExpressionCompiler._const,
    core.Local: ExpressionCompiler._local,
    core.Variant: ExpressionCompiler._variant,
    core.FieldOf: ExpressionCompiler._field,
    core.Arith: ExpressionCompiler._arith,
    core.Compare: ExpressionCompiler._compare,
    core.Logical: ExpressionCompiler._test_value,
    core.Invert: ExpressionCompiler._test_value,
    core.Choose: ExpressionCompiler._choose,
    core.MakeList: ExpressionCompiler._list,
    core.Make: ExpressionCompiler._make,
    core.MakeLoose: ExpressionCompiler._make_loose,
    core.Wrap: ExpressionCompiler._wrap,
    core.Widen: ExpressionCompiler._widen,
    core.CallRule: ExpressionCompiler._call_rule,
    core.CallLibrary: ExpressionCompiler._call_library,
    core.CallValue: ExpressionCompiler._call_value,
    core.RuleValue: ExpressionCompiler._rule_value,
    core.LibraryValue: ExpressionCompiler._library_value,
    core.Function: ExpressionCompiler._function,
    core.Fail: ExpressionCompiler._fail,
}
