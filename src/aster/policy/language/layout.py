"""The layout of lines: which of them end a statement, which go on, and what is indented below what."""

from typing import Any

from aster.policy.language.source import SourceText
from aster.policy.language.tokens import DEDENT, END, INDENT, NEWLINE, NUMBER, SIGN, TEXT, WORD, Token

Line = tuple[int, int, int, bool]
"""A line: the index of its first token and of the one after its last, its offset, and whether it has brackets."""

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
_PARAMETERS_FOLLOW = frozenset({"FUNC_GIVEN", "TYPE_WITH"})
_FIELDS_FOLLOW = frozenset({"TYPE_WITH"})
_OPERAND_FOLLOWS = (_CONTINUING_KINDS - {"IS", "IS_NOT"}) | {
    *("RETURN", "RESULT_IS", "FUNC_PRODUCE", "IF", "THEN", "OTHERWISE", "MATCH", "WHEN", "LET", "BE", "SET", "TO_WORD"),
    *("NOT", "APPLY", "OK_OF", "ERR_OF", "SOME_OF"),
}
"""After these, a word that looks like an operator is a name."""

_STATEMENT_HEADS = frozenset({"RETURN", "LET", "SET", "MATCH", "WHEN", "FUNC_TO", "TYPE_DEF", "MODULE_DECL"})
"""A line that begins with one of these goes on with none; so an operand that is missing is told where it is."""

LONGEST_PHRASE = 5
"""Words of the longest keyword that may end a line."""


def lay_out(tokens: list[Token], lines: list[Line], source: SourceText) -> list[Token]:
    """Put NEWLINE, INDENT and DEDENT between lines, but not inside brackets and before a line that goes on."""
    laid: list[Token] = []
    append = laid.append
    widths = [0]
    brackets = 0
    head = tokens[0]
    for first, after, line_start, has_brackets in lines:
        if first == after:
            continue
        token = tokens[first]
        kind = token.kind
        if brackets and token.start == line_start and kind is WORD:
            brackets = 0  # a bracket was never closed; a declaration begins at the margin
        if not brackets:
            width = 0 if kind is END else _width(source.text, line_start, token.start)
            if kind is END or not laid or not _continues(laid, token, head, width > widths[-1]):
                head = token
                if laid and laid[-1].kind is not DEDENT:
                    append(Token(NEWLINE, None, laid[-1].end, laid[-1].end))
                if width != widths[-1]:
                    _indent(source, append, widths, width, token.start)
        laid += tokens[first:after]
        if has_brackets:
            for token in tokens[first:after]:
                if token.kind is SIGN:
                    brackets = max(0, brackets + _BRACKETS.get(token.value, 0))
    return laid


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
    """Whether a line goes on with the one before it: an operator ends that one or begins this one, or what its first
    token ``head`` begins is not at its end."""
    previous = laid[-1]
    if token.phrases and _is(token, _STATEMENT_HEADS):
        return False
    if previous.value not in {".", ":"}:
        if token.kind is SIGN and token.value == ".":
            return True
        if head.phrases and _is_unfinished(laid, token, head, deeper):
            return True
    if previous.kind is SIGN:
        if previous.value in {".", ":", ",", "@", "?", "=>"}:
            return False
        if previous.value not in {")", "]"}:
            return True
    elif previous.kind is WORD:
        length = _ending(laid, _CONTINUING_KINDS)
        if length and len(laid) > length and _ends_operand(laid[-1 - length]):
            return True
    elif previous.kind is not TEXT and previous.kind is not NUMBER:
        return False
    if token.kind is SIGN:
        return token.value in _CONTINUING_SIGNS
    return _is(token, _CONTINUING_KINDS)


def _is_unfinished(laid: list[Token], token: Token, head: Token, deeper: bool) -> bool:
    """Whether a rule's head, an `if … then … else …` or the fields of a construction go on."""
    if _is(head, _RULE_HEADS):
        return laid[-1].value == "," or _is(token, _HEAD_KINDS) or (deeper and _ending(laid, _PARAMETERS_FOLLOW) > 0)
    if deeper and _is(head, _EXPRESSION_HEADS):
        return laid[-1].value == "," or _is(token, _CHOICE_KINDS) or _ending(laid, _FIELDS_FOLLOW) > 0
    return False


def _ending(laid: list[Token], kinds: frozenset[str]) -> int:
    """How many words the keyword takes that ends here, the longest there is; 0 if it is none of these kinds."""
    for length in range(min(LONGEST_PHRASE, len(laid)), 0, -1):
        ending = [kind for kind, words in laid[-length].phrases if words == length]
        if ending:
            return length if not kinds.isdisjoint(ending) else 0
    return 0


def _is(token: Token, kinds: frozenset[str]) -> bool:
    for kind, _ in token.phrases:  # noqa: SIM110 - asked at every line; a generator costs three times as much
        if kind in kinds:
            return True
    return False


def _ends_operand(token: Token) -> bool:
    if token.kind is WORD:
        return not _is(token, _OPERAND_FOLLOWS)
    return token.kind is TEXT or token.kind is NUMBER or (token.kind is SIGN and token.value in {")", "]"})
