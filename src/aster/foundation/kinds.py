"""The kinds of values a setting can have: how each is parsed, checked, shown and masked."""

import base64
import binascii
import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from aster.foundation.settings import describe_value

_WHOLE_NUMBER = re.compile(r"-?[0-9]{1,19}")

FLAG_WORDS = {
    **dict.fromkeys(("true", "1", "yes", "on"), True),
    **dict.fromkeys(("false", "0", "no", "off"), False),
}


@dataclass(frozen=True, slots=True)
class Text:
    """Any text; an empty one counts as unset in the environment."""

    label: str = "text"

    def from_text(self, text: str) -> str:
        return text

    def from_document(self, value: object) -> str:
        if not isinstance(value, str):
            raise ValueError(f"expected {self.label}, got {describe_value(value)}")
        return self.from_text(value)

    def show(self, value: str) -> str:
        return value

    def mask(self, value: str) -> str:
        return f"****...{value[-4:]}" if len(value) >= 16 else "****"


@dataclass(frozen=True, slots=True)
class PathText(Text):
    """A file or folder; ``~`` is expanded when the value is used, so that printing shows what was written."""

    label: str = "a path"

    def from_document(self, value: object) -> str:
        return Text.from_document(self, str(value) if isinstance(value, Path) else value)

    def mask(self, value: str) -> str:
        return f"****...{value[-12:]}" if len(value) > 16 else "****"


@dataclass(frozen=True, slots=True)
class Flag:
    """True or false; in text: true/false, 1/0, yes/no, on/off in any case."""

    label: str = "true or false"

    def from_text(self, text: str) -> bool:
        try:
            return FLAG_WORDS[text.strip().lower()]
        except KeyError:
            raise ValueError(f"expected one of {', '.join(FLAG_WORDS)}, got '{text}'") from None

    def from_document(self, value: object) -> bool:
        if not isinstance(value, bool):
            raise ValueError(f"expected {self.label}, got {describe_value(value)}")
        return value

    def show(self, value: bool) -> bool:
        return value

    def mask(self, value: bool) -> str:
        return "****"


@dataclass(frozen=True, slots=True)
class Integer:
    """A whole number within bounds, both inclusive."""

    minimum: int
    maximum: int

    @property
    def label(self) -> str:
        return f"a whole number from {self.minimum} to {self.maximum}"

    def from_text(self, text: str) -> int:
        digits = text.strip()
        if not _WHOLE_NUMBER.fullmatch(digits):
            raise ValueError(f"expected {self.label}, got '{text[:40]}'")
        return self.from_document(int(digits))

    def from_document(self, value: object) -> int:
        if isinstance(value, bool) or not isinstance(value, int):
            raise ValueError(f"expected {self.label}, got {describe_value(value)}")
        if not self.minimum <= value <= self.maximum:
            raise ValueError(f"expected {self.label}, got {value}")
        return value

    def show(self, value: int) -> int:
        return value

    def mask(self, value: int) -> str:
        return "****"


@dataclass(frozen=True, slots=True)
class Bytes:
    """A fixed number of bytes, written as hex or base64."""

    encoding: str
    length: int

    @property
    def label(self) -> str:
        if self.encoding == "hex":
            return f"{2 * self.length} hex characters"
        return f"base64 of {self.length} bytes"

    def from_text(self, text: str) -> bytes:
        try:
            if self.encoding == "hex":
                value = bytes.fromhex(text.strip())
            else:
                value = base64.b64decode(text.strip(), validate=True)
        except (ValueError, binascii.Error):
            raise ValueError(f"expected {self.label}, got text that is not {self.encoding}") from None
        return self._sized(value)

    def from_document(self, value: object) -> bytes:
        if isinstance(value, bytes | bytearray):
            return self._sized(bytes(value))
        if not isinstance(value, str):
            raise ValueError(f"expected {self.label}, got {describe_value(value)}")
        return self.from_text(value)

    def _sized(self, value: bytes) -> bytes:
        if len(value) != self.length:
            got = 2 * len(value) if self.encoding == "hex" else len(value)
            raise ValueError(f"expected {self.label}, got {got}")
        return value

    def show(self, value: bytes) -> str:
        return value.hex() if self.encoding == "hex" else base64.b64encode(value).decode()

    def mask(self, value: bytes) -> str:
        return f"****...{value.hex()[-8:]}"


@dataclass(frozen=True, slots=True)
class Words:
    """A list of short texts; in text, commas part them."""

    label: str = "a list of texts"

    def from_text(self, text: str) -> tuple[str, ...]:
        return tuple(word for part in text.split(",") if (word := part.strip()))

    def from_document(self, value: object) -> tuple[str, ...]:
        if not isinstance(value, list | tuple) or not all(isinstance(word, str) and word.strip() for word in value):
            raise ValueError(f"expected {self.label}, got {describe_value(value)}")
        return tuple(value)

    def show(self, value: Sequence[str]) -> list[str]:
        return list(value)

    def mask(self, value: Sequence[str]) -> str:
        return "****"


@dataclass(frozen=True, slots=True)
class Choice:
    """One of a few words."""

    words: Sequence[str]

    @property
    def label(self) -> str:
        return f"one of {', '.join(self.words)}"

    def from_text(self, text: str) -> str:
        word = text.strip().lower()
        if word not in self.words:
            raise ValueError(f"expected {self.label}, got '{text[:40]}'")
        return word

    def from_document(self, value: object) -> str:
        if not isinstance(value, str):
            raise ValueError(f"expected {self.label}, got {describe_value(value)}")
        return self.from_text(value)

    def show(self, value: str) -> str:
        return value

    def mask(self, value: Any) -> str:
        return "****"


TEXT = Text()
PATH = PathText()
FLAG = Flag()
WORDS = Words()


def integer(minimum: int, maximum: int) -> Integer:
    return Integer(minimum, maximum)


def hex_bytes(length: int) -> Bytes:
    return Bytes("hex", length)


def base64_bytes(length: int) -> Bytes:
    return Bytes("base64", length)


def choice(*words: str) -> Choice:
    return Choice(words)


PORT = integer(0, 65535)
