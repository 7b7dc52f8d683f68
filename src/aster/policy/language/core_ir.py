"""The Core IR: a module as JSON, for other tools (specification §14).

Every node has its ``kind`` and, unless it is made up, its ``origin`` in the source. Operators are calls of their signs,
a path of fields is a dotted name. Beyond the specification there are `Field` (a field of what is no name), `PatString`,
`PatBool`, and ``args`` of `PatCtor` for patterns inside of patterns; aliases are replaced by what they stand for.
"""

from collections.abc import Callable, Iterator
from decimal import Decimal
from typing import Any, cast

from aster.policy.language import tree
from aster.policy.language.errors import CoreIRTooDeep
from aster.policy.language.hints import guess
from aster.policy.language.source import SourceText
from aster.policy.language.tokens import LongLiteral
from aster.policy.language.types import Type

VERSION = "1.0"
MAX_DEPTH = 800
"""Objects and arrays inside of one another that JSON readers and writers can be expected to take."""

_LEVELS = {1: "L1", 2: "L2", 3: "L3"}
_TYPE_NAMES = {"Float": "Double"}
_WRAPPED = {
    "Maybe": ("type",), "Option": ("type",), "List": ("type",), "Result": ("ok", "err"), "Map": ("key", "val"),
}  # fmt: skip


def core_ir(module: tree.Module, source: SourceText) -> dict[str, Any]:
    """The envelope with the module in it. Equal sources give equal documents. Raises `CoreIRTooDeep`."""
    from importlib.metadata import version

    lowered = _Lowering(module, source).module()
    _hold_depth(lowered)
    return {"version": VERSION, "module": lowered, "metadata": {"compilerVersion": version("aster-platform")}}


def _hold_depth(document: dict[str, Any]) -> None:
    level: list[Any] = [document]
    for _ in range(MAX_DEPTH):
        inner: list[Any] = []
        for found in level:
            if isinstance(found, dict | list):
                inner.extend(found.values() if isinstance(found, dict) else found)
        if not inner:
            return
        level = inner
    raise CoreIRTooDeep(
        f"the Core IR would be nested deeper than {MAX_DEPTH} levels", hint="give parts of long chains names with Let"
    )


