"""From text to tokens: words, literals and signs, line by line.

Words carry the keyword phrases that begin at them; whether one is meant is the parser's to decide. Offsets are those
of the user's text: widths and punctuation fold one character to one character, articles stay tokens.

Every source is read once from left to right, in time linear in its length.
"""

import re
import unicodedata
from decimal import Decimal
from typing import Any

from aster.policy.language.layout import Line, lay_out
from aster.policy.language.lexicon import Opening, Phrase
from aster.policy.language.repairs import Repair
from aster.policy.language.source import SourceText
from aster.policy.language.tokens import END, NO_PHRASES, NUMBER, SIGN, TEXT, WORD, LongLiteral, Phrases, Token

INT_DIGITS = 10
LONG_DIGITS = 19
DECIMAL_DIGITS = 38
FLOAT_CHARACTERS = 400

_MARKS = (
    "\u0300-\u036f\u0483-\u0487\u0591-\u05bd\u064b-\u065f\u0900-\u0903\u093a-\u094f\u0951-\u0957"
    "\u0962\u0963\u0981-\u0983\u09bc-\u09cd\u200c\u200d"
)
_TOKEN = re.compile(
    rf"""[ \t]*(?:(?P<word>[^\W\d_][\w{_MARKS}]*|_(?![\w]))|(?P<comment>//[^\n]*|\#[^\n]*)|(?P<line>\n)
    |(?P<number>[0-9]+(?:\.[0-9]+)?[LlMm]?)
    |(?P<text>"[^"\\\n]*")|(?P<sign>=>|==|!=|<=|>=|[.:,()\[\]=<>+\-*/?@])|(?P<quote>["“「„])
    |(?P<possessive>['’]s(?=[ \t]+[^\W\d_]))|(?P<other>.)|(?P<end>\Z))""",
    re.VERBOSE,
)
_GROUP_WORD, _GROUP_LINE, _GROUP_NUMBER, _GROUP_SIGN, _GROUP_TEXT, _GROUP_END = (
    _TOKEN.groupindex[name] for name in ("word", "line", "number", "sign", "text", "end")
)
_CLOSERS = {'"': '"', "“": "”", "„": "“", "「": "」", "＂": "＂"}
_TEXT_END = {
    closer: re.compile(rf"[^\\{re.escape(closer)}]*(?:\\.[^\\{re.escape(closer)}]*)*", re.DOTALL)
    for closer in _CLOSERS.values()
}
_ESCAPE = re.compile(r"\\(u[0-9a-fA-F]{4}|.)", re.DOTALL)
_ESCAPES = {'"': '"', "'": "'", "\\": "\\", "/": "/", "n": "\n", "r": "\r", "t": "\t", "b": "\b", "f": "\f", "0": "\0"}
_ESCAPES.update({"„": "„", "“": "“", "”": "”", "「": "「", "」": "」"})
_TURNS = re.compile("[\u202a-\u202e\u2066-\u2069]")
"""What makes a text read in another order than it is, in comments and texts as well (CVE-2021-42574)."""

_BRACKETS = frozenset("()[]")
_NOTHING = Opening(NO_PHRASES, {})

_Longer = dict[str, tuple[Phrase, ...]]
"""The phrases of several words that begin at a word, by their second word (see `Opening`)."""


def tokenize(source: SourceText) -> list[Token]:
    """All tokens of a source, ending with `END`. What can't be read is reported to the source."""
    if not source.text.isascii():
        for found in _TURNS.finditer(source.text):
            source.report("L001", found.start(), found.end(), found=f"U+{ord(found[0]):04X}")
    tokens, lines = _scan(source)
    if source.max_tokens is not None and len(tokens) + len(lines) - 1 > source.max_tokens:
        source.report("L011", 0, 0, limit=source.max_tokens)
        return tokens[-1:]
    return lay_out(tokens, lines, source)


class _Words(dict[str, tuple[str, Any, Phrases, _Longer]]):
    """What each word of a source is: kind, value, the keywords it is alone, the phrases it may begin."""

    def __init__(self, source: SourceText) -> None:
        super().__init__()
        self._openings = source.lexicon.openings
        self._vocabulary = source.vocabulary

    def __missing__(self, word: str) -> tuple[str, Any, Phrases, _Longer]:
        name = word
        if self._vocabulary is not None:
            literal = self._vocabulary.literals.get(word.lower())
            if literal is not None:
                self[word] = (TEXT, literal, NO_PHRASES, {})
                return self[word]
            name = self._vocabulary.name_of(word) or word
        alone, longer = self._openings.get(name.lower(), _NOTHING)
        self[word] = (WORD, name, alone, longer)
        return self[word]


