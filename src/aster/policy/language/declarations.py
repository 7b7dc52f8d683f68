"""What a module declares: records, enums, aliases and rules, by name, with their types resolved."""

from typing import cast

from aster.policy.language.core import EnumInfo, FieldInfo, RecordInfo
from aster.policy.language.hints import guess
from aster.policy.language.source import SourceText
from aster.policy.language.tree import (
    Alias,
    Enum,
    Module,
    NamedType,
    Node,
    Parameter,
    PiiType,
    Record,
    Rule,
    TypeNode,
    WrappedType,
)
from aster.policy.language.types import BUILTINS, UNKNOWN, Type, maybe


class Declarations:
    """The names of a module. Doubles and unknown types are reported to the source."""

    def __init__(self, tree: Module, source: SourceText) -> None:
        self.tree = tree
        self.source = source
        self.records: dict[str, RecordInfo] = {}
        self.enums: dict[str, EnumInfo] = {}
        self.aliases: dict[str, TypeNode] = {}
        self.rules: dict[str, int] = {}
        self.imports: dict[str, str] = {}
        self.variants: dict[str, list[EnumInfo]] = {}
        self.type_parameters: frozenset[str] = frozenset()
        self._resolving: set[str] = set()
        self._declare()

    def _declare(self) -> None:
        names: dict[str, Node] = {}
        record_names = {record.name for record in self.tree.records}
        declared: tuple[Record | Enum | Alias, ...] = (*self.tree.records, *self.tree.enums, *self.tree.aliases)
        for node in declared:
            if node.name in names:
                self.source.refuse("E104", node.start, node.end, name=node.name)
            names[node.name] = node
        for alias in self.tree.aliases:
            self.aliases[alias.name] = alias.type
        for index, enum in enumerate(self.tree.enums):
            info = EnumInfo(enum.name, index, tuple(dict.fromkeys(enum.variants)))
            self.enums[enum.name] = info
            for variant in info.variants:
                self.variants.setdefault(variant, []).append(info)
        for index, name in enumerate(dict.fromkeys(record.name for record in self.tree.records)):
            self.records[name] = RecordInfo(name, index, ())
        for record in self.tree.records:
            found = self.records[record.name]
            fields = {field.name: self.parameter(field) for field in record.fields}
            self.records[record.name] = RecordInfo(record.name, found.index, tuple(fields.values()))
        for index, rule in enumerate(self.tree.rules):
            if rule.name in self.rules:
                self.source.refuse("E104", rule.start, rule.name_end, name=rule.name)
            self.rules[rule.name] = index
            if rule.name in record_names:
                self.source.report("W107", rule.start, rule.name_end, name=rule.name)
        self._declare_imports(names)
        entries = [rule for rule in self.tree.rules if any(note.name == "entry" for note in rule.annotations)]
        for rule in entries[1:]:
            self.source.report("E102", rule.start, rule.name_end)

    def _declare_imports(self, names: dict[str, Node]) -> None:
        for item in self.tree.imports:
            alias = item.alias or item.name.rpartition(".")[2]
            if alias in self.imports:
                self.source.report("E100", item.start, item.end, name=alias)
            if alias in names or alias in self.rules:
                self.source.report("E103", item.start, item.end, name=alias)
            self.imports[alias] = item.name

    def parameter(self, node: Parameter) -> FieldInfo:
        """A field's or parameter's types: what is written, or else what its name suggests (a hint, never a promise)."""
        declared = self.resolve(node.type) if node.type is not None else None
        promise = declared or UNKNOWN
        return FieldInfo(node.name, declared, promise, node.constraints, is_secret(node.type), declared or guess(node))

    def rule_types(self, rule: Rule) -> frozenset[str]:
        self.type_parameters = frozenset(rule.type_parameters)
        return self.type_parameters

    def resolve(self, node: TypeNode) -> Type:
        """The type a written type means; unknown names are reported and mean anything."""
        if isinstance(node, PiiType):
            return self.resolve(node.base)
        if isinstance(node, WrappedType):
            arguments = tuple(self.resolve(argument) for argument in node.arguments)
            return maybe(arguments[0]) if node.kind == "Maybe" else Type(node.kind, "", arguments)
        return self._named(cast("NamedType", node))

    def _named(self, node: NamedType) -> Type:
        name = node.name
        for argument in node.arguments:
            self.resolve(argument)
        if name in self.type_parameters:
            return UNKNOWN
        if name in self.records:
            return Type("Record", name)
        if name in self.enums:
            return Type("Enum", name)
        if name in self.aliases:
            if name in self._resolving:
                return UNKNOWN
            self._resolving.add(name)
            resolved = self.resolve(self.aliases[name])
            self._resolving.discard(name)
            return resolved
        if name in BUILTINS:
            return BUILTINS[name]
        if not node.builtin and name.partition(".")[0] not in self.imports:
            self.source.report("E006", node.start, node.end, name=name)
        return UNKNOWN


def is_secret(node: TypeNode | None) -> bool:
    """Whether a written type says that its values are personal data."""
    if isinstance(node, PiiType):
        return True
    return isinstance(node, WrappedType) and any(is_secret(argument) for argument in node.arguments)