class _Lowering:
    def __init__(self, module: tree.Module, source: SourceText) -> None:
        self.tree = module
        self.source = source
        self.aliases = {alias.name: alias.type for alias in module.aliases}
        self.resolving: tuple[str, ...] = ()
        self.variables: frozenset[str] = frozenset()

    def node(self, at: tree.Node, kind: str, **fields: Any) -> dict[str, Any]:
        start, end = self.source.position(at.start), self.source.position(at.end)
        places = {"start": {"line": start[0], "col": start[1]}, "end": {"line": end[0], "col": end[1]}}
        return {"kind": kind, **fields, "origin": places}

    # declarations

    def module(self) -> dict[str, Any]:
        found = self.tree
        nodes = sorted((*found.imports, *found.records, *found.enums, *found.rules), key=lambda node: node.start)
        return {
            "kind": "Module",
            "name": found.name,
            "decls": [_DECLARATIONS[type(node)](self, node) for node in nodes],
        }

    def import_(self, node: tree.Import) -> dict[str, Any]:
        version = {} if node.version is None else {"version": node.version}
        return self.node(node, "Import", name=node.name, **version, asName=node.alias or node.name.rpartition(".")[2])

    def data(self, node: tree.Record) -> dict[str, Any]:
        return self.node(node, "Data", name=node.name, fields=[self.parameter(field) for field in node.fields])

    def enum(self, node: tree.Enum) -> dict[str, Any]:
        return self.node(node, "Enum", name=node.name, variants=list(node.variants))

    def rule(self, node: tree.Rule) -> dict[str, Any]:
        self.variables = frozenset(node.type_parameters)
        effects = [effect for effect in node.effects or () if effect in {"io", "cpu"}]
        fields: dict[str, Any] = {
            "name": node.name,
            "typeParams": list(node.type_parameters),
            "params": [self.parameter(parameter) for parameter in node.parameters],
            "ret": self.type(node.returns) if node.returns is not None else None,
            "effects": effects,
            "effectCaps": list(node.capabilities or ()),
            "effectCapsExplicit": node.capabilities is not None,
        }
        if node.returns is None:
            fields["retTypeInferred"] = True
        if node.effect_parameters:
            fields |= {"effectParams": list(node.effect_parameters), "declaredEffects": list(node.effects or ())}
        if node.annotations:
            fields["annotations"] = [{"name": note.name, "args": dict(note.arguments)} for note in node.annotations]
        levels = [(found.level, found.category) for found in _pii_types(node)]
        if levels:
            fields["piiLevel"] = _LEVELS[max(level for level, _ in levels)]
            fields["piiCategories"] = sorted({category for _, category in levels if category})
        return self.node(node, "Func", **fields, body=None if node.body is None else self.block(node.body, node))

    def parameter(self, node: tree.Parameter) -> dict[str, Any]:
        constraints = [self.constraint(constraint) for constraint in node.constraints]
        if node.type is not None:
            return {"name": node.name, "type": self.type(node.type), "constraints": constraints}
        kind = _plain_type(guess(node))
        return {"name": node.name, "type": kind, "constraints": constraints, "typeInferred": True}

    def constraint(self, node: tree.Constraint) -> dict[str, Any]:
        if node.kind == "required":
            return self.node(node, "Required")
        if node.kind == "pattern":
            return self.node(node, "Pattern", regexp=node.pattern)
        bounds = {"min": node.low, "max": node.high}
        told = {name: _number(bound) for name, bound in bounds.items() if bound is not None}
        return self.node(node, "Range", **told)

    # types

    def type(self, node: tree.TypeNode) -> dict[str, Any]:
        if isinstance(node, tree.PiiType):
            label = {"sensitivity": _LEVELS[node.level], "category": node.category}
            return self.node(node, "PiiType", baseType=self.type(node.base), **label)
        if isinstance(node, tree.WrappedType):
            parts = dict(zip(_WRAPPED[node.kind], map(self.type, node.arguments), strict=True))
            return self.node(node, node.kind, **parts)
        return self.named_type(cast("tree.NamedType", node))

    def named_type(self, node: tree.NamedType) -> dict[str, Any]:
        if node.name in self.aliases and node.name not in self.resolving:
            outer, self.resolving = self.resolving, (*self.resolving, node.name)
            found = self.type(self.aliases[node.name])
            self.resolving = outer
            return found
        name = _TYPE_NAMES.get(node.name, node.name)
        if node.arguments:
            return self.node(node, "TypeApp", base=name, args=[self.type(argument) for argument in node.arguments])
        return self.node(node, "TypeVar" if name in self.variables else "TypeName", name=name)

    # statements

    def block(self, statements: tree.Block, at: tree.Node) -> dict[str, Any]:
        found = [_STATEMENTS[type(statement)](self, statement) for statement in statements]
        if not statements:
            return {"kind": "Block", "statements": found}
        whole = tree.Node(statements[0].start, max(statements[-1].end, statements[0].start))
        return self.node(whole, "Block", statements=found)

    def let(self, node: tree.Let | tree.Set | tree.Start) -> dict[str, Any]:
        return self.node(node, type(node).__name__, name=node.name, expr=self.value(node.value))

    def return_(self, node: tree.Return) -> dict[str, Any]:
        return self.node(node, "Return", expr=self.value(node.value))

    def discard(self, node: tree.Discard) -> dict[str, Any]:
        return self.node(node, "Let", name="_", expr=self.value(node.value))

    def if_(self, node: tree.If) -> dict[str, Any]:
        otherwise = None if node.otherwise is None else self.block(node.otherwise, node)
        for condition, body in reversed(node.branches):
            parts = {"cond": self.value(condition), "thenBlock": self.block(body, node), "elseBlock": otherwise}
            chosen = self.node(node, "If", **parts)
            otherwise = {"kind": "Block", "statements": [chosen]}
        return chosen

    def match(self, node: tree.Match) -> dict[str, Any]:
        return self.node(node, "Match", expr=self.value(node.subject), cases=[self.arm(arm) for arm in node.arms])

    def arm(self, node: tree.Arm) -> dict[str, Any]:
        is_return = len(node.body) == 1 and isinstance(node.body[0], tree.Return)
        body = self.block(node.body, node)
        return self.node(
            node, "Case", pattern=self.pattern(node.pattern), body=body["statements"][0] if is_return else body
        )

    def scope(self, node: tree.Scope) -> dict[str, Any]:
        return self.node(node, "Scope", statements=self.block(node.body, node)["statements"])

    def wait(self, node: tree.Wait) -> dict[str, Any]:
        return self.node(node, "Wait", names=list(node.names))

    def workflow(self, node: tree.Workflow) -> dict[str, Any]:
        fields: dict[str, Any] = {"steps": [self.step(step) for step in node.steps], "effectCaps": []}
        if node.attempts is not None or node.backoff is not None:
            fields["retry"] = {"maxAttempts": node.attempts, "backoff": node.backoff}
        if node.timeout is not None:
            fields["timeout"] = {"milliseconds": node.timeout * 1_000}
        return self.node(node, "workflow", **fields)

    def step(self, node: tree.Step) -> dict[str, Any]:
        fields = {"name": node.name, "body": self.block(node.body, node), "dependencies": list(node.dependencies)}
        undone = {} if node.compensate is None else {"compensate": self.block(node.compensate, node)}
        return self.node(node, "step", **fields, effectCaps=[], **undone)

    # patterns

    def pattern(self, node: tree.Pattern) -> dict[str, Any]:
        if isinstance(node, tree.NullPattern):
            return self.node(node, "PatNull")
        if isinstance(node, tree.AnyPattern):
            return self.node(node, "PatName", name="_")
        if isinstance(node, tree.ValuePattern):
            kind = {bool: "PatBool", str: "PatString"}.get(type(node.value), "PatInt")
            return self.node(node, kind, value=node.value)
        if isinstance(node, tree.NamePattern):
            return self.node(node, "PatName", name=f"{node.enum}.{node.name}" if node.enum else node.name)
        return self.constructor(cast("tree.ConstructorPattern", node))

    def constructor(self, node: tree.ConstructorPattern) -> dict[str, Any]:
        names = [part.name if isinstance(part, tree.NamePattern) else "_" for part in node.parts]
        simple = all(isinstance(part, tree.NamePattern | tree.AnyPattern) for part in node.parts)
        nested = {} if simple else {"args": [self.pattern(part) for part in node.parts]}
        return self.node(node, "PatCtor", typeName=node.name, names=names, **nested)

    # expressions

    def value(self, node: tree.Expression) -> dict[str, Any]:
        return _EXPRESSIONS[type(node)](self, node)

    def literal(self, node: tree.Literal) -> dict[str, Any]:
        value = node.value
        if value is None:
            return self.node(node, "Null")
        kind = _LITERALS[type(value)]
        return self.node(node, kind, value=_number(value) if kind in {"Long", "Decimal"} else value)

    def field(self, node: tree.Field) -> dict[str, Any]:
        if isinstance(node.base, tree.Name):
            return self.node(node, "Name", name=".".join((node.base.name, *node.names)))
        return self.node(node, "Field", base=self.value(node.base), names=list(node.names))

    def call(self, node: tree.Call) -> dict[str, Any]:
        return self.node(node, "Call", target=self.value(node.callee), args=list(map(self.value, node.arguments)))

    def operation(self, at: tree.Node, operator: str, *operands: dict[str, Any]) -> dict[str, Any]:
        return self.node(at, "Call", target={"kind": "Name", "name": operator}, args=list(operands))

    def arithmetic(self, node: tree.Arithmetic) -> dict[str, Any]:
        found = self.value(node.first)
        for operator, operand in node.rest:
            found = self.operation(tree.Node(node.start, operand.end), operator, found, self.value(operand))
        return found

    def comparison(self, node: tree.Comparison) -> dict[str, Any]:
        return self.operation(node, node.operator, self.value(node.left), self.value(node.right))

    def logic(self, node: tree.Logic) -> dict[str, Any]:
        found = self.value(node.operands[0])
        for operand in node.operands[1:]:
            found = self.operation(tree.Node(node.start, operand.end), node.operator, found, self.value(operand))
        return found

    def not_(self, node: tree.Not) -> dict[str, Any]:
        return self.operation(node, "not", self.value(node.operand))

    def negative(self, node: tree.Negative) -> dict[str, Any]:
        return self.operation(node, "-", {"kind": "Int", "value": 0}, self.value(node.operand))

    def choice(self, node: tree.Choice) -> dict[str, Any]:
        found = self.value(node.otherwise)
        for condition, value in reversed(node.branches):
            parts = {"cond": self.value(condition), "thenE": self.value(value), "elseE": found}
            found = self.node(tree.Node(condition.start, node.end), "IfExpr", **parts)
        return found

    def list_of(self, node: tree.ListOf) -> dict[str, Any]:
        return self.node(node, "ListLit", elements=list(map(self.value, node.items)))

    def construction(self, node: tree.Construction) -> dict[str, Any]:
        fields = [{"name": name, "expr": self.value(value)} for name, value in node.fields]
        return self.node(node, "Construct", typeName=node.name, fields=fields)

    def wrapped(self, node: tree.Wrapped) -> dict[str, Any]:
        return self.node(node, node.kind, expr=self.value(node.operand))

    def await_(self, node: tree.Await) -> dict[str, Any]:
        return self.node(node, "Await", expr=self.value(node.operand))

    def function(self, node: tree.Lambda) -> dict[str, Any]:
        if isinstance(node.body, tree.Expression):
            body = self.block((tree.Return(node.body.start, node.body.end, node.body),), node)
        else:
            body = self.block(node.body, node)
        returns = {} if node.returns is None else {"ret": self.type(node.returns)}
        parameters = [self.parameter(parameter) for parameter in node.parameters]
        return self.node(node, "Lambda", params=parameters, **returns, body=body, captures=_captures(node, self.tree))


