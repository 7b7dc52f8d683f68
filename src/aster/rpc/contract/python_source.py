"""A typed client as Python source: the service's messages, enums and methods, made from its description.

The module is a service definition like one written by hand, so it is also what a server may implement, and its contract
id is computed from it and compared with the one it was made from. The same description gives the same text. Nothing of
a description becomes code: names are made identifiers, everything else is a literal.
"""

import builtins
import keyword
import re
from collections.abc import Iterable, Mapping
from itertools import pairwise
from typing import Any

import msgspec

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
from aster.rpc.contract.layout import INDENT, Code, Group, assigned, laid_out, literal, one_line
from aster.rpc.patterns import Pattern

PYTHON: Mapping[str, str] = {
    "any": "Any",
    "null": "None",
    "bool": "bool",
    "int": "int",
    "float": "float",
    "str": "str",
    "bytes": "bytes",
    "datetime": "datetime.datetime",
    "date": "datetime.date",
    "time": "datetime.time",
    "timedelta": "datetime.timedelta",
    "uuid": "uuid.UUID",
    "decimal": "decimal.Decimal",
}
IMPORTED = (
    *("Annotated", "Any", "AsyncIterator", "Literal", "Union"),
    *("datetime", "decimal", "enum", "msgspec", "uuid"),
    *("all_of", "any_of", "bidi_stream", "client_stream", "rpc", "server_stream", "service"),
    *("CONTRACT_ID", "DefaultFrom", "NoDefault", "annotations", "check_generated"),
)
PLAIN_VALUES = (str, int, float, bool, type(None))

_NOT_A_NAME = re.compile(r"\W+")


def python_source(service: ServiceDescription) -> str:
    """The text of a module with the client of one service."""
    return _Module(service).text()


def module_name(service: ServiceDescription) -> str:
    """``Greeter`` version 2 is ``greeter_v2``."""
    words = re.sub(r"(?<=[a-z0-9])(?=[A-Z])", "_", service.name)
    return f"{_NOT_A_NAME.sub('_', words).strip('_').lower() or 'service'}_v{service.version}"


