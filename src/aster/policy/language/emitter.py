"""Makes `ast` nodes that carry the lines and columns of a policy."""

import ast
from typing import Any

from aster.policy.language.source import SourceText

LOAD = ast.Load()
STORE = ast.Store()
AND, OR, NOT = ast.And(), ast.Or(), ast.Not()
_COMPARISONS: dict[type[ast.cmpop], ast.cmpop] = {
    kind: kind() for kind in (ast.Lt, ast.LtE, ast.Gt, ast.GtE, ast.Eq, ast.NotEq, ast.Is, ast.IsNot)
}


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
        return ast.Name(id=name, ctx=LOAD, **self.here)

    def store(self, name: str) -> ast.Name:
        return ast.Name(id=name, ctx=STORE, **self.here)

    def constant(self, value: Any) -> ast.expr:
        return ast.Constant(value=value, **self.here)

    def call(self, name: str, *arguments: ast.expr) -> ast.expr:
        return ast.Call(func=self.load(name), args=list(arguments), keywords=[], **self.here)

    def assign(self, name: str, value: ast.expr) -> ast.stmt:
        return ast.Assign(targets=[self.store(name)], value=value, **self.here)

    def negate(self, value: ast.expr) -> ast.expr:
        return ast.UnaryOp(op=NOT, operand=value, **self.here)

    def both(self, tests: list[ast.expr]) -> ast.expr:
        return tests[0] if len(tests) == 1 else ast.BoolOp(op=AND, values=tests, **self.here)

    def compare(self, left: ast.expr, operator: type[ast.cmpop], right: ast.expr) -> ast.expr:
        return ast.Compare(left=left, ops=[_COMPARISONS[operator]], comparators=[right], **self.here)

    def define(self, name: str, names: list[str], body: list[ast.stmt]) -> ast.stmt:
        arguments = ast.arguments(
            posonlyargs=[],
            args=[ast.arg(arg=found, **self.here) for found in names],
            kwonlyargs=[],
            kw_defaults=[],
            defaults=[],
        )
        return ast.FunctionDef(
            name=name, args=arguments, body=body or [ast.Pass(**self.here)], decorator_list=[], **self.here
        )
