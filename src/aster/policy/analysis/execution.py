"""Symbolic execution: every way through a rule at once.

``alive`` is the condition under which the execution is where it is; a `Return` or a fault takes away from it. After a
branch, variables hold what either way left in them, so the work is linear in the text of the rule, calls inlined.
"""

from collections.abc import Callable
from functools import partial
from typing import Any, NamedTuple

from aster.policy.analysis import matching, operations, standard
from aster.policy.analysis.equality import truth
from aster.policy.analysis.logic import AnalysisTooLarge, Condition, World, both, either, negated
from aster.policy.analysis.prints import Prints
from aster.policy.analysis.values import (
    MAX_ALTERNATIVES,
    NEVER,
    NULL,
    Closure,
    Constant,
    Items,
    Never,
    Number,
    Opaque,
    Record,
    Several,
    Text,
    Truth,
    Value,
    Wrapped,
    identity,
    merge_all,
)
from aster.policy.language import core
from aster.policy.language.core import CheckedModule, Expr, Stmt
from aster.policy.language.types import Type

MAX_CALL_DEPTH = 40
MAX_RECURSION = 12
MAX_CALLS = 400
MAX_NODES = 200_000


class FaultCase(NamedTuple):
    """Where an evaluation fails: ``code`` is None when only that it may fail is known, by ``key``."""

    condition: Condition
    code: str | None
    key: Any
    at: int


class Skipped(NamedTuple):
    """Something the model knows nothing about, at an offset."""

    at: int
    what: str


class Observer:
    """Is told of branches in the rule under analysis; this one does not listen."""

    def branch(self, node: Expr, reached: Condition, holds: Condition) -> None:
        """A condition and where it is asked."""

    def arm(self, arm: core.Arm, reached: Condition, matches: Condition) -> None:
        """An arm of a match and where it is tried."""

    def returned(self, statement: core.Return, reached: Condition, value: Value) -> None:
        """A return."""


class Frame:
    """One call: its variables and what it returned where."""

    def __init__(self, slots: list[Value], observer: Observer | None) -> None:
        self.slots = slots
        self.returned: list[tuple[Condition, Value]] = []
        self.observer = observer

    def store(self, slot: int, value: Value) -> None:
        self.slots += [NULL] * (slot + 1 - len(self.slots))
        self.slots[slot] = value


