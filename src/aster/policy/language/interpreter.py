"""The reference interpreter: closures over the core, the oracle for the compiler and the explain mode.

Written for obviousness: one closure a node, an environment that is a list of slots, the same operations as compiled
code. Where a recorder is given, branches, matches, calls and returns are told to it.
"""

import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from threading import Lock
from typing import Any

from aster.policy.language import core, operations
from aster.policy.language.boundary import Classes
from aster.policy.language.budget import UNCHARGED_LIBRARY, RulePlan, function_cost
from aster.policy.language.core import CheckedModule, Expr, RuleInfo, Stmt
from aster.policy.language.library import LIBRARY
from aster.policy.language.operations import Fault
from aster.policy.language.values import WRAPPERS, Closure, Run

Slots = list[Any]
Evaluate = Callable[[Slots], Any]
Execute = Callable[[Slots], Any]

RECURSION = 20_000
_GOES_ON = object()
"""What a statement yields when the next one is to run; anything else is the value of a `Return`."""

_recursion_lock = Lock()
_deep_runs = 0
_usual_limit = 0


@contextmanager
def _deep_recursion() -> Iterator[None]:
    """Room for closures: a call in a policy takes a dozen Python frames here, and `Run` bounds the calls."""
    global _deep_runs, _usual_limit
    with _recursion_lock:
        if _deep_runs == 0:
            _usual_limit = sys.getrecursionlimit()
            sys.setrecursionlimit(max(_usual_limit, RECURSION))
        _deep_runs += 1
    try:
        yield
    finally:
        with _recursion_lock:
            _deep_runs -= 1
            if _deep_runs == 0:
                sys.setrecursionlimit(_usual_limit)


def interpret(
    module: CheckedModule,
    plans: tuple[RulePlan, ...],
    classes: Classes,
    rule: RuleInfo,
    arguments: list[Any],
    run: Run,
) -> Any:
    """The value of a rule. Raises `Fault` with the offset where it happened."""
    interpreter = Interpreter(module, plans, classes, run)
    with _deep_recursion():
        return interpreter.call_rule(rule.index, arguments)


