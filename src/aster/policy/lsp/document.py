"""One policy in an editor: its text, its findings, its tree, and where its names are."""

from functools import cached_property

from aster.policy.language import tree
from aster.policy.language.diagnostics import Diagnostic
from aster.policy.language.errors import PolicySyntaxError
from aster.policy.language.lexicon import ENGLISH, Lexicon, load_lexicon
from aster.policy.language.locale_of import LOCALE_COMMENT, locale_of
from aster.policy.language.modules import Resolver
from aster.policy.language.parser import parse
from aster.policy.language.program import Program, compile_source
from aster.policy.language.scanner import tokenize
from aster.policy.language.source import MAX_SOURCE, MAX_TOKENS, SourceText
from aster.policy.language.tokens import Token
from aster.policy.lsp.positions import Lines
from aster.policy.lsp.symbols import Symbols


class Document:
    """A version of a file. It never changes; an edit makes a new one."""

    def __init__(self, uri: str, text: str, default_locale: str = ENGLISH, modules: Resolver | None = None) -> None:
        self.uri = uri
        self.modules = modules
        self.text = text.replace("\r\n", "\n").replace("\r", "\n")
        self.lines = Lines(self.text)
        self.locale = locale_of(uri, text, default_locale)

    @property
    def lexicon(self) -> Lexicon:
        return load_lexicon(self.locale)

    @cached_property
    def _compiled(self) -> tuple[Program | None, tuple[Diagnostic, ...]]:
        try:
            program = compile_source(self.text, self.locale, modules=self.modules)
        except PolicySyntaxError as error:
            return None, error.diagnostics
        return program, program.diagnostics

    @property
    def program(self) -> Program | None:
        """The program, None while the text is none."""
        return self._compiled[0]

    @property
    def findings(self) -> tuple[Diagnostic, ...]:
        return tuple(found for found in self._compiled[1] if found.module is None)

    @property
    def uses_modules(self) -> bool:
        """Whether other files have a say in what this one means."""
        return bool(self.tree.imports)

    @cached_property
    def tree(self) -> tree.Module:
        """What could be parsed, also of a text with errors."""
        return parse(self._source())

    @cached_property
    def tokens(self) -> list[Token]:
        return tokenize(self._source())

    def _source(self) -> SourceText:
        """The text; one beyond the limits has no names."""
        return SourceText(self.text if len(self.text) <= MAX_SOURCE else "", self.lexicon, None, MAX_TOKENS)

    @cached_property
    def symbols(self) -> Symbols:
        program = self.program
        return Symbols(self.tree, self.tokens, program.checked if program is not None else None)

    def comment_above(self, offset: int) -> str:
        """The comment lines directly above a declaration."""
        lines = self.text[: self.text.rfind("\n", 0, offset) + 1].splitlines()
        found: list[str] = []
        while lines and (lines[-1].lstrip().startswith(("#", "//", "@"))):
            line = lines.pop().strip()
            if not line.startswith("@") and not LOCALE_COMMENT.match(line):
                found.append(line.lstrip("#/").strip())
        return "\n".join(reversed(found))
