"""Where personal data goes: labels flow with values to sinks (specification §9, PII).

A label is a level (1 to 3) and categories. Labels come from `@pii` types of parameters, fields and results, flow
through names, fields, operators and calls, and end at `redact` and `tokenize`. Sinks are the console, the network,
databases and `emit`.
"""

from typing import NamedTuple

from aster.policy.language import tree
from aster.policy.language.check_effects import called_name
from aster.policy.language.library_types import SIGNATURES
from aster.policy.language.modules import Linked, LinkedModule
from aster.policy.language.personal import asks_for_consent, personal_kind
from aster.policy.language.source import SourceText
from aster.policy.language.terms import Term
from aster.policy.language.types import BOOL

CLEANERS = frozenset({"redact", "tokenize", "Text.redact"})
_MEASURES = frozenset({"Text.length", "Text.indexOf", "List.length", "List.count", "Map.size"})
"""What these tell of personal data is none."""

_CONSOLE = ("print", "IO.print", "Log.", "log")
_NETWORK = frozenset({"Http.post", "Http.put", "Http.patch"})
_DATABASE = tuple(
    f"{space}.{verb}" for space in ("Sql", "Db") for verb in ("insert", "update", "delete", "exec", "execute")
)


class Label(NamedTuple):
    """No personal data at level 0."""

    level: int = 0
    categories: frozenset[str] = frozenset()

    def __str__(self) -> str:
        categories = f" {'/'.join(sorted(self.categories))}" if self.categories else ""
        return f"L{self.level}{categories}" if self.level else Term("plain")


PLAIN = Label()


def merge(labels: list[Label]) -> Label:
    """The label of a value made of others: the highest level, all categories."""
    marked = [label for label in labels if label.level]
    if not marked:
        return PLAIN
    return Label(max(label.level for label in marked), frozenset().union(*(label.categories for label in marked)))


def label_of(node: tree.TypeNode | None) -> Label:
    """The label a written type declares."""
    if isinstance(node, tree.PiiType):
        return merge([Label(node.level, frozenset({node.category} - {""})), label_of(node.base)])
    if isinstance(node, tree.WrappedType):
        return merge([label_of(argument) for argument in node.arguments])
    return PLAIN


def check_pii(linked: Linked, source: SourceText) -> None:
    """Report personal data that reaches a sink, or a place declared to hold less."""
    trees = [module.tree for module in linked.modules]
    types = [field.type for found in trees for record in found.records for field in record.fields]
    for found in trees:
        types += [kind for rule in found.rules for kind in (rule.returns, *(item.type for item in rule.parameters))]
    if any(label_of(kind).level for kind in types):
        _check_marks(trees, source)
        for module in linked.modules:
            flow = _Flow(linked, module, source)
            for rule in module.tree.rules:
                flow.rule(rule)


def _check_marks(trees: list[tree.Module], source: SourceText) -> None:
    """Where personal data is marked at all, what looks like it is marked, and a name is marked alike everywhere."""
    places = [field for found in trees for record in found.records for field in record.fields]
    places += [item for found in trees for rule in found.rules for item in rule.parameters]
    known: dict[str, Label] = {}
    for place in places:
        label = label_of(place.type)
        kind = personal_kind(place.name, source.lexicon) if not label.level and _may_be_personal(place.type) else None
        if kind is not None:
            source.report("E401", place.start, place.end, name=place.name, other=kind)
        elif label.level and known.setdefault(place.name, label).level != label.level:
            source.report("E402", place.start, place.end, name=place.name, actual=label, expected=known[place.name])


def _may_be_personal(node: tree.TypeNode | None) -> bool:
    return node is None or not isinstance(node, tree.NamedType) or node.name in {"Text", "DateTime", "Int", "Long"}


