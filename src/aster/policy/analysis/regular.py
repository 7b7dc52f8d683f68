"""Patterns of the language as regular expressions of the solver: the plain ones; the rest are not looked into."""

import re
from typing import Any

from aster.policy.analysis.logic import z3

_PART = re.compile(
    r"(?:\\(?P<class>[dw])|\\(?P<escaped>[^A-Za-z0-9])|\[(?P<set>[^\]\\^][^\]\\]*)\]|(?P<plain>[^\\\[\](){}|.^$?*+]))"
    r"(?P<times>[?*+]|\{\d{1,2}(?:,\d{0,2})?\})?"
)


def expression_of(pattern: str) -> Any | None:
    """The texts in which a pattern is found; None for what is not a plain sequence of characters, sets and counts."""
    body = pattern
    anchored_start, anchored_end = body.startswith("^"), body.endswith("$") and not body.endswith("\\$")
    body = body[anchored_start : len(body) - anchored_end]
    parts = []
    position = 0
    while position < len(body):
        found = _PART.match(body, position)
        if found is None:
            return None
        parts.append(_repeated(_atom(found), found["times"]))
        position = found.end()
    anything = z3.Full(z3.ReSort(z3.StringSort()))
    whole = [*([] if anchored_start else [anything]), *parts, *([] if anchored_end else [anything])]
    if not whole:
        return z3.Re("")
    return whole[0] if len(whole) == 1 else z3.Concat(*whole)


def _atom(found: re.Match[str]) -> Any:
    if found["class"]:
        return _DIGIT if found["class"] == "d" else z3.Union(_DIGIT, z3.Range("a", "z"), z3.Range("A", "Z"), z3.Re("_"))
    if found["set"]:
        return _set(found["set"])
    return z3.Re(z3.StringVal(found["escaped"] or found["plain"]))


_DIGIT = z3.Range("0", "9")


def _set(text: str) -> Any:
    parts = []
    index = 0
    while index < len(text):
        if index + 2 < len(text) and text[index + 1] == "-":
            parts.append(z3.Range(text[index], text[index + 2]))
            index += 3
        else:
            parts.append(z3.Re(z3.StringVal(text[index])))
            index += 1
    return parts[0] if len(parts) == 1 else z3.Union(*parts)


def _repeated(atom: Any, times: str | None) -> Any:
    if times is None:
        return atom
    if times in {"?", "*", "+"}:
        return {"?": z3.Option, "*": z3.Star, "+": z3.Plus}[times](atom)
    low, comma, high = times[1:-1].partition(",")
    if comma and not high:
        return z3.Concat(z3.Loop(atom, int(low), int(low)), z3.Star(atom)) if int(low) else z3.Star(atom)
    return z3.Loop(atom, int(low), int(high or low))
