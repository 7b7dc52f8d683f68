import enum
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import msgspec
import pytest
from tests.rpc.messages import Greeter

from aster.rpc.contract.describe import TypeDescriber, TypeNotDescribable
from aster.rpc.contract.description import ServiceDescription
from aster.rpc.contract.manifest import (
    MAX_DEPTH,
    MAX_METHODS,
    ManifestInvalid,
    manifest_json,
    manifest_of,
    parse_manifest,
    read_manifest,
)
from aster.rpc.contract.service import describe_service
from aster.rpc.definition import definition_of


def greeter() -> ServiceDescription:
    return describe_service(definition_of(Greeter))


def document() -> Any:
    return json.loads(manifest_json(manifest_of([greeter()])))


def test_a_manifest_is_read_as_it_was_written(tmp_path: Path) -> None:
    file = tmp_path / "manifest.json"
    file.write_bytes(manifest_json(manifest_of([greeter()])))
    assert read_manifest(file).services == (greeter(),)
    assert read_manifest(file).service("Greeter", 2) == greeter()
    assert read_manifest(file).service("Greeter", 1) is None


def test_a_manifest_shows_descriptions_defaults_and_policy() -> None:
    shown = document()["services"][0]
    hello = next(method for method in shown["methods"] if method["name"] == "hello")
    assert (hello["idempotent"], hello["description"]) == (True, "Greet by name.")
    count = shown["types"]["Ask"]["fields"][1]
    assert count == {"name": "count", "type": {"kind": "scalar", "type": "int"}, "required": False, "default": 0}
    assert shown["types"]["Ask"]["strict"] is True


def test_unknown_keys_are_skipped_and_newer_formats_refused() -> None:
    newer = document()
    newer["later"] = newer["services"][0]["later"] = {"a": 1}
    newer["services"][0]["methods"][0]["later"] = [1]
    assert parse_manifest(json.dumps(newer).encode(), "m").services == (greeter(),)
    newer["aster_manifest"] = 2
    with pytest.raises(ManifestInvalid, match="format 2, this version reads 1"):
        parse_manifest(json.dumps(newer).encode(), "m")


def test_a_manifest_that_was_edited_by_hand_is_refused() -> None:
    edited = document()
    edited["services"][0]["types"]["Ask"]["fields"][0]["name"] = "nom"
    with pytest.raises(ManifestInvalid, match="Greeter has types that don't belong to its contract id"):
        parse_manifest(json.dumps(edited).encode(), "m")


def _deep(levels: int) -> dict[str, Any]:
    found: dict[str, Any] = {"kind": "scalar", "type": "int"}
    for _ in range(levels):
        found = {"kind": "array", "of": found}
    return found


def _first_method(found: Any, **changes: Any) -> None:
    found["services"][0]["methods"][0] |= changes


HOSTILE: dict[str, Callable[[Any], Any]] = {
    "many methods": lambda d: d["services"][0].update(
        methods=[{**d["services"][0]["methods"][0], "name": f"m{n}"} for n in range(MAX_METHODS + 1)]
    ),
    "twice one method": lambda d: d["services"][0]["methods"].append(d["services"][0]["methods"][0]),
    "a type that is not there": lambda d: _first_method(d, request={"kind": "ref", "name": "Nowhere"}),
    "deep types": lambda d: _first_method(d, request=_deep(MAX_DEPTH + 1)),
    "very deep types": lambda d: _first_method(d, request=_deep(900)),
    "an unknown kind": lambda d: _first_method(d, request={"kind": "magic"}),
    "no services": lambda d: d.pop("services"),
    "twice one field": lambda d: d["services"][0]["types"]["Ask"]["fields"].append(
        d["services"][0]["types"]["Ask"]["fields"][0]
    ),
    "a field that can't be": lambda d: d["services"][0]["types"]["Ask"]["fields"][0].update(name='a"b'),
    "an enum of nothing": lambda d: d["services"][0]["types"].update(E={"kind": "enum", "members": {}}),
}


@pytest.mark.parametrize("case", HOSTILE)
def test_a_hostile_manifest_is_refused(case: str) -> None:
    found = document()
    HOSTILE[case](found)
    with pytest.raises(ManifestInvalid, match=r"^m"):
        parse_manifest(json.dumps(found).encode(), "m")


@pytest.mark.parametrize("text", [b"", b"[]", b"{", b"\xff", b"[" * 100_000, b'{"aster_manifest": "1"}'])
def test_what_is_no_manifest_says_so(text: bytes) -> None:
    with pytest.raises(ManifestInvalid):
        parse_manifest(text, "m")


def test_a_manifest_that_is_not_there_is_named(tmp_path: Path) -> None:
    with pytest.raises(ManifestInvalid, match=r"nowhere\.json can't be read"):
        read_manifest(tmp_path / "nowhere.json")


class Opaque:
    pass


class Holder(msgspec.Struct):
    thing: Opaque


def test_a_type_without_a_wire_form_is_named() -> None:
    with pytest.raises(TypeNotDescribable, match="Opaque"):
        TypeDescriber().describe(Holder)


def test_classes_of_one_name_keep_apart() -> None:
    def other() -> type:
        class Holder(msgspec.Struct):
            x: int

        return Holder

    describer = TypeDescriber()

    class Fine(msgspec.Struct):
        x: str

    first = describer.describe(other())
    second = describer.describe(msgspec.defstruct("Holder", [("y", str)]))
    assert first != second
    assert len(describer.types) == 2


class Mood(enum.Enum):
    """How it goes."""

    GOOD = "good"


def test_enums_keep_their_names_and_words() -> None:
    describer = TypeDescriber()
    describer.describe(Mood)
    assert describer.types["Mood"] == msgspec.convert(
        {"kind": "enum", "members": {"GOOD": "good"}, "description": "How it goes."}, type(describer.types["Mood"])
    )
