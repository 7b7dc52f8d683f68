"""Values at run time.

Int and Long are Python ints within 64 bits, Float a finite float, Decimal a `decimal.Decimal`, Text a str, a list a
list, a map a dict. A record of a declared type is a `RecordValue`; one of which less is certain a dict, whose
``__type`` is its name if it was constructed. Enum constants are members of a generated `enum.Enum`. Values are never
changed once made.
"""

from collections.abc import Callable, Sequence
from enum import Enum
from functools import partial
from typing import Any, ClassVar

import msgspec

INT_MAX = 2**63 - 1
INT_MIN = -(2**63)
FLOAT_MAX = 1.7976931348623157e308
SAFE_INTEGER = 2**53 - 1
"""Whole numbers up to here survive every JSON reader; larger ones are handed out as texts (specification §10)."""


class RecordValue(msgspec.Struct, gc=False):
    """Base of the generated record classes. ``made`` tells records a policy constructed from those given to it."""

    record_name: ClassVar[str] = ""
    attributes: ClassVar[dict[str, str]] = {}
    made: ClassVar[bool] = False


class VariantValue(Enum):
    """Base of the generated enums; a member's value is the variant's name. Members are hashed by identity."""

    __hash__ = object.__hash__


class Wrapper:
    """Base of Ok, Err and Some."""

    __slots__ = ("value",)

    def __init__(self, value: Any) -> None:
        self.value = value


class Ok(Wrapper):
    __slots__ = ()


class Err(Wrapper):
    __slots__ = ()


class Some(Wrapper):
    __slots__ = ()


WRAPPERS: dict[str, type[Wrapper]] = {"Ok": Ok, "Err": Err, "Some": Some}


class Closure:
    """A function value: what to call, how many arguments it takes and what one call costs in steps."""

    __slots__ = ("arity", "call", "cost")

    def __init__(self, call: Callable[..., Any], arity: int, cost: int) -> None:
        self.call = call
        self.arity = arity
        self.cost = cost


def bind(function: Callable[..., Any], arity: int, cost: int, *held: Any) -> Closure:
    """A function value that passes what it holds before its arguments."""
    return Closure(partial(function, *held) if held else function, arity, cost)


class Run:
    """One evaluation's budget: steps, depth of calls and wall clock."""

    __slots__ = ("depth", "limit", "max_depth", "recorder", "steps", "until")

    def __init__(self, limit: int, max_depth: int, until: float, recorder: Any = None) -> None:
        self.steps = 0
        self.limit = limit
        self.depth = 0
        self.max_depth = max_depth
        self.until = until
        self.recorder = recorder


def record_class(name: str, fields: Sequence[tuple[str, Any, Any]]) -> tuple[type[RecordValue], type[RecordValue]]:
    """Two classes for a record, given and made. ``fields`` are (name, type for msgspec, default or NODEFAULT)."""
    attributes = {field: f"f{index}" for index, (field, _, _) in enumerate(fields)}
    columns = [(f"f{index}", kind, default) for index, (_, kind, default) in enumerate(fields)]
    given: Any = msgspec.defstruct(
        "Given",
        columns,
        bases=(RecordValue,),
        rename={attribute: field for field, attribute in attributes.items()},
        namespace={"record_name": name, "attributes": attributes},
        kw_only=False,
        gc=False,
    )
    made: Any = msgspec.defstruct("Made", [], bases=(given,), namespace={"made": True}, gc=False)
    return given, made
