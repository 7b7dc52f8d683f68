"""Static types. A type other than `UNKNOWN` is a promise about the value's representation, never a guess.

The compiler relies on the promise to use bare operators; where nothing is certain it calls the general operations.
"""

from collections.abc import Mapping
from typing import NamedTuple


class Type(NamedTuple):
    """A type: its kind, the name of a record or enum, and the types it is applied to."""

    kind: str
    name: str = ""
    args: tuple["Type", ...] = ()


UNKNOWN = Type("Unknown")
NOTHING = Type("Nothing")
"""The type of no value at all: the elements of an empty list, the error of an `ok of`."""
INT = Type("Int")
LONG = Type("Long")
FLOAT = Type("Float")
DECIMAL = Type("Decimal")
NUMBER = Type("Number")
BOOL = Type("Bool")
TEXT = Type("Text")
DATETIME = Type("DateTime")
NULL = Type("Null")
FUNCTION = Type("Function")
WORKFLOW = Type("Workflow")

BUILTINS = {kind.kind: kind for kind in (INT, LONG, FLOAT, DECIMAL, NUMBER, BOOL, TEXT, DATETIME)} | {
    "Double": FLOAT,
    "Date": DATETIME,
    "String": TEXT,
    "Integer": INT,
    "Boolean": BOOL,
}

INTEGERS = frozenset({"Int", "Long"})
BINARY_NUMBERS = frozenset({"Int", "Long", "Float"})
EXACT_NUMBERS = frozenset({"Int", "Long", "Decimal"})
NUMBERS = frozenset({"Int", "Long", "Float", "Decimal", "Number"})
TEXTS = frozenset({"Text", "DateTime"})


def list_of(item: Type) -> Type:
    return Type("List", "", (item,))


def maybe(value: Type) -> Type:
    if value.kind in {"Maybe", "Null", "Unknown", "Option"}:
        return value
    return Type("Maybe", "", (value,))


ENGLISH_WORDS: Mapping[str, str] = {}
"""The words for types in English are the kinds themselves."""


def show(kind: Type, words: Mapping[str, str] = ENGLISH_WORDS) -> str:
    """A type as people write it (specification §18): `Int`, `list of Text`, `Parcel?`; ``words`` are a locale's."""
    if kind.kind in {"Record", "Enum"}:
        return kind.name
    if kind.kind == "Maybe":
        return f"{show(kind.args[0], words)}?"
    if kind.kind in _FORMS:
        english, parts = _FORMS[kind.kind]
        filled = [show(argument, words) for argument in kind.args]
        return words.get(kind.kind, english).format(*filled[:parts])
    return words.get(kind.kind, "null" if kind.kind == "Null" else kind.kind)


_FORMS = {
    "List": ("list of {0}", 1),
    "Option": ("option of {0}", 1),
    "Result": ("result of {0} or {1}", 2),
    "Map": ("map {0} to {1}", 2),
}


def fits(actual: Type, declared: Type) -> bool:
    """Whether every value of ``actual`` already is a value of ``declared``, in the same representation."""
    if actual == declared or declared.kind == "Unknown" or actual.kind == "Nothing":
        return True
    wanted, given = declared.kind, actual.kind
    if wanted in {"Maybe", "Option"}:
        if given == "Null":
            return True
        if given == wanted:
            return fits(actual.args[0], declared.args[0])
        return wanted == "Maybe" and fits(actual, declared.args[0])
    if wanted in INTEGERS:
        return given in INTEGERS
    if wanted == "Number":
        return given in NUMBERS
    if wanted in TEXTS:
        return given in TEXTS
    if given == wanted and wanted in {"List", "Map", "Result"}:
        return all(fits(left, right) for left, right in zip(actual.args, declared.args, strict=True))
    return False


def conflicts(actual: Type, declared: Type) -> bool:
    """Whether no value of ``actual`` can be meant as a ``declared`` one: a type error, not mere ignorance."""
    if actual.kind in {"Unknown", "Nothing"} or declared.kind in {"Unknown", "Nothing"} or fits(actual, declared):
        return False
    if declared.kind in {"Maybe", "Option"}:
        inner = declared.args[0]
        return conflicts(actual.args[0] if actual.kind in {"Maybe", "Option"} else actual, inner)
    if actual.kind == "Maybe":
        return conflicts(actual.args[0], declared)
    if declared.kind == "Float":
        return actual.kind not in BINARY_NUMBERS | {"Number"}
    if declared.kind in NUMBERS and actual.kind == "Number":
        return False
    if actual.kind == declared.kind and actual.args and declared.args:
        return any(conflicts(left, right) for left, right in zip(actual.args, declared.args, strict=True))
    return True


def join(left: Type, right: Type) -> Type:
    """The type of a value that is one or the other; `UNKNOWN` when they have no common promise."""
    if left == right or right.kind == "Nothing":
        return left
    if left.kind == "Nothing":
        return right
    if left.kind == "Null":
        return maybe(right) if right.kind != "Unknown" else UNKNOWN
    if right.kind == "Null":
        return maybe(left) if left.kind != "Unknown" else UNKNOWN
    if left.kind == "Maybe" or right.kind == "Maybe":
        inner = join(left.args[0] if left.kind == "Maybe" else left, right.args[0] if right.kind == "Maybe" else right)
        return maybe(inner) if inner.kind != "Unknown" else UNKNOWN
    if fits(left, right):
        return right
    if fits(right, left):
        return left
    if left.kind == right.kind and left.kind in {"List", "Map", "Result", "Option"}:
        args = tuple(join(first, second) for first, second in zip(left.args, right.args, strict=True))
        return Type(left.kind, "", args)
    return UNKNOWN
