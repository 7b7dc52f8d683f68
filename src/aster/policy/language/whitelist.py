"""The last look at a finished tree: nothing but the nodes and names that the compiler makes reaches `compile`."""

import ast
import re
from typing import Any

_IDENTIFIER = re.compile(r"[fvktls][0-9]+|run|r|o_[A-Za-z]+|c[0-9]+|d[0-9]+|e[0-9]+_[0-9]+|m[0-9]+|[fp][0-9]+")
_NAMING = frozenset({"id", "attr", "name", "arg"})
_NODES = frozenset(
    kind
    for kind in (
        *(ast.Module, ast.FunctionDef, ast.arguments, ast.arg, ast.keyword, ast.Lambda),
        *(ast.Return, ast.Assign, ast.Expr, ast.If, ast.For, ast.Try, ast.Pass),
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
    }
)


class CompilerDefect(AssertionError):
    """The compiler made a node it must never make; nothing was executed."""


def inspect_tree(tree: ast.AST) -> None:
    """Refuse a tree with any node, name or attribute that the compiler does not make."""
    pending: list[Any] = [tree]
    known: set[str] = set()
    while pending:
        node = pending.pop()
        kind = type(node)
        if kind not in _NODES:
            raise CompilerDefect(f"node {kind.__name__}")
        if kind in _LEAVES:
            continue
        for field, value in node.__dict__.items():
            held = type(value)
            if held is int or value is None:
                continue
            if held is list:
                pending.extend(value)
            elif kind is ast.keyword and held is str:
                continue  # the values of a fault, by the names in its message
            elif field in _NAMING:
                if value not in known and not _IDENTIFIER.fullmatch(value):
                    raise CompilerDefect(f"name {value}")
                known.add(value)
            else:
                pending.append(value)