def _scan(source: SourceText) -> tuple[list[Token], list[Line]]:
    """The tokens without line ends, and the lines they are in."""
    text = source.text
    is_ascii = text.isascii()
    folded = text if is_ascii else text.translate(source.lexicon.folding)
    words = _Words(source)
    tokens: list[Token] = []
    append = tokens.append
    beginning: list[tuple[int, _Longer]] = []
    lines: list[Line] = []
    line_start = first = 0
    has_brackets = False
    position, length = (1 if text.startswith("\ufeff") else 0), len(text)
    while position < length:
        for found in _TOKEN.finditer(folded, position):
            group = found.lastindex or _GROUP_END
            start, end = found.span(group)
            if group == _GROUP_WORD:
                word = folded[start:end] if is_ascii else _name(source, folded[start:end], start, end)
                kind, value, phrases, longer = words[word]
                if longer:
                    beginning.append((len(tokens), longer))
                append(Token(kind, value, start, end, phrases))
            elif group == _GROUP_LINE:
                lines.append((first, len(tokens), line_start, has_brackets))
                first, line_start, has_brackets = len(tokens), end, False
                if beginning:
                    _attach_phrases(tokens, beginning)
            elif group == _GROUP_SIGN:
                sign = folded[start:end]
                has_brackets = has_brackets or sign in _BRACKETS
                append(Token(SIGN, sign, start, end))
            elif group == _GROUP_NUMBER:
                append(Token(NUMBER, _number(source, folded[start:end], start, end), start, end))
            elif group == _GROUP_TEXT and is_ascii:
                append(Token(TEXT, text[start + 1 : end - 1], start, end))
            elif group != _GROUP_END:
                position = _other(source, tokens, found.lastgroup, start, end)
                if position != end:
                    break  # a text longer than what was read of it: go on after its end
        else:
            position = length
    append(Token(END, None, length, length))
    lines.append((first, len(tokens), line_start, has_brackets))
    _attach_phrases(tokens, beginning)
    return tokens, lines


def _other(source: SourceText, tokens: list[Token], group: str | None, start: int, end: int) -> int:
    """A text, a possessive, a comment or what can't be read; gives where it ends."""
    text = source.text
    if group in {"quote", "text"}:
        return _text(source, tokens, start)
    if group == "comment":
        source.comments.append((start, end))
    elif group == "possessive" and tokens and tokens[-1].kind is WORD and tokens[-1].end == start:
        adjacent = end
        while text[adjacent] in " \t":
            adjacent += 1
        tokens.append(Token(SIGN, ".", start, adjacent))  # `driver's age` is `driver.age`
    else:
        source.report("L001", start, end, found=repr(text[start:end]))
    return end


def _attach_phrases(tokens: list[Token], beginning: list[tuple[int, _Longer]]) -> None:
    """The phrases of the words of a line that may begin several words; the line's last token is the last there is."""
    last = len(tokens)
    for index, longer in beginning:
        if index + 1 == last or tokens[index + 1].kind is not WORD:
            continue
        candidates = longer.get(tokens[index + 1].value.lower())
        if candidates is not None:
            found = [phrase for phrase in candidates if _goes_on(tokens, index, phrase.words)]
            tokens[index].phrases = tuple([(phrase.kind, len(phrase.words)) for phrase in found])
    beginning.clear()


def _goes_on(tokens: list[Token], index: int, words: tuple[str, ...]) -> bool:
    """Whether the words of a phrase after its second follow here."""
    if index + len(words) > len(tokens):
        return False
    for ahead in range(2, len(words)):
        token = tokens[index + ahead]
        if token.kind is not WORD or token.value.lower() != words[ahead]:
            return False
    return True


def _name(source: SourceText, word: str, start: int, end: int) -> str:
    if word.isascii():
        return word
    name = unicodedata.normalize("NFC", word)
    scripts = {unicodedata.name(char, "?").split()[0] for char in name if char.isalpha()}
    if len(scripts & {"LATIN", "CYRILLIC", "GREEK"}) > 1:
        source.report("L009", start, end, found=repr(word))
    return name


def _number(source: SourceText, written: str, start: int, end: int) -> Any:
    suffix = written[-1].lower()
    digits = written.rstrip("LlMm")
    if suffix == "m":
        if len(digits.replace(".", "").strip("0")) > DECIMAL_DIGITS:
            source.report("L005", start, end)
            return Decimal(0)
        return Decimal(digits)
    if suffix == "l":
        if "." in digits or len(digits.lstrip("0")) > LONG_DIGITS or int(digits) > 2**63 - 1:
            source.report("L007", start, end, found=written[:40])
            return LongLiteral(0)
        return LongLiteral(int(digits))
    if "." in digits:
        number = float(digits) if len(digits) <= FLOAT_CHARACTERS else float("inf")
        if number == float("inf"):
            source.report("L008", start, end, found=written[:40])
            return 0.0
        return number
    if len(digits.lstrip("0")) > INT_DIGITS or int(digits) > 2**31 - 1:
        repair = Repair(end, end, "L", True) if int(digits[:40]) < 2**63 else None
        source.report("L006", start, end, repair=repair, found=written[:40])
        return 0
    return int(digits)


def _text(source: SourceText, tokens: list[Token], start: int) -> int:
    text = source.text
    closer = _CLOSERS[text[start]]
    found = _TEXT_END[closer].match(text, start + 1)
    end = found.end() if found else len(text)
    if end >= len(text):
        line_end = text.find("\n", start)
        stop = line_end if line_end >= 0 else len(text)
        close = len(text[start:stop].rstrip(" .。।")) + start
        source.report("L002", start, stop, repair=Repair(close, close, closer))
        tokens.append(Token(TEXT, "", start, len(text)))
        return len(text)
    raw = text[start + 1 : end]
    tokens.append(Token(TEXT, _unescape(source, raw, start + 1) if "\\" in raw else raw, start, end + 1))
    return end + 1


def _unescape(source: SourceText, raw: str, offset: int) -> str:
    def replace(found: re.Match[str]) -> str:
        escape = found.group(1)
        if escape[0] == "u" and len(escape) > 1:
            return chr(int(escape[1:], 16))
        if escape in _ESCAPES:
            return _ESCAPES[escape]
        source.report("L001", offset + found.start(), offset + found.end(), found=repr(found.group()))
        return ""

    unescaped = _ESCAPE.sub(replace, raw)
    # Two escaped surrogates are one character; a lone one can't be encoded and becomes the replacement character.
    return unescaped.encode("utf-16", "surrogatepass").decode("utf-16", "replace")
