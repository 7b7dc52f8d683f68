"""The types that variables have at a point of a rule: what branches leave in them, and what conditions tell.

Only what changes in a branch is kept for it, so that a rule of many branches and many variables is checked in time
linear in its length.
"""

from collections.abc import Mapping, Sequence

from aster.policy.language import core
from aster.policy.language.core import Expr
from aster.policy.language.types import Type, join

Changes = dict[int, Type]


class Flow:
    """The type of each variable, by slot, here and now."""

    def __init__(self) -> None:
        self._types: dict[int, Type] = {}
        self._forks: list[dict[int, Type | None]] = []

    def __getitem__(self, slot: int) -> Type:
        return self._types[slot]

    def __setitem__(self, slot: int, kind: Type) -> None:
        if self._forks:
            self._forks[-1].setdefault(slot, self._types.get(slot))
        self._types[slot] = kind

    def fork(self) -> None:
        """Begin a way that may or may not be taken; `back` ends it."""
        self._forks.append({})

    def changes(self) -> Changes:
        """What has changed since the last fork, in variables that were there before."""
        return {slot: self._types[slot] for slot, before in self._forks[-1].items() if before is not None}

    def back(self) -> Changes:
        """Return to the state at the last fork; gives what had changed since."""
        changed = self.changes()
        for slot, before in self._forks.pop().items():
            if before is None:
                del self._types[slot]
            else:
                self._types[slot] = before
        return changed

    def meet(self, ways: Sequence[Mapping[int, Type]]) -> None:
        """Go on after alternatives: a variable has the join of what the ways that lead here left in it."""
        for slot in {slot for way in ways for slot in way}:
            before = self._types[slot]
            kinds = [way.get(slot, before) for way in ways]
            joined = kinds[0]
            for kind in kinds[1:]:
                joined = join(joined, kind)
            self[slot] = joined

    def assume(self, condition: Expr, holds: bool) -> None:
        """Know what a condition tells, from here on."""
        for slot, kind in narrowed(condition, holds).items():
            self[slot] = kind


def narrowed(condition: Expr, holds: bool) -> Changes:
    """The types of variables where a condition holds, or does not: `x is not null` makes a `maybe Int` an `Int`."""
    if isinstance(condition, core.Invert):
        return narrowed(condition.operand, not holds)
    if isinstance(condition, core.Logical):
        if (condition.operator == "and") is not holds:
            return {}
        found: Changes = {}
        for operand in condition.operands:
            found.update(narrowed(operand, holds))
        return found
    if isinstance(condition, core.Compare) and (condition.operator == "!=") is holds:
        for value, other in ((condition.left, condition.right), (condition.right, condition.left)):
            if isinstance(value, core.Local) and value.type.kind == "Maybe" and _is_null(other):
                return {value.slot: value.type.args[0]}
    return {}


def _is_null(value: Expr) -> bool:
    return isinstance(value, core.Const) and value.value is None
