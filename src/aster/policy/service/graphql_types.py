"""The types of the HTTP table as GraphQL types: one description of every body and answer, whichever way in.

Whole numbers are ``Long`` (GraphQL's own Int ends at 2^31); what JSON leaves open is ``JSON``.
"""

from dataclasses import field as dataclass_field
from dataclasses import make_dataclass
from typing import Any, NewType, Optional

import msgspec
import strawberry
from msgspec import inspect
from strawberry.scalars import JSON

LONG = NewType("LONG", int)
LARGEST = 2**63 - 1


def _long(value: Any) -> int:
    if not isinstance(value, int) or isinstance(value, bool) or not -LARGEST <= value <= LARGEST:
        raise ValueError("not a whole number of 64 bits")
    return value


LONG_DEFINITION = strawberry.scalar(
    name="Long", description="A whole number of 64 bits.", serialize=_long, parse_value=_long
)


class Types:
    """Makes each type once. ``outputs`` are read with `read_field`, ``inputs`` become plain JSON with `plain`."""

    def __init__(self) -> None:
        self._outputs: dict[type, Any] = {}
        self._inputs: dict[type, Any] = {}

    def output(self, kind: Any) -> Any:
        """The annotation of an answer of this type; a body without content is a Boolean."""
        return bool if kind is None else self._shape(inspect.type_info(kind), self._output_struct)

    def input(self, kind: Any) -> Any:
        return self._shape(inspect.type_info(kind), self._input_struct)

    def _shape(self, info: Any, struct: Any) -> Any:
        match info:
            case inspect.UnionType():
                kept = [each for each in info.types if not isinstance(each, inspect.NoneType)]
                kept = [each for each in kept if type(each).__name__ != "UnsetType"]
                return Optional[self._shape(kept[0], struct)] if len(kept) == 1 else Optional[JSON]  # noqa: UP045
            case inspect.Metadata():
                return self._shape(info.type, struct)
            case inspect.StructType():
                return struct(info)
            case inspect.ListType() | inspect.CollectionType():
                return list[self._shape(info.item_type, struct)]  # type: ignore[misc]
            case inspect.BoolType():
                return bool
            case inspect.IntType():
                return LONG
            case inspect.FloatType():
                return float
            case inspect.StrType() | inspect.DateTimeType() | inspect.LiteralType():
                return str
        return Optional[JSON]  # noqa: UP045 - strawberry reads this form

    def _output_struct(self, info: inspect.StructType) -> Any:
        found = self._outputs.get(info.cls)
        if found is None:
            fields = [(each.name, self._shape(each.type, self._output_struct)) for each in info.fields]
            made = make_dataclass(info.cls.__name__, fields)
            found = self._outputs[info.cls] = strawberry.type(made, description=_about(info.cls))
        return found

    def _input_struct(self, info: inspect.StructType) -> Any:
        found = self._inputs.get(info.cls)
        if found is None:
            required, optional = [], []
            for each in info.fields:
                kind = self._shape(each.type, self._input_struct)
                if each.required:
                    required.append((each.name, kind))
                else:
                    default = dataclass_field(default=strawberry.UNSET)
                    optional.append((each.name, Optional[kind], default))  # noqa: UP045
            made = make_dataclass(info.cls.__name__.removesuffix("Request") + "Input", [*required, *optional])
            found = self._inputs[info.cls] = strawberry.input(made, description=_about(info.cls))
        return found


def read_field(source: Any, name: str) -> Any:
    """A field of an answer; what is unset is null."""
    value = getattr(source, name)
    return None if value is msgspec.UNSET else value


def plain(value: Any, kind: Any) -> Any:
    """An input value as the JSON that the HTTP body would be; absent fields stay absent."""
    if isinstance(value, list):
        return [plain(each, getattr(kind, "item_type", None)) for each in value]
    if not hasattr(value, "__strawberry_definition__"):
        return value
    cls = kind.cls if isinstance(kind, inspect.StructType) else kind
    fields = inspect.type_info(cls).fields  # type: ignore[attr-defined]
    told = {each.encode_name: (getattr(value, each.name), each.type) for each in fields}
    return {name: plain(each, _bare(info)) for name, (each, info) in told.items() if each is not strawberry.UNSET}


def _bare(info: Any) -> Any:
    """Without its metadata, its None and its UNSET."""
    if isinstance(info, inspect.Metadata):
        return _bare(info.type)
    if isinstance(info, inspect.UnionType):
        return next(
            (_bare(each) for each in info.types if isinstance(each, inspect.StructType | inspect.ListType)), None
        )
    return info


def _about(kind: type) -> str:
    return (kind.__doc__ or kind.__name__).strip().partition("\n\n")[0].replace("\n    ", " ")
