"""Modules that use one another (specification §17): found by a resolver, each parsed once, joined into one program.

`Use risk.core version 2 as Risk.` makes the declarations of `risk.core` known as `Risk.score`, `Risk.Applicant`. The
text of a used module is appended to the user's, so that offsets stay unique and every later stage works as if there
were one module; positions are told in the module's own lines.
"""

import re
from collections.abc import Callable, Mapping
from hashlib import sha256
from pathlib import Path
from typing import Any, NamedTuple, TypeVar

import msgspec

from aster.policy.language.aliases import AliasSet, lexicon_with
from aster.policy.language.parser import parse
from aster.policy.language.source import SourceText
from aster.policy.language.terms import Term
from aster.policy.language.tree import Import, Module, Node
from aster.policy.language.vocabulary import Vocabulary

T = TypeVar("T")

MAX_MODULES = 64
MAX_IMPORT_DEPTH = 16
_OFFSETS = frozenset({"start", "end", "name_end"})
_VERSIONED = re.compile(r"(?P<name>.+)@(?P<version>[1-9][0-9]{0,8})")


class ModuleSource(msgspec.Struct, frozen=True):
    """The source of a module that another one uses. ``version`` is the one found, None where there are none.

    What is None of the locale and the vocabulary is the user's; aliases are the module's own or none.
    """

    source: str
    version: int | None = None
    locale: str | None = None
    vocabulary: Vocabulary | None = None
    aliases: AliasSet | None = None


Resolver = Callable[[str, int | None], ModuleSource | None]
"""From a module's dotted name and the version asked for (None: the newest) to its source, None if there is none."""


class ImportedModule(msgspec.Struct, frozen=True):
    """What a program was compiled with, for the record: the same version and hash give the same program."""

    name: str
    version: int | None
    source_hash: str


class LinkedModule(NamedTuple):
    """A parsed module of a program; ``uses`` maps the names of its imports to the names of modules."""

    name: str
    tree: Module
    uses: Mapping[str, str]


class Linked(NamedTuple):
    """All modules of a program, the user's own first, and what is to be recorded of the others."""

    modules: tuple[LinkedModule, ...]
    imported: tuple[ImportedModule, ...]


def alone(tree: Module) -> Linked:
    """A program of one module; what it imports is unknown."""
    return Linked((LinkedModule("", tree, {}),), ())


def link(tree: Module, source: SourceText, resolver: Resolver, max_source: int) -> Linked:
    """Find, parse and join everything a module uses. What is missing, wrong or circular is reported to the source."""
    linker = _Linker(source, resolver, max_source)
    uses = linker.uses_of(tree, (tree.name or "",), None)
    return Linked((LinkedModule("", tree, uses), *linker.modules.values()), tuple(linker.records.values()))


class ModuleFolder:
    """A resolver over a folder: `risk.core` is `risk.core.aster` or `risk/core.aster`; `…@2.aster` is version 2."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    def __call__(self, name: str, version: int | None) -> ModuleSource | None:
        """The module's source. Raises `OSError` and `UnicodeDecodeError` for a file that can't be read."""
        found = self.find(name, version)
        return None if found is None else ModuleSource(found[0].read_text(encoding="utf-8"), found[1])

    def find(self, name: str, version: int | None) -> tuple[Path, int | None] | None:
        """The file of a module, and its version."""
        found = self._versions(name)
        if not found:
            return None
        wanted = version if version is not None else max(found, key=lambda known: known or 0)
        path = found.get(wanted)
        return None if path is None else (path, wanted)

    def _versions(self, name: str) -> dict[int | None, Path]:
        head, _, last = name.rpartition(".")
        inside = self._folder.joinpath(*head.split(".")) if head else self._folder
        found: dict[int | None, Path] = {}
        for folder, stem in ((inside, last), (self._folder, name)):
            for path in sorted(folder.glob("*.aster")) if folder.is_dir() else ():
                versioned = _VERSIONED.fullmatch(path.stem)
                if path.stem == stem:
                    found[None] = path
                elif versioned is not None and versioned["name"] == stem:
                    found[int(versioned["version"])] = path
        return found


class _Linker:
    def __init__(self, source: SourceText, resolver: Resolver, max_source: int) -> None:
        self.source = source
        self.resolver = resolver
        self.max_source = max_source
        self.modules: dict[str, LinkedModule] = {}
        self.records: dict[str, ImportedModule] = {}

    def uses_of(self, tree: Module, path: tuple[str, ...], blame: Import | None) -> dict[str, str]:
        """Load what a module imports. ``blame`` is the user's own import that led here."""
        uses: dict[str, str] = {}
        for item in tree.imports:
            if self._load(item, path, blame or item):
                uses[item.alias or item.name.rpartition(".")[2]] = item.name
        return uses

    def _load(self, item: Import, path: tuple[str, ...], blame: Import) -> bool:
        name = item.name
        if name in path:
            return self._refuse("M102", blame, name=name, path=" → ".join((*path[path.index(name) :], name)))
        known = self.records.get(name)
        if known is not None:
            if item.version is None or item.version == known.version:
                return True
            return self._refuse("M103", blame, name=name, expected=item.version, actual=known.version or "–")
        if len(self.records) >= MAX_MODULES or len(path) > MAX_IMPORT_DEPTH:
            return self._refuse("P017", blame, limit=MAX_MODULES, what=Term("modules"))
        found = self.resolver(name, item.version)
        if found is None or (item.version is not None and found.version != item.version):
            version = "" if item.version is None else f" {item.version}"
            return self._refuse("M101", blame, name=f"{name}{version}")
        return self._add(name, found, path, blame)

    def _add(self, name: str, found: ModuleSource, path: tuple[str, ...], blame: Import) -> bool:
        vocabulary = self.source.vocabulary if found.vocabulary is None else found.vocabulary
        lexicon = self.source.lexicon
        if found.locale is not None:
            lexicon = lexicon_with(found.locale, found.aliases, vocabulary)
        if len(found.source) > self.max_source:
            return self._refuse("M104", blame, name=name, found=f"> {self.max_source}")
        text = SourceText(found.source, lexicon, vocabulary, self.source.max_tokens)
        tree = parse(text)
        if text.has_errors:
            first = next(finding for finding in text.findings if finding.severity == "error")
            place = f"{first.start_line}:{first.start_column}: {first.message} [{first.code}]"
            return self._refuse("M104", blame, name=name, found=place)
        digest = sha256(found.source.encode("utf-8", "surrogatepass")).hexdigest()
        self.records[name] = ImportedModule(name, found.version, digest)
        tree = shifted(tree, self.source.append(text, name))
        uses = self.uses_of(tree, (*path, name), blame)
        self.modules[name] = LinkedModule(name, tree, uses)
        return True

    def _refuse(self, code: str, blame: Import, **values: Any) -> bool:
        self.source.refuse(code, blame.start, blame.end, **values)
        return False


def shifted(value: T, base: int) -> T:
    """A tree whose offsets count from a later place."""
    found: Any = value
    if isinstance(found, tuple):
        return tuple(shifted(item, base) for item in found)  # type: ignore[return-value]  # a tuple of the same shape
    if not isinstance(found, Node | Module):
        return value
    fields = {name: getattr(found, name) for name in found.__struct_fields__}
    moved: Any = type(found)(
        **{name: held + base if name in _OFFSETS else shifted(held, base) for name, held in fields.items()}
    )
    return moved  # type: ignore[no-any-return]  # the same type as the value