class _Module:
    def __init__(self, service: ServiceDescription) -> None:
        self._service = service
        taken = {*IMPORTED, *keyword.kwlist, *keyword.softkwlist, *dir(builtins)}
        self._class = _identifier(service.name, taken)
        inline = [method for method in service.methods if self._inline(method) is not None]
        roots = [method.request for method in service.methods if method not in inline]
        roots += [method.reply for method in service.methods]
        for method in inline:
            roots += [field.type for field in self._inline(method) or ()]
        self._types = reachable(roots, service.types)
        self._names = {name: _identifier(name, taken) for name in sorted(self._types)}

    def text(self) -> str:
        service = self._service
        about = _words(service.description)
        head = f"{service.name} version {service.version}{': ' + about if about else '.'}"
        # Enums first: their members may be the defaults of fields.
        names = sorted(self._types, key=lambda name: (isinstance(self._types[name], Record), name))
        body = [self._type_class(name, self._types[name]) for name in names]
        body.append(self._service_class())
        blocks = "\n\n\n".join(body)
        imports = self._imports(blocks)
        return (
            f'"""{_words(head)}\n\nMade by `aster gen-client`; make it again instead of changing it.\n"""\n\n'
            f'{imports}\nCONTRACT_ID = "{service.contract_id}"\n\n\n{blocks}\n\n\n'
            f"check_generated({self._class}, CONTRACT_ID)\n"
        )

    def _imports(self, body: str) -> str:
        def used(*names: str) -> list[str]:
            return [name for name in names if re.search(rf"(?<![\w.]){name}\b", body)]

        lines = ["from __future__ import annotations", ""]
        standard = [f"import {name}" for name in used("datetime", "decimal", "enum", "uuid")]
        if used("AsyncIterator"):
            standard.append("from collections.abc import AsyncIterator")
        if typing := used("Annotated", "Any", "Literal", "Union"):
            standard.append(f"from typing import {', '.join(typing)}")
        lines += [*standard, ""] if standard else []
        lines += ["import msgspec", ""] if used("msgspec") else []
        names = used("all_of", "any_of", "bidi_stream", "client_stream", "rpc", "server_stream", "service")
        lines += [f"from aster.rpc import {', '.join(names)}"]
        defaults = used("DefaultFrom", "NoDefault")
        lines += [f"from aster.rpc.contract.defaults import {', '.join(defaults)}"] if defaults else []
        lines += ["from aster.rpc.contract.generated import check_generated", ""]
        return "\n".join(lines)

    def _type_class(self, name: str, described: Record | Enumeration) -> str:
        if isinstance(described, Enumeration):
            taken = {*keyword.kwlist, "mro", "name", "value"}
            members = [
                f"{INDENT}{_identifier(member, taken)} = {literal(value)}"
                for member, value in described.members.items()
            ]
            return _class_text(f"class {self._names[name]}(enum.Enum):", described.description, members)
        options = ["msgspec.Struct", *_record_options(described)]
        ordered = list(described.fields)
        if described.layout == "map":
            ordered.sort(key=lambda field: not field.required)
        elif any(late.required and not early.required for early, late in pairwise(ordered)):
            options.append("kw_only=True")
        taken = set(keyword.kwlist)
        has_places = described.layout == "array"
        fields = [self._field(field, _identifier(field.name, taken), has_places=has_places) for field in ordered]
        head = laid_out("", Group(f"class {self._names[name]}(", options, "):"))
        return _class_text(head, described.description, fields)

    def _field(self, field: Field, attribute: str, *, has_places: bool) -> str:
        annotation, default = self._with_default(field, has_places=has_places)
        options: list[Code] = [] if attribute == field.name else [f"name={literal(field.name)}"]
        if isinstance(default, Group) and default.head == "msgspec.field(":
            default = Group(default.head, [*default.parts, *options], default.tail)
        elif options:
            known = [] if default is None else [_named("default=", default)]
            default = Group("msgspec.field(", [*known, *options], ")")
        return assigned(INDENT, attribute, annotation, default)

    def _with_default(self, field: Field, *, has_places: bool = False) -> tuple[Code, Code | None]:
        """``has_places``: the record is an array on the wire, in which nothing can be left out."""
        annotation = self._type(field.type)
        is_unknown = not field.required and not has_default(field)
        if is_unknown and not has_places:
            annotation = _either([annotation, "msgspec.UnsetType"])
        if field.description:
            about = Group("msgspec.Meta(", [f"description={literal(_words(field.description))}"], ")")
            annotation = Group("Annotated[", [annotation, about], "]")
        if field.required:
            return annotation, None
        if is_unknown and has_places:
            return annotation, Group("msgspec.field(", [f"default_factory=NoDefault({literal(field.name)})"], ")")
        return annotation, "msgspec.UNSET" if is_unknown else self._default(field)

    def _default(self, field: Field) -> Code:
        value = field.default
        member = self._enum_member(field.type, value)
        if member is not None:
            return member
        if value is None or (isinstance(value, PLAIN_VALUES) and self._is_plain(field.type)):
            return literal(value)
        if value in ([], {}) and isinstance(field.type, Array | Map):
            made = "dict" if isinstance(field.type, Map) else field.type.form
            return Group("msgspec.field(", [f"default_factory={made}"], ")")
        kind = _named("lambda: ", self._type(field.type))
        decode = Group("default_factory=DefaultFrom(", [literal(msgspec.json.encode(value)), kind], ")")
        return Group("msgspec.field(", [decode], ")")

    def _enum_member(self, described: Type, value: Any) -> str | None:
        choices = described.of if isinstance(described, Union) else (described,)
        for each in choices:
            named = self._types.get(each.name) if isinstance(each, Ref) else None
            if isinstance(named, Enumeration) and isinstance(each, Ref):
                taken = {*keyword.kwlist, "mro", "name", "value"}
                for member, known in named.members.items():
                    attribute = _identifier(member, taken)
                    if known == value:
                        return f"{self._names[each.name]}.{attribute}"
        return None

    def _is_plain(self, described: Type) -> bool:
        choices = described.of if isinstance(described, Union) else (described,)
        plain = {"null", "bool", "int", "float", "str", "any"}
        return all(isinstance(each, OneOf) or (isinstance(each, Scalar) and each.type in plain) for each in choices)

    def _type(self, described: Type) -> Code:
        inner = self._type

        match described:
            case Scalar(type=name, limits=limits):
                return _bounded(PYTHON[name], limits)
            case Array(of=item, form=form, limits=limits):
                parts = [inner(item), "..."] if form == "tuple" else [inner(item)]
                return _bounded(Group(f"{form}[", parts, "]"), limits)
            case Tuple(of=items):
                return Group("tuple[", [inner(item) for item in items] or ["()"], "]")
            case Map(key=key, value=value, limits=limits):
                return _bounded(Group("dict[", [inner(key), inner(value)], "]"), limits)
            case OneOf(values=values):
                return Group("Literal[", [literal(value) for value in values], "]")
            case Union(of=items):
                return _either([inner(item) for item in items])
            case Ref(name=name):
                return self._names[name]

    def _service_class(self) -> str:
        service = self._service
        options: list[Code] = [literal(service.name), f"version={service.version}"]
        if service.scoped != "shared":
            options.append(f"scoped={literal(service.scoped)}")
        options += _policy(service.requires)
        head = laid_out("", Group("@service(", options, ")")) + f"\nclass {self._class}:"
        taken = {*keyword.kwlist}
        methods = [self._method(method, _identifier(method.name, taken)) for method in service.methods]
        words = _words(service.description)
        start = [f'{INDENT}"""{words}"""', ""] if words else []
        return "\n".join([head, *start, "\n\n".join(methods)])

    def _method(self, method: MethodDescription, attribute: str) -> str:
        pattern = Pattern(method.pattern)
        options: list[Code] = [] if attribute == method.name else [f"name={literal(method.name)}"]
        options += [] if method.timeout is None else [f"timeout={method.timeout!r}"]
        options += ["idempotent=True"] if method.idempotent else []
        options += _policy(method.requires)
        name = "rpc" if pattern is Pattern.UNARY else pattern.value
        decorator = laid_out(f"{INDENT}@", Group(f"{name}(", options, ")")) if options else f"{INDENT}@{name}"
        reply = self._type(method.reply)
        returned = Group("AsyncIterator[", [reply], "]") if pattern.streams_output else reply
        lines = [decorator, _signature(attribute, ["self", *self._parameters(method, pattern)], returned)]
        if words := _words(method.description):
            lines.append(f'{INDENT * 2}"""{words}"""')
        lines.append(f"{INDENT * 2}raise NotImplementedError")
        if pattern.streams_output:
            lines.append(f"{INDENT * 2}yield  # which makes it a stream")
        return "\n".join(lines)

    def _parameters(self, method: MethodDescription, pattern: Pattern) -> list[Code]:
        fields = self._inline(method)
        if fields is None:
            request = self._type(method.request)
            asked = Group("AsyncIterator[", [request], "]") if pattern.streams_input else request
            return [_named("requests: " if pattern.streams_input else "request: ", asked)]
        # A single message by position would be the request itself.
        found: list[Code] = ["*"] if len(fields) == 1 and self._is_message(fields[0].type) else []
        for field in sorted(fields, key=lambda field: not field.required):
            annotation, _ = self._with_default(field)
            if field.required:
                found.append(_named(f"{field.name}: ", annotation))
            else:
                value = self._enum_member(field.type, field.default) or literal(field.default)
                found.append(_named(f"{field.name}: ", annotation, f" = {value}"))
        return found

    def _inline(self, method: MethodDescription) -> tuple[Field, ...] | None:
        """The parameters of a method that has its own, where Python can write them."""
        if not method.inline or Pattern(method.pattern).streams_input:
            return None
        record = self._service.types.get(method.request.name) if isinstance(method.request, Ref) else None
        if not isinstance(record, Record):
            return None
        taken = {*keyword.kwlist, "self"}
        writable = all(
            _identifier(field.name, taken) == field.name and (field.required or self._default_is_literal(field))
            for field in record.fields
        )
        return record.fields if writable else None

    def _is_message(self, described: Type) -> bool:
        choices = described.of if isinstance(described, Union) else (described,)
        return all(isinstance(each, Ref) and isinstance(self._service.types[each.name], Record) for each in choices)

    def _default_is_literal(self, field: Field) -> bool:
        choices = field.type.of if isinstance(field.type, Union) else (field.type,)
        is_enum = any(
            isinstance(each, Ref) and isinstance(self._service.types[each.name], Enumeration) for each in choices
        )
        return has_default(field) and (is_enum or isinstance(field.default, PLAIN_VALUES) or field.default in ([], {}))


