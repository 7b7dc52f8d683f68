"""From text to tokens: words, literals, signs and the layout of lines.

Words carry the keyword phrases that begin at them; whether one is meant is the parser's to decide. Offsets are those
of the user's text: widths and punctuation fold one character to one character, articles stay tokens.

Every source is read once from left to right, in time linear in its length.
"""

import re
import unicodedata
from decimal import Decimal
from typing import Any, Final

import msgspec

from aster.policy.language.lexicon import Lexicon, Phrase
from aster.policy.language.repairs import Repair
from aster.policy.language.source import SourceText
from aster.policy.language.vocabulary import Vocabulary

WORD: Final = "word"
TEXT: Final = "text"
NUMBER: Final = "number"
SIGN: Final = "sign"
NEWLINE: Final = "newline"
INDENT: Final = "indent"
DEDENT: Final = "dedent"
END: Final = "end"

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
    |(?P<sign>=>|==|!=|<=|>=|[.:,()\[\]=<>+\-*/?@])|(?P<quote>["“「„])
    |(?P<possessive>['’]s(?=[ \t]+[^\W\d_]))|(?P<other>.)|(?P<end>\Z))""",
    re.VERBOSE,
)
_CLOSERS = {'"': '"', "“": "”", "„": "“", "「": "」", "＂": "＂"}
_TEXT_END = {
    closer: re.compile(rf"[^\\{re.escape(closer)}]*(?:\\.[^\\{re.escape(closer)}]*)*", re.DOTALL)
    for closer in _CLOSERS.values()
}
_ESCAPE = re.compile(r"\\(u[0-9a-fA-F]{4}|.)", re.DOTALL)
_ESCAPES = {'"': '"', "'": "'", "\\": "\\", "/": "/", "n": "\n", "r": "\r", "t": "\t", "b": "\b", "f": "\f", "0": "\0"}
_ESCAPES.update({"„": "„", "“": "“", "”": "”", "「": "「", "」": "」"})
_BRACKETS = {"(": 1, "[": 1, ")": -1, "]": -1}
_CONTINUING_SIGNS = frozenset({"+", "-", "*", "/", "<", ">", "<=", ">=", "==", "!=", "="})
_CONTINUING_KINDS = frozenset(
    [
        "PLUS",
        "MINUS_WORD",
        "TIMES",
        "DIVIDED_BY",
        "INTEGER_DIVIDED_BY",
        "MODULO",
        "AND",
        "OR",
        "LESS_THAN",
        "GREATER_THAN",
        "EQUALS_TO",
        "NOT_EQUAL_TO",
        "UNDER",
        "OVER",
        "MORE_THAN",
        "AT_LEAST",
        "AT_MOST",
        "IS",
        "IS_NOT",
    ]
)
_RULE_HEADS = frozenset({"FUNC_TO"})
_HEAD_KINDS = frozenset({"FUNC_GIVEN", "FUNC_PRODUCE"})
_EXPRESSION_HEADS = frozenset({"RETURN", "LET", "SET"})
_CHOICE_KINDS = frozenset({"THEN", "OTHERWISE"})
_NO_PHRASES: tuple[tuple[str, int], ...] = ()


class Token(msgspec.Struct, gc=False):
    """One token. ``value`` is the name of a word (as written, NFC) or the value of a literal.

    ``phrases`` lists the keyword kinds that begin at a word and how many words each takes, longest first.
    """

    kind: str
    value: Any
    start: int
    end: int
    phrases: tuple[tuple[str, int], ...] = _NO_PHRASES


def tokenize(source: SourceText) -> list[Token]:
    """All tokens of a source, ending with `END`. What can't be read is reported to the source."""
    tokens = _scan(source)
    if source.max_tokens is not None and len(tokens) > source.max_tokens:
        source.report("L011", 0, 0, limit=source.max_tokens)
        return tokens[-1:]
    if source.vocabulary is not None:
        _translate(tokens, source.vocabulary)
    _attach_phrases(tokens, source.lexicon)
    return _lay_out(tokens, source)


def _scan(source: SourceText) -> list[Token]:
    text = source.text
    is_ascii = text.isascii()
    folded = text if is_ascii else text.translate(source.lexicon.folding)
    tokens: list[Token] = []
    append = tokens.append
    match = _TOKEN.match
    position = 1 if text.startswith("\ufeff") else 0
    length = len(text)
    while position < length:
        found = match(folded, position)
        if found is None:  # pragma: no cover - the last alternative takes any character
            break
        group = found.lastgroup or "end"
        position, end = found.span(group)
        if group == "word":
            word = folded[position:end]
            append(Token(WORD, word if is_ascii else _name(source, word, position, end), position, end))
        elif group == "line":
            append(Token(NEWLINE, None, position, end))
        elif group == "sign":
            append(Token(SIGN, folded[position:end], position, end))
        elif group == "number":
            append(Token(NUMBER, _number(source, found.group(group), position, end), position, end))
        elif group == "quote":
            end = _text(source, tokens, position)
        elif group == "possessive" and tokens and tokens[-1].kind is WORD and tokens[-1].end == position:
            while text[end] in " \t":
                end += 1
            append(Token(SIGN, ".", position, end))  # `driver's age` is `driver.age`
        elif group == "comment":
            source.comments.append((position, end))
        elif group in {"other", "possessive"}:
            source.report("L001", position, end, found=repr(text[position:end]))
        position = end
    append(Token(END, None, length, length))
    return tokens


def _translate(tokens: list[Token], vocabulary: Vocabulary) -> None:
    """Replace the words of a domain by its canonical names; literals become texts."""
    for token in tokens:
        if token.kind is WORD:
            word = token.value.lower()
            literal = vocabulary.literals.get(word)
            if literal is not None:
                token.kind, token.value = TEXT, literal
            else:
                token.value = vocabulary.name_of(token.value) or token.value


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


class LongLiteral(int):
    """An integer written with the suffix of a Long."""


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


def _attach_phrases(tokens: list[Token], lexicon: Lexicon) -> None:
    phrases, single = lexicon.phrases, lexicon.single
    known: dict[str, tuple[tuple[str, int], ...] | None] = {}
    for index, token in enumerate(tokens):
        if token.kind is WORD:
            word = token.value
            try:
                ready = known[word]
            except KeyError:
                lower = word.lower()
                ready = known[word] = None if lower in phrases and lower not in single else single.get(lower, ())
            if ready is None:
                token.phrases = _phrases_at(tokens, index, phrases[word.lower()])
            elif ready:
                token.phrases = ready


def _phrases_at(tokens: list[Token], index: int, candidates: tuple[Phrase, ...]) -> tuple[tuple[str, int], ...]:
    found = []
    for phrase in candidates:
        words = phrase.words
        for ahead in range(1, len(words)):  # the first word is why the phrase is a candidate
            token = tokens[index + ahead]
            if token.kind is not WORD or token.value.lower() != words[ahead]:
                break
        else:
            found.append((phrase.kind, len(words)))
    return tuple(found)


def _lay_out(tokens: list[Token], source: SourceText) -> list[Token]:
    """Turn line ends into NEWLINE, INDENT and DEDENT; drop those inside brackets and before continued lines."""
    laid: list[Token] = []
    append = laid.append
    widths = [0]
    brackets = 0
    line_start = 0
    fresh = True
    head = tokens[0]
    for token in tokens:
        kind = token.kind
        if kind is NEWLINE:
            line_start = token.end
            if brackets == 0:
                fresh = True
            continue
        if brackets and token.start == line_start and kind is WORD:
            brackets, fresh = 0, True  # a bracket was never closed; a declaration begins at the margin
        if fresh:
            fresh = False
            width = 0 if kind is END else _width(source.text, line_start, token.start)
            if kind is not END and laid and _continues(laid, token, head, width > widths[-1]):
                append(token)
                brackets += _bracket(token)
                continue
            head = token
            if laid and laid[-1].kind is not DEDENT:
                append(Token(NEWLINE, None, laid[-1].end, laid[-1].end))
            _indent(source, append, widths, width, token.start)
        if kind is SIGN and token.value in _BRACKETS:
            brackets = max(0, brackets + _bracket(token))
        append(token)
    return laid


def _bracket(token: Token) -> int:
    return _BRACKETS.get(token.value, 0) if token.kind is SIGN else 0


def _width(text: str, start: int, end: int) -> int:
    blank = text[start:end]
    return len(blank) + blank.count("\t") - blank.count("\ufeff")


def _indent(source: SourceText, append: Any, widths: list[int], width: int, at: int) -> None:
    if width > widths[-1]:
        if width % 2:
            source.report("L003", at - width if at >= width else at, at)
        widths.append(width)
        append(Token(INDENT, None, at, at))
        return
    while width < widths[-1]:
        widths.pop()
        if width > widths[-1]:
            source.report("L004", at, at + 1)
            widths.append(width)
        append(Token(DEDENT, None, at, at))


def _continues(laid: list[Token], token: Token, head: Token, deeper: bool) -> bool:
    """Whether a line goes on with the one before it: an operator ends that one or begins this one, or a rule's head
    or an `if … then … else …` is not at its end. ``head`` is the first token of the line that may go on."""
    previous = laid[-1]
    is_open = previous.value not in {".", ":"}
    if is_open and token.kind is SIGN and token.value == ".":
        return True
    if is_open and _is(head, _RULE_HEADS) and (previous.value == "," or _is(token, _HEAD_KINDS)):
        return True
    if deeper and _is(head, _EXPRESSION_HEADS) and _is(token, _CHOICE_KINDS):
        return True
    if previous.kind is SIGN:
        if previous.value in {".", ":", ",", "@", "?", "=>"}:
            return False
        if previous.value not in {")", "]"}:
            return True
    elif previous.kind is WORD:
        if _is_operator(previous) and len(laid) > 1 and _ends_operand(laid[-2]):
            return True
    elif previous.kind is not TEXT and previous.kind is not NUMBER:
        return False
    if token.kind is SIGN:
        return token.value in _CONTINUING_SIGNS
    return _is_operator(token)


def _is(token: Token, kinds: frozenset[str]) -> bool:
    for kind, _ in token.phrases:  # noqa: SIM110 - asked at every line; a generator costs three times as much
        if kind in kinds:
            return True
    return False


def _is_operator(token: Token) -> bool:
    return _is(token, _CONTINUING_KINDS)


def _ends_operand(token: Token) -> bool:
    if token.kind is WORD:
        return not token.phrases
    return token.kind is TEXT or token.kind is NUMBER or (token.kind is SIGN and token.value in {")", "]"})