class _Flow:
    """The flow through the rules of one module; names of used modules are known by their import."""

    def __init__(self, linked: Linked, module: LinkedModule, source: SourceText) -> None:
        self.source = source
        self.rules: dict[str, tree.Rule] = {}
        self.fields: dict[str, list[Label]] = {}
        self.record_fields: dict[tuple[str, str], Label] = {}
        for found in linked.modules:
            used_as = [f"{alias}." for alias, name in module.uses.items() if name == found.name]
            self._declare(found.tree, [""] if found is module else used_as)
        self.names: dict[str, Label] = {}
        self.returns = PLAIN
        self.declares_result = False
        self.consents = 0

    def _declare(self, module: tree.Module, prefixes: list[str]) -> None:
        for record in module.records:
            for field in record.fields:
                label = label_of(field.type)
                self.fields.setdefault(field.name, []).append(label)
                for prefix in prefixes:
                    self.record_fields[prefix + record.name, field.name] = label
        for rule in module.rules:
            for prefix in prefixes:
                self.rules[prefix + rule.name] = rule

    def rule(self, rule: tree.Rule) -> None:
        self.names = {parameter.name: label_of(parameter.type) for parameter in rule.parameters}
        self.returns = label_of(rule.returns)
        self.declares_result = rule.returns is not None
        self.consents = 0
        self.block(rule.body or ())

    def block(self, statements: tree.Block) -> None:
        for statement in statements:
            self.statement(statement)

    def statement(self, node: tree.Statement) -> None:
        if isinstance(node, tree.Let | tree.Set | tree.Start):
            self.names[node.name] = merge([self.value(node.value), *self.kept(node)])
        elif isinstance(node, tree.Return):
            label = self.value(node.value)
            if self.declares_result and label.level > self.returns.level:
                self.source.report(
                    "E070", node.start, node.end, name=Term("the result"), expected=self.returns, actual=label
                )
        elif isinstance(node, tree.If):
            before = self.consents
            for condition, body in node.branches:
                self.value(condition)
                self.consents += asks_for_consent(condition, self.source.lexicon)
                self.block(body)
            self.block(node.otherwise or ())
            if not _ends(node):
                self.consents = before
        elif isinstance(node, tree.Match):
            self.match(node)
        elif isinstance(node, tree.Discard):
            self.value(node.value)
        elif isinstance(node, tree.Scope):
            self.block(node.body)
        elif isinstance(node, tree.Workflow):
            for step in node.steps:
                self.block(step.body)
                self.block(step.compensate or ())

    def kept(self, node: tree.Statement) -> list[Label]:
        """`Set` in a branch may leave the old value in place, so its label stays."""
        return [self.names.get(node.name, PLAIN)] if isinstance(node, tree.Set) else []

    def match(self, node: tree.Match) -> None:
        label = self.value(node.subject)
        for arm in node.arms:
            pending: list[tree.Pattern] = [arm.pattern]
            while pending:
                pattern = pending.pop()
                if isinstance(pattern, tree.NamePattern):
                    self.names[pattern.name] = label
                elif isinstance(pattern, tree.ConstructorPattern):
                    pending.extend(pattern.parts)
            self.block(arm.body)

    def value(self, node: tree.Expression) -> Label:
        if isinstance(node, tree.Name):
            return self.names.get(node.name, PLAIN)
        if isinstance(node, tree.Field):
            known = [label for name in node.names for label in self.fields.get(name, [])]
            return merge([self.value(node.base), *known])
        if isinstance(node, tree.Call):
            return self.call(node)
        if isinstance(node, tree.Construction):
            return self.construction(node)
        if isinstance(node, tree.Lambda):
            return self.function(node, PLAIN)
        if isinstance(node, tree.Comparison | tree.Logic | tree.Not):
            for part in _parts(node):
                self.value(part)
            return PLAIN
        return merge([self.value(part) for part in _parts(node)])

    def construction(self, node: tree.Construction) -> Label:
        labels = []
        for name, value in node.fields:
            label = self.value(value)
            declared = self.record_fields.get((node.name, name), PLAIN)
            self.held(value, name, declared, label)
            labels.append(label)
        return merge(labels)

    def held(self, value: tree.Expression, name: str, declared: Label, label: Label) -> None:
        """A value comes to a place of a label: more than that is lost, less is raised without anybody saying so."""
        if label.level > declared.level:
            self.source.report("E070", value.start, value.end, name=name, expected=declared, actual=label)
        elif 0 < label.level < declared.level:
            self.source.report("W071", value.start, value.end, name=name, expected=declared, actual=label)

    def function(self, node: tree.Lambda, given: Label) -> Label:
        """A function value whose parameters get values of a label."""
        outer = dict(self.names)
        for parameter in node.parameters:
            self.names[parameter.name] = merge([given, label_of(parameter.type)])
        if isinstance(node.body, tree.Expression):
            label = self.value(node.body)
        else:
            returns, self.declares_result = self.declares_result, False
            self.block(node.body)
            self.declares_result = returns
            label = given
        self.names = outer
        return label

    def arguments(self, node: tree.Call) -> list[Label]:
        """The labels of arguments; functions among them are given what the others hold."""
        functions = [argument for argument in node.arguments if self.is_function(argument)]
        labels = [self.value(argument) for argument in node.arguments if argument not in functions]
        given = merge(labels)
        for function in functions:
            if isinstance(function, tree.Lambda):
                labels.append(self.function(function, given))
            elif isinstance(function, tree.Name) and given.level:
                rule = self.rules[function.name]
                labels.append(self.passed(rule, [given] * len(rule.parameters), node))
        return labels

    def is_function(self, node: tree.Expression) -> bool:
        rule = isinstance(node, tree.Name) and node.name in self.rules and node.name not in self.names
        return rule or isinstance(node, tree.Lambda)

    def call(self, node: tree.Call) -> Label:
        labels = self.arguments(node)
        name = called_name(node)
        if name is None or name in self.names:
            if merge(labels).level:
                self.source.report("E404", node.start, node.end, actual=merge(labels))
            return merge(labels)
        if name in CLEANERS:
            return PLAIN
        self.sink(name, labels, node)
        rule = self.rules.get(name)
        if rule is None and (name in _MEASURES or (name in SIGNATURES and SIGNATURES[name].returns == BOOL)):
            return PLAIN
        return merge(labels) if rule is None else self.passed(rule, labels, node)

    def passed(self, rule: tree.Rule, labels: list[Label], node: tree.Call) -> Label:
        """Values go into the parameters of a rule; the label of what comes out."""
        for parameter, label in zip(rule.parameters, labels, strict=False):
            declared = label_of(parameter.type)
            code = "W071" if 0 < label.level < declared.level else None
            if parameter.type is not None and label.level > declared.level:
                code = "E073"
            if code is not None:
                self.source.report(code, node.start, node.end, name=parameter.name, expected=declared, actual=label)
        return label_of(rule.returns) if rule.returns is not None else merge(labels)

    def sink(self, name: str, labels: list[Label], node: tree.Call) -> None:
        label = merge(labels)
        if not label.level:
            return
        if name in _NETWORK:
            self.source.report("E072" if label.level == 3 else "E400", node.start, node.end, name=name, actual=label)
        elif name in _CONSOLE or name.startswith("Log."):
            if label.level >= 2:
                self.source.report("E072", node.start, node.end, name=name, actual=label)
        elif name in _DATABASE or name == "emit":
            if label.level == 3:
                self.source.report("E072", node.start, node.end, name=name, actual=label)
            elif not self.consents:
                self.source.report("E403", node.start, node.end, name=name, actual=label)
        elif "." in name and name not in self.rules and name not in SIGNATURES:
            self.source.report("W074", node.start, node.end, name=name, actual=label)


def _ends(node: tree.If) -> bool:
    """Whether what follows is reached only past the conditions: some branch leaves the rule."""
    blocks = [body for _, body in node.branches]
    return any(body and isinstance(body[-1], tree.Return) for body in blocks)


def _parts(node: tree.Expression) -> list[tree.Expression]:
    """The expressions an expression is directly made of."""
    found: list[tree.Expression] = []
    pending: list[object] = [getattr(node, name) for name in reversed(node.__struct_fields__[2:])]
    while pending:
        item = pending.pop()
        if isinstance(item, tree.Expression):
            found.append(item)
        elif isinstance(item, tuple):
            pending.extend(reversed(item))
    return found
