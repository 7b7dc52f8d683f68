"""Rename a name everywhere, or say why not."""

from typing import Any

import msgspec

from aster.foundation.errors import AsterError
from aster.policy.language import core
from aster.policy.language.scanner import tokenize
from aster.policy.language.source import SourceText
from aster.policy.language.tokens import WORD
from aster.policy.lsp.document import Document
from aster.policy.lsp.symbols import Occurrence, Symbol


class RenameRefused(AsterError):
    """A name that can't be changed to another without changing what the policy means."""

    code = "RENAME_REFUSED"


def occurrences_to_rename(document: Document, offset: int, name: str) -> list[Occurrence]:
    """Where the name under an offset stands; renaming all of them to ``name`` keeps what the policy means.

    Raises `RenameRefused` when it would not: a keyword or no name at all, a name that is taken, or one of which not
    every use is certain.
    """
    found = document.symbols.at(offset)
    if found is None:
        raise RenameRefused("there is no name of this policy here")
    program = document.program
    if program is None:
        raise RenameRefused("the policy has errors; mend them first")
    _check_name(document, name)
    if found.symbol.name in document.symbols.uncertain:
        raise RenameRefused(
            f"'{found.symbol.name}' is used where it is not certain what it belongs to; declare types there"
        )
    if _is_taken(document, found.symbol, name):
        raise RenameRefused(f"'{name}' already means something here")
    places = document.symbols.of(found.symbol)
    renamed = Document(document.uri, with_names(document.text, places, name), document.locale, document.modules)
    if renamed.program is None:
        raise RenameRefused(f"with '{name}' the policy would not be one: {renamed.findings[0].message}")
    both = frozenset({found.symbol.name, name})
    if _meaning(renamed.program.checked, both) != _meaning(program.checked, both):
        raise RenameRefused(f"'{name}' already means something here")
    return places


def _is_taken(document: Document, symbol: Symbol, name: str) -> bool:
    """Whether the name is declared where the symbol could be seen: fields among their own, all else among the rest."""
    if symbol.kind == "field":
        return any(each.symbol == Symbol("field", name, symbol.owner) for each in document.symbols.occurrences)
    uses = document.symbols.of(symbol)
    mine = [rule for rule in document.tree.rules if any(rule.start <= use.start <= rule.end for use in uses)]
    others = [each for each in document.symbols.occurrences if each.declares and each.symbol.name == name]
    return any(
        each.symbol.kind not in {"field", "variable"}
        or (each.symbol.kind == "variable" and any(rule.start <= each.start <= rule.end for rule in mine))
        for each in others
    )


def with_names(text: str, places: list[Occurrence], name: str) -> str:
    """The text with a name in all places."""
    for place in sorted(places, reverse=True):
        text = text[: place.start] + name + text[place.end :]
    return text


def _check_name(document: Document, name: str) -> None:
    tokens = tokenize(SourceText(name, document.lexicon))
    words = [token for token in tokens if token.kind == WORD]
    if len(words) != 1 or (words[0].start, words[0].end) != (0, len(name)):
        raise RenameRefused(f"'{name}' is not a name")
    if words[0].phrases:
        raise RenameRefused(f"'{name}' is a keyword of {document.locale}")


def _meaning(node: Any, names: frozenset[str]) -> Any:
    """A program without its places, some names not told apart: variables are slots, fields and rules have numbers."""
    if isinstance(node, core.Const | core.TestValue):
        return type(node).__name__, type(node.value).__name__, str(node.value)
    if isinstance(node, msgspec.Struct):
        told = tuple(name for name in type(node).__struct_fields__ if name not in {"start", "end"})
        return type(node).__name__, tuple(_meaning(getattr(node, name), names) for name in told)
    if isinstance(node, tuple):
        return tuple(_meaning(part, names) for part in node)
    if isinstance(node, frozenset):
        return frozenset(_meaning(part, names) for part in node)
    return "a name" if isinstance(node, str) and node in names else (type(node).__name__, str(node))
