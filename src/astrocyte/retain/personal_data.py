"""Personal data and secrets in a text, found by pattern rules and checked by arithmetic where a number allows it.

One table of rules. Where two rules match the same characters the one that is listed first names them, so a card number
is never cut up into telephone numbers, and what the other matched besides is replaced as well. Every pattern is linear:
no input makes it slow.
"""

import ipaddress
import re
import string
from bisect import bisect_left, bisect_right, insort
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from operator import attrgetter


@dataclass(frozen=True, slots=True)
class Rule:
    """``kind`` names what is found. A pattern's group ``it`` is the data when the pattern needs words around it.

    A match that is none may be one without its last groups, when ``is_trimmed``: what follows can look like more of it.
    """

    kind: str
    pattern: re.Pattern[str]
    holds: Callable[[str], bool] = bool
    is_trimmed: bool = False


@dataclass(frozen=True, slots=True)
class Finding:
    """What was found where in a text; ``start`` and ``end`` as in a slice."""

    kind: str
    start: int
    end: int

    @property
    def replacement(self) -> str:
        return f"[{self.kind.upper()}_REDACTED]"


Finder = Callable[[str], list[Finding]]
"""Finds personal data in a text: findings in order, none overlapping another."""


def _digits(text: str) -> str:
    return "".join(letter for letter in text if letter in "0123456789")


def _is_card(text: str) -> bool:
    """Luhn's check (ISO/IEC 7812-1) on 13 to 19 digits that are not all the same."""
    digits = _digits(text)
    if not 13 <= len(digits) <= 19 or len(set(digits)) == 1:
        return False
    total = 0
    for place, digit in enumerate(reversed(digits)):
        value = int(digit) * (2 if place % 2 else 1)
        total += value - 9 if value > 9 else value
    return total % 10 == 0


_AS_DIGITS = {ord(letter): str(int(letter, 36)) for letter in string.ascii_uppercase}


def _is_iban(text: str) -> bool:
    """The remainder by 97 is 1 with the first four characters moved to the end (ISO 13616)."""
    plain = text.replace(" ", "")
    if not 15 <= len(plain) <= 34:
        return False
    return int((plain[4:] + plain[:4]).translate(_AS_DIGITS)) % 97 == 1


def _is_social_security_number(text: str) -> bool:
    area, group, serial = text.split("-")
    return area not in ("000", "666") and area < "900" and group != "00" and serial != "0000"


def _is_telephone_number(text: str) -> bool:
    return 8 <= len(_digits(text)) <= 15


def _is_address(text: str) -> bool:
    try:
        found = ipaddress.ip_address(text)
    except ValueError:
        return False
    return found.version == 4 or len(text.replace(":", "")) >= 4


_DATE = r"\d{1,4}[-/.]\d{1,2}[-/.]\d{1,4}|\d{1,2}\.? [A-Za-z]{3,9},? \d{4}|[A-Za-z]{3,9} \d{1,2},? \d{4}"

