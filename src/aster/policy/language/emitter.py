"""Makes `ast` nodes that carry the lines and columns of a policy."""

import ast
from typing import Any, TypeVar

from aster.policy.language.source import SourceText

Node = TypeVar("Node", bound=ast.AST)

LOAD = ast.Load()
STORE = ast.Store()
AND, OR, NOT = ast.And(), ast.Or(), ast.Not()
_COMPARISONS: dict[type[ast.cmpop], ast.cmpop] = {
    kind: kind() for kind in (ast.Lt, ast.LtE, ast.Gt, ast.GtE, ast.Eq, ast.NotEq, ast.Is, ast.IsNot)
}


_new = ast.AST.__new__


class Emitter:
    """Makes `ast` nodes at positions of the source."""

    def __init__(self, source: SourceText) -> None:
        self._source = source
        self.here: dict[str, Any] = {}
        self._last = -1
        self._line = self._begin = self._end = 0

    def at(self, offset: int) -> None:
        """Where the next nodes come from."""
        if offset == self._last:
            return
        self._last = offset
        if not self._begin <= offset < self._end:
            self._line, self._begin, self._end = self._source.line_at(offset)
        self.here = {"lineno": self._line, "col_offset": offset - self._begin}

    def node(self, kind: type[Node], **fields: Any) -> Node:
        """A node of all its fields, here. Past the constructor of `ast`, which takes three times as long."""
        fields.update(self.here)
        made = _new(kind)
        made.__dict__ = fields
        return made

    def load(self, name: str) -> ast.expr:
        made = _new(ast.Name)
        made.__dict__ = {"id": name, "ctx": LOAD, **self.here}
        return made

    def store(self, name: str) -> ast.Name:
        return self.node(ast.Name, id=name, ctx=STORE)

    def constant(self, value: Any) -> ast.expr:
        made = _new(ast.Constant)
        made.__dict__ = {"value": value, **self.here}
        return made

    def call(self, name: str, *arguments: ast.expr) -> ast.expr:
        return self.node(ast.Call, func=self.load(name), args=list(arguments), keywords=[])

    def assign(self, name: str, value: ast.expr) -> ast.stmt:
        return self.node(ast.Assign, targets=[self.store(name)], value=value)

    def negate(self, value: ast.expr) -> ast.expr:
        return self.node(ast.UnaryOp, op=NOT, operand=value)

    def both(self, tests: list[ast.expr]) -> ast.expr:
        return tests[0] if len(tests) == 1 else self.node(ast.BoolOp, op=AND, values=tests)

    def compare(self, left: ast.expr, operator: type[ast.cmpop], right: ast.expr) -> ast.expr:
        return self.node(ast.Compare, left=left, ops=[_COMPARISONS[operator]], comparators=[right])

    def define(self, name: str, names: list[str], body: list[ast.stmt]) -> ast.stmt:
        arguments = ast.arguments(
            posonlyargs=[],
            args=[self.node(ast.arg, arg=found) for found in names],
            kwonlyargs=[],
            kw_defaults=[],
            defaults=[],
        )
        return self.node(
            ast.FunctionDef,
            name=name,
            args=arguments,
            body=body or [self.node(ast.Pass)],
            decorator_list=[],
            returns=None,
            type_comment=None,
            type_params=[],
        )
