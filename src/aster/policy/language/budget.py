"""What an evaluation may cost, decided from the core before anything runs (design §3).

A rule that neither recurs nor reaches one that does has a static worst case; if that is small, calls to it are free
at run time, their cost being part of the caller's. All other rules pay on entry and count towards the depth of calls.
"""

from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import Any

import msgspec

from aster.policy.language import core
from aster.policy.language.core import CheckedModule, Expr, Stmt
from aster.policy.language.library_types import SIGNATURES

DEFAULT_STEPS = 1_000_000
DEFAULT_DEPTH = 200
DEFAULT_SECONDS = 2.0
STATIC_STEPS = 200_000
STATIC_DEPTH = 48

UNCHARGED_LIBRARY = frozenset(
    name
    for name in SIGNATURES
    if name.startswith(("Date.", "Math.", "Decimal.", "Int.", "Bool.")) or name.endswith((".isSome", ".isNone"))
)


class RulePlan(msgspec.Struct, frozen=True):
    """``cost``: steps of one call. ``metered``: it pays by itself. ``needs_run``: it takes the `Run` as an argument."""

    cost: int
    metered: bool
    needs_run: bool


class _Usage(msgspec.Struct):
    nodes: int
    calls: list[int]
    needs_run: bool


def plan(module: CheckedModule) -> tuple[RulePlan, ...]:
    """A plan for every rule, by index."""
    usages = [_usage(rule.body) for rule in module.rules]
    plans: list[RulePlan | None] = [None] * len(usages)
    depths = [0] * len(usages)
    callers: list[list[int]] = [[] for _ in usages]
    waiting = [0] * len(usages)
    for index, usage in enumerate(usages):
        for callee in usage.calls:
            callers[callee].append(index)
        waiting[index] = len(usage.calls)
    ready = [index for index, count in enumerate(waiting) if count == 0]
    while ready:
        index = ready.pop()
        plans[index] = _bounded(usages[index], plans, depths, index)
        for caller in callers[index]:
            waiting[caller] -= 1
            if waiting[caller] == 0:
                ready.append(caller)
    return tuple(
        found if found is not None else RulePlan(_cost(usages[index], plans), True, True)
        for index, found in enumerate(plans)
    )


def _cost(usage: _Usage, plans: Sequence[RulePlan | None]) -> int:
    """Steps of a body and of the calls in it that do not pay by themselves."""
    free = (plans[callee] for callee in usage.calls)
    return usage.nodes + sum(found.cost for found in free if found is not None and not found.metered)


def _bounded(usage: _Usage, plans: list[RulePlan | None], depths: list[int], index: int) -> RulePlan:
    cost = _cost(usage, plans)
    called = [(plans[callee], depths[callee]) for callee in usage.calls]
    metered = any(found is None or found.metered for found, _ in called)
    needs_run = usage.needs_run or any(found is None or found.needs_run for found, _ in called)
    depth = max((depth + 1 for found, depth in called if found is not None and not found.metered), default=0)
    if cost > STATIC_STEPS or depth > STATIC_DEPTH:
        return RulePlan(cost, True, True)
    depths[index] = depth
    return RulePlan(cost, metered, needs_run or metered)


def function_cost(function: core.Function, plans: Sequence[RulePlan]) -> int:
    """Steps one call of a function value pays."""
    return _cost(_usage(function.body), plans)


def _usage(body: tuple[Stmt, ...]) -> _Usage:
    usage = _Usage(1, [], False)
    pending: list[Stmt | Expr] = list(body)
    pop, extend = pending.pop, pending.extend
    count = 0
    while pending:  # as `walk`, whose generator costs half of the time here
        node = pop()
        kind = type(node)
        count += 1
        if kind in _NOTES:
            _NOTES[kind](usage, node)
        if kind not in _CHILDLESS:
            extend(_CHILDREN[kind](node))
    usage.nodes += count
    return usage


def _note_call(usage: _Usage, node: core.CallRule) -> None:
    usage.calls.append(node.rule)


