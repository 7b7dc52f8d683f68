"""Declarations and modules (specification §5). A failure skips to the next declaration; nothing is dropped silently."""

from typing import Any, TypeVar

from aster.policy.language.cursor import ParseFailure
from aster.policy.language.effects import CAPABILITIES
from aster.policy.language.parse_statements import StatementParser
from aster.policy.language.repairs import Repair
from aster.policy.language.scanner import tokenize
from aster.policy.language.source import SourceText
from aster.policy.language.terms import Term
from aster.policy.language.tokens import DEDENT, END, INDENT, NEWLINE, NUMBER, TEXT, WORD
from aster.policy.language.tree import (
    Alias,
    Annotation,
    Block,
    Enum,
    Import,
    Module,
    Parameter,
    Record,
    Rule,
    TypeNode,
)

T = TypeVar("T")

MAX_RULES = 5_000
_DECLARATIONS = ("MODULE_DECL", "FUNC_TO", "TYPE_DEF", "IMPORT", "TYPE_ALIAS")


def parse(source: SourceText) -> Module:
    """The tree of a source. Errors are in ``source.findings``; the tree is whole only if there are none."""
    parser = ModuleParser(source, tokenize(source))
    try:
        return parser.module()
    except RecursionError:
        parser.depth = 0
        parser.failure("P015", limit=Term("the parser's"))
        return Module(None, (), (), (), (), ())