RULES = (
    Rule(
        "private_key",
        re.compile(r"-----BEGIN [A-Z ]{0,30}PRIVATE KEY-----(?:[^-]{0,20000}-----END [A-Z ]{0,40}-----)?"),
    ),
    Rule("secret", re.compile(r"\beyJ[\w-]{10,4000}\.eyJ[\w-]{10,4000}\.[\w-]{10,4000}")),
    Rule("secret", re.compile(r"\b(?:sk|pk|rk)[-_][A-Za-z0-9_-]{16,200}|\bAKIA[0-9A-Z]{16}\b|\bgh[pousr]_\w{30,100}")),
    Rule("email", re.compile(r"(?<![\w.+-])[\w.+-]{1,64}@[A-Za-z0-9-]{1,63}(?:\.[A-Za-z0-9-]{1,63}){1,8}(?![\w-])")),
    Rule("iban", re.compile(r"\b(?=(?P<it>[A-Z]{2}\d{2}(?: ?[A-Z0-9]{1,4}){3,8})\b)"), _is_iban, is_trimmed=True),
    # As cards are printed, tried at every number: beside it there may be a year, an expiry date, a check code.
    Rule(
        "cc",
        re.compile(
            r"(?<![\w.-])(?=(?P<it>\d{13,19}|\d{4}(?P<s>[ -])\d{4}(?P=s)\d{4}(?P=s)\d{4}"
            r"|\d{4}(?P<t>[ -])\d{6}(?P=t)\d{4,5})(?![\w-]))"
        ),
        _is_card,
    ),
    Rule("cc", re.compile(r"(?<![\w.-])\d(?:[ -]?\d){12,18}(?![\w-])"), _is_card),
    Rule("ssn", re.compile(r"(?<![\w-])\d{3}-\d{2}-\d{4}(?![\w-])"), _is_social_security_number),
    Rule(
        "dob",
        re.compile(
            rf"(?i:\b(?:born(?: on)?|date of birth|d\.?o\.?b\.?|birth ?day(?: is)?)[:,]? {{0,3}})(?P<it>{_DATE})"
        ),
    ),
    Rule("ip", re.compile(r"(?<![\w.:])(?:\d{1,3}(?:\.\d{1,3}){3}|[0-9A-Fa-f:]{4,39})(?![\w:]|\.\w)"), _is_address),
    Rule("phone", re.compile(r"(?<![\w+])\+\d[\d ().-]{6,22}\d(?!\w)"), _is_telephone_number, is_trimmed=True),
    Rule("phone", re.compile(r"(?<![\w.-])(?:\(\d{3}\) ?|\d{3}[ .-])\d{3}[ .-]\d{4}(?![\w-])")),
)


def find_personal_data(text: str) -> list[Finding]:
    """Every finding of `RULES`, in order, none overlapping another."""
    return without_overlaps(text, [found for rule in RULES for found in _matches(rule, text)])


def without_overlaps(text: str, findings: Sequence[Finding]) -> list[Finding]:
    """Every character that something was found in, once: by what is listed first. In order of their place."""
    kept: list[Finding] = []
    for found in findings:
        after = bisect_right(kept, found.start, key=_start)
        if after and kept[after - 1].end > found.start:
            after -= 1
        before_end = bisect_left(kept, found.end, key=_start)
        pieces = _uncovered(text, found, kept[after:before_end])
        for piece in pieces:
            insort(kept, piece, key=_start)
    return kept


_start = attrgetter("start")


def _uncovered(text: str, found: Finding, others: Sequence[Finding]) -> list[Finding]:
    """What of a finding the others, which are in order, have not; without the white space around it."""
    pieces, start = [], found.start
    for begins, ends in [*((other.start, other.end) for other in others), (found.end, found.end)]:
        piece = text[start:begins]
        if piece.strip():
            first = start + len(piece) - len(piece.lstrip())
            pieces.append(Finding(found.kind, first, start + len(piece.rstrip())))
        start = max(start, ends)
    return pieces


def redact(text: str, find: Finder = find_personal_data) -> tuple[str, list[str]]:
    """The text with each finding replaced by its name in brackets, and the kinds that were found."""
    parts, end, kinds = [], 0, []
    for found in find(text):
        parts += [text[end : found.start], found.replacement]
        kinds.append(found.kind)
        end = found.end
    return "".join([*parts, text[end:]]), list(dict.fromkeys(kinds))


def _matches(rule: Rule, text: str) -> Iterator[Finding]:
    group = "it" if "it" in rule.pattern.groupindex else 0
    for match in rule.pattern.finditer(text):
        found = match[group]
        while rule.is_trimmed and not rule.holds(found) and " " in found:
            found = found.rpartition(" ")[0]
        if rule.holds(found):
            yield Finding(rule.kind, match.start(group), match.start(group) + len(found))
