"""Personal data in free text is masked before it is hashed into the audit chain: what was never written can't leak.

A second net for notes, reasons and comments, which people type; contexts and results enter the chain as hashes only.
"""

import re
from collections.abc import Callable
from typing import Any

_CARD_DIGITS = range(13, 20)


def _card(found: re.Match[str]) -> str:
    digits = [int(character) for character in found[0] if character.isdigit()]
    if len(digits) not in _CARD_DIGITS or not luhn(digits):
        return found[0]
    return f"****{''.join(map(str, digits[-4:]))}"


_PATTERNS: tuple[tuple[re.Pattern[str], str | Callable[[re.Match[str]], str]], ...] = (
    (re.compile(r"[A-Za-z0-9._%+-]{1,64}@[A-Za-z0-9.-]{1,255}\.[A-Za-z]{2,24}"), "***@***"),
    (re.compile(r"(?<![\d-])\d(?:[ -]?\d){12,18}(?![\d-])"), _card),
    (re.compile(r"(?<![\d-])\d{3}-\d{2}-\d{4}(?![\d-])"), "***-**-****"),
    (re.compile(r"(?<![\w+])\+\d{1,3}[ -]?(?:\(?\d{1,4}\)?[ -]?){2,5}\d{2,4}(?!\d)"), "+***"),
)


def masked(value: Any) -> Any:
    """A JSON value with e-mail addresses, payment cards, US social security and international phone numbers masked."""
    match value:
        case str():
            for pattern, mask in _PATTERNS:
                value = pattern.sub(mask, value)
            return value
        case dict():
            return {name: masked(child) for name, child in value.items()}
        case list():
            return [masked(child) for child in value]
    return value


def luhn(digits: list[int]) -> bool:
    """Is the last digit the check digit of the others (ISO/IEC 7812-1)?"""
    doubled = [sum(divmod(2 * digit, 10)) for digit in digits[-2::-2]]
    return (sum(doubled) + sum(digits[-1::-2])) % 10 == 0
