"""`Map.*` (specification §12): persistent maps in the order of insertion, keys are texts."""

from typing import Any

from aster.policy.language.encoding import text_of
from aster.policy.language.faults import Fault
from aster.policy.language.library_arguments import Library, need
from aster.policy.language.metering import charge
from aster.policy.language.operations import field
from aster.policy.language.values import RecordValue, Run, Some


def map_key(key: Any) -> str:
    if key is None:
        raise Fault("NULL_KEY")
    return text_of(key)


def _entries(run: Run, value: Any, function: str) -> dict[str, Any]:
    if isinstance(value, RecordValue):
        return {name: field(value, name) for name in value.attributes}
    found: dict[str, Any] = need(value, dict, "a Map", function)
    charge(run, 1 + len(found))
    return found


def _map_get(run: Run, entries: Any, key: Any) -> Any:
    found = need(entries, dict, "a Map", "Map.get") if type(entries) is dict else _entries(run, entries, "Map.get")
    name = map_key(key)
    return Some(found[name]) if found.get(name) is not None else None


def _map_remove(run: Run, entries: Any, key: Any) -> dict[str, Any]:
    name = map_key(key)
    return {other: value for other, value in _entries(run, entries, "Map.remove").items() if other != name}


MAPS: Library = {
    "Map.empty": lambda _: {},
    "Map.get": _map_get,
    "Map.put": lambda run, entries, key, value: {**_entries(run, entries, "Map.put"), map_key(key): value},
    "Map.remove": _map_remove,
    "Map.contains": lambda run, entries, key: map_key(key) in _entries(run, entries, "Map.contains"),
    "Map.size": lambda run, entries: len(_entries(run, entries, "Map.size")),
    "Map.keys": lambda run, entries: list(_entries(run, entries, "Map.keys")),
    "Map.values": lambda run, entries: list(_entries(run, entries, "Map.values").values()),
    "Map.entries": lambda run, entries: [
        {"key": key, "value": value} for key, value in _entries(run, entries, "Map.entries").items()
    ],
}