def _captures(node: tree.Lambda, module: tree.Module) -> list[str]:
    """The variables around a function value that it uses, sorted."""
    from aster.policy.language.check_effects import walk
    from aster.policy.language.library_types import SIGNATURES

    inside = list(walk(node.body))
    bound = {parameter.name for parameter in node.parameters}
    bound |= {
        each.name for each in inside if isinstance(each, tree.Let | tree.Start | tree.Parameter | tree.NamePattern)
    }
    bound |= {rule.name for rule in module.rules} | {item.alias or item.name for item in module.imports}
    bound |= {variant for enum in module.enums for variant in (enum.name, *enum.variants)}
    bound |= {name.partition(".")[0] for name in SIGNATURES}
    used = {each.name for each in inside if isinstance(each, tree.Name)}
    return sorted(used - bound)


def _pii_types(rule: tree.Rule) -> Iterator[tree.PiiType]:
    pending: list[tree.TypeNode | None] = [rule.returns, *(parameter.type for parameter in rule.parameters)]
    while pending:
        node = pending.pop()
        if isinstance(node, tree.PiiType):
            yield node
            pending.append(node.base)
        elif isinstance(node, tree.WrappedType | tree.NamedType):
            pending.extend(node.arguments)


def _plain_type(kind: Type) -> dict[str, Any]:
    return {"kind": "TypeName", "name": _TYPE_NAMES.get(kind.kind, kind.kind)}


