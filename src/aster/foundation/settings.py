"""Layered settings with provenance: one declarative table drives loading, printing, masking and the reference page.

Layers, lowest first: built-in default, file (TOML or YAML), environment, inline argument. Every value remembers which
layer gave it. A malformed value is an error that names its source; an unknown section or key is an error with a
suggestion; an empty environment variable counts as unset.
"""

import difflib
import os
import tomllib
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Generic, Protocol, TypeVar

import msgspec

from aster.foundation.errors import ConfigError
from aster.foundation.extras import load_extra

T = TypeVar("T")


class Kind(Protocol):
    """How one sort of value is written in text, in a document, and shown again."""

    @property
    def label(self) -> str:
        """What a person would call the format, e.g. ``base64 of 32 bytes``."""

    def from_text(self, text: str) -> Any:
        """Parse an environment variable's text; raise ValueError saying what was expected."""

    def from_document(self, value: object) -> Any:
        """Check a TOML, YAML or inline value; raise ValueError saying what was expected."""

    def show(self, value: Any) -> Any:
        """The JSON form of a value."""

    def mask(self, value: Any) -> str:
        """A value's last characters behind asterisks: enough to compare, too little to use."""


@dataclass(frozen=True, slots=True)
class Setting:
    """One row of the table.

    ``section`` and ``key`` place it in a document; ``env`` is its environment variable, ``also`` are other names of
    that; ``unset`` is what printing shows when the value is None; ``secret`` masks it everywhere.
    """

    name: str
    kind: Kind
    default: Any
    description: str
    section: str
    key: str = ""
    env: str | None = None
    also: tuple[str, ...] = ()
    secret: bool = False
    unset: str = "<not set>"

    @property
    def variables(self) -> tuple[str, ...]:
        """Its environment variables, the first that is set counts."""
        return () if self.env is None else (self.env, *self.also)

    @property
    def document_key(self) -> str:
        return self.key or self.name


@dataclass(frozen=True, slots=True)
class Sourced(Generic[T]):
    """A value and the layer it came from."""

    value: T
    source: str


@dataclass(frozen=True, slots=True)
class Document:
    """A parsed configuration file: sections of keys."""

    name: str
    sections: Mapping[str, Any]

    @classmethod
    def read(cls, path: str | os.PathLike[str]) -> "Document":
        """Read ``.toml``, ``.yaml`` or ``.yml``; raises `ConfigError` naming the file and what is wrong with it."""
        file = Path(path).expanduser()
        try:
            text = file.read_text(encoding="utf-8")
        except OSError as error:
            raise ConfigError(f"{file}: can't be read: {error.strerror or error}") from error
        except UnicodeDecodeError as error:
            raise ConfigError(f"{file}: is not UTF-8 text") from error
        parse = _PARSERS.get(file.suffix.lower())
        if parse is None:
            raise ConfigError(f"{file}: expected a file named *.toml, *.yaml or *.yml")
        sections = parse(str(file), text)
        if not isinstance(sections, dict):
            raise ConfigError(f"{file}: expected sections of settings, got {describe_value(sections)}")
        return cls(str(file), sections)


class SettingsTable:
    """The rows of one system's settings, in the order in which they are printed."""

    def __init__(self, settings: Sequence[Setting]) -> None:
        self.settings = tuple(settings)
        self.by_name = {setting.name: setting for setting in self.settings}
        self._by_place = {(setting.section, setting.document_key): setting for setting in self.settings}
        self.sections = tuple(dict.fromkeys(setting.section for setting in self.settings))

    def resolve(
        self,
        *,
        inline: Mapping[str, object] | None = None,
        environ: Mapping[str, str] | None = None,
        document: Document | None = None,
    ) -> "Resolved":
        """Lay inline over environment over document over defaults; raises `ConfigError` for the first bad value."""
        values = {setting.name: Sourced(setting.default, "default") for setting in self.settings}
        if document is not None:
            values.update(self._from_document(document))
        for setting in self.settings:
            for variable in setting.variables:
                if text := (environ or {}).get(variable, "").strip():
                    values[setting.name] = Sourced(_parse(setting, variable, setting.kind.from_text, text), variable)
                    break
        for name, value in (inline or {}).items():
            known = self.by_name.get(name)
            if known is None:
                raise ConfigError(f"unknown setting '{name}'", hint=suggest(name, self.by_name))
            if value is not None:
                values[name] = Sourced(_parse(known, name, known.kind.from_document, value), "inline")
        return Resolved(self, values)

    def _from_document(self, document: Document) -> Iterator[tuple[str, Sourced[Any]]]:
        for section, keys in document.sections.items():
            if section not in self.sections:
                raise ConfigError(f"{document.name}: unknown section [{section}]", hint=suggest(section, self.sections))
            if not isinstance(keys, dict):
                raise ConfigError(f"{document.name}: expected a section [{section}], got {describe_value(keys)}")
            for key, value in keys.items():
                setting = self._by_place.get((section, key))
                if setting is None:
                    known = [place[1] for place in self._by_place if place[0] == section]
                    raise ConfigError(f"{document.name}: unknown key '{key}' in [{section}]", hint=suggest(key, known))
                if value is not None:
                    where = f"{document.name} [{section}] {key}"
                    parsed = _parse(setting, where, setting.kind.from_document, value)
                    yield setting.name, Sourced(parsed, f"{document.name} [{section}]")


