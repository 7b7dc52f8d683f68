"""The tracing build: the same functions as `compiler` makes, which also tell a `Recorder` what they do.

Programs that are never traced never have one, so that tracing costs the untraced path nothing. The reference
interpreter tells the same story; tests hold the two traces to each other.
"""

import ast
from collections.abc import Callable
from typing import Any

from aster.policy.language import core
from aster.policy.language.budget import RulePlan
from aster.policy.language.compiler import RuleCompiler
from aster.policy.language.constants import Constants
from aster.policy.language.core import Expr, RuleInfo, Stmt
from aster.policy.language.emitter import Emitter
from aster.policy.language.trace import Mark
from aster.policy.language.values import Run


class TracingCompiler(RuleCompiler):
    """Compiles with a recorder. ``open`` are the steps around the statement at hand: (variable, way to end it)."""

    def __init__(self, emit: Emitter, plans: tuple[RulePlan, ...], constants: Constants) -> None:
        super().__init__(emit, plans, constants)
        self.open: list[Callable[[ast.expr], ast.stmt]] = []
        self.in_rule = False
        constants.names.update(_RECORDING)

    def function(self, rule: RuleInfo) -> ast.stmt:
        self.open = []
        self.in_rule = True
        made = super().function(rule)
        if not isinstance(made, ast.FunctionDef):
            return made
        self.emit.at(rule.start)
        made.body.insert(0, self.do("o_entered", self.constants.add(rule)))
        made.body.append(self.do("o_left"))
        return made

    def do(self, name: str, *globals_: str, values: tuple[ast.expr, ...] = ()) -> ast.stmt:
        return self.emit.node(ast.Expr, value=self.tell(name, *globals_, values=values))

    def tell(self, name: str, *globals_: str, values: tuple[ast.expr, ...] = ()) -> ast.expr:
        loaded = [self.emit.load(found) for found in globals_]
        return self.emit.call(name, self.emit.load("run"), *loaded, *values)

    def statement(self, statement: Stmt) -> list[ast.stmt]:
        handler = _STATEMENTS.get(type(statement))
        if handler is None:
            return super().statement(statement)
        return handler(self, statement)

    def body(self, statements: tuple[Stmt, ...]) -> list[ast.stmt]:
        return [made for statement in statements for made in self.statement(statement)]

    def begin(self, node: Any, kind: str) -> tuple[str, ast.stmt]:
        self.emit.at(node.start)
        mark = self.temporary()
        begun = self.tell("o_begin", self.constants.add(node), values=(self.emit.constant(kind),))
        return mark, self.emit.assign(mark, begun)

    # statements

    def trace_bind(self, node: core.Bind) -> list[ast.stmt]:
        mark, begun = self.begin(node, "let")
        value = self.expression(node.value)
        self.emit.at(node.start)
        name = f"v{node.slot}"
        ended = self.do("o_ended", mark, self.constants.add(node.value), values=(self.emit.load(name),))
        return [begun, self.emit.assign(name, value), ended]

    def trace_return(self, node: core.Return) -> list[ast.stmt]:
        mark, begun = self.begin(node, "return")
        value = self.expression(node.value)
        self.emit.at(node.start)
        name = self.temporary()
        result = self.emit.load(name)
        compiled = [begun, self.emit.assign(name, value)]
        compiled.append(self.do("o_ended", mark, self.constants.add(node.value), values=(result,)))
        compiled.extend(end(result) for end in reversed(self.open))
        if self.in_rule:
            compiled.append(self.do("o_left"))
        return [*compiled, self.emit.node(ast.Return, value=result)]

    def trace_if(self, node: core.If) -> list[ast.stmt]:
        return self.branch(node, 0, len(self.open))

    def branch(self, node: core.If, index: int, outside: int) -> list[ast.stmt]:
        """One branch of a chain, and the rest of the chain as its other way."""
        if index == len(node.branches):
            return [*self.body(node.otherwise), *self.ends(outside)]
        test, body = node.branches[index]
        mark, begun = self.begin(test, "if")
        condition = self.condition(test)
        self.emit.at(test.start)
        decided = self.tell("o_decided", mark, values=(condition,))
        self.open.append(self.ending("o_endedif", mark))
        taken = [*self.body(body), *self.ends(outside)]
        other = self.branch(node, index + 1, outside)
        self.open.pop()
        self.emit.at(test.start)
        return [begun, self.emit.node(ast.If, test=decided, body=taken, orelse=other)]

    def ending(self, name: str, *globals_: str) -> Callable[[ast.expr], ast.stmt]:
        return lambda value: self.do(name, *globals_, values=(value,))

    def ends(self, outside: int) -> list[ast.stmt]:
        """End the steps opened since, with no result: a block was left at its end."""
        return [end(self.emit.constant(None)) for end in reversed(self.open[outside:])]

    def trace_match(self, node: core.Match) -> list[ast.stmt]:
        mark, begun = self.begin(node, "match")
        subject = self.expression(node.subject)
        self.emit.at(node.start)
        name = self.temporary()
        seen = self.do("o_subject", mark, self.constants.add(node.subject), values=(self.emit.load(name),))
        compiled = [begun, self.emit.assign(name, subject), seen]
        target = compiled
        for arm in node.arms:
            test = self.test(arm.pattern, name, ())
            self.emit.at(arm.start)
            made = self.constants.add(arm)
            statements = [self.do("o_chose", mark, made)]
            statements += self.binds(arm.pattern, name, ())
            self.open.append(self.ending("o_endedmatch", mark, made))
            statements += [*self.body(arm.body), *self.ends(len(self.open) - 1)]
            self.open.pop()
            if test is None:
                target.extend(statements)
                return compiled
            self.emit.at(arm.start)
            branch = self.emit.node(ast.If, test=test, body=statements, orelse=[])
            target.append(branch)
            target = branch.orelse
        self.emit.at(node.start)
        target.append(self.do("o_unmatched", mark))
        return compiled

    # expressions

    def expression(self, node: Expr) -> ast.expr:
        handler = _EXPRESSIONS.get(type(node))
        return super().expression(node) if handler is None else handler(self, node)

    def trace_path(self, node: core.Local | core.FieldOf) -> ast.expr:
        value = self.path(node)
        self.emit.at(node.start)
        return self.tell("o_seen", self.constants.add(node), values=(value,))

    def path(self, node: Expr) -> ast.expr:
        """A path without its parts being told."""
        if isinstance(node, core.FieldOf):
            return self.field_of(self.path(node.base), node)
        return self._local(node) if isinstance(node, core.Local) else self.expression(node)

    def trace_call(self, node: core.CallRule) -> ast.expr:
        self.emit.at(node.start)
        made = self.constants.add(node)
        begun = self.tell("o_begin", made, values=(self.emit.constant("call"),))
        called = self._call_rule(node)
        return self.tell("o_called", made, values=(begun, called))

    def trace_choice(self, node: core.Choose) -> ast.expr:
        parts = [(test, self.condition(test), self.expression(value)) for test, value in node.branches]
        value = self.expression(node.otherwise)
        made = self.constants.add(node)
        for test, condition, chosen in reversed(parts):
            self.emit.at(test.start)
            mark = self.temporary()
            begun = self.tell("o_begin", self.constants.add(test), values=(self.emit.constant("if-expr"),))
            opened = self.emit.node(ast.NamedExpr, target=self.emit.store(mark), value=begun)
            decided = self.tell("o_decided", values=(opened, condition))
            taken = self.tell("o_chosen", mark, made, values=(chosen,))
            passed = self.tell("o_passed", mark, made)
            other = self.item(self.emit.node(ast.Tuple, elts=[passed, value], ctx=ast.Load()), self.emit.constant(1))
            value = self.emit.node(ast.IfExp, test=decided, body=taken, orelse=other)
        return value

    def _function(self, node: core.Function) -> ast.expr:
        around, self.open = self.open, []
        in_rule, self.in_rule = self.in_rule, False
        made = super()._function(node)
        self.open, self.in_rule = around, in_rule
        return made


