"""From core to Python: one function a rule, built as `ast` nodes that carry the policy's own lines and columns.

Nothing of the source's text becomes Python source. Every identifier is generated (`f2` a rule, `v0` a variable, `k1` a
constant), literals are constants, there are no builtins, and a last pass refuses any node or name outside of what this
module makes. A failing operation is found again by the position of the instruction that raised.
"""

import ast
import re
from bisect import bisect_right
from collections.abc import Callable
from typing import Any, cast

from aster.policy.language import core, operations
from aster.policy.language.budget import UNCHARGED_LIBRARY, RulePlan, function_cost
from aster.policy.language.core import CheckedModule, Expr, RuleInfo, Stmt
from aster.policy.language.decision_index import MISS, Table, fill, find_table
from aster.policy.language.library import LIBRARY
from aster.policy.language.library_types import SIGNATURES
from aster.policy.language.source import SourceText
from aster.policy.language.values import FLOAT_MAX, INT_MAX, INT_MIN, WRAPPERS, Closure

FILE = "<policy>"
FLAT_CHAIN = 16

_OPERATIONS: dict[str, Any] = {
    "o_add": operations.add,
    "o_join": operations.join_texts,
    "o_sub": operations.subtract,
    "o_mul": operations.multiply,
    "o_div": operations.divide,
    "o_quo": operations.quotient,
    "o_rem": operations.remainder,
    "o_lt": operations.less,
    "o_le": operations.less_or_equal,
    "o_gt": operations.greater,
    "o_ge": operations.greater_or_equal,
    "o_eq": operations.equal,
    "o_ne": operations.not_equal,
    "o_true": operations.truthy,
    "o_field": operations.field,
    "o_named": operations.is_named,
    "o_parts": operations.has_parts,
    "o_part": operations.part,
    "o_call": operations.call_value,
    "o_fail": operations.fail,
    "o_enter": operations.enter,
    "o_leave": operations.leave,
    "o_closure": Closure,
    "o_float": float,
    "o_bisect": bisect_right,
    "o_miss": MISS,
    "o_Ok": WRAPPERS["Ok"],
    "o_Err": WRAPPERS["Err"],
    "o_Some": WRAPPERS["Some"],
}
_ARITHMETIC = {"+": "o_add", "-": "o_sub", "*": "o_mul", "/": "o_div", "//": "o_quo", "%": "o_rem"}
_COMPARE = {"<": "o_lt", "<=": "o_le", ">": "o_gt", ">=": "o_ge", "==": "o_eq", "!=": "o_ne"}
_BARE_ARITHMETIC: dict[str, type[ast.operator]] = {"+": ast.Add, "-": ast.Sub, "*": ast.Mult, "/": ast.Div}
_BARE_COMPARE: dict[str, type[ast.cmpop]] = {
    "<": ast.Lt,
    "<=": ast.LtE,
    ">": ast.Gt,
    ">=": ast.GtE,
    "==": ast.Eq,
    "!=": ast.NotEq,
}

_LOAD = ast.Load()
_STORE = ast.Store()
_IDENTIFIER = re.compile(r"[fvktls][0-9]+|run|r|o_[A-Za-z]+|c[0-9]+|d[0-9]+|e[0-9]+_[0-9]+|m[0-9]+|[fp][0-9]+")
_NAMING = frozenset({"id", "attr", "name", "arg"})
_NODES = frozenset(
    kind
    for kind in (
        *(ast.Module, ast.FunctionDef, ast.arguments, ast.arg, ast.keyword, ast.Lambda),
        *(ast.Return, ast.Assign, ast.Expr, ast.If, ast.For, ast.Try, ast.Pass),
        *(ast.IfExp, ast.Compare, ast.BoolOp, ast.UnaryOp, ast.BinOp, ast.NamedExpr, ast.Call),
        *(ast.Name, ast.Load, ast.Store, ast.Constant, ast.Attribute, ast.Subscript, ast.List, ast.Tuple, ast.Dict),
        *(ast.And, ast.Or, ast.Not, ast.Add, ast.Sub, ast.Mult, ast.Div),
        *(ast.Lt, ast.LtE, ast.Gt, ast.GtE, ast.Eq, ast.NotEq, ast.Is, ast.IsNot),
    )
)


_LEAVES = frozenset(
    {ast.Constant, ast.Load, ast.Store, ast.And, ast.Or, ast.Not, *_BARE_ARITHMETIC.values(), ast.Is, ast.IsNot}
)


