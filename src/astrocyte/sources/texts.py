"""What makes bytes a document: they are text in UTF-8, not too large, and their name says of which kind."""

from collections.abc import Mapping
from types import MappingProxyType

from astrocyte.memories import ContentType, Metadata
from astrocyte.sources.model import Document, ItemRefused

MAX_BYTES = 4 * 1024 * 1024

_KINDS: Mapping[str, ContentType] = MappingProxyType({".md": "markdown", ".markdown": "markdown"})


def document(name: str, content: bytes, metadata: Metadata) -> Document:
    """Raises `ItemRefused` for what is no text."""
    if len(content) > MAX_BYTES:
        raise ItemRefused(f"{name} is larger than {MAX_BYTES} bytes")
    try:
        text = content.decode("utf-8-sig")
    except UnicodeDecodeError:
        raise ItemRefused(f"{name} is no text in UTF-8") from None
    if not text.strip() or "\x00" in text:
        raise ItemRefused(f"{name} holds no text")
    suffix = "." + name.rpartition(".")[2].lower()
    return Document(content=text, content_type=_KINDS.get(suffix, "document"), metadata=metadata)
