"""How much a GraphQL document may ask, decided on its syntax before anything is validated or done.

Validation compares fields of one name pairwise, so what it may be given is bounded as well as what may be executed.
Fragments are counted once and added up where they are spread: linear in the document, however they are nested.
"""

from dataclasses import dataclass
from typing import Any

from graphql import (
    DocumentNode,
    FieldNode,
    FragmentDefinitionNode,
    FragmentSpreadNode,
    GraphQLError,
    InlineFragmentNode,
    OperationDefinitionNode,
    parse,
)

MOST_TOKENS = 2_000
MOST_FIELDS = 300
MOST_OPERATIONS = 20
"""Fields at the root: each does what a request does, and costs what a request costs."""

INTROSPECTION = ("__schema", "__type")


Fragments = dict[str, FragmentDefinitionNode]


@dataclass(frozen=True, slots=True)
class Extent:
    """What a selection asks: levels of fields, fields, fields at its top, and whether it looks at the schema."""

    depth: int = 0
    fields: int = 0
    roots: int = 0
    introspects: bool = False

    def beside(self, other: "Extent") -> "Extent":
        return Extent(
            max(self.depth, other.depth),
            self.fields + other.fields,
            self.roots + other.roots,
            self.introspects or other.introspects,
        )


Counted = dict[str, Extent | None]
"""What each fragment asks; None while it is being counted."""


def parsed(query: str) -> DocumentNode:
    """The document; raises `GraphQLError` for what is not one, or is too long."""
    try:
        return parse(query, no_location=False, max_tokens=MOST_TOKENS)
    except RecursionError:
        raise GraphQLError("the document is nested too deeply") from None


def extent_of(document: DocumentNode, operation_name: str | None, *, most_depth: int) -> Extent:
    """Of the operation that will be run; raises `GraphQLError` when it asks too much or a fragment spreads itself."""
    fragments = {node.name.value: node for node in document.definitions if isinstance(node, FragmentDefinitionNode)}
    operations = [node for node in document.definitions if isinstance(node, OperationDefinitionNode)]
    chosen = [
        node
        for node in operations
        if operation_name is None or (node.name is not None and node.name.value == operation_name)
    ]
    known: Counted = {}
    whole = Extent()
    for node in [*chosen, *fragments.values()]:
        whole = _larger(whole, _extent(node.selection_set, fragments, known))
    for value, most, word in (
        (whole.depth, most_depth, "levels of fields"),
        (whole.fields, MOST_FIELDS, "fields"),
        (whole.roots, MOST_OPERATIONS, "operations at once"),
    ):
        if value > most:
            raise GraphQLError(f"the document asks for more than {most} {word}")
    return whole


def _larger(one: Extent, other: Extent) -> Extent:
    return Extent(
        max(one.depth, other.depth),
        max(one.fields, other.fields),
        max(one.roots, other.roots),
        one.introspects or other.introspects,
    )


def _extent(selection_set: Any, fragments: Fragments, known: Counted) -> Extent:
    total = Extent()
    for node in selection_set.selections if selection_set is not None else ():
        match node:
            case FieldNode():
                inside = _extent(node.selection_set, fragments, known)
                introspects = inside.introspects or node.name.value in INTROSPECTION
                total = total.beside(Extent(1 + inside.depth, 1 + inside.fields, 1, introspects))
            case InlineFragmentNode():
                total = total.beside(_extent(node.selection_set, fragments, known))
            case FragmentSpreadNode():
                total = total.beside(_of_fragment(node.name.value, fragments, known))
    return total


def _of_fragment(name: str, fragments: Fragments, known: Counted) -> Extent:
    if name not in known:
        known[name] = None  # being counted: meeting it again is a circle
        definition = fragments.get(name)
        known[name] = _extent(definition.selection_set, fragments, known) if definition is not None else Extent()
    found = known[name]
    if found is None:
        raise GraphQLError("a fragment spreads itself")
    return found