class CompilerDefect(AssertionError):
    """The compiler made a node it must never make; nothing was executed."""


class Emitter:
    """Makes `ast` nodes at positions of the source."""

    def __init__(self, source: SourceText) -> None:
        self._source = source
        self.here: dict[str, Any] = {}
        self._last = -1

    def at(self, offset: int) -> None:
        """Where the next nodes come from."""
        if offset == self._last:
            return
        self._last = offset
        line, column = self._source.position(offset)
        self.here = {"lineno": line, "col_offset": column - 1, "end_lineno": line, "end_col_offset": column}

    def load(self, name: str) -> ast.expr:
        return ast.Name(id=name, ctx=_LOAD, **self.here)

    def store(self, name: str) -> ast.Name:
        return ast.Name(id=name, ctx=_STORE, **self.here)

    def constant(self, value: Any) -> ast.expr:
        return ast.Constant(value=value, **self.here)

    def call(self, name: str, *arguments: ast.expr) -> ast.expr:
        return ast.Call(func=self.load(name), args=list(arguments), keywords=[], **self.here)

    def assign(self, name: str, value: ast.expr) -> ast.stmt:
        return ast.Assign(targets=[self.store(name)], value=value, **self.here)

    def negate(self, value: ast.expr) -> ast.expr:
        return ast.UnaryOp(op=ast.Not(), operand=value, **self.here)

    def both(self, tests: list[ast.expr]) -> ast.expr:
        return tests[0] if len(tests) == 1 else ast.BoolOp(op=ast.And(), values=tests, **self.here)

    def compare(self, left: ast.expr, operator: type[ast.cmpop], right: ast.expr) -> ast.expr:
        return ast.Compare(left=left, ops=[operator()], comparators=[right], **self.here)


