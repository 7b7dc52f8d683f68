"""From a description back to types: what `msgspec` validates, encodes and makes schemas of, with no class imported.

What is sent is strict, so that a misspelt field is an error with its name and not silence; what is read is as strict as
it is described.
"""

import datetime
import decimal
import re
import typing
import uuid
from collections.abc import Mapping
from copy import deepcopy
from typing import Annotated, Any, ForwardRef, Literal

import msgspec
from msgspec import UNSET, Meta, UnsetType

from aster.rpc.contract.defaults import NoDefault
from aster.rpc.contract.describe import LIMITS
from aster.rpc.contract.description import (
    Array,
    Enumeration,
    Field,
    Limits,
    Map,
    OneOf,
    Record,
    Ref,
    Scalar,
    Tuple,
    Type,
    Union,
    has_default,
)
from aster.rpc.contract.manifest import ManifestInvalid

PYTHON: Mapping[str, Any] = {
    "any": Any,
    "null": None,
    "bool": bool,
    "int": int,
    "float": float,
    "str": str,
    "bytes": bytes,
    "datetime": datetime.datetime,
    "date": datetime.date,
    "time": datetime.time,
    "timedelta": datetime.timedelta,
    "uuid": uuid.UUID,
    "decimal": decimal.Decimal,
}
_NOT_A_NAME = re.compile(r"\W+")

FORMS: Mapping[str, Any] = {"list": list, "set": set, "frozenset": frozenset, "tuple": tuple}

PLAIN_TYPES = (
    bytes,
    datetime.datetime,
    datetime.date,
    datetime.time,
    datetime.timedelta,
    uuid.UUID,
    decimal.Decimal,
)
"""What a dynamic caller sees as Python's own types; everything else is None, bool, int, float, str, list or dict."""


class TypeMaker:
    """Makes Python types from one service's described ones.

    For sending, records refuse unknown fields, and what a caller leaves out is not sent. For reading, defaults are
    filled in, and every array is a list.
    """

    def __init__(self, types: Mapping[str, Record | Enumeration], *, for_reading: bool = False) -> None:
        self._types = types
        self._for_reading = for_reading
        self._references = {name: f"_aster_{number}" for number, name in enumerate(types)}
        self._records: dict[str, Any] = {}
        try:
            for name, described in types.items():
                if isinstance(described, Record):
                    self._records[name] = self._record(name, described)
        except (TypeError, ValueError, NameError) as error:
            raise ManifestInvalid(f"a described type can't be used: {error}") from None
        for record in self._records.values():
            for name, other in self._records.items():
                setattr(record, self._references[name], other)  # where msgspec looks names up

    def make(self, described: Type) -> Any:
        """The Python type; `ManifestInvalid` when a description makes no sense to the codec."""
        try:
            made = self._type(described, is_inside=False)
            msgspec.msgpack.Decoder(made)
        except (TypeError, ValueError, NameError, RecursionError) as error:
            raise ManifestInvalid(f"a described type can't be used: {error}") from None
        return made

    def _type(self, described: Type, *, is_inside: bool = True) -> Any:
        def inner(item: Type) -> Any:
            return self._type(item, is_inside=is_inside)

        match described:
            case Scalar(type=name, limits=limits):
                return _bounded(PYTHON[name], limits)
            case Array(of=item, form=form, limits=limits):
                made = FORMS["list" if self._for_reading else form]
                arguments = (inner(item), ...) if made is tuple else inner(item)
                return _bounded(made.__class_getitem__(arguments), limits)
            case Tuple(of=items):
                return tuple.__class_getitem__(tuple(map(inner, items)))
            case Map(key=key, value=value, limits=limits):
                return _bounded(dict.__class_getitem__((inner(key), inner(value))), limits)
            case OneOf(values=values):
                return Literal.__getitem__(values)
            case Union(of=items):
                return typing.Union.__getitem__(tuple(map(inner, items)))
            case Ref(name=name):
                return self._named(name, is_inside=is_inside)

    def _named(self, name: str, *, is_inside: bool) -> Any:
        described = self._types[name]
        if isinstance(described, Enumeration):
            return Literal.__getitem__(tuple(described.members.values()))
        return ForwardRef(self._references[name]) if is_inside else self._records[name]

    def _record(self, name: str, record: Record) -> Any:
        """Fields get numbers for attributes, for their names may be any text; on the wire they have their names."""
        ordered = sorted(enumerate(record.fields), key=lambda pair: record.layout == "map" and not pair[1].required)
        fields = [(f"f{number}", *self._field(field, record)) for number, field in ordered]
        made = msgspec.defstruct(
            _NOT_A_NAME.sub("_", name) or "_",
            fields,
            module=__name__,
            rename={f"f{number}": field.name for number, field in enumerate(record.fields)},
            tag_field=record.tag_field,
            tag=record.tag,
            array_like=record.layout == "array",
            forbid_unknown_fields=record.strict or not self._for_reading,
        )
        made.__doc__ = record.description or None
        return made

    def _field(self, field: Field, record: Record) -> tuple[Any, ...]:
        made = self._type(field.type)
        if field.description:
            made = Annotated[made, Meta(description=field.description)]
        if field.required:
            return (made,)
        if has_default(field) and (self._for_reading or record.layout == "array"):
            return made, msgspec.field(default_factory=lambda: deepcopy(field.default))
        if record.layout == "array" and not self._for_reading:
            return made, msgspec.field(default_factory=NoDefault(field.name))
        return typing.Union.__getitem__((made, UnsetType)), UNSET


def plain(value: Any) -> Any:
    """A decoded value as None, bool, int, float, str, list, dict, and the `PLAIN_TYPES`."""
    return msgspec.to_builtins(value, builtin_types=PLAIN_TYPES)


def _bounded(made: Any, limits: Limits) -> Any:
    known: dict[str, Any] = {name: limits[name] for name in LIMITS if name in limits}
    return Annotated[made, Meta(**known)] if known else made