def _record_options(record: Record) -> list[Code]:
    """What a Struct is told beside its fields."""
    options: list[Code] = []
    if record.tag_field is not None and record.layout == "map" and record.tag_field != "type":
        options.append(f"tag_field={literal(record.tag_field)}")
    if record.tag is not None:
        options.append(f"tag={literal(record.tag)}")
    for option, is_set in (
        ("array_like", record.layout == "array"),
        ("forbid_unknown_fields", record.strict),
        ("omit_defaults", record.omits_defaults),
    ):
        options += [f"{option}=True"] if is_set else []
    return options


def _policy(requires: Requirement | None) -> list[Code]:
    if requires is None:
        return []
    roles = [literal(role) for role in requires.roles]
    return [f"requires={roles[0]}" if requires.kind == "role" else Group(f"requires={requires.kind}(", roles, ")")]


def _class_text(head: str, description: str, body: list[str]) -> str:
    words = _words(description)
    lines = [head]
    if words:
        lines += [f'{INDENT}"""{words}"""', *([""] if body else [])]
    return "\n".join([*lines, *(body or ([] if words else [f"{INDENT}pass"]))])


def _signature(name: str, parameters: list[Code], returned: Code) -> str:
    line = f"{INDENT}async def {name}({', '.join(map(one_line, parameters))}) -> {one_line(returned)}:"
    if len(line) <= 88:
        return line
    parts = [laid_out(INDENT * 2, parameter, ",") for parameter in parameters]
    return "\n".join([f"{INDENT}async def {name}(", *parts, laid_out(f"{INDENT}) -> ", returned, ":")])


