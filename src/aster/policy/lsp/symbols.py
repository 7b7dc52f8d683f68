"""Where the names of a policy are declared and used."""

from bisect import bisect_left
from collections.abc import Callable, Iterable, Iterator
from typing import Any, NamedTuple

import msgspec

from aster.policy.language import core, tree
from aster.policy.language.budget import walk
from aster.policy.language.core import CheckedModule
from aster.policy.language.tokens import SIGN, WORD, Token


class Symbol(NamedTuple):
    """What a name stands for. ``kind``: rule, record, enum, alias, field, variant or variable.

    ``owner`` is the record of a field, the enum of a variant, and the place of a variable's declaration.
    """

    kind: str
    name: str
    owner: str = ""


class Occurrence(NamedTuple):
    """A name in the text, by offsets."""

    start: int
    end: int
    symbol: Symbol
    declares: bool
    node: Any = None


class Symbols:
    """All occurrences in a module, in the order of the text."""

    def __init__(self, module: tree.Module, tokens: list[Token], checked: CheckedModule | None) -> None:
        self.module = module
        self.words = [token for token in tokens if token.kind == WORD]
        self._starts = [token.start for token in self.words]
        self.signs = {token.start: token.value for token in tokens if token.kind == SIGN}
        self.occurrences: list[Occurrence] = []
        self.uncertain: set[str] = set()
        self._rules = {rule.name for rule in module.rules}
        self._records = {record.name: record for record in module.records}
        self._enums = {enum.name: enum for enum in module.enums}
        self._aliases = {alias.name for alias in module.aliases}
        self._variants = {variant: enum.name for enum in module.enums for variant in enum.variants}
        self._owners = {} if checked is None else _field_owners(checked)
        self._scopes: list[dict[str, Symbol]] = []
        self._declare()
        for rule in module.rules:
            self._rule(rule)
        self.occurrences.sort()

    def at(self, offset: int) -> Occurrence | None:
        """The name under an offset, its end included."""
        return next((each for each in self.occurrences if each.start <= offset <= each.end), None)

    def of(self, symbol: Symbol) -> list[Occurrence]:
        return [each for each in self.occurrences if each.symbol == symbol]

    def declaration(self, symbol: Symbol) -> Occurrence | None:
        return next((each for each in self.occurrences if each.symbol == symbol and each.declares), None)

    # words

    def _word(self, name: str, start: int, end: int) -> Token | None:
        """The first word of that name between two offsets."""
        for token in self._between(start, end):
            if token.value == name:
                return token
        return None

    def _between(self, start: int, end: int) -> Iterator[Token]:
        index = bisect_left(self._starts, start)
        while index < len(self.words) and self.words[index].start < end:
            yield self.words[index]
            index += 1

    def _note(self, symbol: Symbol, start: int, end: int, node: Any = None, *, declares: bool = False) -> int:
        """Note a name that stands between two offsets; where it ends."""
        token = self._word(symbol.name, start, end)
        if token is None:
            self.uncertain.add(symbol.name)
            return start
        self.occurrences.append(Occurrence(token.start, token.end, symbol, declares, node))
        return token.end

    # declarations

    def _declare(self) -> None:
        for record in self.module.records:
            self._note(Symbol("record", record.name), record.start, record.end, record, declares=True)
            for field in record.fields:
                symbol = Symbol("field", field.name, record.name)
                self._note(symbol, field.start, field.end, field, declares=True)
                self._type(field.type)
        for enum in self.module.enums:
            place = self._note(Symbol("enum", enum.name), enum.start, enum.end, enum, declares=True)
            for variant in enum.variants:
                place = self._note(Symbol("variant", variant, enum.name), place, enum.end, enum, declares=True)
        for alias in self.module.aliases:
            self._note(Symbol("alias", alias.name), alias.start, alias.end, alias, declares=True)
            self._type(alias.type)

    def _rule(self, rule: tree.Rule) -> None:
        place = max(rule.start, rule.name_end - len(rule.name))
        self._note(Symbol("rule", rule.name), place, rule.name_end, rule, declares=True)
        self._scopes = [{}]
        for parameter in rule.parameters:
            self._variable(parameter.name, parameter.start, parameter.end, parameter)
            self._type(parameter.type)
        self._type(rule.returns)
        self._block(rule.body or ())

    def _type(self, node: tree.TypeNode | None) -> None:
        if isinstance(node, tree.NamedType):
            kind = self._kind_of_type(node.name)
            if kind is not None:
                self._note(Symbol(kind, node.name), node.start, node.end, node)
            for argument in node.arguments:
                self._type(argument)
        elif isinstance(node, tree.WrappedType):
            for argument in node.arguments:
                self._type(argument)
        elif isinstance(node, tree.PiiType):
            self._type(node.base)

    def _kind_of_type(self, name: str) -> str | None:
        if name in self._records:
            return "record"
        return "enum" if name in self._enums else "alias" if name in self._aliases else None

    # scopes

    def _variable(self, name: str, start: int, end: int, node: Any) -> None:
        symbol = Symbol("variable", name, str(start))
        self._scopes[-1][name] = symbol
        self._note(symbol, start, end, node, declares=True)

    def _find(self, name: str) -> Symbol | None:
        for scope in reversed(self._scopes):
            if name in scope:
                return scope[name]
        if name in self._variants:
            return Symbol("variant", name, self._variants[name])
        if name in self._rules:
            return Symbol("rule", name)
        kind = self._kind_of_type(name)
        return None if kind is None else Symbol(kind, name)

    def _block(self, statements: Iterable[tree.Statement]) -> None:
        self._scopes.append({})
        for statement in statements:
            self._statement(statement)
        self._scopes.pop()

    def _statement(self, node: Any) -> None:
        if isinstance(node, tree.Let | tree.Start):
            self._visit(node.value)
            end = node.name_end if isinstance(node, tree.Let) and node.name_end else node.value.start
            self._variable(node.name, max(node.start, end - len(node.name)), end, node)
        elif isinstance(node, tree.Set):
            self._visit(node.value)
            symbol = self._find(node.name)
            if symbol is not None:
                self._note(symbol, node.start, node.value.start, node)
        elif isinstance(node, tree.If):
            for test, body in node.branches:
                self._visit(test)
                self._block(body)
            self._block(node.otherwise or ())
        elif isinstance(node, tree.Match):
            self._visit(node.subject)
            for arm in node.arms:
                self._scopes.append({})
                self._pattern(arm.pattern)
                self._block(arm.body)
                self._scopes.pop()
        else:
            self._visit(node)

    def _pattern(self, node: tree.Pattern) -> None:
        if isinstance(node, tree.ConstructorPattern):
            if node.name in self._records:
                self._note(Symbol("record", node.name), node.start, node.end, node)
            for part in node.parts:
                self._pattern(part)
        elif isinstance(node, tree.NamePattern):
            if node.enum is not None:
                place = self._note(Symbol("enum", node.enum), node.start, node.end, node)
                self._note(Symbol("variant", node.name, node.enum), place, node.end, node)
            elif node.name in self._variants:
                self._note(Symbol("variant", node.name, self._variants[node.name]), node.start, node.end, node)
            elif node.name in self._records:
                self._note(Symbol("record", node.name), node.start, node.end, node)
            elif not "A" <= node.name[0] <= "Z":
                self._variable(node.name, node.start, node.end, node)

    # expressions

    def _visit(self, node: Any) -> None:
        """Any node: what is known by itself, or what it is made of."""
        visit = _VISITS.get(type(node))
        if visit is not None:
            visit(self, node)
        elif isinstance(node, tree.Statement) and isinstance(node, _STATEMENTS):
            self._statement(node)
        elif isinstance(node, msgspec.Struct):
            for name in type(node).__struct_fields__:
                self._visit(getattr(node, name))
        elif isinstance(node, tuple):
            for part in node:
                self._visit(part)

    def _name(self, node: tree.Name) -> None:
        symbol = self._find(node.name)
        if symbol is not None:
            self._note(symbol, node.start, node.end, node)

    def _field(self, node: tree.Field) -> None:
        names = list(node.names)
        place = node.base.end
        base = node.base.name if isinstance(node.base, tree.Name) else None
        if base in self._enums and self._local(str(base)) is None:
            self._note(Symbol("enum", str(base)), node.start, node.end, node)
            self._note(Symbol("variant", names[0], str(base)), place, node.end, node)
            return
        self._visit(node.base)
        owners = self._owners.get((node.start, node.end), [])
        for index, name in enumerate(names):
            owner = owners[index] if index < len(owners) else ""
            if not owner:
                self.uncertain.add(name)
                token = self._word(name, place, node.end)
                place = token.end if token is not None else place
            else:
                place = self._note(Symbol("field", name, owner), place, node.end, node)

    def _local(self, name: str) -> Symbol | None:
        return next((scope[name] for scope in reversed(self._scopes) if name in scope), None)

    def _construction(self, node: tree.Construction) -> None:
        known = node.name in self._records
        place = self._note(Symbol("record", node.name), node.start, node.end, node) if known else node.start
        for name, value in node.fields:
            if known:
                self._note(Symbol("field", name, node.name), place, value.start, node)
            self._visit(value)
            place = value.end

    def _lambda(self, node: tree.Lambda) -> None:
        self._scopes.append({})
        for parameter in node.parameters:
            self._variable(parameter.name, parameter.start, parameter.end, parameter)
            self._type(parameter.type)
        if isinstance(node.body, tuple):
            self._block(node.body)
        else:
            self._visit(node.body)
        self._scopes.pop()


_STATEMENTS = (tree.Let, tree.Set, tree.If, tree.Match, tree.Start)
_VISITS: dict[type, Callable[[Symbols, Any], None]] = {
    tree.Name: Symbols._name,
    tree.Field: Symbols._field,
    tree.Construction: Symbols._construction,
    tree.Lambda: Symbols._lambda,
}


def _field_owners(checked: CheckedModule) -> dict[tuple[int, int], list[str]]:
    """The records whose fields a path reads, in the order of the path; empty names where that is not certain."""
    found: dict[tuple[int, int], list[tuple[int, str]]] = {}
    for rule in checked.rules:
        for node in walk(rule.body):
            if isinstance(node, core.FieldOf):
                kind = node.base.type.args[0] if node.base.type.kind == "Maybe" else node.base.type
                depth = 0
                base: Any = node.base
                while isinstance(base, core.FieldOf) and (base.start, base.end) == (node.start, node.end):
                    depth += 1
                    base = base.base
                found.setdefault((node.start, node.end), []).append((depth, kind.name if kind.kind == "Record" else ""))
    return {place: [name for _, name in sorted(dict(owners).items())] for place, owners in found.items()}
