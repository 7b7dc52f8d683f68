"""From Python types to their description, by way of `msgspec.inspect`."""

import enum
import inspect
import re
from collections.abc import Callable, Mapping
from typing import Any, Literal

import msgspec
from msgspec import NODEFAULT, UNSET
from msgspec import inspect as types

from aster.foundation.errors import AsterError
from aster.rpc.contract.defaults import DefaultFrom
from aster.rpc.contract.description import (
    Array,
    Enumeration,
    Field,
    Limit,
    Map,
    OneOf,
    Record,
    Ref,
    Scalar,
    ScalarName,
    Tuple,
    Type,
    Union,
)


class TypeNotDescribable(AsterError, TypeError):
    """A type has no form that other programs could know."""

    code = "CONTRACT_TYPE_UNSUPPORTED"


SCALARS: Mapping[type, ScalarName] = {
    types.AnyType: "any",
    types.RawType: "any",
    types.NoneType: "null",
    types.BoolType: "bool",
    types.IntType: "int",
    types.FloatType: "float",
    types.StrType: "str",
    types.BytesType: "bytes",
    types.ByteArrayType: "bytes",
    types.MemoryViewType: "bytes",
    types.DateTimeType: "datetime",
    types.DateType: "date",
    types.TimeType: "time",
    types.TimeDeltaType: "timedelta",
    types.UUIDType: "uuid",
    types.DecimalType: "decimal",
}
ARRAYS: Mapping[type, Literal["list", "set", "frozenset", "tuple"]] = {
    types.ListType: "list",
    types.SetType: "set",
    types.FrozenSetType: "frozenset",
    types.VarTupleType: "tuple",
    types.CollectionType: "list",
}
LIMITS = ("ge", "gt", "le", "lt", "multiple_of", "min_length", "max_length", "pattern", "tz")

_NOT_A_NAME = re.compile(r"\W+")


class TypeDescriber:
    """Describes types one after another; `types` holds the named ones met so far."""

    def __init__(self) -> None:
        self.types: dict[str, Record | Enumeration] = {}
        self._names: dict[Any, str] = {}

    def describe(self, annotation: Any) -> Type:
        """The description of what a message, field or parameter is annotated with."""
        try:
            return self._type(types.type_info(annotation))
        except TypeNotDescribable:
            raise
        except (TypeError, NameError, ValueError) as error:
            raise TypeNotDescribable(f"{_shown(annotation)} can't be described: {error}") from None

    def _type(self, info: Any) -> Type:
        kind = type(info)
        if kind in SCALARS:
            return Scalar(SCALARS[kind], _limits(info))
        if kind in ARRAYS:
            return Array(self._type(info.item_type), ARRAYS[kind], _limits(info))
        describe = _DESCRIBERS.get(kind)
        if describe is None:
            raise TypeNotDescribable(
                f"{_shown(getattr(info, 'cls', info))} can't be described",
                hint="use a Struct, a dataclass, an enum or a type that JSON has a form for",
            )
        return describe(self, info)

    def _tuple(self, info: types.TupleType) -> Type:
        return Tuple(tuple(self._type(item) for item in info.item_types))

    def _map(self, info: types.DictType) -> Type:
        return Map(self._type(info.key_type), self._type(info.value_type), _limits(info))

    def _literal(self, info: types.LiteralType) -> Type:
        return OneOf(info.values)

    def _union(self, info: types.UnionType) -> Type:
        return Union(tuple(self._type(item) for item in info.types))

    def _annotated(self, info: types.Metadata) -> Type:
        return self._type(info.type)

    def _enum(self, info: types.EnumType) -> Type:
        name, is_new = self._named(info.cls)
        if is_new:
            members = {member.name: member.value for member in info.cls}
            self.types[name] = Enumeration(members, described_by(info.cls))
        return Ref(name)

    def _record(self, info: Any) -> Type:
        name, is_new = self._named(info.cls)
        if is_new:
            config = getattr(getattr(info.cls, "__origin__", info.cls), "__struct_config__", None)
            self.types[name] = Record(())  # holds the place, for types that contain themselves
            is_array = isinstance(info, types.NamedTupleType) or getattr(info, "array_like", False)
            self.types[name] = Record(
                tuple(self._field(field) for field in info.fields),
                layout="array" if is_array else "map",
                tag_field=getattr(info, "tag_field", None),
                tag=getattr(info, "tag", None),
                strict=getattr(info, "forbid_unknown_fields", False),
                omits_defaults=config is not None and config.omit_defaults and not is_array,
                description=described_by(info.cls),
            )
        return Ref(name)

    def _field(self, field: types.Field) -> Field:
        return Field(
            field.encode_name,
            self._type(field.type),
            field.required,
            _default(field),
            _description(field.type),
        )

    def _named(self, cls: Any) -> tuple[str, bool]:
        """The name of a class among the types: its own, longer when another class has it already."""
        if cls in self._names:
            return self._names[cls], False
        own = _class_name(cls)
        module = _NOT_A_NAME.sub("_", str(getattr(cls, "__module__", "")).rpartition(".")[2])
        name, number = own, 1
        while name in self.types:
            name, number = f"{module}_{own}" if number == 1 else f"{own}_{number}", number + 1
        self._names[cls] = name
        return name, True


_DESCRIBERS: Mapping[type, Callable[[TypeDescriber, Any], Type]] = {
    types.TupleType: TypeDescriber._tuple,
    types.DictType: TypeDescriber._map,
    types.LiteralType: TypeDescriber._literal,
    types.UnionType: TypeDescriber._union,
    types.Metadata: TypeDescriber._annotated,
    types.EnumType: TypeDescriber._enum,
    types.StructType: TypeDescriber._record,
    types.DataclassType: TypeDescriber._record,
    types.TypedDictType: TypeDescriber._record,
    types.NamedTupleType: TypeDescriber._record,
}


def described_by(cls: Any) -> str:
    """The first paragraph of a class's own docstring; none for those that Python writes itself."""
    origin = getattr(cls, "__origin__", cls)
    text = vars(origin).get("__doc__") or ""
    if text.startswith(f"{origin.__name__}(") or text in (enum.Enum.__doc__, "An enumeration."):
        return ""
    return " ".join(inspect.cleandoc(text).partition("\n\n")[0].split())


def _limits(info: Any) -> dict[str, Limit]:
    found = {name: getattr(info, name, None) for name in LIMITS}
    return {name: value for name, value in found.items() if value is not None}


def _default(field: types.Field) -> Any:
    value = field.default
    if isinstance(field.default_factory, DefaultFrom):
        return msgspec.json.decode(field.default_factory.json)
    if field.default_factory is not NODEFAULT:
        if field.default_factory not in (list, dict, set, frozenset, tuple, bytearray):
            return UNSET  # calling it might give another value each time
        value = field.default_factory()
    if value is NODEFAULT:
        return UNSET
    try:
        return msgspec.json.decode(msgspec.json.encode(value))
    except (TypeError, ValueError):
        return UNSET


def _description(info: Any) -> str:
    if isinstance(info, types.Metadata):
        return str((info.extra_json_schema or {}).get("description", ""))
    return ""


def _class_name(cls: Any) -> str:
    arguments = getattr(cls, "__args__", None)
    origin = getattr(cls, "__origin__", cls)
    name = str(origin.__name__)
    if arguments:
        name += "_" + "_".join(_NOT_A_NAME.sub("_", _shown(argument)).strip("_") for argument in arguments)
    return _NOT_A_NAME.sub("_", name)


def _shown(annotation: Any) -> str:
    return str(getattr(annotation, "__qualname__", annotation))