class RuleCompiler:
    """Compiles the body of one rule; expressions become `ast.expr`, statements lists of `ast.stmt`."""

    def __init__(self, emit: Emitter, plans: tuple[RulePlan, ...], constants: "Constants") -> None:
        self.emit = emit
        self.plans = plans
        self.constants = constants
        self.temporaries = 0
        self.pending: list[ast.stmt] = []

    def function(self, rule: RuleInfo) -> ast.stmt:
        plan = self.plans[rule.index]
        emit = self.emit
        emit.at(rule.start)
        names = [f"v{slot}" for slot in range(len(rule.parameters))]
        if plan.needs_run:
            names.insert(0, "run")
        body = self.body(rule.body)
        if plan.metered:
            emit.at(rule.start)
            enter = ast.Expr(value=emit.call("o_enter", emit.load("run"), emit.constant(plan.cost)), **emit.here)
            leave = ast.Expr(value=emit.call("o_leave", emit.load("run")), **emit.here)
            body = [enter, ast.Try(body=body, handlers=[], orelse=[], finalbody=[leave], **emit.here)]
        return self.define(f"f{rule.index}", names, [], body)

    def define(self, name: str, names: list[str], defaults: list[str], body: list[ast.stmt]) -> ast.stmt:
        emit = self.emit
        arguments = ast.arguments(
            posonlyargs=[],
            args=[ast.arg(arg=found, **emit.here) for found in names],
            kwonlyargs=[],
            kw_defaults=[],
            defaults=[emit.load(found) for found in defaults],
        )
        return ast.FunctionDef(
            name=name, args=arguments, body=body or [ast.Pass(**emit.here)], decorator_list=[], **emit.here
        )

    def temporary(self) -> str:
        self.temporaries += 1
        return f"t{self.temporaries}"

    # statements

    def body(self, statements: tuple[Stmt, ...]) -> list[ast.stmt]:
        compiled: list[ast.stmt] = []
        statements = flattened(statements)
        index = 0
        while index < len(statements):
            found = find_table(statements, index)
            if found is None:
                compiled.extend(self.statement(statements[index]))
                index += 1
            else:
                compiled.extend(self.table(found[0]))
                index += found[1]
        return compiled

    def table(self, table: Table) -> list[ast.stmt]:
        """Look a decision up instead of testing row by row (see `decision_index`)."""
        emit = self.emit
        emit.at(table.rows[0].result.start)
        data = self.constants.add(fill(table, self.constants.value_of))
        name = self.temporary()
        if not table.keys:
            return [emit.assign(name, self.cut(emit.load(data), table)), self.return_found(name)]
        keys = [self.expression(path) for path in table.keys]
        key = keys[0] if len(keys) == 1 else ast.Tuple(elts=keys, ctx=_LOAD, **emit.here)
        getter = self.constants.add(self.constants.names[data].get)
        if table.tests:
            rows = emit.call(getter, key, emit.constant(()))
            return [self.rows(name, rows, table)]
        if table.ranged is None:
            return [emit.assign(name, emit.call(getter, key, emit.load("o_miss"))), self.return_found(name)]
        bucket = emit.assign(name, emit.call(getter, key))
        inner = [emit.assign(name, self.cut(emit.load(name), table)), self.return_found(name)]
        present = emit.compare(emit.load(name), ast.IsNot, emit.constant(None))
        return [bucket, ast.If(test=present, body=inner, orelse=[], **emit.here)]

    def item(self, value: ast.expr, index: ast.expr) -> ast.expr:
        return ast.Subscript(value=value, slice=index, ctx=_LOAD, **self.emit.here)

    def cut(self, bucket: ast.expr, table: Table) -> ast.expr:
        emit = self.emit
        path = self.expression(cast("Expr", table.ranged))
        place = emit.call("o_bisect", self.item(bucket, emit.constant(0)), path)
        return self.item(self.item(bucket, emit.constant(1)), place)

    def return_found(self, name: str) -> ast.stmt:
        emit = self.emit
        found = emit.compare(emit.load(name), ast.IsNot, emit.load("o_miss"))
        return ast.If(test=found, body=[ast.Return(value=emit.load(name), **emit.here)], orelse=[], **emit.here)

    def rows(self, name: str, rows: ast.expr, table: Table) -> ast.stmt:
        """Test the rows of a bucket one by one, their constants taken from the row."""
        emit = self.emit
        tests: list[ast.expr] = []
        place = 0
        for operator, node in table.tests:
            path = self.expression(node)
            if operator == "true":
                tests.append(path)
            elif operator == "false":
                tests.append(emit.negate(path))
            else:
                constant = self.item(emit.load(name), emit.constant(place))
                place += 1
                tests.append(emit.compare(path, _BARE_COMPARE[operator], constant))
        found = ast.Return(value=self.item(emit.load(name), emit.constant(place)), **emit.here)
        body: list[ast.stmt] = [ast.If(test=emit.both(tests), body=[found], orelse=[], **emit.here)]
        return ast.For(target=emit.store(name), iter=rows, body=body, orelse=[], **emit.here)

    def statement(self, statement: Stmt) -> list[ast.stmt]:
        compiled = _STATEMENTS[type(statement)](self, statement)
        if self.pending:
            compiled, self.pending = [*self.pending, *compiled], []
        return compiled

    def _bind(self, node: core.Bind) -> list[ast.stmt]:
        value = self.expression(node.value)
        self.emit.at(node.start)
        return [self.emit.assign(f"v{node.slot}", value)]

    def _return(self, node: core.Return) -> list[ast.stmt]:
        value = self.expression(node.value)
        self.emit.at(node.start)
        return [ast.Return(value=value, **self.emit.here)]

    def _discard(self, node: core.Discard) -> list[ast.stmt]:
        value = self.expression(node.value)
        self.emit.at(node.start)
        return [ast.Expr(value=value, **self.emit.here)]

    def _if(self, node: core.If) -> list[ast.stmt]:
        return self.chain(
            [(lambda test=test: self.condition(test), body, test.start) for test, body in node.branches], node.otherwise
        )

    def chain(self, branches: list[Any], otherwise: tuple[Stmt, ...]) -> list[ast.stmt]:
        """`if … elif … else`; flat where a branch can't be left at its end, so that long chains do not nest."""
        compiled: list[ast.stmt] = []
        target = compiled
        for make_test, body, start in branches:
            test = make_test()
            target.extend(self.pending)
            self.pending = []
            statements = self.body(body)
            self.emit.at(start)
            branch = ast.If(test=test, body=statements or [ast.Pass(**self.emit.here)], orelse=[], **self.emit.here)
            target.append(branch)
            if not (statements and isinstance(statements[-1], ast.Return)):
                target = branch.orelse
        target.extend(self.body(otherwise))
        return compiled

    def condition(self, node: Expr) -> ast.expr:
        """A test: the bare expression where it is a Bool, its truth otherwise."""
        if isinstance(node, core.Logical):
            tests = [self.condition(operand) for operand in node.operands]
            self.emit.at(node.start)
            operator: ast.boolop = ast.And() if node.operator == "and" else ast.Or()
            return ast.BoolOp(op=operator, values=tests, **self.emit.here)
        if isinstance(node, core.Invert):
            operand = self.condition(node.operand)
            self.emit.at(node.start)
            return self.emit.negate(operand)
        value = self.expression(node)
        if node.type.kind == "Bool":
            return value
        self.emit.at(node.start)
        return self.emit.call("o_true", value)

    # match

    def _match(self, node: core.Match) -> list[ast.stmt]:
        subject = self.expression(node.subject)
        name = self.temporary()
        self.emit.at(node.start)
        compiled = [*self.pending, self.emit.assign(name, subject)]
        self.pending = []
        target = compiled
        for arm in node.arms:
            test = self.test(arm.pattern, name, ())
            binds = self.binds(arm.pattern, name, ())
            statements = [*binds, *self.body(arm.body)]
            self.emit.at(arm.start)
            if test is None:
                target.extend(statements)
                return compiled
            branch = ast.If(test=test, body=statements or [ast.Pass(**self.emit.here)], orelse=[], **self.emit.here)
            target.append(branch)
            if not (statements and isinstance(statements[-1], ast.Return)):
                target = branch.orelse
        return compiled

    def value_at(self, name: str, path: tuple[tuple[tuple[str, ...], int], ...]) -> ast.expr:
        value = self.emit.load(name)
        for fields, index in path:
            value = self.emit.call("o_part", value, self.constants.of(fields, self.emit), self.emit.constant(index))
        return value

    def test(self, pattern: core.Test, name: str, path: Any) -> ast.expr | None:
        """What must hold for a pattern to match; None if it always does."""
        emit = self.emit
        emit.at(pattern.start)
        if isinstance(pattern, core.TestAny):
            return None
        value = self.value_at(name, path)
        if isinstance(pattern, core.TestNull):
            return emit.compare(value, ast.Is, emit.constant(None))
        if isinstance(pattern, core.TestBind):
            return None if pattern.nullable else emit.compare(value, ast.IsNot, emit.constant(None))
        if isinstance(pattern, core.TestValue):
            return emit.call("o_eq", value, emit.constant(pattern.value))
        if isinstance(pattern, core.TestVariant):
            if pattern.certain:
                return emit.compare(value, ast.Is, emit.load(self.constants.variant(pattern.enum, pattern.name)))
            return emit.call("o_named", value, emit.constant(pattern.name))
        if isinstance(pattern, core.TestName):
            return emit.call("o_named", value, emit.constant(pattern.name))
        if not isinstance(pattern, core.TestParts):
            raise CompilerDefect(type(pattern).__name__)
        count = emit.constant(len(pattern.parts))
        fields = self.constants.of(pattern.fields, emit)
        tests = [emit.call("o_parts", value, emit.constant(pattern.name), fields, count)]
        for index, part in enumerate(pattern.parts):
            inner = self.test(part, name, (*path, (pattern.fields, index)))
            if inner is not None:
                tests.append(inner)
        return emit.both(tests)

    def binds(self, pattern: core.Test, name: str, path: Any) -> list[ast.stmt]:
        if isinstance(pattern, core.TestBind):
            self.emit.at(pattern.start)
            return [self.emit.assign(f"v{pattern.slot}", self.value_at(name, path))]
        if isinstance(pattern, core.TestParts):
            found: list[ast.stmt] = []
            for index, part in enumerate(pattern.parts):
                found.extend(self.binds(part, name, (*path, (pattern.fields, index))))
            return found
        return []

    # expressions

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
            return ast.Attribute(value=base, attr=f"f{node.index}", ctx=_LOAD, **self.emit.here)
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
            parts[-1] = ast.NamedExpr(target=emit.store(name), value=parts[-1], **emit.here)
            parts.append(self.step(step, emit.load(name), operand))
        return self.item(ast.Tuple(elts=parts, ctx=_LOAD, **emit.here), emit.constant(len(parts) - 1))

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
        result = ast.BinOp(left=left, op=bare(), right=right, **emit.here)
        guard = ast.Compare(
            left=emit.constant(low),
            ops=[ast.LtE(), ast.LtE()],
            comparators=[
                ast.NamedExpr(target=emit.store(name), value=result, **emit.here),
                emit.constant(high),
            ],
            **emit.here,
        )
        failing = emit.call("o_fail", emit.constant(code))
        return ast.IfExp(test=guard, body=emit.load(name), orelse=failing, **emit.here)

    def _compare(self, node: core.Compare) -> ast.expr:
        left, right = self.expression(node.left), self.expression(node.right)
        self.emit.at(node.start)
        if node.bare:
            if node.left.type.kind == "Enum":
                return self.emit.compare(left, ast.Is if node.operator == "==" else ast.IsNot, right)
            return self.emit.compare(left, _BARE_COMPARE[node.operator], right)
        return self.emit.call(_COMPARE[node.operator], left, right)

    def _test_value(self, node: core.Logical | core.Invert) -> ast.expr:
        return self.condition(node)

    def _choose(self, node: core.Choose) -> ast.expr:
        tests = [(self.condition(test), self.expression(value), test.start) for test, value in node.branches]
        value = self.expression(node.otherwise)
        for test, chosen, start in reversed(tests):
            self.emit.at(start)
            value = ast.IfExp(test=test, body=chosen, orelse=value, **self.emit.here)
        return value

    def _list(self, node: core.MakeList) -> ast.expr:
        items = [self.expression(item) for item in node.items]
        self.emit.at(node.start)
        return ast.List(elts=items, ctx=_LOAD, **self.emit.here)

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
        return ast.Dict(keys=keys, values=[emit.constant(node.name), *values], **emit.here)

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
        emit = self.emit
        emit.at(node.start)
        rule, plan = node.rule, self.plans[node.rule]
        names = [f"v{index}" for index in range(self.constants.arity(rule))]
        arguments = [emit.load(name) for name in names]
        if plan.needs_run:
            arguments.insert(0, emit.load("run"))
        return self.closure(names, emit.call(f"f{rule}", *arguments), 0 if plan.metered else plan.cost)

    def _library_value(self, node: core.LibraryValue) -> ast.expr:
        emit = self.emit
        emit.at(node.start)
        names = [f"v{index}" for index in range(len(SIGNATURES[node.function].parameters))]
        call = emit.call(self.constants.library(node.function), emit.load("run"), *[emit.load(name) for name in names])
        return self.closure(names, call, 1)

    def closure(self, names: list[str], call: ast.expr, cost: int) -> ast.expr:
        """A function value that does nothing but one call."""
        emit = self.emit
        parameters = ast.arguments(
            posonlyargs=[],
            args=[ast.arg(arg=name, **emit.here) for name in names],
            kwonlyargs=[],
            kw_defaults=[],
            defaults=[],
        )
        function = ast.Lambda(args=parameters, body=call, **emit.here)
        return emit.call("o_closure", function, emit.constant(len(names)), emit.constant(cost))

    def _function(self, node: core.Function) -> ast.expr:
        outer, self.pending = self.pending, []
        body = self.body(node.body)
        self.pending = outer
        emit = self.emit
        emit.at(node.start)
        self.constants.functions += 1
        name = f"l{self.constants.functions}"
        captured = [f"v{slot}" for slot in node.captured]
        names = [f"v{slot}" for slot in node.parameters]
        self.pending.append(self.define(name, [*names, *captured], captured, body))
        return emit.call(
            "o_closure", emit.load(name), emit.constant(len(names)), emit.constant(function_cost(node, self.plans))
        )

    def _fail(self, node: core.Fail) -> ast.expr:
        operands = [self.expression(operand) for operand in node.operands]
        emit = self.emit
        emit.at(node.start)
        keywords = [ast.keyword(arg=name, value=emit.constant(value), **emit.here) for name, value in node.values]
        failing: ast.expr = ast.Call(
            func=emit.load("o_fail"), args=[emit.constant(node.code)], keywords=keywords, **emit.here
        )
        if operands:
            failing = ast.Tuple(elts=[*operands, failing], ctx=_LOAD, **emit.here)
        return failing


