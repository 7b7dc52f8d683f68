"""Described services as text for people."""

from collections.abc import Iterator

import msgspec

from aster.rpc.contract.description import (
    Array,
    Enumeration,
    Limits,
    Map,
    MethodDescription,
    OneOf,
    Record,
    Ref,
    Scalar,
    ServiceDescription,
    Tuple,
    Type,
    Union,
    has_default,
)
from aster.rpc.patterns import Pattern


def described_lines(service: ServiceDescription) -> Iterator[str]:
    """A service with its methods and types, a line each."""
    scope = ", one instance a session" if service.scoped == "session" else ""
    yield f"{service.name} version {service.version}{scope}"
    if service.description:
        yield f"  {service.description}"
    yield f"  contract {service.contract_id}"
    if service.requires:
        yield f"  needs {service.requires}"
    if service.partial:
        yield "  (there are methods that this caller may not call)"
    for method in service.methods:
        yield from _told(f"  {method_line(method, service)}", method.description, "      ")
    parameters = {each.request.name for each in service.methods if each.inline and isinstance(each.request, Ref)}
    for name in sorted(service.types.keys() - parameters):
        yield from type_lines(name, service, "  ")


def method_line(method: MethodDescription, service: ServiceDescription) -> str:
    """``hello(request: Ask) -> Answer  [idempotent, needs 'admin']``."""
    pattern = Pattern(method.pattern)
    asked, answered = type_text(method.request), type_text(method.reply)
    record = service.types.get(method.request.name) if isinstance(method.request, Ref) else None
    if method.inline and isinstance(record, Record):
        asked = ", ".join(
            f"{field.name}: {type_text(field.type)}{_default_text(field.default) if has_default(field) else ''}"
            for field in record.fields
        )
    elif pattern.streams_input:
        asked = f"stream of {asked}"
    facts = ["deprecated"] if method.deprecated else []
    facts += ["idempotent"] if method.idempotent else []
    facts += [f"timeout {method.timeout:g} s"] if method.timeout is not None else []
    facts += [f"needs {method.requires}"] if method.requires else []
    told = f"  [{', '.join(facts)}]" if facts else ""
    return f"{method.name}({asked}) -> {'stream of ' if pattern.streams_output else ''}{answered}{told}"


def type_lines(name: str, service: ServiceDescription, indent: str) -> Iterator[str]:
    """A record or enum with its fields or values."""
    described = service.types[name]
    yield from _told(
        f"{indent}{'enum ' if isinstance(described, Enumeration) else ''}{name}", described.description, f"{indent}    "
    )
    if isinstance(described, Enumeration):
        for member, value in described.members.items():
            yield f"{indent}  {member} = {value!r}"
        return
    for field in described.fields:
        default = _default_text(field.default) if has_default(field) else " (may be left out)"
        after = "" if field.required else default
        words = f"  # {field.description}" if field.description else ""
        yield f"{indent}  {field.name}: {type_text(field.type)}{after}{words}"


def type_text(described: Type) -> str:
    """A type as Python's readers know it."""
    match described:
        case Scalar(type=name, limits=limits):
            return ("None" if name == "null" else name) + _limits_text(limits)
        case Array(of=item, form=form, limits=limits):
            return f"{'list' if form == 'tuple' else form}[{type_text(item)}]{_limits_text(limits)}"
        case Tuple(of=items):
            return f"tuple[{', '.join(map(type_text, items))}]"
        case Map(key=key, value=value, limits=limits):
            return f"dict[{type_text(key)}, {type_text(value)}]{_limits_text(limits)}"
        case OneOf(values=values):
            return " | ".join(map(repr, values))
        case Union(of=items):
            return " | ".join(map(type_text, items))
        case Ref(name=name):
            return name


def _limits_text(limits: Limits) -> str:
    return f"({', '.join(f'{name}={value!r}' for name, value in sorted(limits.items()))})" if limits else ""


def _default_text(default: object) -> str:
    return f" = {msgspec.json.encode(default).decode():.60}"


def _told(line: str, words: str, indent: str) -> Iterator[str]:
    yield line
    if words:
        yield f"{indent}{words}"
