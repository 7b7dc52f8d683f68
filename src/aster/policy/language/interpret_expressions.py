"""Expressions of the core as closures over slots."""

from abc import ABC, abstractmethod
from collections.abc import Callable
from typing import Any

from aster.policy.language import comparisons, core, encoding, operations
from aster.policy.language.budget import UNCHARGED_LIBRARY, RulePlan, function_cost
from aster.policy.language.classes import Classes
from aster.policy.language.core import CheckedModule, Expr, Stmt
from aster.policy.language.faults import Fault
from aster.policy.language.library import LIBRARY
from aster.policy.language.values import WRAPPERS, Closure, Run

Slots = list[Any]
Evaluate = Callable[[Slots], Any]
Execute = Callable[[Slots], Any]

GOES_ON = object()
"""What a statement yields when the next one is to run; anything else is the value of a `Return`."""


class ExpressionInterpreter(ABC):
    """Closures for expressions, made when first needed."""

    def __init__(self, module: CheckedModule, plans: tuple[RulePlan, ...], classes: Classes, run: Run) -> None:
        self.module = module
        self.plans = plans
        self.classes = classes
        self.run = run
        self.recorder = run.recorder
        self.bodies: dict[int, Execute] = {}

    @abstractmethod
    def call_rule(self, index: int, arguments: list[Any]) -> Any:
        """The value of a rule; the last stage of this interpreter knows rules."""

    @abstractmethod
    def block(self, statements: tuple[Stmt, ...]) -> Execute:
        """The statements of a block; the next stage of this interpreter knows them."""

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

    def condition(self, node: Expr) -> Evaluate:
        if isinstance(node, core.Logical):
            tests = [self.condition(operand) for operand in node.operands]
            stop = node.operator == "or"
            return lambda slots: any(test(slots) is stop for test in tests) is stop
        if isinstance(node, core.Invert):
            operand = self.condition(node.operand)
            return lambda slots: not operand(slots)
        value = self.expression(node)
        return lambda slots: encoding.truthy(value(slots))

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
        compare = comparisons.COMPARE[node.operator]
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
                return None if found is GOES_ON else found

            return Closure(call, len(parameters), cost)

        return make

    def _fail(self, node: core.Fail) -> Evaluate:
        operands = self.all(node.operands)

        def evaluate(slots: Slots) -> Any:
            for operand in operands:
                operand(slots)
            raise Fault(node.code, **dict(node.values))

        return evaluate


def library_value(name: str) -> tuple[Callable[..., Any], int]:
    """A library function as a value: what to call with a run and its arguments, and how many those are."""
    from aster.policy.language.library_types import SIGNATURES

    return LIBRARY[name], len(SIGNATURES[name].parameters)


_NEVER_FAIL = frozenset({core.Const, core.Local, core.Variant, core.Function})
_EXPRESSIONS: dict[type, Callable[[ExpressionInterpreter, Any], Evaluate]] = {
    core.Const: ExpressionInterpreter._const,
    core.Local: ExpressionInterpreter._local,
    core.Variant: ExpressionInterpreter._variant,
    core.FieldOf: ExpressionInterpreter._field,
    core.Arith: ExpressionInterpreter._arith,
    core.Compare: ExpressionInterpreter._compare,
    core.Logical: ExpressionInterpreter._truth,
    core.Invert: ExpressionInterpreter._truth,
    core.Choose: ExpressionInterpreter._choose,
    core.MakeList: ExpressionInterpreter._list,
    core.Make: ExpressionInterpreter._make,
    core.MakeLoose: ExpressionInterpreter._make_loose,
    core.Wrap: ExpressionInterpreter._wrap,
    core.Widen: ExpressionInterpreter._widen,
    core.CallRule: ExpressionInterpreter._call_rule,
    core.CallLibrary: ExpressionInterpreter._call_library,
    core.CallValue: ExpressionInterpreter._call_value,
    core.RuleValue: ExpressionInterpreter._rule_value,
    core.LibraryValue: ExpressionInterpreter._library_value,
    core.Function: ExpressionInterpreter._function,
    core.Fail: ExpressionInterpreter._fail,
}
