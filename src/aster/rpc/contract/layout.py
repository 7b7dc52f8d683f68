"""Python text laid out as formatters lay it out: a group on one line where it fits, else one part a line."""

from collections.abc import Sequence
from dataclasses import dataclass

WIDTH = 88
INDENT = "    "


@dataclass(frozen=True, slots=True)
class Group:
    """``head`` + parts + ``tail``, such as a call or a subscript."""

    head: str
    parts: Sequence["Code"]
    tail: str


Code = str | Group


def one_line(code: Code) -> str:
    """The code without any line break."""
    if isinstance(code, str):
        return code
    return code.head + ", ".join(map(one_line, code.parts)) + code.tail


def laid_out(before: str, code: Code, after: str = "") -> str:
    """``before`` + code + ``after``, broken where it does not fit; ``before`` begins with its indentation."""
    line = before + one_line(code) + after
    if isinstance(code, str) or not code.parts or len(line) <= WIDTH:
        return line
    indent = before[: len(before) - len(before.lstrip())]
    parts = [laid_out(indent + INDENT, part, ",") for part in code.parts]
    return "\n".join([before + code.head, *parts, indent + code.tail + after])


def assigned(indent: str, name: str, annotation: Code, value: Code | None) -> str:
    """``name: annotation = value`` in a class body."""
    if value is None:
        return laid_out(f"{indent}{name}: ", annotation)
    line = f"{indent}{name}: {one_line(annotation)} = {one_line(value)}"
    if len(line) <= WIDTH:
        return line
    start = f"{indent}{name}: {one_line(annotation)} = "
    if isinstance(value, Group) and len(start + value.head) <= WIDTH:
        return laid_out(start, value)
    if isinstance(annotation, str):
        return laid_out(start, value)
    broken = Group(annotation.head, annotation.parts, annotation.tail + " = ")
    parts = [laid_out(indent + INDENT, part, ",") for part in broken.parts]
    end = laid_out(f"{indent}{broken.tail}", value)
    return "\n".join([f"{indent}{name}: {broken.head}", *parts, end])


def literal(value: object) -> str:
    """A value's literal; texts with the quotes that need fewer escapes, double ones first."""
    if not isinstance(value, str | bytes):
        return repr(value)
    text = value.decode("latin-1") if isinstance(value, bytes) else value
    quote = "'" if text.count('"') > text.count("'") else '"'
    # `repr` of a text with only one kind of quote in it escapes none, so both kinds are handled apart from it.
    plain = text.replace("'", "\0").replace('"', "\1")
    prefix, body = ("b", repr(plain.encode("latin-1"))[2:-1]) if isinstance(value, bytes) else ("", repr(plain)[1:-1])
    body = body.replace("\\x00", "'" if quote == '"' else "\\'").replace("\\x01", '"' if quote == "'" else '\\"')
    return f"{prefix}{quote}{body}{quote}"
