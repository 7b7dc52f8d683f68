"""What a program's modules declare: records, enums, aliases and rules, by name, with their types resolved.

Inside a module its own names are short; in the program, records, enums and rules of a used module are known by their
whole name (`risk.core.Applicant`), which is unique. What a module imports it calls by the import's name.
"""

from collections.abc import Iterator, Mapping
from typing import cast

from aster.policy.language.core import EnumInfo, FieldInfo, RecordInfo
from aster.policy.language.hints import guess
from aster.policy.language.modules import Linked, LinkedModule
from aster.policy.language.repairs import Repair
from aster.policy.language.source import SourceText
from aster.policy.language.tree import (
    Alias,
    Enum,
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


class DeclaredProgram:
    """The declarations of all modules. Records, enums and rules have one index each across modules."""

    def __init__(self, linked: Linked, source: SourceText) -> None:
        self.records: dict[str, RecordInfo] = {}
        self.enums: dict[str, EnumInfo] = {}
        self.rules: list[tuple[Rule, Declarations]] = []
        self.modules: dict[str, Declarations] = {}
        for module in linked.modules:
            self.modules[module.name] = Declarations(module, source, self)
        for declarations in self.modules.values():
            declarations.declare_types()
        for declarations in self.modules.values():
            declarations.declare_fields()
        self.has_secrets = any(map(is_secret, self._written_types()))

    def _written_types(self) -> Iterator[TypeNode | None]:
        for declarations in self.modules.values():
            for record in declarations.tree.records:
                yield from (field.type for field in record.fields)
        for rule, _ in self.rules:
            yield from (rule.returns, *(parameter.type for parameter in rule.parameters))

    def name_of(self, rule: int) -> str:
        """The whole name of a rule."""
        node, home = self.rules[rule]
        return home.prefix + node.name


class Declarations:
    """The names of one module. Doubles and unknown types are reported to the source."""

    def __init__(self, module: LinkedModule, source: SourceText, program: DeclaredProgram) -> None:
        self.tree = module.tree
        self.source = source
        self.program = program
        self.prefix = f"{module.name}." if module.name else ""
        self.uses: Mapping[str, str] = module.uses
        self.aliases: dict[str, TypeNode] = {alias.name: alias.type for alias in self.tree.aliases}
        self.rules: dict[str, int] = {}
        self.imports: dict[str, str] = {}
        self.variants: dict[str, list[EnumInfo]] = {}
        self.type_parameters: frozenset[str] = frozenset()
        self._resolving: set[str] = set()

    # look-up

    def _home_of(self, name: str) -> "tuple[Declarations, str]":
        """The module a name belongs to, and its short name there."""
        head, dot, rest = name.partition(".")
        used = self.uses.get(head) if dot else None
        return (self, name) if used is None else (self.program.modules[used], rest)

    def record(self, name: str) -> RecordInfo | None:
        home, short = self._home_of(name)
        return self.program.records.get(home.prefix + short)

    def enum(self, name: str) -> EnumInfo | None:
        home, short = self._home_of(name)
        return self.program.enums.get(home.prefix + short)

    def rule(self, name: str) -> int | None:
        home, short = self._home_of(name)
        return home.rules.get(short)

    def enums_with(self, variant: str) -> list[EnumInfo]:
        """The enums that have a variant of a name."""
        home, short = self._home_of(variant)
        return home.variants.get(short, [])

    # declaring

    def declare_types(self) -> None:
        """Make the names of types and rules known, before anything is resolved."""
        names: dict[str, Node] = {}
        declared: tuple[Record | Enum | Alias, ...] = (*self.tree.records, *self.tree.enums, *self.tree.aliases)
        for node in declared:
            if node.name in names:
                self.source.refuse("E104", node.start, node.end, name=node.name)
            names[node.name] = node
        records, enums = self.program.records, self.program.enums
        for enum in self.tree.enums:
            variants = tuple(dict.fromkeys(enum.variants))
            info = EnumInfo(self.prefix + enum.name, len(enums), variants, frozenset(variants))
            if enums.setdefault(info.name, info) is info:
                for variant in info.variants:
                    self.variants.setdefault(variant, []).append(info)
        for record in self.tree.records:
            name = self.prefix + record.name
            records.setdefault(name, RecordInfo(name, len(records), ()))
        self._declare_rules()
        self._declare_imports(names)

    def _declare_rules(self) -> None:
        record_names = {record.name for record in self.tree.records}
        for rule in self.tree.rules:
            if rule.name in self.rules:
                self.source.refuse("E104", rule.start, rule.name_end, name=rule.name)
            self.rules[rule.name] = len(self.program.rules)
            self.program.rules.append((rule, self))
            if rule.name in record_names:
                self.source.report("W107", rule.start, rule.name_end, name=rule.name)
        entries = [rule for rule in self.tree.rules if any(note.name == "entry" for note in rule.annotations)]
        for rule in entries[1:]:
            self.source.report("E102", rule.start, rule.name_end)

    def _declare_imports(self, names: dict[str, Node]) -> None:
        for item in self.tree.imports:
            alias = item.alias or item.name.rpartition(".")[2]
            if alias in self.imports:
                repeated = self.imports[alias] == item.name
                repair = Repair(item.start, item.end, "", True) if repeated else None
                self.source.report("E100", item.start, item.end, repair=repair, name=alias)
            if alias in names or alias in self.rules:
                self.source.report("E103", item.start, item.end, name=alias)
            self.imports[alias] = item.name

    def declare_fields(self) -> None:
        """Resolve the types of fields, now that all names are known."""
        for record in self.tree.records:
            name = self.prefix + record.name
            fields = {field.name: self.parameter(field) for field in record.fields}
            self.program.records[name] = RecordInfo(name, self.program.records[name].index, tuple(fields.values()))

    # types

    def parameter(self, node: Parameter) -> FieldInfo:
        """A field's or parameter's types: what is written, or else what its name suggests (a hint, never a promise)."""
        declared = self.resolve(node.type) if node.type is not None else None
        promise = declared or UNKNOWN
        return FieldInfo(node.name, declared, promise, node.constraints, is_secret(node.type), declared or guess(node))

    def enter_rule(self, rule: Rule) -> None:
        """The type parameters that names may mean from here on."""
        self.type_parameters = frozenset(rule.type_parameters)

    def parameter_types(self, rule: Rule) -> tuple[Type, ...]:
        """The declared types of a rule of this module, seen from a call."""
        mine, self.type_parameters = self.type_parameters, frozenset(rule.type_parameters)
        found = tuple(UNKNOWN if node.type is None else self.resolve(node.type) for node in rule.parameters)
        self.type_parameters = mine
        return found

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
        record = self.record(name)
        if record is not None:
            return Type("Record", record.name)
        enum = self.enum(name)
        if enum is not None:
            return Type("Enum", enum.name)
        home, short = self._home_of(name)
        if short in home.aliases:
            return home._aliased(short)
        if name in BUILTINS:
            return BUILTINS[name]
        if not node.builtin and (home is not self or name.partition(".")[0] not in self.imports):
            known = (*self.program.records, *self.program.enums, *self.aliases, *BUILTINS)
            repair = self.source.suggest(name, known, node.start)
            self.source.report("E006", node.start, node.end, repair=repair, name=name)
        return UNKNOWN

    def _aliased(self, name: str) -> Type:
        if name in self._resolving:
            return UNKNOWN
        self._resolving.add(name)
        resolved = self.resolve(self.aliases[name])
        self._resolving.discard(name)
        return resolved


def is_secret(node: TypeNode | None) -> bool:
    """Whether a written type says that its values are personal data."""
    if isinstance(node, PiiType):
        return True
    return isinstance(node, WrappedType) and any(is_secret(argument) for argument in node.arguments)