def _note_rule_value(usage: _Usage, node: core.RuleValue) -> None:
    usage.calls.append(node.rule)
    usage.needs_run = True


def _note_value(usage: _Usage, _: Expr) -> None:
    usage.needs_run = True


def _note_library(usage: _Usage, node: core.CallLibrary) -> None:
    usage.needs_run |= node.function not in UNCHARGED_LIBRARY


def _note_compare(usage: _Usage, node: core.Compare) -> None:
    """A comparison may look into values, whose size no plan knows."""
    if not node.bare and node.operator in {"==", "!="}:
        usage.needs_run |= type(node.left) is not core.Const and type(node.right) is not core.Const


def _note_arithmetic(usage: _Usage, node: core.Arith) -> None:
    usage.nodes += len(node.steps)
    usage.needs_run |= any(step.operator == "+" and step.variant in {"any", "text"} for step in node.steps)


_NOTES: dict[type, Callable[[_Usage, Any], None]] = {
    core.CallRule: _note_call,
    core.RuleValue: _note_rule_value,
    core.CallValue: _note_value,
    core.Function: _note_value,
    core.LibraryValue: _note_value,
    core.CallLibrary: _note_library,
    core.Compare: _note_compare,
    core.Arith: _note_arithmetic,
}


def walk(body: tuple[Stmt, ...]) -> Iterator[Stmt | Expr]:
    """Every statement and expression of a body, nested functions included, without recursion."""
    pending: list[Stmt | Expr] = list(reversed(body))
    pop, extend = pending.pop, pending.extend
    while pending:
        node = pop()
        yield node
        if type(node) not in _CHILDLESS:
            extend(_CHILDREN[type(node)](node))


_CHILDLESS = frozenset({core.Const, core.Local, core.RuleValue, core.LibraryValue, core.Variant})


def expressions_of(expression: Expr) -> Iterator[Stmt | Expr]:
    """An expression and what it is made of, in the order of the text; fields and calls are not looked into."""
    pending: list[Stmt | Expr] = [expression]
    while pending:
        node = pending.pop()
        yield node
        if not isinstance(node, core.FieldOf | core.CallRule | core.Function):
            pending.extend(reversed(list(_CHILDREN[type(node)](node))))


def _none(_: object) -> tuple[Expr, ...]:
    return ()


def _if_parts(node: core.If) -> list[Stmt | Expr]:
    parts: list[Stmt | Expr] = list(node.otherwise)
    for condition, body in node.branches:
        parts.append(condition)
        parts.extend(body)
    return parts


def _match_parts(node: core.Match) -> list[Stmt | Expr]:
    parts: list[Stmt | Expr] = [node.subject]
    for arm in node.arms:
        parts.extend(arm.body)
    return parts


_CHILDREN: dict[type, Callable[[Any], Iterable[Stmt | Expr]]] = {
    core.Const: _none,
    core.Local: _none,
    core.RuleValue: _none,
    core.LibraryValue: _none,
    core.Variant: _none,
    core.FieldOf: lambda node: (node.base,),
    core.Arith: lambda node: (node.first, *(step.operand for step in node.steps)),
    core.Compare: lambda node: (node.left, node.right),
    core.Logical: lambda node: node.operands,
    core.Invert: lambda node: (node.operand,),
    core.Choose: lambda node: (*(part for branch in node.branches for part in branch), node.otherwise),
    core.MakeList: lambda node: node.items,
    core.Make: lambda node: node.values,
    core.MakeLoose: lambda node: tuple(value for _, value in node.fields),
    core.Wrap: lambda node: (node.operand,),
    core.Widen: lambda node: (node.operand,),
    core.CallRule: lambda node: node.arguments,
    core.CallLibrary: lambda node: node.arguments,
    core.CallValue: lambda node: (node.callee, *node.arguments),
    core.Function: lambda node: node.body,
    core.Fail: lambda node: node.operands,
    core.Bind: lambda node: (node.value,),
    core.Return: lambda node: (node.value,),
    core.If: _if_parts,
    core.Match: _match_parts,
    core.Discard: lambda node: (node.value,),
}
