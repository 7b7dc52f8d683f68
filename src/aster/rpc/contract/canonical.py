"""The identity of a contract: BLAKE3 over bytes that depend on what is on the wire, and on nothing else.

Not on the wire, so not in the id: names of types, of enum members and of the fields of arrays; the order of fields in a
map, of union members and of methods; whether a list is a set; how types are shared; every description and default.
(The defaults of a record that omits them when it is written do decide what the wire means, and are in.)

Types that contain each other are compared by what they admit, as automata are: records are told apart by refining a
partition until it is stable (E. F. Moore, 1956), then numbered as they are first met. Equal contracts therefore have
equal bytes however their types are written down. Cost: records × rounds, at most the square of the number of records.

The bytes are MessagePack arrays in their shortest form. What may change without the wire changing (timeouts,
idempotence, required roles, defaults) has an id of its own.
"""

from collections.abc import Callable, Mapping
from typing import Any

import msgspec

from aster.foundation.extras import load_extra
from aster.rpc.contract.description import (
    Array,
    Enumeration,
    Field,
    Limits,
    Map,
    MethodDescription,
    OneOf,
    Record,
    Ref,
    Requirement,
    Scalar,
    ServiceDescription,
    Tuple,
    Type,
    Union,
    has_default,
    reachable,
)

CONTRACT_DOMAIN = "aster contract 1"
POLICY_DOMAIN = "aster policy 1"

Types = Mapping[str, Record | Enumeration]

_encode = msgspec.msgpack.Encoder().encode


def contract_id(service: ServiceDescription) -> str:
    """64 hex characters that name what the service promises on the wire."""
    return _digest(canonical_bytes(service))


def policy_id(service: ServiceDescription) -> str:
    """64 hex characters that name what may change while the wire stays: timeouts, idempotence, roles, defaults."""
    methods = [
        [method.name, method.timeout, method.idempotent, _requirement(method.requires)]
        for method in _by_name(service.methods)
    ]
    records = _equal_records(service.types)
    defaults = {
        (token, field.name, _json(field.default))
        for name, token in records.items()
        for field in _fields(service.types[name])
        if has_default(field)
    }
    return _digest(_encode([POLICY_DOMAIN, _requirement(service.requires), methods, sorted(defaults)]))


def canonical_bytes(service: ServiceDescription) -> bytes:
    """What `contract_id` hashes."""
    roots = [item for method in service.methods for item in (method.request, method.reply)]
    types = reachable(roots, service.types)
    names = _equal_records(types)

    def token(name: str) -> bytes:
        return names[name]

    bodies = {names[name]: _record(item, types, token) for name, item in types.items() if isinstance(item, Record)}
    methods = [
        [method.name, method.pattern, _type(method.request, types, token), _type(method.reply, types, token)]
        for method in _by_name(service.methods)
    ]
    numbers: dict[bytes, int] = {}
    numbered = [CONTRACT_DOMAIN, service.name, service.version, service.scoped, _numbered(methods, numbers)]
    records: list[Any] = []
    while len(records) < len(numbers):
        records.append(_numbered(bodies[list(numbers)[len(records)]], numbers))
    return _encode([*numbered, records])


def _equal_records(types: Types) -> dict[str, bytes]:
    """A token for each record, the same for those that admit the same values."""
    records = {name: item for name, item in types.items() if isinstance(item, Record)}
    tokens = dict.fromkeys(records, b"")
    kinds = 0
    while True:
        previous = tokens
        bodies = {name: _record(item, types, previous.__getitem__) for name, item in records.items()}
        tokens = {name: bytes.fromhex(_digest(_encode(body))) for name, body in bodies.items()}
        if len(set(tokens.values())) == kinds:
            return tokens
        kinds = len(set(tokens.values()))


def _type(described: Type, types: Types, token: Callable[[str], bytes]) -> list[Any]:
    match described:
        case Scalar(type=name, limits=limits):
            return [name, _limits(limits)]
        case Array(of=item, limits=limits):
            return ["array", _type(item, types, token), _limits(limits)]
        case Tuple(of=items):
            return ["tuple", [_type(item, types, token) for item in items]]
        case Map(key=key, value=value, limits=limits):
            return ["map", _type(key, types, token), _type(value, types, token), _limits(limits)]
        case Ref(name=name) if isinstance(types[name], Record):
            return ["record", token(name)]
        case _:
            return _choice(members(described, types), types, token)


def _choice(choices: list[Type], types: Types, token: Callable[[str], bytes]) -> list[Any]:
    """Literals of one union are one set of values; the rest in an order that does not depend on how it was written."""
    values = {value for choice in choices if isinstance(choice, OneOf) for value in choice.values}
    found = [_type(choice, types, token) for choice in choices if not isinstance(choice, OneOf)]
    if values:
        found.append(["one of", sorted(values, key=_encode)])
    distinct = {_encode(item): item for item in found}
    ordered = [distinct[key] for key in sorted(distinct)]
    return ordered[0] if len(ordered) == 1 else ["union", ordered]


def members(described: Type, types: Types) -> list[Type]:
    """A type as the list of its alternatives: nested unions flat, enums as their values, ``null`` by itself."""
    match described:
        case Union(of=items):
            return [member for item in items for member in members(item, types)]
        case OneOf(values=values) if None in values:
            rest = tuple(value for value in values if value is not None)
            return [*([OneOf(rest)] if rest else []), Scalar("null")]
        case Ref(name=name):
            named = types[name]
            return [OneOf(tuple(named.members.values()))] if isinstance(named, Enumeration) else [described]
    return [described]


def _record(record: Record, types: Types, token: Callable[[str], bytes]) -> list[Any]:
    fields = [(field, _type(field.type, types, token)) for field in record.fields]
    if record.layout == "array":
        return ["array", record.tag, record.strict, [[field.required, item] for field, item in fields]]
    body = [
        [field.name, field.required, item, *_kept_default(record, field)]
        for field, item in sorted(fields, key=lambda pair: pair[0].name)
    ]
    return ["map", record.tag_field, record.tag, record.strict, body]


def _kept_default(record: Record, field: Field) -> list[str]:
    return [_json(field.default)] if record.omits_defaults and has_default(field) else []


def _limits(limits: Limits) -> list[list[Any]]:
    return [[name, _number(value)] for name, value in sorted(limits.items())]


def _number(value: Any) -> Any:
    """A bound of 3.0 is the bound 3."""
    return int(value) if isinstance(value, float) and value.is_integer() else value


def _numbered(item: Any, numbers: dict[bytes, int]) -> Any:
    """Replace tokens of records by numbers, counted as they are first met."""
    if isinstance(item, bytes):
        return numbers.setdefault(item, len(numbers))
    return [_numbered(part, numbers) for part in item] if isinstance(item, list) else item


def _requirement(requires: Requirement | None) -> list[Any] | None:
    if requires is None:
        return None
    roles = sorted(set(requires.roles))
    return ["role" if len(roles) == 1 else requires.kind, roles]


def _by_name(methods: tuple[MethodDescription, ...]) -> list[MethodDescription]:
    return sorted(methods, key=lambda method: method.name)


def _fields(described: Record | Enumeration) -> tuple[Field, ...]:
    return described.fields if isinstance(described, Record) else ()


def _json(value: Any) -> str:
    return msgspec.json.encode(value, order="deterministic").decode()


def _digest(data: bytes) -> str:
    return str(load_extra("blake3", extra="rpc").blake3(data).hexdigest())
