"""The last look at a finished tree: nothing but the nodes and names that the compiler makes reaches `compile`."""

import ast
import re
from typing import Any

_IDENTIFIER = re.compile(
    r"[fvkts][0-9]+|l[0-9]+_[0-9]+|run|r|o_[A-Za-z]+|c[0-9]+|d[0-9]+|e[0-9]+_[0-9]+|m[0-9]+|[fp][0-9]+"
)
_NODES = frozenset(
    kind
    for kind in (
        *(ast.Module, ast.FunctionDef, ast.arguments, ast.arg, ast.keyword),
        *(ast.Return, ast.Assign, ast.Expr, ast.If, ast.For, ast.Try, ast.ExceptHandler, ast.Pass),
        *(ast.IfExp, ast.Compare, ast.BoolOp, ast.UnaryOp, ast.BinOp, ast.NamedExpr, ast.Call),
        *(ast.Name, ast.Load, ast.Store, ast.Constant, ast.Attribute, ast.Subscript, ast.List, ast.Tuple, ast.Dict),
        *(ast.And, ast.Or, ast.Not, ast.Add, ast.Sub, ast.Mult, ast.Div),
        *(ast.Lt, ast.LtE, ast.Gt, ast.GtE, ast.Eq, ast.NotEq, ast.Is, ast.IsNot),
    )
)


_LEAVES = frozenset(
    {
        ast.Constant,
        ast.Load,
        ast.Store,
        ast.And,
        ast.Or,
        ast.Not,
        ast.Add,
        ast.Sub,
        ast.Mult,
        ast.Div,
        ast.Is,
        ast.IsNot,
        ast.Lt,
        ast.LtE,
        ast.Gt,
        ast.GtE,
        ast.Eq,
        ast.NotEq,
    }
)


class CompilerDefect(AssertionError):
    """The compiler made a node it must never make; nothing was executed."""


_FIELDS = {
    kind: tuple(field for field in kind._fields if field not in {"ctx", "type_comment", "type_params"})
    for kind in _NODES - _LEAVES
}


def inspect_tree(tree: ast.AST) -> None:
    """Refuse a tree with any node, name or attribute that the compiler does not make."""
    pending: list[Any] = [tree]
    known: set[str] = set()
    while pending:
        node = pending.pop()
        kind = type(node)
        fields = _FIELDS.get(kind)
        if fields is None:
            raise CompilerDefect(f"node {kind.__name__}")
        given = node.__dict__
        for field in fields:
            value = given.get(field)
            found = type(value)
            if found is str:
                if value not in known and kind is not ast.keyword:  # those are the values of a fault, for its message
                    if not _IDENTIFIER.fullmatch(value):
                        raise CompilerDefect(f"name {value}")
                    known.add(value)
            elif found is list:
                for item in value:
                    if type(item) not in _LEAVES:
                        pending.append(item)  # noqa: PERF401 - lists of one, most of them
            elif found not in _LEAVES and value is not None:
                pending.append(value)