class Interpreter:
    """Closures of one module for one evaluation, made when first needed."""

    def __init__(self, module: CheckedModule, plans: tuple[RulePlan, ...], classes: Classes, run: Run) -> None:
        self.module = module
        self.plans = plans
        self.classes = classes
        self.run = run
        self.recorder = run.recorder
        self.bodies: dict[int, Execute] = {}

    def call_rule(self, index: int, arguments: list[Any]) -> Any:
        rule = self.module.rules[index]
        body = self.bodies.get(index)
        if body is None:
            body = self.bodies[index] = self.block(rule.body)
        plan = self.plans[index]
        if plan.metered:
            self.enter(rule, plan.cost)
        slots = [*arguments, *[None] * (rule.slots - len(arguments))]
        recorder = self.recorder
        if recorder is not None:
            recorder.enter_rule(rule)
        try:
            value = body(slots)
        finally:
            if plan.metered:
                operations.leave(self.run)
        value = None if value is _GOES_ON else value
        if recorder is not None:
            recorder.leave_rule()
        return value

    def enter(self, rule: RuleInfo, cost: int) -> None:
        """Pay for a call; a limit is met where the rule begins."""
        try:
            operations.enter(self.run, cost)
        except Fault as fault:
            fault.at = rule.start
            raise

    # statements

    def block(self, statements: tuple[Stmt, ...]) -> Execute:
        steps = tuple(_STATEMENTS[type(statement)](self, statement) for statement in statements)

        def execute(slots: Slots) -> Any:
            for step in steps:
                value = step(slots)
                if value is not _GOES_ON:
                    return value
            return _GOES_ON

        return execute

    def _bind(self, node: core.Bind) -> Execute:
        value = self.expression(node.value)
        slot = node.slot
        recorder = self.recorder

        def execute(slots: Slots) -> Any:
            if recorder is None:
                slots[slot] = value(slots)
                return _GOES_ON
            mark = recorder.begin("let", node.start, node.end)
            slots[slot] = value(slots)
            recorder.end(mark, slots[slot], None, secret=node.value.secret)
            return _GOES_ON

        return execute

    def _return(self, node: core.Return) -> Execute:
        value = self.expression(node.value)
        recorder = self.recorder
        if recorder is None:
            return value

        def execute(slots: Slots) -> Any:
            mark = recorder.begin("return", node.start, node.end)
            found = value(slots)
            recorder.end(mark, found, None, secret=node.value.secret)
            return found

        return execute

    def _discard(self, node: core.Discard) -> Execute:
        value = self.expression(node.value)

        def execute(slots: Slots) -> Any:
            value(slots)
            return _GOES_ON

        return execute

    def _if(self, node: core.If) -> Execute:
        branches = [(test, self.condition(test), self.block(body)) for test, body in node.branches]
        otherwise = self.block(node.otherwise)
        recorder = self.recorder

        def execute(slots: Slots) -> Any:
            for _, evaluate, body in branches:
                if evaluate(slots):
                    return body(slots)
            return otherwise(slots)

        def trace(slots: Slots) -> Any:
            marks = []
            value: Any = _GOES_ON
            for test, evaluate, body in branches:
                mark = recorder.begin("if", test.start, test.end, test)
                marks.append(mark)
                recorder.decided(mark, evaluate(slots))
                if mark.taken:
                    value = body(slots)
                    break
            else:
                value = otherwise(slots)
            for mark in reversed(marks):
                recorder.end(mark, None if value is _GOES_ON else value, _way(mark.taken), secret=False)
            return value

        return execute if recorder is None else trace

    def condition(self, node: Expr) -> Evaluate:
        if isinstance(node, core.Logical):
            tests = [self.condition(operand) for operand in node.operands]
            stop = node.operator == "or"
            return lambda slots: any(test(slots) is stop for test in tests) is stop
        if isinstance(node, core.Invert):
            operand = self.condition(node.operand)
            return lambda slots: not operand(slots)
        value = self.expression(node)
        return lambda slots: operations.truthy(value(slots))

    def _match(self, node: core.Match) -> Execute:
        subject = self.expression(node.subject)
        arms = [(arm, self.test(arm.pattern), self.block(arm.body)) for arm in node.arms]
        recorder = self.recorder

        def execute(slots: Slots) -> Any:
            value = subject(slots)
            for _, test, body in arms:
                if test(value, slots):
                    return body(slots)
            return _GOES_ON

        def trace(slots: Slots) -> Any:
            mark = recorder.begin("match", node.start, node.end)
            value = subject(slots)
            recorder.operand(mark, node.subject, value)
            for arm, test, body in arms:
                if test(value, slots):
                    recorder.decided(mark, True)
                    found = body(slots)
                    branch = recorder.words(arm.start, arm.end)
                    recorder.end(mark, None if found is _GOES_ON else found, branch, secret=False)
                    return found
            recorder.decided(mark, False)
            recorder.end(mark, None, "none", secret=False)
            return _GOES_ON

        return execute if recorder is None else trace

    def test(self, pattern: core.Test) -> Callable[[Any, Slots], bool]:
        if isinstance(pattern, core.TestAny):
            return lambda value, slots: True
        if isinstance(pattern, core.TestNull):
            return lambda value, slots: value is None
        if isinstance(pattern, core.TestBind):
            return self._test_bind(pattern)
        if isinstance(pattern, core.TestValue):
            wanted = pattern.value
            return lambda value, slots: operations.equal(value, wanted)
        if isinstance(pattern, core.TestParts):
            return self._test_parts(pattern)
        name: str = pattern.name  # type: ignore[attr-defined]  # what is left are names: TestVariant and TestName
        return lambda value, slots: operations.is_named(value, name)

    def _test_bind(self, pattern: core.TestBind) -> Callable[[Any, Slots], bool]:
        def bind(value: Any, slots: Slots) -> bool:
            if value is None and not pattern.nullable:
                return False
            slots[pattern.slot] = value
            return True

        return bind

    def _test_parts(self, pattern: core.TestParts) -> Callable[[Any, Slots], bool]:
        parts = [self.test(part) for part in pattern.parts]

        def test(value: Any, slots: Slots) -> bool:
            if not operations.has_parts(value, pattern.name, pattern.fields, len(parts)):
                return False
            return all(part(operations.part(value, pattern.fields, index), slots) for index, part in enumerate(parts))

        return test

    # expressions

    def expression(self, node: Expr) -> Evaluate:
        evaluate = _EXPRESSIONS[type(node)](self, node)
        if type(node) in _NEVER_FAIL:
            return evaluate
        start = node.start

        def located(slots: Slots) -> Any:
            try:
                return evaluate(slots)
            except Fault as fault:
                if fault.at is None:
                    fault.at = start
                raise

        return located

    def all(self, nodes: tuple[Expr, ...]) -> list[Evaluate]:
        return [self.expression(node) for node in nodes]

    def _const(self, node: core.Const) -> Evaluate:
        value = node.value
        return lambda slots: value

    def _local(self, node: core.Local) -> Evaluate:
        slot = node.slot
        recorder = self.recorder
        if recorder is None:
            return lambda slots: slots[slot]
        return lambda slots: recorder.seen(node, slots[slot])

    def _variant(self, node: core.Variant) -> Evaluate:
        value = self.classes.variant(node.enum, node.name)
        return lambda slots: value

    def _field(self, node: core.FieldOf) -> Evaluate:
        base = self.quietly(node.base)
        name = node.name
        recorder = self.recorder
        if recorder is None:
            return lambda slots: operations.field(base(slots), name)
        return lambda slots: recorder.seen(node, operations.field(base(slots), name))

    def quietly(self, node: Expr) -> Evaluate:
        """The base of a field: only the whole path is told to the recorder."""
        recorder, self.recorder = self.recorder, None
        if not isinstance(node, core.Local | core.FieldOf):
            self.recorder = recorder
        evaluate = self.expression(node)
        self.recorder = recorder
        return evaluate

    def _arith(self, node: core.Arith) -> Evaluate:
        first = self.expression(node.first)
        steps = [(step.operator, self.expression(step.operand)) for step in node.steps]
        run = self.run

        def evaluate(slots: Slots) -> Any:
            value = first(slots)
            for operator, operand in steps:
                right = operand(slots)
                if operator == "+":
                    value = operations.add(run, value, right)
                else:
                    value = operations.ARITHMETIC[operator](value, right)
            return value

        return evaluate

    def _compare(self, node: core.Compare) -> Evaluate:
        left, right = self.expression(node.left), self.expression(node.right)
        compare = operations.COMPARE[node.operator]
        return lambda slots: compare(left(slots), right(slots))

    def _truth(self, node: core.Logical | core.Invert) -> Evaluate:
        return self.condition(node)

    def _choose(self, node: core.Choose) -> Evaluate:
        branches = [(test, self.condition(test), self.expression(value)) for test, value in node.branches]
        otherwise = self.expression(node.otherwise)
        recorder = self.recorder

        def evaluate(slots: Slots) -> Any:
            for _, test, value in branches:
                if test(slots):
                    return value(slots)
            return otherwise(slots)

        def trace(slots: Slots) -> Any:
            for expression, test, value in branches:
                mark = recorder.begin("if-expr", expression.start, expression.end, expression)
                taken = test(slots)
                recorder.decided(mark, taken)
                if taken:
                    found = value(slots)
                    recorder.end(mark, found, "then", secret=node.secret)
                    return found
                recorder.end(mark, None, "otherwise", secret=node.secret)
            return otherwise(slots)

        return evaluate if recorder is None else trace

    def _list(self, node: core.MakeList) -> Evaluate:
        items = self.all(node.items)
        return lambda slots: [item(slots) for item in items]

    def _make(self, node: core.Make) -> Evaluate:
        values = self.all(node.values)
        made = self.classes.made(node.record)
        return lambda slots: made(*[value(slots) for value in values])

    def _make_loose(self, node: core.MakeLoose) -> Evaluate:
        fields = [(name, self.expression(value)) for name, value in node.fields]
        return lambda slots: {"__type": node.name, **{name: value(slots) for name, value in fields}}

    def _wrap(self, node: core.Wrap) -> Evaluate:
        operand = self.expression(node.operand)
        wrapper = WRAPPERS[node.kind]
        return lambda slots: wrapper(operand(slots))

    def _widen(self, node: core.Widen) -> Evaluate:
        operand = self.expression(node.operand)
        return lambda slots: float(operand(slots))

    def _call_rule(self, node: core.CallRule) -> Evaluate:
        arguments = self.all(node.arguments)
        recorder = self.recorder
        if recorder is None:
            return lambda slots: self.call_rule(node.rule, [argument(slots) for argument in arguments])

        def trace(slots: Slots) -> Any:
            mark = recorder.begin("call", node.start, node.end)
            found = self.call_rule(node.rule, [argument(slots) for argument in arguments])
            recorder.end(mark, found, None, secret=node.secret)
            return recorder.seen(node, found)

        return trace

    def _call_library(self, node: core.CallLibrary) -> Evaluate:
        arguments = self.all(node.arguments)
        function = LIBRARY[node.function]
        run = None if node.function in UNCHARGED_LIBRARY else self.run
        return lambda slots: function(run, *[argument(slots) for argument in arguments])

    def _call_value(self, node: core.CallValue) -> Evaluate:
        callee = self.expression(node.callee)
        arguments = self.all(node.arguments)
        return lambda slots: operations.call_value(
            self.run, callee(slots), *[argument(slots) for argument in arguments]
        )

    def _rule_value(self, node: core.RuleValue) -> Evaluate:
        plan = self.plans[node.rule]
        arity = len(self.module.rules[node.rule].parameters)
        cost = 0 if plan.metered else plan.cost
        return lambda slots: Closure(lambda *values: self.call_rule(node.rule, list(values)), arity, cost)

    def _library_value(self, node: core.LibraryValue) -> Evaluate:
        function, arity = library_value(node.function)
        run = self.run
        return lambda slots: Closure(lambda *values: function(run, *values), arity, 1)

    def _function(self, node: core.Function) -> Evaluate:
        body = self.block(node.body)
        parameters = node.parameters
        cost = function_cost(node, self.plans)

        def make(slots: Slots) -> Any:
            captured = list(slots)

            def call(*values: Any) -> Any:
                inner = list(captured)
                for slot, value in zip(parameters, values, strict=True):
                    inner[slot] = value
                found = body(inner)
                return None if found is _GOES_ON else found

            return Closure(call, len(parameters), cost)

        return make

    def _fail(self, node: core.Fail) -> Evaluate:
        operands = self.all(node.operands)

        def evaluate(slots: Slots) -> Any:
            for operand in operands:
                operand(slots)
            raise Fault(node.code, **dict(node.values))

        return evaluate


