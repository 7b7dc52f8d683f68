"""What is told about the name under the pointer."""

from aster.policy.language import core, tree
from aster.policy.language.budget import walk
from aster.policy.language.library_docs import FUNCTIONS
from aster.policy.language.library_types import SIGNATURES
from aster.policy.language.types import Type, show
from aster.policy.lsp.document import Document
from aster.policy.lsp.symbols import Occurrence, Symbol
from aster.policy.lsp.workspace import WorkspaceModules, used_at


def describe(document: Document, offset: int) -> tuple[str, int, int] | None:
    """Markdown about what stands at an offset, and where that begins and ends."""
    found = document.symbols.at(offset)
    if found is not None:
        return _told(document, found), found.start, found.end
    for token in document.symbols.words:
        if token.start <= offset <= token.end:
            function = _library_function(document, token.start, token.end)
            if function is not None:
                return _signature(function), token.start, token.end
    return None


def describe_used(document: Document, offset: int, modules: WorkspaceModules) -> tuple[str, int, int] | None:
    """The same about what belongs to a module that is used."""
    used = used_at(document, offset, modules)
    word = next((each for each in document.symbols.words if each.start <= offset <= each.end), None)
    if used is None or word is None or used.declared is None:
        return None
    return _told(used.document, used.declared), word.start, word.end


def _told(document: Document, found: Occurrence) -> str:
    declared = document.symbols.declaration(found.symbol)
    node = declared.node if declared is not None else None
    lines = [f"```aster\n{_headline(document, found.symbol, node)}\n```"]
    if declared is not None and isinstance(node, tree.Rule | tree.Record | tree.Enum):
        comment = document.comment_above(node.start)
        lines += [comment] if comment else []
    return "\n\n".join(lines)


def _headline(document: Document, symbol: Symbol, node: object) -> str:
    text = document.text
    if isinstance(node, tree.Rule):
        return text[node.start : node.end].partition("\n")[0].rstrip().rstrip(":：")
    if isinstance(node, tree.Record | tree.Enum | tree.Alias | tree.Parameter):
        return text[node.start : node.end].strip()
    kind = type_of_variable(document, symbol)
    return symbol.name if kind is None else f"{symbol.name}: {kind}"


def type_of_variable(document: Document, symbol: Symbol) -> str | None:
    """The type of a variable as people write it; None where nothing is known."""
    kind = checked_type(document, symbol.name, int(symbol.owner or 0))
    return None if kind is None or kind.kind in {"Unknown", "Nothing"} else show(kind)


def checked_type(document: Document, name: str, start: int) -> Type | None:
    """The type of the variable of a name whose declaration begins at an offset."""
    program = document.program
    if program is None:
        return None
    for rule in program.checked.rules:
        for node in walk(rule.body):
            if isinstance(node, core.Bind) and node.name == name and node.start <= start <= node.end:
                return node.value.type
            if isinstance(node, core.Local) and node.name == name and node.start >= start:
                return node.type
    return None


def _library_function(document: Document, start: int, end: int) -> str | None:
    text = document.text
    before = text[:start].rpartition("\n")[2]
    space = before[:-1].split() if before.endswith(".") else []
    name = f"{space[-1].lstrip('([')}.{text[start:end]}" if space else text[start:end]
    if name in SIGNATURES:
        return name
    after = text[end:].partition("(")[0]
    return f"{text[start:end]}{after}" if f"{text[start:end]}{after}" in SIGNATURES else None


def _signature(function: str) -> str:
    signature, told = SIGNATURES[function], FUNCTIONS[function]
    optional = len(signature.parameters) - signature.optional
    shown = [f"{kind}?" if index >= optional else kind for index, kind in enumerate(signature.parameters)]
    parameters = ", ".join([*shown, "…"] if signature.variadic else shown)
    examples = "\n".join(f"{each.expression} → {each.value}" for each in told.examples)
    head = f"```aster\n{function}({parameters}) → {show(signature.returns)}\n```"
    return f"{head}\n\n{told.meaning}\n\n```aster\n{examples}\n```"
