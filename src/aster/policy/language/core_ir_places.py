"""Where the nodes of a Core IR document are: a blank text of the shape of its source, which is not at hand.

Every later stage works with offsets of a text. Nodes that tell no place get one of their own on the first line.
"""

from typing import Any

from aster.policy.language import core_ir_nodes as ir
from aster.policy.language.core_ir_words import words_of
from aster.policy.language.errors import CoreIRInvalid
from aster.policy.language.lexicon import load_lexicon
from aster.policy.language.source import MAX_SOURCE, SourceText


class OriginText(SourceText):
    """A blank text with the places of a document; what stands there is told in signs, for traces."""

    def __init__(self, text: str, nodes: dict[tuple[int, int], ir.Node]) -> None:
        super().__init__(text, load_lexicon("en-US"))
        self._nodes = nodes

    def excerpt(self, start: int, end: int) -> str:
        node = self._nodes.get((start, end))
        return super().excerpt(start, end) if node is None else words_of(node)


class Places:
    """Offsets for the nodes of a document: those of a text in which every place of the document exists."""

    def __init__(self, module: ir.Module) -> None:
        widths: dict[int, int] = {1: 0}
        bare = 0
        for node in nodes_of(module):
            if node.origin is None:
                bare += 1
                continue
            for place in (node.origin.start, node.origin.end):
                widths[place.line] = max(widths.get(place.line, 0), place.col)
        self._next = widths[1]
        widths[1] += bare + 1
        lines = max(widths)
        if lines + sum(widths.values()) > 4 * MAX_SOURCE:
            raise CoreIRInvalid("the places of the document are of no source that could be read")
        self._starts = [0, 0]
        for line in range(1, lines + 1):
            self._starts.append(self._starts[-1] + widths.get(line, 0) + 1)
        self.text = "\n".join(" " * widths.get(line, 0) for line in range(1, lines + 1))

    def span(self, origin: ir.Origin | None) -> tuple[int, int]:
        if origin is None:
            self._next += 1
            return self._next - 1, self._next
        start = self._starts[origin.start.line] + origin.start.col - 1
        return start, max(start, self._starts[origin.end.line] + origin.end.col - 1)


def nodes_of(module: ir.Module) -> list[ir.Node]:
    """Every node of a document."""
    found: list[ir.Node] = []
    waiting: list[Any] = list(module.decls)
    while waiting:
        value = waiting.pop()
        if isinstance(value, ir.Node):
            found.append(value)
        if isinstance(value, list):
            waiting.extend(value)
        elif isinstance(value, ir.Node | ir.Param | ir.Given):
            waiting.extend(getattr(value, name) for name in value.__struct_fields__ if name != "origin")
    return found
