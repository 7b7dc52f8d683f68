"""A policy in the words of another locale: the same program, its names, texts and comments kept.

Only keywords, punctuation and quotes change. Where two locales have vocabularies for a trade, the words of the first
become canonical names, and these the words of the second.
"""

from aster.policy.language.aliases import AliasSet
from aster.policy.language.concrete import Concrete, meaning, read_concrete, reread
from aster.policy.language.cursor import ARTICLE, POSSESSIVE
from aster.policy.language.errors import PolicySyntaxError
from aster.policy.language.formatter import FormatDefect, in_case, render
from aster.policy.language.lexicon import Lexicon, load_lexicon
from aster.policy.language.parse_expressions import IS_PREFIX
from aster.policy.language.source import MAX_SOURCE, MAX_TOKENS, SourceText
from aster.policy.language.tokens import NUMBER, TEXT, WORD, Token
from aster.policy.language.vocabulary import Vocabulary

_NOISE = frozenset({ARTICLE, IS_PREFIX})
_SPECIAL = frozenset('\\"“”„「」')


def translate_source(
    text: str,
    locale: str,
    target: str,
    *,
    vocabulary: Vocabulary | None = None,
    target_vocabulary: Vocabulary | None = None,
    aliases: AliasSet | None = None,
    max_source: int = MAX_SOURCE,
    max_tokens: int = MAX_TOKENS,
) -> str:
    """The source in the words of ``target``, formatted.

    Raises `PolicySyntaxError` for what can't be parsed or is beyond the limits, and (code T001) where a name would be
    taken for a keyword.
    """
    concrete = read_concrete(text, locale, vocabulary, aliases, (max_source, max_tokens))
    lexicon = load_lexicon(target)

    def spell(_: Concrete, kind: str, written: str, first: bool) -> str:
        return _keyword(lexicon, kind, first)

    def write(source: Concrete, token: Token) -> str:
        return _word(source, token, lexicon, target_vocabulary)

    translated = render(concrete, lexicon, spell, write)
    try:
        same = meaning(reread(translated, target, target_vocabulary).tree) == meaning(concrete.tree)
    except PolicySyntaxError:
        same = False
    if not same:
        _refuse(concrete, lexicon)
    return translated


def _keyword(lexicon: Lexicon, kind: str, first: bool) -> str:
    if kind in _NOISE:
        return ""
    if kind == POSSESSIVE:
        return lexicon.possessives[0]
    phrase = lexicon.keywords[kind] if first else lexicon.inline.get(kind, lexicon.keywords[kind])
    return in_case(lexicon, kind, phrase, first)


def _word(concrete: Concrete, token: Token, lexicon: Lexicon, vocabulary: Vocabulary | None) -> str:
    written = concrete.source.text[token.start : token.end]
    if token.kind is TEXT:
        return _quoted(written, str(token.value), lexicon)
    if token.kind is NUMBER:
        return written.translate(concrete.source.lexicon.folding).replace("l", "L").replace("M", "m")
    return str(token.value) if vocabulary is None else vocabulary.word_for(str(token.value))


def _quoted(written: str, value: str, lexicon: Lexicon) -> str:
    """A text in the locale's quotes, unless it holds quotes or escapes: then as it is."""
    if written[0] not in _SPECIAL:  # a literal of a vocabulary
        return f"{lexicon.open_quote}{value}{lexicon.close_quote}"
    inner = written[1:-1]
    return written if _SPECIAL & set(inner) else f"{lexicon.open_quote}{inner}{lexicon.close_quote}"


def _refuse(concrete: Concrete, lexicon: Lexicon) -> None:
    """Say which names the other locale would take for keywords."""
    source = SourceText(concrete.source.text, concrete.source.lexicon)
    taken = {phrase.words[0] for phrases in lexicon.phrases.values() for phrase in phrases}
    keywords = {place for first, (_, length) in concrete.keywords.items() for place in range(first, first + length)}
    for index, token in enumerate(concrete.tokens):
        if token.kind is WORD and index not in keywords and str(token.value).lower() in taken:
            source.report("T001", token.start, token.end, name=token.value, other=lexicon.id)
    if source.findings:
        raise PolicySyntaxError(source.findings)
    raise FormatDefect("the translated source would not mean the same", hint="please report the source")