class ModuleParser(StatementParser):
    """Productions for declarations."""

    def module(self) -> Module:
        name: str | None = None
        found: list[Any] = []
        while not self.at(END):
            if self.at(NEWLINE) or self.at(DEDENT):
                self.advance()
                continue
            try:
                if self.accept_keyword("MODULE_DECL"):
                    name = self.dotted()
                    self._end()
                else:
                    found.append(self._declaration())
            except ParseFailure:
                self._recover_declaration()
        if name is None and not found and not self.source.comments and not self.source.has_errors:
            self.failure("P018")
        rules = _pick(found, Rule)
        if len(rules) > MAX_RULES:
            self.failure("P017", limit=MAX_RULES, what=Term("rules"))
        return Module(name, _pick(found, Import), _pick(found, Alias), _pick(found, Record), _pick(found, Enum), rules)

    def _recover_declaration(self) -> None:
        self.depth = 0
        self.constructing = 0
        while not self.at(END):
            fresh = self.tokens[self.index - 1].kind in {NEWLINE, DEDENT}
            if fresh and (self.at_sign("@") or any(self.at_keyword(kind) for kind in _DECLARATIONS)):
                margin = self.source.position(self.token.start)[1] == 1
                if margin:
                    return
            self.advance()

    def _end(self) -> None:
        if not self.accept_sign("."):
            if not self.at(NEWLINE) and not self.at(END):
                raise self.missing(".")
            self.leave_out_stop()
        self.accept(NEWLINE)

    def _declaration(self) -> Any:
        start = self.token.start
        if self.at_sign("@"):
            return self._rule(self._annotations())
        if self.accept_keyword("TYPE_DEF"):
            return self._definition(start)
        if self.at_keyword("FUNC_TO"):
            return self._rule(())
        if self.accept_keyword("IMPORT"):
            return self._import(start)
        if self.accept_keyword("TYPE_ALIAS"):
            name = self.type_name()
            self.expect_keyword("IMPORT_ALIAS")
            target = self.type()
            self._end()
            return Alias(start, self.last_end, name, target)
        raise self.failure("P005")

    def _import(self, start: int) -> Import:
        if self.at_keyword("IMPORT_VERSION", 1) and self.peek(2).kind is NUMBER:
            name = str(self.advance().value)  # a module may be called `a`
        else:
            name = self.dotted()
        version = None
        if self.accept_keyword("IMPORT_VERSION"):
            if not self.at(NUMBER) or not isinstance(self.token.value, int):
                raise self.failure("P003", expected=Term("a version number"))
            version = int(self.advance().value)
        alias = self.expect_name() if self.accept_keyword("IMPORT_ALIAS") else None
        self._end()
        return Import(start, self.last_end, name, version, alias)

    # Define

    def _definition(self, start: int) -> Record | Enum:
        name = self.type_name()
        if self.accept_keyword("TYPE_ONE_OF"):
            return self._enum(start, name)
        if not self.accept_keyword("TYPE_HAS") and not self.accept_keyword("TYPE_WITH"):
            raise self.failure("P004", expected=self.source.lexicon.keywords["TYPE_HAS"])
        fields: list[Parameter] = []
        indents = self._skip_layout()
        while True:
            fields.append(self.parameter())
            indents += self._skip_layout()
            opened = self._separator()
            if opened < 0:
                break
            indents += opened + self._skip_layout()
        self._close(indents)
        return Record(start, self.last_end, name, tuple(fields))

    def _enum(self, start: int, name: str) -> Enum:
        self.accept_sign(":")
        indents = self._skip_layout()
        variants = [self.expect_name()]
        while True:
            indents += self._skip_layout()
            opened = self._separator()
            if opened < 0:
                break
            indents += opened + self._skip_layout()
            variants.append(self.expect_name())
        self._close(indents)
        return Enum(start, self.last_end, name, tuple(variants))

    def _separator(self) -> int:
        """Step over a comma, `and` or `or`; gives the indentations opened on the way, -1 if there is no separator."""
        comma = self.accept_sign(",")
        indents = self._skip_layout() if comma else 0
        word = self.accept_keyword("AND") or self.accept_keyword("OR")
        return indents if comma or word else -1

    def _skip_layout(self) -> int:
        """Step over line ends inside a definition; counts the indentations opened less those closed."""
        opened = 0
        while self.at(NEWLINE) or self.at(INDENT) or (self.at(DEDENT) and opened):
            if self.at(NEWLINE) and self.peek().kind is not INDENT and not self._goes_on():
                return opened
            opened += 1 if self.at(INDENT) else -1 if self.at(DEDENT) else 0
            self.advance()
        return opened

    def _goes_on(self) -> bool:
        before = self.tokens[self.index - 1]
        joins = self.at_keyword("AND", 1) or self.at_keyword("OR", 1)
        return before.value == "," or bool(joins) or self.peek().value in {",", "."}

    def _close(self, indents: int) -> None:
        self._end()
        while indents > 0 and self.accept(DEDENT):
            indents -= 1

    # Rule

    def _annotations(self) -> tuple[Annotation, ...]:
        found: list[Annotation] = []
        while self.at_sign("@"):
            start = self.advance().start
            name = self.expect_name()
            arguments: list[tuple[str, Any]] = []
            if self.accept_sign("("):
                while not self.accept_sign(")"):
                    key = self.expect_name()
                    self.expect_sign(":")
                    if not self.at(TEXT) and not self.at(NUMBER) and not self.at(WORD):
                        raise self.failure("P003", expected=Term("a literal"))
                    arguments.append((key, self.advance().value))
                    self.accept_sign(",")
            found.append(Annotation(start, self.last_end, name, tuple(arguments)))
            self.skip_newlines()
        return tuple(found)

    def _rule(self, annotations: tuple[Annotation, ...]) -> Rule:
        start = self.token.start
        self.expect_keyword("FUNC_TO")
        name = self.expect_name()
        name_end = self.last_end
        if self.at_sign("-"):
            hyphen = self.token
            raise self.failure(
                "P005",
                help_text=Term("names have no hyphens; write discountedPrice or discounted_price"),
                repair=Repair(hyphen.start, hyphen.end, "_"),
            )
        type_parameters = self._type_parameters() if self.accept_keyword("OF") else ()
        effect_parameters = self._effect_parameters()
        parameters: tuple[Parameter, ...] = ()
        if self.accept_keyword("FUNC_GIVEN") or self.accept_keyword("TYPE_WITH"):
            parameters = self.parameters()
        self.accept_sign(",")
        returns: TypeNode | None = None
        if self.accept_keyword("FUNC_PRODUCE") and not self.at_sign(":", ".") and not self.at_keyword("FUNC_PERFORMS"):
            returns = self.type()
        effects: tuple[str, ...] | None = None
        capabilities: tuple[str, ...] | None = None
        if self.at_sign(",") and self.at_keyword("FUNC_PERFORMS", 1):
            self.advance()
        full_stop = self.accept_sign(".")
        if self.accept_keyword("FUNC_PERFORMS"):
            effects, capabilities = self._effects()
        body = self._body(full_stop and effects is None)
        return Rule(
            start,
            self.last_end,
            name,
            type_parameters,
            parameters,
            returns,
            body,
            effects,
            capabilities,
            annotations,
            name_end,
            effect_parameters,
        )

    def _body(self, is_declaration: bool) -> Block | None:
        if self.accept_sign(":"):
            if self.at(NEWLINE) and self.peek().kind is not INDENT:
                raise self.failure("P013")
            if self.at(NEWLINE):
                return self.block()
            return (self.statement(),)
        if not is_declaration and not self.accept_sign("."):
            raise self.missing(":")
        self.accept(NEWLINE)
        return None

    def _type_parameters(self) -> tuple[str, ...]:
        names = [self.expect_name()]
        while self.at_keyword("AND") or (self.at_sign(",") and self.peek().kind is WORD and not self._at_produce(1)):
            if self.at_keyword("FUNC_GIVEN", 1):
                break
            self.accept_sign(",")
            self.accept_keyword("AND")
            names.append(self.expect_name())
        return tuple(names)

    def _effect_parameters(self) -> tuple[str, ...]:
        names = []
        if self.accept_sign("<"):
            while not self.accept_sign(">"):
                names.append(self.expect_name())
                self.accept_sign(",")
        return tuple(names)

    def _effects(self) -> tuple[tuple[str, ...], tuple[str, ...] | None]:
        effects: list[str] = []
        capabilities: list[str] | None = None
        while True:
            if self.accept_keyword("IO"):
                effects.append("io")
            elif self.accept_keyword("CPU"):
                effects.append("cpu")
            elif self.at(WORD) and str(self.token.value)[0].isupper():
                effects.append(str(self.advance().value))
            else:
                raise self.failure("P014")
            if not self.accept_keyword("AND") and not (self.at_sign(",") and self.accept_sign(",")):
                break
        if self.accept_sign("["):
            capabilities = self._capabilities()
            self.expect_sign("]")
        elif self.accept_keyword("TYPE_WITH"):
            capabilities = self._capabilities()
        return tuple(effects), None if capabilities is None else tuple(capabilities)

    def _capabilities(self) -> list[str]:
        names: list[str] = []
        while self.at(WORD):
            if self.token.value not in CAPABILITIES:
                raise self.failure("P014")
            names.append(str(self.advance().value))
            if not self.accept_sign(",") and not self.accept_keyword("AND"):
                break
        return names


def _pick(found: list[Any], kind: type[T]) -> tuple[T, ...]:
    return tuple(item for item in found if isinstance(item, kind))
