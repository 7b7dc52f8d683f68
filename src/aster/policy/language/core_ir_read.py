"""Programs from Core IR: documents of other tools, held to the same limits as sources, made into the same tree.

A document's places are those of a source that is not at hand, so a blank text of that shape takes its place; nodes
without a place get one of their own on its first line. Everything after the tree works as for a source.
"""

from collections.abc import Callable
from decimal import Decimal
from typing import Any

import msgspec

from aster.policy.language import core_ir_nodes as ir
from aster.policy.language import tree
from aster.policy.language.checker import check
from aster.policy.language.core_ir_places import OriginText, Places
from aster.policy.language.cursor import MAX_NESTING
from aster.policy.language.errors import CoreIRInvalid, PolicySyntaxError
from aster.policy.language.modules import Resolver, alone, link
from aster.policy.language.parse_expressions import COMPARISONS, MAX_BRANCHES, MAX_CHAIN, PRODUCTS, SUMS
from aster.policy.language.parse_types import BUILTIN_TYPES
from aster.policy.language.parser import MAX_RULES
from aster.policy.language.program import Program
from aster.policy.language.source import MAX_SOURCE
from aster.policy.language.tokens import LongLiteral

MAX_DEPTH = 3 * MAX_NESTING
"""Nodes inside of one another; a chain of operators or branches counts as one."""

_COMPARED = frozenset(COMPARISONS.values())
_SUMS, _PRODUCTS = frozenset(SUMS.values()), frozenset(PRODUCTS.values())
_LOGIC = frozenset({"and", "or"})
_BUILTIN = frozenset(BUILTIN_TYPES.values())
_decode = msgspec.json.Decoder(ir.Document).decode


def program_of_ir(document: str | bytes, *, modules: Resolver | None = None) -> Program:
    """Compile a Core IR document (JSON).

    Raises `CoreIRInvalid` for what is none, with the place in it, and `PolicySyntaxError` for a module that is not
    sound. Characters: at most `MAX_SOURCE`.
    """
    if len(document) > MAX_SOURCE:
        raise CoreIRInvalid(f"the document has more than {MAX_SOURCE} characters")
    try:
        module = _decode(document).module
        reader = _Reader(module)
        read = reader.module()
    except msgspec.ValidationError as error:
        raise CoreIRInvalid(str(error).replace("`", "'")) from None
    except (msgspec.DecodeError, UnicodeError) as error:
        raise CoreIRInvalid(f"the document is not JSON: {error}") from None
    except RecursionError:
        raise CoreIRInvalid("the document is nested too deeply") from None
    return _compiled(read, reader.source(), modules)


def _compiled(module: tree.Module, text: "OriginText", modules: Resolver | None) -> Program:
    try:
        linked = alone(module) if modules is None or not module.imports else link(module, text, modules, MAX_SOURCE)
        if not text.has_errors:
            checked = check(module, text, linked)
            if not text.is_fatal:
                return Program(module, linked, text, checked, lenient=False)
    except RecursionError:
        raise CoreIRInvalid("the document is nested too deeply") from None
    raise PolicySyntaxError(text.findings)


