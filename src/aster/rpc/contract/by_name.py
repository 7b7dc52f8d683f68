"""Records whose fields have places on the wire (``array_like``), written by field names as all others are.

Dynamic callers don't care how a record travels: they give and get its fields by name. Lists in the order of the fields
are taken as well. What is wrong is told as `msgspec` tells it, with the ``$.path``.
"""

from collections.abc import Mapping, Sequence
from copy import deepcopy
from typing import Any

import msgspec
from msgspec.structs import replace

from aster.rpc.contract.canonical import members
from aster.rpc.contract.defaults import NoDefault
from aster.rpc.contract.description import (
    Array,
    Enumeration,
    Field,
    Map,
    Record,
    Ref,
    Tuple,
    Type,
    Union,
    has_default,
)

Types = Mapping[str, Record | Enumeration]


def without_places(types: Types) -> dict[str, Record | Enumeration]:
    """The same types with all records written by name, for schemas; what must be given is required."""
    return {name: _unplaced(each) if isinstance(each, Record) else each for name, each in types.items()}


def _unplaced(record: Record) -> Record:
    if record.layout == "map":
        return record
    fields = tuple(replace(field, required=field.required or not has_default(field)) for field in record.fields)
    return replace(record, layout="map", fields=fields)


def has_places(types: Types) -> bool:
    """Is there a record among them that `with_places` would change?"""
    return any(isinstance(each, Record) and each.layout == "array" for each in types.values())


def with_places(value: Any, described: Type, types: Types, path: str = "$") -> Any:
    """``value`` with every such record in it as the list that it is on the wire.

    Raises `msgspec.ValidationError` for a field that is unknown or missing; everything else is left to the decoder.
    """
    match described:
        case Ref(name=name) if isinstance(record := types[name], Record):
            return _record(value, record, types, path)
        case Array(of=item) if _is_list(value):
            return [with_places(each, item, types, f"{path}[{n}]") for n, each in enumerate(value)]
        case Tuple(of=items) if _is_list(value) and len(value) == len(items):
            return [
                with_places(each, item, types, f"{path}[{n}]")
                for n, (each, item) in enumerate(zip(value, items, strict=True))
            ]
        case Map(value=item) if isinstance(value, Mapping):
            return {key: with_places(each, item, types, f"{path}[...]") for key, each in value.items()}
        case Union():
            chosen = _alternative(value, members(described, types), types)
            return value if chosen is None else with_places(value, chosen, types, path)
    return value


def _record(value: Any, record: Record, types: Types, path: str) -> Any:
    if isinstance(value, Mapping):
        return (_listed if record.layout == "array" else _mapped)(value, record, types, path)
    if record.layout == "array" and _is_list(value):
        fields: list[Field | None] = [*([None] if record.tag is not None else []), *record.fields]
        known = [
            each if field is None else with_places(each, field.type, types, f"{path}[{n}]")
            for n, (each, field) in enumerate(zip(value, fields, strict=False))
        ]
        return [*known, *value[len(known) :]]
    return value


def _mapped(value: Mapping[str, Any], record: Record, types: Types, path: str) -> dict[str, Any]:
    fields = {field.name: field.type for field in record.fields}
    return {
        name: with_places(each, fields[name], types, f"{path}.{name}") if name in fields else each
        for name, each in value.items()
    }


def _listed(value: Mapping[str, Any], record: Record, types: Types, path: str) -> list[Any]:
    given = dict(value)
    found: list[Any] = []
    if record.tag is not None:
        found.append(given.pop(record.tag_field or "type", record.tag))
    for field in record.fields:
        if field.name in given:
            found.append(with_places(given.pop(field.name), field.type, types, f"{path}.{field.name}"))
        elif field.required:
            raise msgspec.ValidationError(f"Object missing required field `{field.name}`{_at(path)}")
        elif has_default(field):
            found.append(deepcopy(field.default))
        else:
            found.append(NoDefault(field.name)())
    if given:
        raise msgspec.ValidationError(f"Object contains unknown field `{min(map(str, given)):.128}`{_at(path)}")
    return found


def _alternative(value: Any, choices: Sequence[Type], types: Types) -> Type | None:
    """Which of a union's types a value is meant for; None where the decoder finds out without us."""
    refs = [each for each in choices if isinstance(each, Ref)]
    found = [(each, record) for each in refs if isinstance(record := types[each.name], Record)]
    if isinstance(value, Mapping):
        for each, record in found:
            if record.tag is not None and value.get(record.tag_field or "type") == record.tag:
                return each
        maps = [each for each in choices if isinstance(each, Map)]
        return next(iter(maps), found[0][0] if len(found) == 1 else None)
    if _is_list(value):
        for each, record in found:
            if record.layout == "array" and (record.tag is None or (value and value[0] == record.tag)):
                return each
        return next((each for each in choices if isinstance(each, Array | Tuple)), None)
    return None


def by_name(value: Any, plain_types: tuple[type, ...]) -> Any:
    """A decoded value as None, bool, int, float, str, list, dict and ``plain_types``, each record as a dict."""
    match value:
        case msgspec.Struct():
            config = value.__struct_config__
            found = {} if config.tag is None else {config.tag_field: config.tag}
            for attribute, name in zip(value.__struct_fields__, value.__struct_encode_fields__, strict=True):
                if (each := getattr(value, attribute)) is not msgspec.UNSET:
                    found[name] = by_name(each, plain_types)
            return found
        case dict():
            return {by_name(key, plain_types): by_name(each, plain_types) for key, each in value.items()}
        case list() | tuple() | set() | frozenset():
            return [by_name(each, plain_types) for each in value]
    return msgspec.to_builtins(value, builtin_types=plain_types)


def _is_list(value: Any) -> bool:
    return isinstance(value, list | tuple)


def _at(path: str) -> str:
    return "" if path == "$" else f" - at `{path}`"