@dataclass(frozen=True)
class Resolved(Mapping[str, Any]):
    """Every setting's value, by name, with its source."""

    table: SettingsTable
    _values: Mapping[str, Sourced[Any]] = field(repr=False)

    def __getitem__(self, name: str) -> Any:
        return self._values[name].value

    def __iter__(self) -> Iterator[str]:
        return iter(self._values)

    def __len__(self) -> int:
        return len(self._values)

    def source(self, name: str) -> str:
        """``default``, an environment variable's name, ``FILE [section]``, or ``inline``."""
        return self._values[name].source

    def replace(self, name: str, value: Any, source: str) -> "Resolved":
        """The same settings with one value changed by a rule that ``source`` names."""
        return Resolved(self.table, {**self._values, name: Sourced(value, source)})

    def shown(self, setting: Setting) -> str:
        """A setting's value as people see it: masked when secret, its ``unset`` words when None."""
        value = self[setting.name]
        if value is None:
            return setting.unset
        return setting.kind.mask(value) if setting.secret else str(setting.kind.show(value))

    def render_text(self, sections: Mapping[str, Sequence[str]] | None = None) -> str:
        """``[section]`` lines and ``name : value (source)`` rows; ``sections`` picks names and their order."""
        lines: list[str] = []
        for section, names in (sections or self._all_sections()).items():
            lines.append(f"[{section}]")
            for name in names:
                setting = self.table.by_name[name]
                lines.append(f"{self._row_name(setting)} : {self.shown(setting)} ({self.source(name)})")
        return "\n".join(lines)

    def render_json(self) -> str:
        """``{section: {name: {"value", "source"}}}`` for every setting, secrets masked."""
        tree: dict[str, dict[str, Any]] = {}
        for setting in self.table.settings:
            value = self[setting.name]
            if value is not None:
                value = setting.kind.mask(value) if setting.secret else setting.kind.show(value)
            row = {"value": value, "source": self.source(setting.name)}
            tree.setdefault(setting.section, {})[self._row_name(setting)] = row
        return msgspec.json.format(msgspec.json.encode(tree), indent=2).decode()

    def _all_sections(self) -> dict[str, list[str]]:
        table = self.table
        return {part: [row.name for row in table.settings if row.section == part] for part in table.sections}

    @staticmethod
    def _row_name(setting: Setting) -> str:
        return setting.document_key


def suggest(word: object, known: Sequence[str] | Mapping[str, object]) -> str:
    """A hint that names the closest known words, or all of them when none is close."""
    close = difflib.get_close_matches(str(word), list(known), n=1)
    return f"did you mean '{close[0]}'?" if close else f"known: {', '.join(sorted(known))}"


def describe_value(value: object) -> str:
    """What a value is, without its content: errors must not repeat a secret."""
    match value:
        case None:
            return "nothing"
        case bool():
            return "a boolean"
        case int() | float():
            return "a number"
        case str():
            return "text"
        case bytes() | bytearray():
            return f"{len(value)} bytes"
        case list() | tuple():
            return "a list"
        case dict():
            return "a section"
    return f"a {type(value).__name__}"


def _parse(setting: Setting, where: str, parse: Callable[[Any], Any], raw: object) -> Any:
    try:
        return parse(raw)
    except ValueError as error:
        raise ConfigError(f"{where}: {error}", setting=setting.name) from None


def _parse_toml(name: str, text: str) -> object:
    try:
        return tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        raise ConfigError(f"{name}: is not valid TOML: {error}") from error
    except (ValueError, RecursionError):  # a number of thousands of digits, lists in lists without end
        raise ConfigError(f"{name}: is not valid TOML: a value is too large or nested too deeply") from None


def _parse_yaml(name: str, text: str) -> object:
    yaml = load_extra("yaml", extra="memory")
    try:
        return yaml.safe_load(text) or {}
    except (yaml.YAMLError, ValueError, RecursionError) as error:
        # The parser's own words quote the line, and the line may hold a secret: tell the place alone.
        mark = getattr(error, "problem_mark", None)
        place = f" at line {mark.line + 1}, column {mark.column + 1}" if mark is not None else ""
        raise ConfigError(f"{name}: is not valid YAML{place}") from None


_PARSERS: Mapping[str, Callable[[str, str], object]] = {
    ".toml": _parse_toml,
    ".yaml": _parse_yaml,
    ".yml": _parse_yaml,
}
