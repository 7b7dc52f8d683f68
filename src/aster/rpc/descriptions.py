"""Words about services, methods, parameters and fields: from docstrings and ``Annotated[T, Description("...")]``."""

import inspect
from collections.abc import Mapping
from typing import Annotated, Any, get_args, get_origin, get_type_hints

import msgspec


def Description(text: str, *, tags: tuple[str, ...] = ()) -> msgspec.Meta:  # noqa: N802  # read as a type's annotation
    """Describe a field or parameter: ``count: Annotated[int, Description("how many")]``.

    It is a `msgspec.Meta`, so JSON schemas and tools show it; constraints (``ge=0``) may stand in a Meta beside it.
    """
    return msgspec.Meta(description=text, extra={"tags": list(tags)} if tags else None)


def description_of(annotation: Any) -> str:
    """What an annotation says about its value; empty when it says nothing."""
    if get_origin(annotation) is not Annotated:
        return ""
    words = [meta.description for meta in get_args(annotation)[1:] if isinstance(meta, msgspec.Meta)]
    return next((word for word in words if word), "")


def field_descriptions(message: type) -> Mapping[str, str]:
    """The described fields of a Struct or dataclass, by name."""
    hints = get_type_hints(message, include_extras=True)
    return {name: words for name, hint in hints.items() if (words := description_of(hint))}


def first_paragraph(docstring: str | None) -> str:
    """The first paragraph of a docstring, in one line."""
    return " ".join(inspect.cleandoc(docstring or "").partition("\n\n")[0].split())