_STATEMENTS: dict[type, Callable[[RuleCompiler, Any], list[ast.stmt]]] = {
    core.Bind: RuleCompiler._bind,
    core.Return: RuleCompiler._return,
    core.Discard: RuleCompiler._discard,
    core.If: RuleCompiler._if,
    core.Match: RuleCompiler._match,
}
_EXPRESSIONS: dict[type, Callable[[RuleCompiler, Any], ast.expr]] = {
    core.Const: RuleCompiler._const,
    core.Local: RuleCompiler._local,
    core.Variant: RuleCompiler._variant,
    core.FieldOf: RuleCompiler._field,
    core.Arith: RuleCompiler._arith,
    core.Compare: RuleCompiler._compare,
    core.Logical: RuleCompiler._test_value,
    core.Invert: RuleCompiler._test_value,
    core.Choose: RuleCompiler._choose,
    core.MakeList: RuleCompiler._list,
    core.Make: RuleCompiler._make,
    core.MakeLoose: RuleCompiler._make_loose,
    core.Wrap: RuleCompiler._wrap,
    core.Widen: RuleCompiler._widen,
    core.CallRule: RuleCompiler._call_rule,
    core.CallLibrary: RuleCompiler._call_library,
    core.CallValue: RuleCompiler._call_value,
    core.RuleValue: RuleCompiler._rule_value,
    core.LibraryValue: RuleCompiler._library_value,
    core.Function: RuleCompiler._function,
    core.Fail: RuleCompiler._fail,
}


