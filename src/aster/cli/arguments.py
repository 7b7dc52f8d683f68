"""From words to messages: JSON, ``key=value`` words, ``@file``, or standard input.

A value is read as its field's type asks: text stays text, everything else is JSON. A dotted key reaches inside.
"""

import json
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import IO, Any

from aster.foundation.errors import ConfigError
from aster.rpc.contract.canonical import members
from aster.rpc.contract.description import MethodDescription, OneOf, Record, Ref, Scalar, ServiceDescription, Type
from aster.rpc.patterns import Pattern

WRITTEN_AS_TEXT = frozenset({"str", "bytes", "datetime", "date", "time", "timedelta", "uuid", "decimal"})

_JSON = json.JSONDecoder()


def request_from(
    words: Sequence[str], service: ServiceDescription, method: MethodDescription, stdin: IO[str] | None = None
) -> Any:
    """One message, or an iterator of messages for a method that takes many.

    ``-`` is ``stdin`` (the process's own by default): a JSON document, or a JSON value a line where many are taken.
    """
    streams = Pattern(method.pattern).streams_input
    if list(words) == ["-"] or (streams and not words and not (stdin or sys.stdin).isatty()):
        source = stdin or sys.stdin
        return lines_of(source) if streams else _document(source.read(), "standard input")
    if len(words) == 1 and words[0].startswith("@"):
        return _from_file(words[0][1:], streams=streams)
    if (words and words[0].lstrip()[:1] in ("{", "[")) or (words and not _has_fields(service, method)):
        values = documents(" ".join(words))
        if streams:
            return iter(values)
        if len(values) != 1:
            raise ConfigError(f"{method.name} takes one message, got {len(values)}")
        return values[0]
    fields = fields_from(words, service, method)
    return iter([fields] if words else []) if streams else fields


def fields_from(words: Sequence[str], service: ServiceDescription, method: MethodDescription) -> dict[str, Any]:
    """The message that ``key=value`` words make."""
    found: dict[str, Any] = {}
    for word in words:
        key, separator, text = word.partition("=")
        if not separator or not key:
            raise ConfigError(
                f"'{word}' is no argument", hint="key=value, a JSON object in quotes, @file, or - for standard input"
            )
        *path, name = key.split(".")
        inside = found
        described: Type | None = method.request
        for step in path:
            described = field_type(described, step, service)
            inside = inside.setdefault(step, {})
            if not isinstance(inside, dict):
                raise ConfigError(f"'{word}' reaches into '{step}', which has a value already")
        inside[name] = value_of(text, field_type(described, name, service), service)
    return found


def value_of(text: str, described: Type | None, service: ServiceDescription) -> Any:
    """A text as the type asks; where the type is not known, as JSON if it can be."""
    if described is not None:
        choices = members(described, service.types)
        takes_text = [each for each in choices if _is_text(each)]
        if takes_text:
            may_be_null = Scalar("null") in choices and Scalar("str") not in takes_text
            return None if may_be_null and text == "null" else text
    try:
        return json.loads(text)
    except ValueError:
        return text


def field_type(described: Type | None, name: str, service: ServiceDescription) -> Type | None:
    """The type of a field, looked for in every record that a type may be."""
    for each in members(described, service.types) if described is not None else ():
        record = service.types.get(each.name) if isinstance(each, Ref) else None
        if isinstance(record, Record):
            for field in record.fields:
                if field.name == name:
                    return field.type
    return None


def documents(text: str) -> list[Any]:
    """JSON values one after the other."""
    found, position = [], 0
    while position < len(text):
        if text[position].isspace():
            position += 1
            continue
        try:
            value, position = _JSON.raw_decode(text, position)
        except (ValueError, RecursionError) as error:
            raise ConfigError(f"that is no JSON: {error}") from None
        found.append(value)
    return found


def lines_of(source: IO[str]) -> Iterator[Any]:
    """A JSON value a line, as they come."""
    for number, line in enumerate(source, 1):
        if line.strip():
            yield _document(line, f"line {number}")


def _from_file(name: str, *, streams: bool) -> Any:
    try:
        text = Path(name).expanduser().read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise ConfigError(f"{name} can't be read: {error}") from None
    return iter(documents(text)) if streams else _document(text, name)


def _document(text: str, source: str) -> Any:
    try:
        return json.loads(text)
    except (ValueError, RecursionError) as error:
        raise ConfigError(f"{source} is no JSON: {error}") from None


def _has_fields(service: ServiceDescription, method: MethodDescription) -> bool:
    return any(isinstance(each, Ref) or each == Scalar("null") for each in members(method.request, service.types))


def _is_text(described: Type) -> bool:
    if isinstance(described, OneOf):
        return any(isinstance(value, str) for value in described.values)
    return isinstance(described, Scalar) and described.type in WRITTEN_AS_TEXT