def _named(name: str, code: Code, after: str = "") -> Code:
    return name + code + after if isinstance(code, str) else Group(name + code.head, code.parts, code.tail + after)


def _either(choices: list[Code]) -> Code:
    line = " | ".join(map(one_line, choices))
    return Group("Union[", choices, "]") if len(line) > 40 else line


def _bounded(code: Code, limits: Limits) -> Code:
    if not limits:
        return code
    bounds = [f"{name}={literal(value)}" for name, value in sorted(limits.items()) if name.isidentifier()]
    return Group("Annotated[", [code, Group("msgspec.Meta(", bounds, ")")], "]")


def _identifier(name: str, taken: set[str]) -> str:
    """A Python name for any text, and one that is not taken; it is taken from then on."""
    found = _NOT_A_NAME.sub("_", name)
    if not found or not (found[0].isalpha() or found[0] == "_") or found.startswith("__"):
        found = f"x_{found.strip('_')}"
    found = found if found.isascii() and found.isidentifier() else f"x_{len(taken)}"
    while found in taken:
        found += "_"
    taken.add(found)
    return found


def _words(text: str) -> str:
    """A text as one line that can stand between triple quotes."""
    line = " ".join(text.split())
    printable = "".join(each if each.isprintable() else " " for each in line)
    return printable.replace("\\", "/").replace('"', "'").strip()


def sources(services: Iterable[ServiceDescription]) -> dict[str, str]:
    """Files by name: a module for each service."""
    return {f"{module_name(service)}.py": python_source(service) for service in services}