def _way(taken: bool) -> str:
    return "then" if taken else "otherwise"


def library_value(name: str) -> tuple[Callable[..., Any], int]:
    """A library function as a value: what to call with a run and its arguments, and how many those are."""
    from aster.policy.language.library_types import SIGNATURES

    return LIBRARY[name], len(SIGNATURES[name].parameters)


_NEVER_FAIL = frozenset({core.Const, core.Local, core.Variant, core.Function})
_STATEMENTS: dict[type, Callable[[Interpreter, Any], Execute]] = {
    core.Bind: Interpreter._bind,
    core.Return: Interpreter._return,
    core.Discard: Interpreter._discard,
    core.If: Interpreter._if,
    core.Match: Interpreter._match,
}
_EXPRESSIONS: dict[type, Callable[[Interpreter, Any], Evaluate]] = {
    core.Const: Interpreter._const,
    core.Local: Interpreter._local,
    core.Variant: Interpreter._variant,
    core.FieldOf: Interpreter._field,
    core.Arith: Interpreter._arith,
    core.Compare: Interpreter._compare,
    core.Logical: Interpreter._truth,
    core.Invert: Interpreter._truth,
    core.Choose: Interpreter._choose,
    core.MakeList: Interpreter._list,
    core.Make: Interpreter._make,
    core.MakeLoose: Interpreter._make_loose,
    core.Wrap: Interpreter._wrap,
    core.Widen: Interpreter._widen,
    core.CallRule: Interpreter._call_rule,
    core.CallLibrary: Interpreter._call_library,
    core.CallValue: Interpreter._call_value,
    core.RuleValue: Interpreter._rule_value,
    core.LibraryValue: Interpreter._library_value,
    core.Function: Interpreter._function,
    core.Fail: Interpreter._fail,
}