class Execution:
    """Runs rules of one module on symbolic arguments.

    ``fell_through`` is where the observed rule ended without a value.

    ``possible`` is asked before a recursive call whether there are inputs that come so far.
    """

    def __init__(self, world: World, module: CheckedModule, possible: Callable[[Condition], bool]) -> None:
        self.world = world
        self.module = module
        self.possible = possible
        self.alive: Condition = True
        self.faults: list[FaultCase] = []
        self.skipped: dict[Skipped, None] = {}
        self.fell_through: Condition = False
        self.losses = 0
        self.nodes = 0
        self.calls = 0
        self.at = 0
        self._stack: list[int] = []
        self.prints = Prints(world, module)

    # ways

    def fault(self, code: str, condition: Condition = True) -> None:
        self._fail(condition, code, None)

    def may_fail(self, key: Any) -> None:
        """Something fails, or does not, for reasons not modelled."""
        self._fail(self.world.variable("Bool", ("fails", key)), None, key)

    def _fail(self, condition: Condition, code: str | None, key: Any) -> None:
        guard = self.world.named(both(self.alive, condition))
        if guard is False:
            return
        self.faults.append(FaultCase(guard, code, key, self.at))
        self.alive = self.world.named(both(self.alive, negated(condition)))
        self.losses += 1

    def skip(self, what: str) -> None:
        self.skipped[Skipped(self.at, what)] = None

    def under(self, condition: Condition, run: Callable[[], Any]) -> Any:
        """Run something where a condition holds, and be alive again where it does not."""
        before, losses = self.alive, self.losses
        self.alive = self.world.named(both(before, condition))
        found = run()
        if self.losses == losses:
            self.alive = before
        else:
            self.alive = self.world.named(either((self.alive, both(before, negated(condition)))))
        return found

    def each(self, value: Value, run: Callable[[Any], Value]) -> Value:
        """Run something for each alternative of a value."""
        if not isinstance(value, Several):
            return NEVER if isinstance(value, Never) else run(value)
        if len(value.alternatives) > MAX_ALTERNATIVES:
            self.skip("a value of too many kinds")
            return self.each(Opaque(identity(self.world, value)), run)
        found = [(guard, self.under(guard, partial(run, each))) for guard, each in value.alternatives]
        return merge_all(self.world, found)

    def pairs(self, left: Value, right: Value, run: Callable[[Any, Any], Value]) -> Value:
        return self.each(left, lambda mine: self.each(right, lambda other: run(mine, other)))

    # calls

    def call_rule(self, index: int, arguments: list[Value], observer: Observer | None = None) -> Value:
        rule = self.module.rules[index]
        recursion = self._stack.count(index)
        if recursion and not self.possible(self.alive):
            return NEVER
        self.calls += 1
        if recursion >= MAX_RECURSION or len(self._stack) >= MAX_CALL_DEPTH or self.calls > MAX_CALLS:
            self.skip(f"calls of '{rule.name}' nested this deep")
            key = (self.prints.of_rule(index), *(identity(self.world, argument) for argument in arguments))
            self.may_fail(key)
            return self.free(rule.returns, key)
        self._stack.append(index)
        slots = [*arguments, *[NULL] * (rule.slots - len(arguments))]
        value = self._run(rule.body, Frame(slots, observer))
        self._stack.pop()
        return value

    def call_function(self, closure: Closure, arguments: list[Value]) -> Value:
        """Call a function value."""
        node = closure.node
        if isinstance(node, core.LibraryValue):
            return standard.call(self, node.function, arguments, Type("Unknown"))
        if isinstance(node, core.RuleValue):
            count = len(self.module.rules[node.rule].parameters)
            return self.call_rule(node.rule, arguments) if count == len(arguments) else self._arity()
        function: core.Function = node  # type: ignore[assignment]  # the third kind of function value
        if len(function.parameters) != len(arguments):
            return self._arity()
        slots = list(closure.slots)
        slots += [NULL] * (max((*function.parameters, -1)) + 1 - len(slots))
        for slot, argument in zip(function.parameters, arguments, strict=True):
            slots[slot] = argument
        return self._run(function.body, Frame(slots, None))

    def _arity(self) -> Value:
        self.fault("ARITY")
        return NEVER

    def _run(self, body: tuple[Stmt, ...], frame: Frame) -> Value:
        before, losses, faults = self.alive, self.losses, len(self.faults)
        self.block(frame, body)
        if frame.observer is not None:
            self.fell_through = self.alive
        returned = [*frame.returned, (self.alive, NULL)]
        if len(self.faults) == faults:
            self.alive, self.losses = before, losses
        else:
            self.alive = self.world.named(either(guard for guard, _ in returned))
        return merge_all(self.world, returned)

    # statements

    def block(self, frame: Frame, statements: tuple[Stmt, ...]) -> None:
        for statement in statements:
            if self.alive is False:
                return
            _STATEMENTS[type(statement)](self, frame, statement)

    def _bind(self, frame: Frame, node: core.Bind) -> None:
        value = self.expression(frame, node.value)
        frame.store(node.slot, value)

    def _return(self, frame: Frame, node: core.Return) -> None:
        value = self.expression(frame, node.value)
        if self.alive is False:
            return
        if frame.observer is not None:
            frame.observer.returned(node, self.alive, value)
        frame.returned.append((self.alive, value))
        self.alive = False
        self.losses += 1

    def _discard(self, frame: Frame, node: core.Discard) -> None:
        self.expression(frame, node.value)

    def _if(self, frame: Frame, node: core.If) -> None:
        losses = self.losses
        slots = frame.slots
        ways: list[tuple[Condition, list[Value]]] = []
        start = self.alive
        for test, body in node.branches:
            holds = self.condition(frame, test)
            start = self.alive if not ways else start
            if frame.observer is not None:
                frame.observer.branch(test, self.alive, holds)
            rest = self.world.named(both(self.alive, negated(holds)))
            self.alive = self.world.named(both(self.alive, holds))
            frame.slots = list(slots)
            self.block(frame, body)
            ways.append((self.alive, frame.slots))
            self.alive = rest
        frame.slots = list(slots)
        self.block(frame, node.otherwise)
        ways.append((self.alive, frame.slots))
        self._join(frame, ways, start if self.losses == losses else None)

    def _join(self, frame: Frame, ways: list[tuple[Condition, list[Value]]], unchanged: Condition | None) -> None:
        """Go on where any way is still alive, with the variables of that way."""
        live = [way for way in ways if way[0] is not False]
        if not live:
            self.alive = False
            return
        self.alive = unchanged if unchanged is not None else self.world.named(either(guard for guard, _ in live))
        length = max(len(slots) for _, slots in live)
        joined = []
        for slot in range(length):
            values = [(guard, slots[slot] if slot < len(slots) else NULL) for guard, slots in live]
            same = all(value is values[0][1] for _, value in values)
            joined.append(values[0][1] if same else merge_all(self.world, values))
        frame.slots = joined

    def _match(self, frame: Frame, node: core.Match) -> None:
        losses = self.losses
        subject = self.expression(frame, node.subject)
        start = self.alive
        slots = frame.slots
        ways: list[tuple[Condition, list[Value]]] = []
        for arm in node.arms:
            frame.slots = list(slots)
            matches = matching.matches(self, frame, arm.pattern, subject)
            if frame.observer is not None:
                frame.observer.arm(arm, self.alive, matches)
            rest = self.world.named(both(self.alive, negated(matches)))
            self.alive = self.world.named(both(self.alive, matches))
            self.block(frame, arm.body)
            ways.append((self.alive, frame.slots))
            self.alive = rest
        ways.append((self.alive, slots))
        self._join(frame, ways, start if self.losses == losses else None)

    # expressions

    def expression(self, frame: Frame, node: Expr) -> Value:
        self.nodes += 1
        if self.nodes > MAX_NODES:
            raise AnalysisTooLarge(
                "the rule is too large to analyse", hint="name a smaller rule with --rule, or split it"
            )
        if self.alive is False:
            return NEVER
        outer, self.at = self.at, node.start
        value = _EXPRESSIONS[type(node)](self, frame, node)
        self.at = outer
        return value

    def all(self, frame: Frame, nodes: tuple[Expr, ...]) -> list[Value]:
        return [self.expression(frame, node) for node in nodes]

    def condition(self, frame: Frame, node: Expr) -> Condition:
        """Where a condition holds; what stands after a decided `and` or `or` is not evaluated there."""
        if isinstance(node, core.Logical):
            stop = node.operator == "or"
            going: Condition = True
            for operand in node.operands:
                found = self.under(going, partial(self.condition, frame, operand))
                going = self.world.named(both(going, negated(found) if stop else found))
            return negated(going) if stop else going
        if isinstance(node, core.Invert):
            return negated(self.condition(frame, node.operand))
        return self.world.named(truth(self.world, self.expression(frame, node)))

    def _const(self, frame: Frame, node: core.Const) -> Value:
        return operations.literal(node.value)

    def _local(self, frame: Frame, node: core.Local) -> Value:
        return frame.slots[node.slot] if node.slot < len(frame.slots) else NULL

    def _function(self, frame: Frame, node: Expr) -> Value:
        return Closure(node, tuple(frame.slots))

    def _variant(self, frame: Frame, node: core.Variant) -> Value:
        return Constant(self.module.enums[node.enum].name, node.name)

    def _field(self, frame: Frame, node: core.FieldOf) -> Value:
        base = self.expression(frame, node.base)
        return self.each(base, lambda value: operations.field(self, value, node.name))

    def _arith(self, frame: Frame, node: core.Arith) -> Value:
        value = self.expression(frame, node.first)
        for step in node.steps:
            right = self.expression(frame, step.operand)
            value = self.pairs(value, right, partial(operations.arith, self, step.operator))
        return value

    def _compare(self, frame: Frame, node: core.Compare) -> Value:
        left, right = self.expression(frame, node.left), self.expression(frame, node.right)
        if node.operator in {"==", "!="}:
            same = operations.equals(self, left, right)
            return Truth(same if node.operator == "==" else negated(same))
        return self.pairs(left, right, partial(operations.order, self, node.operator))

    def _truth(self, frame: Frame, node: Expr) -> Value:
        return Truth(self.condition(frame, node))

    def _choose(self, frame: Frame, node: core.Choose) -> Value:
        going: Condition = True
        found: list[tuple[Condition, Value]] = []
        for test, branch in node.branches:
            holds = self.under(going, partial(self._observed, frame, test))
            taken = self.world.named(both(going, holds))
            found.append((taken, self.under(taken, partial(self.expression, frame, branch))))
            going = self.world.named(both(going, negated(holds)))
        found.append((going, self.under(going, lambda: self.expression(frame, node.otherwise))))
        return merge_all(self.world, found)

    def _observed(self, frame: Frame, test: Expr) -> Condition:
        holds = self.condition(frame, test)
        if frame.observer is not None:
            frame.observer.branch(test, self.alive, holds)
        return holds

    def _list(self, frame: Frame, node: core.MakeList) -> Value:
        return Items(tuple(self.all(frame, node.items)))

    def _make(self, frame: Frame, node: core.Make) -> Value:
        record = self.module.records[node.record]
        values = self.all(frame, node.values)
        fields = {field.name: value for field, value in zip(record.fields, values, strict=True)}
        return Record(record.name, True, fields)

    def _make_loose(self, frame: Frame, node: core.MakeLoose) -> Value:
        fields = {name: self.expression(frame, value) for name, value in node.fields}
        return Record(node.name, True, fields, loose=True)

    def _wrap(self, frame: Frame, node: core.Wrap) -> Value:
        return Wrapped(node.kind, self.expression(frame, node.operand))

    def _widen(self, frame: Frame, node: core.Widen) -> Value:
        value = self.expression(frame, node.operand)
        return self.each(value, lambda each: operations.widened(self, each))

    def _call_rule(self, frame: Frame, node: core.CallRule) -> Value:
        return self.call_rule(node.rule, self.all(frame, node.arguments))

    def _call_library(self, frame: Frame, node: core.CallLibrary) -> Value:
        return standard.call(self, node.function, self.all(frame, node.arguments), node.type)

    def _call_value(self, frame: Frame, node: core.CallValue) -> Value:
        callee = self.expression(frame, node.callee)
        arguments = self.all(frame, node.arguments)
        return self.each(callee, lambda value: self._called(value, arguments))

    def _called(self, value: Value, arguments: list[Value]) -> Value:
        if isinstance(value, Closure):
            return self.call_function(value, arguments)
        self.fault("UNDEFINED_FUNCTION")
        return NEVER

    def _failing(self, frame: Frame, node: core.Fail) -> Value:
        self.all(frame, node.operands)
        self.fault(node.code)
        return NEVER

    # what is not modelled

    def free(self, kind: Type, key: Any) -> Value:
        """Any value of a type, the same one for the same key."""
        world = self.world
        if kind.kind in {"Int", "Long"}:
            return Number("int", world.variable("Int", ("free", key)))
        if kind.kind in {"Float", "Decimal"}:
            return Number(kind.kind.lower(), world.variable("Real", ("free", key)))
        if kind.kind == "Bool":
            return Truth(world.variable("Bool", ("free", key)))
        if kind.kind in {"Text", "DateTime"}:
            return Text(world.variable("Text", ("free", key)))
        return Opaque(("free", key), {"List": "list", "Map": "map"}.get(kind.kind, ""))


_STATEMENTS: dict[type, Callable[[Execution, Frame, Any], None]] = {
    core.Bind: Execution._bind,
    core.Return: Execution._return,
    core.Discard: Execution._discard,
    core.If: Execution._if,
    core.Match: Execution._match,
}
_EXPRESSIONS: dict[type, Callable[[Execution, Frame, Any], Value]] = {
    core.Const: Execution._const,
    core.Local: Execution._local,
    core.Variant: Execution._variant,
    core.FieldOf: Execution._field,
    core.Arith: Execution._arith,
    core.Compare: Execution._compare,
    core.Logical: Execution._truth,
    core.Invert: Execution._truth,
    core.Choose: Execution._choose,
    core.MakeList: Execution._list,
    core.Make: Execution._make,
    core.MakeLoose: Execution._make_loose,
    core.Wrap: Execution._wrap,
    core.Widen: Execution._widen,
    core.CallRule: Execution._call_rule,
    core.CallLibrary: Execution._call_library,
    core.CallValue: Execution._call_value,
    core.RuleValue: Execution._function,
    core.LibraryValue: Execution._function,
    core.Function: Execution._function,
    core.Fail: Execution._failing,
}
