"""`Text.*`, and what hides personal data (specification §12)."""

from typing import Any

from aster.policy.language.encoding import text_of
from aster.policy.language.faults import Fault
from aster.policy.language.library_arguments import Library, made_text, need_int, need_list, need_text, read_text
from aster.policy.language.metering import charge
from aster.policy.language.operations import MAX_TEXT
from aster.policy.language.patterns import compile_pattern
from aster.policy.language.terms import Term
from aster.policy.language.values import Run

WHITESPACE = (
    "\t\n\v\f\r \u00a0\u1680" + "".join(map(chr, range(0x2000, 0x200B))) + "\u2028\u2029\u202f\u205f\u3000\ufeff"
)
"""What `Text.trim` takes off: white space and line ends of ECMA-262 §12.2 and §12.3, without U+001C to U+001F."""


def _concat(run: Run, *parts: Any) -> str:
    texts = [text_of(part) for part in parts]
    if sum(map(len, texts)) > MAX_TEXT:
        raise Fault("SIZE_LIMIT", what=Term("text"), limit=MAX_TEXT)
    return made_text(run, "".join(texts))


def _length(run: Run, text: Any) -> int:
    """UTF-16 code units, as the language counts."""
    found = need_text(text, "Text.length")
    if found.isascii():
        return len(found)
    return len(read_text(run, found, "Text.length").encode("utf-16-le", "surrogatepass")) // 2


def _units(text: str) -> bool:
    return all(ord(char) < 0x10000 for char in text) if not text.isascii() else True


def _substring(run: Run, text: Any, start: Any, end: Any = None) -> str:
    found = read_text(run, text, "Text.substring")
    first = need_int(start, "Text.substring")
    size = _length(run, found)
    last = size if end is None else need_int(end, "Text.substring")
    if first < 0 or last < first or last > size:
        raise Fault("RANGE_INVALID", function="Text.substring", start=first, end=last)
    if _units(found):
        return found[first:last]
    return found.encode("utf-16-le")[first * 2 : last * 2].decode("utf-16-le", "replace")


def _index_of(run: Run, text: Any, part: Any) -> int:
    found = read_text(run, text, "Text.indexOf")
    index = found.find(need_text(part, "Text.indexOf"))
    return index if index < 0 else _length(run, found[:index])


def _split(run: Run, text: Any, separator: Any) -> list[str]:
    found, between = need_text(text, "Text.split"), need_text(separator, "Text.split")
    charge(run, 1 + len(found))
    return found.split(between) if between else list(found)


def _replace(run: Run, text: Any, old: Any, new: Any) -> str:
    found, part, other = (read_text(run, value, "Text.replace") for value in (text, old, new))
    count = found.count(part) if part else len(found) + 1
    if len(found) + count * max(0, len(other) - len(part)) > MAX_TEXT:
        raise Fault("SIZE_LIMIT", what=Term("text"), limit=MAX_TEXT)
    return made_text(run, found.replace(part, other))


def _join(run: Run, items: Any, separator: Any) -> str:
    texts = [text_of(item) for item in need_list(run, items, "Text.join")]
    between = need_text(separator, "Text.join")
    if sum(map(len, texts)) + len(between) * len(texts) > MAX_TEXT:
        raise Fault("SIZE_LIMIT", what=Term("text"), limit=MAX_TEXT)
    return made_text(run, between.join(texts))


def _matches(run: Run, text: Any, pattern: Any) -> bool:
    found = need_text(text, "Text.matches")
    compiled = compile_pattern(need_text(pattern, "Text.matches"))
    charge(run, (1 + len(found)) * (1 + compiled.size // 8))
    return compiled.matches(found)


def _redact(_: Run, value: Any) -> str:
    return "***" if value is not None else ""


TEXTS: Library = {
    "Text.concat": _concat,
    "Text.toUpper": lambda run, text: made_text(run, need_text(text, "Text.toUpper").upper()),
    "Text.toLower": lambda run, text: made_text(run, need_text(text, "Text.toLower").lower()),
    "Text.length": _length,
    "Text.startsWith": lambda _, text, part: need_text(text, "Text.startsWith").startswith(
        need_text(part, "Text.startsWith")
    ),
    "Text.endsWith": lambda _, text, part: need_text(text, "Text.endsWith").endswith(need_text(part, "Text.endsWith")),
    "Text.contains": lambda run, text, part: need_text(part, "Text.contains") in read_text(run, text, "Text.contains"),
    "Text.indexOf": _index_of,
    "Text.equals": lambda _, left, right: text_of(left) == text_of(right),
    "Text.split": _split,
    "Text.trim": lambda run, text: read_text(run, text, "Text.trim").strip(WHITESPACE),
    "Text.substring": _substring,
    "Text.replace": _replace,
    "Text.redact": _redact,
    "Text.join": _join,
    "Text.matches": _matches,
    "PII.unwrap": lambda _, value: value,
    "redact": _redact,
    "tokenize": _redact,
}
