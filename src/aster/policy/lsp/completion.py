"""What can be written next: fields after a dot, else keywords of the file's locale and the names of the policy."""

import re
from collections.abc import Iterator
from typing import NamedTuple

from aster.policy.language import tree
from aster.policy.language.library_types import SIGNATURES
from aster.policy.language.types import BUILTINS, Type, show
from aster.policy.lsp.document import Document
from aster.policy.lsp.hover import checked_type
from aster.policy.lsp.symbols import Symbol
from aster.policy.lsp.workspace import WorkspaceModules

_PATH = re.compile(r"((?:[^\W\d]\w*\.)+)(\w*)$")
_WORDS = re.compile(r"[^\s.,:()\[\]。，：「」“”\"]*$")
_BLANKS = re.compile(r"[ \t]+")
_PLACEHOLDER = "x"
MOST_WORDS = 4


class Suggestion(NamedTuple):
    """One completion: what to insert instead of the text between two offsets. ``kind`` as in `Symbol`, or "keyword"."""

    label: str
    kind: str
    detail: str
    start: int
    end: int


def suggest(document: Document, offset: int, modules: WorkspaceModules) -> list[Suggestion]:
    """Completions at an offset."""
    line = document.text[document.text.rfind("\n", 0, offset) + 1 : offset]
    path = _PATH.search(line)
    if path is not None:
        begun = path[2]
        names = path[1][:-1].split(".")
        members = [
            *_members(document, offset, names, offset - len(line) + path.start(1)),
            *_used(document, offset, names, modules),
        ]
        return [
            Suggestion(name, kind, detail, offset - len(begun), offset)
            for name, kind, detail in members
            if name.lower().startswith(begun.lower())
        ]
    found = _WORDS.search(line)
    begun = found[0] if found is not None else ""
    named = [
        Suggestion(name, kind, detail, offset - len(begun), offset)
        for name, kind, detail in _names(document, offset)
        if name.lower().startswith(begun.lower())
    ]
    return [*_keywords(document, line, offset), *named]


def _keywords(document: Document, line: str, offset: int) -> Iterator[Suggestion]:
    """Keywords of the locale that go on from what is written, by the longest beginning of theirs that is."""
    places = [found.start() for found in re.finditer(r"\S+", line)]
    if not places or line.endswith((" ", "\t")):
        places.append(len(line))
    starts = [place for place in places[-MOST_WORDS:] if place < len(line)] or [len(line)]
    for kind, phrase in document.lexicon.keywords.items():
        for start in starts:
            begun = _BLANKS.sub(" ", line[start:]).lower()
            if phrase.lower().startswith(begun):
                place = offset - len(line) + start
                yield Suggestion(phrase, "keyword", kind.lower().replace("_", " "), place, offset)
                break
        else:
            if places[-1] == len(line):
                yield Suggestion(phrase, "keyword", kind.lower().replace("_", " "), offset, offset)


def _mended(document: Document, offset: int) -> Document:
    """The document with a name where one is being written, so that the rule at hand is a rule."""
    text = document.text[:offset] + _PLACEHOLDER + document.text[offset:]
    return Document(document.uri, text, document.locale, document.modules)


def _names(document: Document, offset: int) -> Iterator[tuple[str, str, str]]:
    mended = _mended(document, offset)
    module = mended.tree
    for rule in module.rules:
        yield rule.name, "rule", ", ".join(parameter.name for parameter in rule.parameters)
        if rule.start <= offset <= rule.end:
            yield from _variables(mended, rule, offset)
    for item in module.imports:
        yield item.alias or item.name.rpartition(".")[2], "library", item.name
    for record in module.records:
        yield record.name, "record", ", ".join(field.name for field in record.fields)
    for enum in module.enums:
        yield enum.name, "enum", ", ".join(enum.variants)
        for variant in enum.variants:
            yield variant, "variant", enum.name
    for alias in module.aliases:
        yield alias.name, "alias", ""
    for name in BUILTINS:
        yield name, "type", "built in"
    for space in dict.fromkeys(name.partition(".")[0] for name in SIGNATURES if "." in name):
        yield space, "library", "library"


def _variables(document: Document, rule: tree.Rule, offset: int) -> Iterator[tuple[str, str, str]]:
    for each in document.symbols.occurrences:
        if each.declares and each.symbol.kind == "variable" and rule.start <= each.start < offset:
            node = each.node
            written = node.type if isinstance(node, tree.Parameter) else None
            detail = document.text[written.start : written.end] if written is not None else ""
            yield each.symbol.name, "variable", detail


def _members(document: Document, offset: int, path: list[str], start: int) -> Iterator[tuple[str, str, str]]:
    mended = _mended(document, offset)
    known = {record.name: record for record in mended.tree.records}
    enums = {enum.name: enum for enum in mended.tree.enums}
    kind = _type_of(mended, path[0], start)
    for name in path[1:]:
        record = known.get(_record_name(kind))
        field = next((each for each in record.fields if each.name == name), None) if record is not None else None
        kind = field.type if field is not None else None
    record = known.get(_record_name(kind))
    if record is not None:
        for each in record.fields:
            yield each.name, "field", mended.text[each.start : each.end]
    elif len(path) == 1 and kind is None:
        if path[0] in enums:
            for variant in enums[path[0]].variants:
                yield variant, "variant", path[0]
        for name, signature in SIGNATURES.items():
            if name.startswith(f"{path[0]}."):
                yield (
                    name.partition(".")[2],
                    "function",
                    f"({', '.join(signature.parameters)}) → {show(signature.returns)}",
                )


def _used(
    document: Document, offset: int, path: list[str], modules: WorkspaceModules
) -> Iterator[tuple[str, str, str]]:
    """What a used module declares."""
    used = modules.used(_mended(document, offset), path[0]) if len(path) == 1 else None
    if used is None:
        return
    for rule in used.tree.rules:
        yield rule.name, "rule", ", ".join(parameter.name for parameter in rule.parameters)
    for record in used.tree.records:
        yield record.name, "record", ", ".join(field.name for field in record.fields)
    for enum in used.tree.enums:
        yield enum.name, "enum", ", ".join(enum.variants)
        for variant in enum.variants:
            yield variant, "variant", enum.name


def _type_of(document: Document, name: str, offset: int) -> tree.TypeNode | Type | None:
    """The type of a variable that can be seen at an offset, as written or as checked."""
    best = None
    for rule in document.tree.rules:
        if not rule.start <= offset <= rule.end:
            continue
        for each in document.symbols.occurrences:
            declared = each.declares and each.symbol == Symbol("variable", name, each.symbol.owner)
            if declared and rule.start <= each.start <= offset:
                best = each
    if best is None:
        return None
    if isinstance(best.node, tree.Parameter):
        return best.node.type
    return checked_type(document, name, best.start)


def _record_name(kind: tree.TypeNode | Type | None) -> str:
    """The record a type is of, through `maybe` and labels."""
    while isinstance(kind, tree.WrappedType | tree.PiiType):
        kind = kind.base if isinstance(kind, tree.PiiType) else kind.arguments[0] if kind.kind == "Maybe" else None
    if isinstance(kind, tree.NamedType):
        return kind.name
    if isinstance(kind, Type):
        inner = kind.args[0] if kind.kind == "Maybe" else kind
        return inner.name if inner.kind == "Record" else ""
    return ""