def flattened(statements: tuple[Stmt, ...]) -> tuple[Stmt, ...]:
    """`If … Otherwise If … Otherwise …` whose branches all return, as one `If` after another."""
    flat: list[Stmt] = []
    for statement in statements:
        if (
            isinstance(statement, core.If)
            and len(statement.branches) > 1
            and all(body and isinstance(body[-1], core.Return) for _, body in statement.branches)
        ):
            flat.extend(core.If(test.start, test.end, ((test, body),), ()) for test, body in statement.branches)
            flat.extend(flattened(statement.otherwise))
            continue
        flat.append(statement)
    return tuple(flat)


class Constants:
    """The globals of the compiled module: what `ast.Constant` can't hold, library functions and enum constants."""

    def __init__(self, module: CheckedModule, classes: "Any") -> None:
        self.module = module
        self.names: dict[str, Any] = {**_OPERATIONS, "__builtins__": {}}
        self.functions = 0
        self._classes = classes
        self._library: dict[str, str] = {}

    def of(self, value: Any, emit: Emitter) -> ast.expr:
        if value is None or type(value) in {str, int, bool, float, tuple}:
            return emit.constant(value)
        return emit.load(self.add(value))

    def add(self, value: Any) -> str:
        """A global of its own for a value."""
        name = f"c{len(self.names)}"
        self.names[name] = value
        return name

    def value_of(self, node: Expr) -> Any:
        """The value of a constant expression."""
        if isinstance(node, core.Make):
            return self._classes.made(node.record)(*[self.value_of(value) for value in node.values])
        if isinstance(node, core.Variant):
            return self._classes.variant(node.enum, node.name)
        return cast("core.Const", node).value

    def variant(self, enum: int, variant: str) -> str:
        index = self.module.enums[enum].variants.index(variant)
        name = f"e{enum}_{index}"
        self.names[name] = self._classes.variant(enum, variant)
        return name

    def maker(self, record: int) -> str:
        """The class of constructed records of a type."""
        name = f"m{record}"
        self.names[name] = self._classes.made(record)
        return name

    def library(self, function: str) -> str:
        name = self._library.setdefault(function, f"s{len(self._library)}")
        self.names[name] = LIBRARY[function]
        return name

    def arity(self, rule: int) -> int:
        return len(self.module.rules[rule].parameters)


