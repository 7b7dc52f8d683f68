"""Symbolic execution: every way through a rule at once.

``alive`` is the condition under which the execution is where it is; a `Return` or a fault takes away from it. After a
branch, variables hold what either way left in them, so the work is linear in the text of the rule, calls inlined.
"""

from collections.abc import Callable
from functools import partial
from hashlib import sha256
from typing import Any, NamedTuple

import msgspec

from aster.policy.analysis import operations, standard
from aster.policy.analysis.equality import is_named, truth
from aster.policy.analysis.logic import AnalysisTooLarge, Condition, World, both, either, negated
from aster.policy.analysis.values import (
    MAX_ALTERNATIVES,
    NEVER,
    NULL,
    Closure,
    Constant,
    Items,
    Never,
    Null,
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
from aster.policy.language.budget import walk
from aster.policy.language.core import CheckedModule, Expr, Stmt, Test
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
        self._prints: dict[int, str] = {}

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
            key = (self.fingerprint(index), *(identity(self.world, argument) for argument in arguments))
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
        self._store(frame, node.slot, value)

    @staticmethod
    def _store(frame: Frame, slot: int, value: Value) -> None:
        frame.slots += [NULL] * (slot + 1 - len(frame.slots))
        frame.slots[slot] = value

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
            matches = self.test(frame, arm.pattern, subject)
            if frame.observer is not None:
                frame.observer.arm(arm, self.alive, matches)
            rest = self.world.named(both(self.alive, negated(matches)))
            self.alive = self.world.named(both(self.alive, matches))
            self.block(frame, arm.body)
            ways.append((self.alive, frame.slots))
            self.alive = rest
        ways.append((self.alive, slots))
        self._join(frame, ways, start if self.losses == losses else None)

    def test(self, frame: Frame, pattern: Test, value: Value) -> Condition:
        """Where a pattern matches; names it binds are bound as if it did."""
        if isinstance(pattern, core.TestAny):
            return True
        if isinstance(pattern, core.TestNull):
            return self._is_null(value)
        if isinstance(pattern, core.TestBind):
            self._store(frame, pattern.slot, value if pattern.nullable else self._given(value))
            return True if pattern.nullable else negated(self._is_null(value))
        if isinstance(pattern, core.TestValue):
            return operations.equals(self, value, operations.literal(pattern.value))
        if isinstance(pattern, core.TestParts):
            return self._test_parts(frame, pattern, value)
        name: str = pattern.name  # type: ignore[attr-defined]  # what is left are names
        return is_named(self.world, value, name)

    def _is_null(self, value: Value) -> Condition:
        if isinstance(value, Several):
            return either(both(guard, self._is_null(each)) for guard, each in value.alternatives)
        if isinstance(value, Opaque):
            return False if value.kind else self.world.variable("Bool", ("null", value.key))
        return isinstance(value, Null)

    @staticmethod
    def _given(value: Value) -> Value:
        if not isinstance(value, Several):
            return value
        rest = tuple(each for each in value.alternatives if not isinstance(each[1], Null))
        return Several(rest) if len(rest) > 1 else rest[0][1] if rest else NEVER

    def _test_parts(self, frame: Frame, pattern: core.TestParts, value: Value) -> Condition:
        if isinstance(value, Several):
            cases = [(guard, self._parts_of(pattern, each)) for guard, each in value.alternatives]
            cases = [(guard, parts) for guard, parts in cases if parts is not None]
            if not cases:
                self._bind_parts(frame, pattern, [NULL] * len(pattern.parts))
                return False
            parts = [
                merge_all(self.world, [(guard, found[index]) for guard, found in cases if found is not None])
                for index in range(len(pattern.parts))
            ]
            fits = self._bind_parts(frame, pattern, parts)
            made = either(both(guard, self._has_parts(pattern, each)) for guard, each in value.alternatives)
            return both(made, fits)
        found = self._parts_of(pattern, value)
        if found is None:
            self._bind_parts(frame, pattern, [NULL] * len(pattern.parts))
            return False
        return both(self._has_parts(pattern, value), self._bind_parts(frame, pattern, found))

    def _bind_parts(self, frame: Frame, pattern: core.TestParts, values: list[Value]) -> Condition:
        return both(*[self.test(frame, part, value) for part, value in zip(pattern.parts, values, strict=True)])

    def _has_parts(self, pattern: core.TestParts, value: Value) -> Condition:
        if isinstance(value, Opaque):
            if value.kind:
                return False
            return self.world.variable("Bool", ("parts", value.key, pattern.name, len(pattern.parts)))
        if isinstance(value, Constant):
            return is_named(self.world, value, pattern.name)
        return self._parts_of(pattern, value) is not None

    def _parts_of(self, pattern: core.TestParts, value: Value) -> list[Value] | None:
        """The parts of a value made by a pattern's constructor; None if it can't have been."""
        count = len(pattern.parts)
        if isinstance(value, Wrapped):
            return [value.value][:count] if value.kind == pattern.name and count <= 1 else None
        if isinstance(value, Record):
            names = list(pattern.fields or value.fields)
            if value.name != pattern.name or count > len(names):
                return None
            return [value.fields.get(name, NULL) for name in names[:count]]
        if isinstance(value, Opaque) and not value.kind:
            return [Opaque(("part", value.key, pattern.name, index)) for index in range(count)]
        if isinstance(value, Constant) and count == 0:
            return []
        return None

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

    def fingerprint(self, rule: int) -> str:
        """What a rule does, without where it stands: rules of two versions with one print do the same."""
        found = self._prints.get(rule)
        if found is None:
            bodies = [self.module.rules[index] for index in sorted(reachable(self.module, rule))]
            told = [(each.name, len(each.parameters), self.print_of(each.body)) for each in bodies]
            found = self._prints[rule] = sha256(repr(sorted(told)).encode()).hexdigest()
        return found

    def closure_print(self, closure: Closure) -> Any:
        """What a function value does, and with which variables."""
        called = sorted({node.rule for node in walk((core.Discard(0, 0, closure.node),)) if isinstance(node, _CALLS)})
        prints = tuple(self.fingerprint(rule) for rule in called)
        captured = closure.node.captured if isinstance(closure.node, core.Function) else ()
        slots = tuple((slot, identity(self.world, closure.slots[slot])) for slot in captured)
        return "function", repr(self.print_of(closure.node)), prints, slots

    def print_of(self, node: Any) -> Any:
        """A piece of a program without its places; rules, records and enums by name."""
        if isinstance(node, core.CallRule | core.RuleValue):
            arguments = tuple(self.print_of(part) for part in getattr(node, "arguments", ()))
            return type(node).__name__, self.module.rules[node.rule].name, arguments
        if isinstance(node, core.Make):
            record = self.module.records[node.record]
            names = tuple(field.name for field in record.fields)
            return "Make", record.name, names, tuple(self.print_of(part) for part in node.values)
        if isinstance(node, core.Variant):
            return "Variant", self.module.enums[node.enum].name, node.name
        if isinstance(node, msgspec.Struct):
            names = tuple(name for name in type(node).__struct_fields__ if name not in _PLACES)
            return type(node).__name__, tuple(self.print_of(getattr(node, name)) for name in names)
        if isinstance(node, tuple):
            return tuple(self.print_of(part) for part in node)
        return type(node).__name__, str(node)


_PLACES = frozenset({"start", "end", "secret", "type"})
_CALLS = (core.CallRule, core.RuleValue)


def reachable(module: CheckedModule, rule: int) -> set[int]:
    """A rule and every rule it may call."""
    found = {rule}
    pending = [rule]
    while pending:
        for node in walk(module.rules[pending.pop()].body):
            if isinstance(node, _CALLS) and node.rule not in found:
                found.add(node.rule)
                pending.append(node.rule)
    return found


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