class _Reader:
    """From nodes to the tree. The depth of what calls itself is counted."""

    def __init__(self, module: ir.Module) -> None:
        self._module = module
        self._places = Places(module)
        self._nodes: dict[tuple[int, int], ir.Node] = {}
        self._rules = {found.name for found in module.decls if isinstance(found, ir.Func)}
        self._depth = 0

    def source(self) -> OriginText:
        return OriginText(self._places.text, self._nodes)

    def at(self, node: ir.Node) -> tuple[int, int]:
        span = self._places.span(node.origin)
        self._nodes[span] = node
        return span

    def inside(self) -> None:
        self._depth += 1
        if self._depth > MAX_DEPTH:
            raise CoreIRInvalid("the document is nested too deeply", hint="give parts names with Let")

    # declarations

    def module(self) -> tree.Module:
        found = [_DECLARATIONS[type(node)](self, node) for node in self._module.decls]
        rules = tuple(node for node in found if isinstance(node, tree.Rule))
        if len(rules) > MAX_RULES:
            raise CoreIRInvalid(f"the module has more than {MAX_RULES} rules")
        return tree.Module(
            self._module.name,
            tuple(node for node in found if isinstance(node, tree.Import)),
            (),
            tuple(node for node in found if isinstance(node, tree.Record)),
            tuple(node for node in found if isinstance(node, tree.Enum)),
            rules,
        )

    def import_(self, node: ir.Import) -> tree.Import:
        return tree.Import(*self.at(node), node.name, node.version, node.as_name)

    def data(self, node: ir.Data) -> tree.Record:
        return tree.Record(*self.at(node), node.name, self.parameters(node.fields))

    def enum(self, node: ir.Enum) -> tree.Enum:
        return tree.Enum(*self.at(node), node.name, tuple(node.variants))

    def rule(self, node: ir.Func) -> tree.Rule:
        start, end = self.at(node)
        returns = None if node.ret is None or node.ret_type_inferred else self.type(node.ret)
        annotations = [tree.Annotation(start, end, note.name, tuple(note.args.items())) for note in node.annotations]
        return tree.Rule(
            start,
            end,
            node.name,
            tuple(node.type_params),
            self.parameters(node.params),
            returns,
            None if node.body is None else self.block(node.body),
            tuple(node.declared_effects or node.effects) or None,
            tuple(node.effect_caps) if node.effect_caps_explicit else None,
            tuple(annotations),
            end,
            tuple(node.effect_params),
        )

    def parameters(self, nodes: list[ir.Param]) -> tuple[tree.Parameter, ...]:
        return tuple(self.parameter(node) for node in nodes)

    def parameter(self, node: ir.Param) -> tree.Parameter:
        kind = self.type(node.type)
        constraints = tuple(self.constraint(found) for found in node.constraints)
        return tree.Parameter(kind.start, kind.end, node.name, None if node.type_inferred else kind, constraints)

    def constraint(self, node: ir.Required | ir.Range | ir.Matching) -> tree.Constraint:
        if isinstance(node, ir.Required):
            return tree.Constraint(*self.at(node), "required")
        if isinstance(node, ir.Matching):
            return tree.Constraint(*self.at(node), "pattern", pattern=node.regexp)
        return tree.Constraint(*self.at(node), "range", _bound(node.min), _bound(node.max))

    # types

    def type(self, node: ir.TypeNode) -> tree.TypeNode:
        self.inside()
        made = self._type(node)
        self._depth -= 1
        return made

    def _type(self, node: ir.TypeNode) -> tree.TypeNode:
        start, end = self.at(node)
        match node:
            case ir.TypeName() | ir.TypeVar():
                name = "Float" if node.name == "Double" else node.name
                return tree.NamedType(start, end, name, (), name in _BUILTIN)
            case ir.TypeApp():
                return tree.NamedType(start, end, node.base, tuple(map(self.type, node.args)))
            case ir.PiiType():
                return tree.PiiType(start, end, int(node.sensitivity[1]), node.category, self.type(node.base_type))
            case ir.ResultType():
                return tree.WrappedType(start, end, "Result", (self.type(node.ok), self.type(node.err)))
            case ir.MapType():
                return tree.WrappedType(start, end, "Map", (self.type(node.key), self.type(node.val)))
        return tree.WrappedType(start, end, _WRAPPED[type(node)], (self.type(node.type),))

    # statements

    def block(self, node: ir.Block) -> tree.Block:
        return self.statements(node.statements)

    def statements(self, nodes: list[ir.Statement]) -> tree.Block:
        self.inside()
        made = tuple(_STATEMENTS[type(node)](self, node) for node in nodes)
        self._depth -= 1
        return made

    def let(self, node: ir.Let) -> tree.Statement:
        start, end = self.at(node)
        value = self.value(node.expr)
        return tree.Discard(start, end, value) if node.name == "_" else tree.Let(start, end, node.name, value, end)

    def set(self, node: ir.Set) -> tree.Statement:
        return tree.Set(*self.at(node), node.name, self.value(node.expr))

    def start(self, node: ir.Start) -> tree.Statement:
        return tree.Start(*self.at(node), node.name, self.value(node.expr))

    def return_(self, node: ir.Return) -> tree.Return:
        return tree.Return(*self.at(node), self.value(node.expr))

    def if_(self, node: ir.If) -> tree.Statement:
        """Branches that are only each other's other way are one chain."""
        start, end = self.at(node)
        branches, found = [], node
        while True:
            branches.append((self.value(found.cond), self.block(found.then_block)))
            if len(branches) > MAX_BRANCHES:
                raise CoreIRInvalid(f"a chain of more than {MAX_BRANCHES} branches")
            rest = found.else_block
            if rest is None or len(rest.statements) != 1 or not isinstance(rest.statements[0], ir.If):
                return tree.If(start, end, tuple(branches), None if rest is None else self.block(rest))
            found = rest.statements[0]

    def match(self, node: ir.Match) -> tree.Statement:
        start, end = self.at(node)
        return tree.Match(start, end, self.value(node.expr), tuple(self.arm(case) for case in node.cases))

    def arm(self, node: ir.Case) -> tree.Arm:
        start, end = self.at(node)
        body = self.block(node.body) if isinstance(node.body, ir.Block) else (self.return_(node.body),)
        return tree.Arm(start, end, self.pattern(node.pattern), body)

    def scope(self, node: ir.Scope) -> tree.Statement:
        return tree.Scope(*self.at(node), self.statements(node.statements))

    def wait(self, node: ir.Wait) -> tree.Statement:
        return tree.Wait(*self.at(node), tuple(node.names))

    def workflow(self, node: ir.Workflow) -> tree.Statement:
        retry = node.retry or ir.Retry()
        timeout = None if node.timeout is None else node.timeout.milliseconds // 1_000
        steps = tuple(self.step(step) for step in node.steps)
        return tree.Workflow(*self.at(node), steps, retry.max_attempts, retry.backoff, timeout)

    def step(self, node: ir.Step) -> tree.Step:
        undo = None if node.compensate is None else self.block(node.compensate)
        return tree.Step(*self.at(node), node.name, self.block(node.body), undo, tuple(node.dependencies))

    # patterns

    def pattern(self, node: ir.Pattern) -> tree.Pattern:
        self.inside()
        made = self._pattern(node)
        self._depth -= 1
        return made

    def _pattern(self, node: ir.Pattern) -> tree.Pattern:
        start, end = self.at(node)
        match node:
            case ir.PatNull():
                return tree.NullPattern(start, end)
            case ir.PatName():
                return _name_pattern(start, end, node.name)
            case ir.PatCtor(args=None):
                parts = tuple(_name_pattern(start, end, name) for name in node.names)
                return tree.ConstructorPattern(start, end, node.type_name, parts)
            case ir.PatCtor():
                return tree.ConstructorPattern(start, end, node.type_name, tuple(map(self.pattern, node.args or ())))
        return tree.ValuePattern(start, end, node.value)

    # expressions

    def value(self, node: ir.Expression) -> tree.Expression:
        self.inside()
        made = _EXPRESSIONS[type(node)](self, node)
        self._depth -= 1
        return made

    def name(self, node: ir.Name) -> tree.Expression:
        start, end = self.at(node)
        first, *rest = msgspec.convert(node.name, ir.Dotted).split(".")
        base = tree.Name(start, end, first)
        return tree.Field(start, end, base, tuple(rest)) if rest else base

    def literal(self, node: Any) -> tree.Expression:
        start, end = self.at(node)
        match node:
            case ir.Null() | ir.Nothing():
                return tree.Literal(start, end, None)
            case ir.Long():
                return tree.Literal(start, end, LongLiteral(node.value))
            case ir.Decimal():
                return tree.Literal(start, end, node.exact)
        return tree.Literal(start, end, node.value)

    def field(self, node: ir.Field) -> tree.Expression:
        return tree.Field(*self.at(node), self.value(node.base), tuple(node.names))

    def call(self, node: ir.Call) -> tree.Expression:
        operator = self.operator(node)
        if operator is not None:
            return self.operation(node, operator)
        start, end = self.at(node)
        return tree.Call(start, end, self.value(node.target), tuple(map(self.value, node.args)))

    def operator(self, node: ir.Expression) -> str | None:
        """The operator that a call is of, if it is: a sign, or a word that is no rule's name."""
        if not isinstance(node, ir.Call) or not isinstance(node.target, ir.Name):
            return None
        name, count = node.target.name, len(node.args)
        if name in self._rules:
            return None
        binary = count == 2 and (name in _SUMS or name in _PRODUCTS or name in _COMPARED or name in _LOGIC)
        return name if binary or (count == 1 and name == "not") else None

    def operation(self, node: ir.Call, operator: str) -> tree.Expression:
        start, end = self.at(node)
        if operator == "not":
            return tree.Not(start, end, self.value(node.args[0]))
        if operator in _COMPARED:
            return tree.Comparison(start, end, operator, *map(self.value, node.args))
        if _is_negative(node):
            return tree.Negative(start, end, self.value(node.args[1]))
        family = next(found for found in _FAMILIES if operator in found)
        first, rest = self.chain(node, family)
        if operator in _LOGIC:
            return tree.Logic(start, end, operator, (first, *(operand for _, operand in rest)))
        return tree.Arithmetic(start, end, first, tuple(rest))

    def chain(self, node: ir.Call, family: frozenset[str]) -> tuple[tree.Expression, list[tuple[str, tree.Expression]]]:
        """The operands of ``((a + b) - c) + d``, from the left."""
        calls: list[tuple[str, ir.Expression]] = []
        found: ir.Expression = node
        while isinstance(found, ir.Call) and (operator := self.operator(found)) in family and not _is_negative(found):
            calls.append((str(operator), found.args[1]))
            found = found.args[0]
            if len(calls) > MAX_CHAIN:
                raise CoreIRInvalid(f"a chain of more than {MAX_CHAIN} operands")
        first = self.value(found)
        return first, [(operator, self.value(operand)) for operator, operand in reversed(calls)]

    def choice(self, node: ir.IfExpr) -> tree.Expression:
        start, end = self.at(node)
        branches: list[tuple[tree.Expression, tree.Expression]] = []
        found: ir.Expression = node
        while isinstance(found, ir.IfExpr):
            branches.append((self.value(found.cond), self.value(found.then)))
            found = found.otherwise
            if len(branches) > MAX_BRANCHES:
                raise CoreIRInvalid(f"a chain of more than {MAX_BRANCHES} branches")
        return tree.Choice(start, end, tuple(branches), self.value(found))

    def list_of(self, node: ir.ListLit) -> tree.Expression:
        return tree.ListOf(*self.at(node), tuple(map(self.value, node.elements)))

    def construction(self, node: ir.Construct) -> tree.Expression:
        fields = tuple((given.name, self.value(given.expr)) for given in node.fields)
        return tree.Construction(*self.at(node), node.type_name, fields)

    def wrapped(self, node: ir.Ok | ir.Err | ir.Some) -> tree.Expression:
        return tree.Wrapped(*self.at(node), type(node).__name__, self.value(node.expr))

    def await_(self, node: ir.Await) -> tree.Expression:
        return tree.Await(*self.at(node), self.value(node.expr))

    def function(self, node: ir.Lambda) -> tree.Expression:
        start, end = self.at(node)
        returns = None if node.ret is None else self.type(node.ret)
        body = self.block(node.body)
        only = body[0] if len(body) == 1 else None
        short = only.value if isinstance(only, tree.Return) and returns is None else body
        return tree.Lambda(start, end, self.parameters(node.params), short, returns)