# What traced code calls. Every function takes the `Run` first.


def _begin(run: Run, node: Any, kind: str) -> Mark:
    condition = node if kind in {"if", "if-expr"} else None
    mark: Mark = run.recorder.begin(kind, node.start, node.end, condition)
    return mark


def _ended(run: Run, mark: Mark, node: Expr, value: Any) -> None:
    run.recorder.end(mark, value, None, secret=node.secret)


def _decided(run: Run, mark: Mark, taken: bool) -> bool:
    run.recorder.decided(mark, taken)
    return taken


def _ended_if(run: Run, mark: Mark, value: Any) -> None:
    run.recorder.end(mark, value, "then" if mark.taken else "otherwise", secret=False)


def _ended_match(run: Run, mark: Mark, arm: core.Arm, value: Any) -> None:
    run.recorder.end(mark, value, run.recorder.words(arm.start, arm.end), secret=False)


def _unmatched(run: Run, mark: Mark) -> None:
    run.recorder.decided(mark, False)
    run.recorder.end(mark, None, "none", secret=False)


def _called(run: Run, node: core.CallRule, mark: Mark, value: Any) -> Any:
    run.recorder.end(mark, value, None, secret=node.secret)
    return run.recorder.seen(node, value)


def _chosen(run: Run, mark: Mark, node: Expr, value: Any) -> Any:
    run.recorder.end(mark, value, "then", secret=node.secret)
    return value


_RECORDING: dict[str, Any] = {
    "o_begin": _begin,
    "o_ended": _ended,
    "o_decided": _decided,
    "o_chose": lambda run, mark, arm: run.recorder.chose(mark, arm),
    "o_endedif": _ended_if,
    "o_endedmatch": _ended_match,
    "o_unmatched": _unmatched,
    "o_called": _called,
    "o_chosen": _chosen,
    "o_passed": lambda run, mark, node: run.recorder.end(mark, None, "otherwise", secret=node.secret),
    "o_seen": lambda run, node, value: run.recorder.seen(node, value),
    "o_subject": lambda run, mark, node, value: run.recorder.operand(mark, node, value),
    "o_entered": lambda run, rule: run.recorder.enter_rule(rule),
    "o_left": lambda run: run.recorder.leave_rule(),
}
_STATEMENTS: dict[type, Callable[[TracingCompiler, Any], list[ast.stmt]]] = {
    core.Bind: TracingCompiler.trace_bind,
    core.Return: TracingCompiler.trace_return,
    core.If: TracingCompiler.trace_if,
    core.Match: TracingCompiler.trace_match,
}
_EXPRESSIONS: dict[type, Callable[[TracingCompiler, Any], ast.expr]] = {
    core.Local: TracingCompiler.trace_path,
    core.FieldOf: TracingCompiler.trace_path,
    core.CallRule: TracingCompiler.trace_call,
    core.Choose: TracingCompiler.trace_choice,
    core.Function: TracingCompiler._function,
}


def tracing_plans(plans: tuple[RulePlan, ...]) -> tuple[RulePlan, ...]:
    """The same costs, with a `Run` for every rule: it carries the recorder."""
    return tuple(RulePlan(plan.cost, plan.metered, True) for plan in plans)
