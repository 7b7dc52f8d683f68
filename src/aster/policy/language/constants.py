"""The globals of compiled code: what it calls, and what `ast.Constant` can't hold."""

import ast
from bisect import bisect_right
from typing import Any, cast

from aster.policy.language import comparisons, core, operations
from aster.policy.language.core import CheckedModule, Expr
from aster.policy.language.decision_index import MISS
from aster.policy.language.emitter import Emitter
from aster.policy.language.encoding import truthy
from aster.policy.language.faults import fail
from aster.policy.language.library import LIBRARY
from aster.policy.language.metering import enter, leave
from aster.policy.language.values import WRAPPERS, bind

_OPERATIONS: dict[str, Any] = {
    "o_add": operations.add,
    "o_join": operations.join_texts,
    "o_sub": operations.subtract,
    "o_mul": operations.multiply,
    "o_div": operations.divide,
    "o_quo": operations.quotient,
    "o_rem": operations.remainder,
    "o_lt": comparisons.less,
    "o_le": comparisons.less_or_equal,
    "o_gt": comparisons.greater,
    "o_ge": comparisons.greater_or_equal,
    "o_eq": comparisons.equal,
    "o_ne": comparisons.not_equal,
    "o_true": truthy,
    "o_field": operations.field,
    "o_named": operations.is_named,
    "o_parts": operations.has_parts,
    "o_part": operations.part,
    "o_call": operations.call_value,
    "o_fail": fail,
    "o_enter": enter,
    "o_leave": leave,
    "o_bind": bind,
    "o_float": float,
    "o_bisect": bisect_right,
    "o_miss": MISS,
    "o_Ok": WRAPPERS["Ok"],
    "o_Err": WRAPPERS["Err"],
    "o_Some": WRAPPERS["Some"],
}


_HELD = frozenset({type(None), str, int, bool, float, tuple})
"""Types of which `ast.Constant` holds values."""


class Constants:
    """The globals of the compiled module: what `ast.Constant` can't hold, library functions and enum constants."""

    def __init__(self, module: CheckedModule, classes: "Any") -> None:
        self.module = module
        self.names: dict[str, Any] = {**_OPERATIONS, "__builtins__": {}}
        self.hoisted: list[ast.stmt] = []
        self._classes = classes
        self._library: dict[str, str] = {}
        self._variants: dict[tuple[int, str], str] = {}

    def of(self, value: Any, emit: Emitter) -> ast.expr:
        if type(value) in _HELD:
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
        name = self._variants.get((enum, variant))
        if name is None:
            name = self._variants[enum, variant] = f"e{enum}_{len(self._variants)}"
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
