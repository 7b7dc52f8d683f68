"""Modules that policies in an editor use: beside the policy, else in the folders of the workspace.

What is open in the editor counts as it is there, saved or not.
"""

from collections.abc import Callable, Iterable
from pathlib import Path
from typing import NamedTuple
from urllib.parse import unquote, urlsplit
from urllib.request import url2pathname

from aster.policy.language.modules import ModuleFolder, ModuleSource
from aster.policy.lsp.document import Document
from aster.policy.lsp.symbols import Occurrence


def path_of(uri: str) -> Path | None:
    """The file of a `file:` URI, None for what is no file."""
    parts = urlsplit(uri)
    return Path(url2pathname(unquote(parts.path))) if parts.scheme == "file" else None


class Place(NamedTuple):
    """A declaration in a module that is used, None for the module itself."""

    document: Document
    declared: Occurrence | None


def used_at(document: Document, offset: int, modules: "WorkspaceModules") -> Place | None:
    """What of a used module stands at an offset: `Risk`, or `score` in `Risk.score`."""
    words = document.symbols.words
    for index, word in enumerate(words):
        if not word.start <= offset <= word.end:
            continue
        after_dot = document.symbols.signs.get(word.start - 1) == "."
        used = modules.used(document, str(words[index - 1].value if after_dot else word.value))
        if used is None:
            return None
        kinds = {"rule", "record", "enum", "alias", "variant"}
        declared = (each for each in used.symbols.occurrences if each.declares and each.symbol.kind in kinds)
        found = next((each for each in declared if each.symbol.name == word.value), None) if after_dot else None
        return None if after_dot and found is None else Place(used, found)
    return None


class WorkspaceModules:
    """A resolver for one policy. ``text_at`` gives what is open in the editor under a URI, None for all else."""

    def __init__(self, uri: str, folders: Iterable[Path], text_at: Callable[[str], str | None], locale: str) -> None:
        path = path_of(uri)
        self._folders = [*([path.parent] if path is not None else []), *folders]
        self._text_at = text_at
        self._locale = locale

    def __call__(self, name: str, version: int | None) -> ModuleSource | None:
        found = self._find(name, version)
        document = None if found is None else self._read(found[0])
        if found is None or document is None:
            return None
        return ModuleSource(document.text, found[1], document.locale)

    def used(self, document: Document, name: str) -> Document | None:
        """The module that a policy knows by a name: `risk` or what follows `as`."""
        for item in document.tree.imports:
            if name == (item.alias or item.name.rpartition(".")[2]):
                found = self._find(item.name, item.version)
                return None if found is None else self._read(found[0])
        return None

    def _read(self, path: Path) -> Document | None:
        uri = path.as_uri()
        text = self._text_at(uri)
        try:
            text = path.read_text(encoding="utf-8") if text is None else text
        except (OSError, UnicodeDecodeError):
            return None
        return Document(uri, text, self._locale, self)

    def _find(self, name: str, version: int | None) -> tuple[Path, int | None] | None:
        for folder in self._folders:
            try:
                found = ModuleFolder(folder).find(name, version)
            except OSError:
                continue
            if found is not None:
                return found[0].resolve(), found[1]
        return None