def _is_negative(node: ir.Call) -> bool:
    """A sign is written as the difference from a zero that stands nowhere."""
    zero = node.args[0]
    return (
        isinstance(node.target, ir.Name)
        and node.target.name == "-"
        and isinstance(zero, ir.Int)
        and zero.value == 0
        and zero.origin is None
    )


def _name_pattern(start: int, end: int, name: str) -> tree.Pattern:
    if name == "_":
        return tree.AnyPattern(start, end)
    enum, _, last = name.rpartition(".")
    return tree.NamePattern(start, end, last, enum or None)


def _bound(value: ir.Bound | None) -> Any:
    return Decimal(value) if isinstance(value, str) else value


_FAMILIES = (_SUMS, _PRODUCTS, frozenset({"and"}), frozenset({"or"}))
_WRAPPED: dict[type, str] = {ir.MaybeType: "Maybe", ir.OptionType: "Option", ir.ListType: "List"}
_DECLARATIONS: dict[type, Callable[[_Reader, Any], tree.Node]] = {
    ir.Import: _Reader.import_,
    ir.Data: _Reader.data,
    ir.Enum: _Reader.enum,
    ir.Func: _Reader.rule,
}
_STATEMENTS: dict[type, Callable[[_Reader, Any], tree.Statement]] = {
    ir.Let: _Reader.let,
    ir.Set: _Reader.set,
    ir.Start: _Reader.start,
    ir.Return: _Reader.return_,
    ir.If: _Reader.if_,
    ir.Match: _Reader.match,
    ir.Scope: _Reader.scope,
    ir.Wait: _Reader.wait,
    ir.Workflow: _Reader.workflow,
}
_EXPRESSIONS: dict[type, Callable[[_Reader, Any], tree.Expression]] = {
    ir.Name: _Reader.name,
    **dict.fromkeys((ir.Bool, ir.Int, ir.Long, ir.Double, ir.Decimal, ir.String, ir.Null, ir.Nothing), _Reader.literal),
    ir.Field: _Reader.field,
    ir.Call: _Reader.call,
    ir.Construct: _Reader.construction,
    **dict.fromkeys((ir.Ok, ir.Err, ir.Some), _Reader.wrapped),
    ir.Await: _Reader.await_,
    ir.IfExpr: _Reader.choice,
    ir.ListLit: _Reader.list_of,
    ir.Lambda: _Reader.function,
}