def _number(value: Any) -> Any:
    return format(value, "f") if isinstance(value, Decimal) else str(value) if isinstance(value, LongLiteral) else value


_LITERALS: dict[type, str] = {
    bool: "Bool",
    int: "Int",
    LongLiteral: "Long",
    float: "Double",
    Decimal: "Decimal",
    str: "String",
}
_DECLARATIONS: dict[type, Callable[[_Lowering, Any], dict[str, Any]]] = {
    tree.Import: _Lowering.import_,
    tree.Record: _Lowering.data,
    tree.Enum: _Lowering.enum,
    tree.Rule: _Lowering.rule,
}
_STATEMENTS: dict[type, Callable[[_Lowering, Any], dict[str, Any]]] = {
    tree.Let: _Lowering.let,
    tree.Set: _Lowering.let,
    tree.Start: _Lowering.let,
    tree.Return: _Lowering.return_,
    tree.Discard: _Lowering.discard,
    tree.If: _Lowering.if_,
    tree.Match: _Lowering.match,
    tree.Scope: _Lowering.scope,
    tree.Wait: _Lowering.wait,
    tree.Workflow: _Lowering.workflow,
}
_EXPRESSIONS: dict[type, Callable[[_Lowering, Any], dict[str, Any]]] = {
    tree.Literal: _Lowering.literal,
    tree.Name: lambda self, node: self.node(node, "Name", name=node.name),
    tree.Field: _Lowering.field,
    tree.Call: _Lowering.call,
    tree.Arithmetic: _Lowering.arithmetic,
    tree.Comparison: _Lowering.comparison,
    tree.Logic: _Lowering.logic,
    tree.Not: _Lowering.not_,
    tree.Negative: _Lowering.negative,
    tree.Choice: _Lowering.choice,
    tree.ListOf: _Lowering.list_of,
    tree.Construction: _Lowering.construction,
    tree.Wrapped: _Lowering.wrapped,
    tree.Await: _Lowering.await_,
    tree.Lambda: _Lowering.function,
}
