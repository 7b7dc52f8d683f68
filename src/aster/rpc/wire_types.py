"""Which types can travel: messages, and every value that msgspec knows. Decided once, when a service is defined."""

import dataclasses
import types
from collections.abc import Iterator
from typing import Annotated, Any, Literal, Union, get_args, get_origin

import msgspec
from msgspec import inspect as shapes

_UNIONS = (Union, types.UnionType)


def is_message_type(annotation: object) -> bool:
    """A message has named, typed fields: a Struct, a dataclass, or a union of such."""
    if get_origin(annotation) in _UNIONS:
        return all(is_message_type(member) for member in get_args(annotation))
    kind = get_origin(annotation) or annotation
    return isinstance(kind, type) and (issubclass(kind, msgspec.Struct) or dataclasses.is_dataclass(kind))


def instance_classes(annotation: Any) -> tuple[type, ...]:
    """What `isinstance` can check of a value: its own class, not what it holds. Decoding checks the rest."""
    origin = get_origin(annotation)
    if origin in _UNIONS:
        return tuple(kind for member in get_args(annotation) for kind in instance_classes(member))
    if origin is Literal:
        return tuple({type(value) for value in get_args(annotation)})
    if origin is Annotated:
        return instance_classes(get_args(annotation)[0])
    if annotation is None:
        return (types.NoneType,)
    if annotation is float:
        return (float, int)
    kind = origin or annotation
    if isinstance(kind, type) and not _is_typed_dict(kind):
        return (kind,)
    supertype = getattr(kind, "__supertype__", None)
    if supertype is not None:
        return instance_classes(supertype)
    return (dict,) if isinstance(kind, type) else (object,)


def type_name(annotation: Any) -> str:
    """How an annotation is called in a message for people."""
    if annotation is None:
        return "None"
    name = getattr(annotation, "__qualname__", None)
    return name if isinstance(annotation, type) and name else str(annotation).replace("typing.", "")


def unsupported_part(annotation: Any) -> tuple[str, type] | None:
    """The first part of a type that has no wire form, as its path and class; None when all of it can travel."""
    return next(_unsupported(shapes.type_info(annotation), "$", set()), None)


def _unsupported(shape: Any, path: str, seen: set[int]) -> Iterator[tuple[str, type]]:
    if id(shape) in seen:
        return
    seen.add(id(shape))
    if isinstance(shape, shapes.CustomType | shapes.ExtType):
        yield path, getattr(shape, "cls", msgspec.msgpack.Ext)
    for step, part in _parts(shape):
        yield from _unsupported(part, path + step, seen)


def _parts(shape: Any) -> Iterator[tuple[str, Any]]:
    for field in getattr(shape, "fields", ()):
        yield f".{field.name}", field.type
    for member in (*getattr(shape, "types", ()), *getattr(shape, "item_types", ())):
        yield "", member
    for name, step in (("type", ""), ("item_type", "[...]"), ("key_type", "[key]"), ("value_type", "[...]")):
        part = getattr(shape, name, None)
        if part is not None:
            yield step, part


def _is_typed_dict(kind: type) -> bool:
    return issubclass(kind, dict) and hasattr(kind, "__total__")
