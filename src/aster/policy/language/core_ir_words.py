"""Nodes of Core IR in signs, `applicant.age >= 18`: what traces of programs without a source tell."""

import msgspec

from aster.policy.language import core_ir_nodes as ir

LONGEST = 200
DEPTH = 8


def words_of(node: object, depth: int = 0) -> str:
    """One line, shortened where it is long or deep."""
    if depth > DEPTH:
        return "…"
    told = _told(node, depth + 1)
    return told if len(told) <= LONGEST else f"{told[: LONGEST - 1]}…"


def _told(node: object, depth: int) -> str:
    match node:
        case ir.Name():
            return node.name
        case ir.Bool() | ir.Int() | ir.Double() | ir.String():
            return msgspec.json.encode(node.value).decode()
        case ir.Long() | ir.Decimal():
            return node.value
        case ir.Field():
            return f"{words_of(node.base, depth)}.{'.'.join(node.names)}"
        case ir.Call():
            return _call(node, depth)
        case ir.Construct():
            given = ", ".join(f"{field.name} = {words_of(field.expr, depth)}" for field in node.fields)
            return f"{node.type_name} with {given}"
        case ir.ListLit():
            return f"[{', '.join(words_of(item, depth) for item in node.elements[:DEPTH])}]"
        case ir.IfExpr():
            parts = (words_of(part, depth) for part in (node.cond, node.then, node.otherwise))
            return "if {} then {} else {}".format(*parts)
        case ir.Let() | ir.Set() | ir.Start():
            return f"{type(node).__name__} {node.name} = {words_of(node.expr, depth)}"
        case ir.Ok() | ir.Err() | ir.Some() | ir.Return() | ir.Match() | ir.Await():
            return f"{type(node).__name__} {words_of(node.expr, depth)}"
    return type(node).__name__


def _call(node: ir.Call, depth: int) -> str:
    target = words_of(node.target, depth)
    arguments = [words_of(argument, depth) for argument in node.args]
    if target.replace(".", "").isidentifier() and target not in ("and", "or"):
        return f"{target}({', '.join(arguments)})"
    return f"({f' {target} '.join(arguments)})" if depth > 1 else f" {target} ".join(arguments)