def compile_module(
    module: CheckedModule,
    plans: tuple[RulePlan, ...],
    source: SourceText,
    classes: Any,
    build: type[RuleCompiler] = RuleCompiler,
) -> dict[str, Any]:
    """The compiled functions of a module, by generated name (`f0` is the first rule)."""
    constants = Constants(module, classes)
    emit = Emitter(source)
    body = [build(emit, plans, constants).function(rule) for rule in module.rules]
    tree = ast.Module(body=body, type_ignores=[])
    _inspect(tree)
    code = compile(tree, FILE, "exec", dont_inherit=True, optimize=2)
    exec(code, constants.names)  # noqa: S102 - the tree is made of whitelisted nodes and generated names only
    return constants.names


def _inspect(tree: ast.AST) -> None:
    """Refuse a tree with any node, name or attribute that this module does not make."""
    pending: list[Any] = [tree]
    known: set[str] = set()
    while pending:
        node = pending.pop()
        kind = type(node)
        if kind not in _NODES:
            raise CompilerDefect(f"node {kind.__name__}")
        if kind in _LEAVES:
            continue
        for field, value in node.__dict__.items():
            held = type(value)
            if held is int or value is None:
                continue
            if held is list:
                pending.extend(value)
            elif kind is ast.keyword and held is str:
                continue  # the values of a fault, by the names in its message
            elif field in _NAMING:
                if value not in known and not _IDENTIFIER.fullmatch(value):
                    raise CompilerDefect(f"name {value}")
                known.add(value)
            else:
                pending.append(value)
