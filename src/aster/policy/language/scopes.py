"""The names of a rule: scopes, slots, and the types variables have at a point of the flow (specification §8)."""

import re
from typing import TYPE_CHECKING, Any

from aster.policy.language import core, tree
from aster.policy.language.core import Expr, RecordInfo
from aster.policy.language.declarations import Declarations
from aster.policy.language.flow import Flow
from aster.policy.language.library_types import SIGNATURES
from aster.policy.language.repairs import Repair
from aster.policy.language.types import (
    FLOAT,
    INTEGERS,
    UNKNOWN,
    Type,
    fits,
)

if TYPE_CHECKING:
    from aster.policy.language.checker import Promises


class Variable:
    """A name in scope: its slot, and whether anything reads it. Its type is in the checker's flow."""

    __slots__ = ("end", "name", "secret", "slot", "start", "used")

    def __init__(self, name: str, slot: int, secret: bool, start: int, end: int) -> None:
        self.name = name
        self.slot = slot
        self.secret = secret
        self.start = start
        self.end = end
        self.used = False


class Scopes:
    """Scopes and flow of one rule."""

    def __init__(self, declarations: Declarations, promises: "Promises", *, report: bool) -> None:
        self.declarations = declarations
        self.promises = promises
        self.reporting = report
        self.scopes: list[dict[str, Variable]] = [{}]
        self.flow = Flow()
        self.slots = 0
        self.captures: list[tuple[int, set[int]]] = []

    def report(self, code: str, start: int, end: int, **values: Any) -> None:
        if self.reporting:
            self.declarations.source.report(code, start, end, **values)

    def meant(self, name: str, start: int) -> Repair | None:
        """A name that can be seen from here and was probably meant."""
        seen = [known for scope in reversed(self.scopes) for known in scope]
        declarations = self.declarations
        spaces = (function.partition(".")[0] for function in SIGNATURES)
        known = (*seen, *declarations.rules, *declarations.variants, *dict.fromkeys(spaces))
        return declarations.source.suggest(name, known, start)

    def meant_field(self, record: RecordInfo, name: str, node: tree.Node) -> Repair | None:
        """A field that was probably meant by one that is not there, where the text tells which word it is."""
        text = self.declarations.source.text[node.start : node.end]
        if len(re.findall(rf"\b{re.escape(name)}\b", text)) != 1:
            return None
        start = node.start + text.index(name)
        return self.declarations.source.suggest(name, (found.name for found in record.fields), start)

    def redundant(self, node: tree.Node, value: Expr) -> None:
        """An expression that is no other than a part of it."""
        source = self.declarations.source
        repair = Repair(node.start, node.end, source.text[value.start : value.end], True)
        self.report(
            "W003", node.start, node.end, repair=repair, text=f"'{source.excerpt(value.start, value.end)[:40]}'"
        )

    def word(self, kind: str) -> str:
        """A keyword in the locale of the source, quoted."""
        return f"'{self.declarations.source.lexicon.keywords[kind]}'"

    def open_scope(self) -> None:
        self.scopes.append({})

    def close_scope(self) -> None:
        for variable in self.scopes.pop().values():
            if not variable.used and variable.name != "_":
                self.report("W001", variable.start, variable.end, name=variable.name)

    def define(self, name: str, kind: Type, secret: bool, start: int, end: int) -> Variable:
        variable = Variable(name, self.slots, secret, start, end)
        self.slots += 1
        self.scopes[-1][name] = variable
        self.flow[variable.slot] = kind
        return variable

    def find(self, name: str) -> Variable | None:
        for scope in reversed(self.scopes):
            if name in scope:
                return scope[name]
        return None

    def fitted(self, value: Expr, declared: Type) -> Expr | None:
        """The value as one of the declared type, if that is certain."""
        if fits(value.type, declared):
            return value
        wanted = declared.args[0] if declared.kind == "Maybe" else declared
        if wanted.kind == "Float" and value.type.kind in INTEGERS:
            return core.Widen(value.start, value.end, FLOAT, value.secret, value)
        return None

    def local(self, variable: Variable, start: int, end: int) -> Expr:
        variable.used = True
        for first, captured in self.captures:
            if variable.slot < first:
                captured.add(variable.slot)
        return core.Local(start, end, self.flow[variable.slot], variable.secret, variable.slot, variable.name)

    def fail_with(self, start: int, end: int, code: str, operands: tuple[Expr, ...] = (), **values: str) -> Expr:
        return core.Fail(start, end, UNKNOWN, False, code, tuple(values.items()), operands)
