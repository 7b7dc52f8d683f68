"""`Maybe.*`, `Option.*` and `Result.*` (specification §12)."""

from typing import Any

from aster.policy.language.encoding import kind_of
from aster.policy.language.faults import Fault
from aster.policy.language.library_arguments import Library, need_callback
from aster.policy.language.terms import Term
from aster.policy.language.values import Err, Ok, Run, Some


def _unwrapped(value: Any) -> Any:
    """What an option holds: Some's value, null as it is, anything else itself."""
    if type(value) is dict and value.get("__type") == "Some":
        return value.get("value")
    return value.value if type(value) is Some else value


def _or_else(_: Run, value: Any, default: Any) -> Any:
    return default if value is None else _unwrapped(value)


def _unwrap_option(_: Run, value: Any) -> Any:
    if value is None:
        raise Fault("WRONG_VARIANT", function="unwrap", expected=Term("a value"), actual=Term("none"))
    return _unwrapped(value)


def _map_option(run: Run, value: Any, function: Any) -> Any:
    call = need_callback(run, function, 1, 1, "Option.map")
    return None if value is None else Some(call(_unwrapped(value)))


def _result(value: Any, function: str) -> Ok | Err:
    if type(value) is Ok or type(value) is Err:
        return value
    if type(value) is dict and value.get("__type") in {"Ok", "Err"}:
        return (Ok if value["__type"] == "Ok" else Err)(value.get("value"))
    raise Fault("ARGUMENT_TYPE", function=function, expected=Term("a Result"), actual=kind_of(value))


def _unwrap_result(value: Any, wanted: type, function: str) -> Any:
    found = _result(value, function)
    if type(found) is not wanted:
        raise Fault("WRONG_VARIANT", function=function, expected=wanted.__name__, actual=type(found).__name__)
    return found.value


def _map_result(run: Run, value: Any, function: Any, wanted: type[Ok] | type[Err], name: str) -> Any:
    found = _result(value, name)
    call = need_callback(run, function, 1, 1, name)
    return wanted(call(found.value)) if type(found) is wanted else found


def _tap_error(run: Run, value: Any, function: Any) -> Any:
    found = _result(value, "Result.tapError")
    call = need_callback(run, function, 1, 1, "Result.tapError")
    if type(found) is Err:
        call(found.value)
    return found


def _result_or(_: Run, value: Any, default: Any) -> Any:
    found = _result(value, "Result.unwrapOr")
    return found.value if type(found) is Ok else default


_OPTION_FUNCTIONS: Library = {
    "withDefault": _or_else,
    "unwrapOr": _or_else,
    "isSome": lambda _, value: value is not None,
    "isNone": lambda _, value: value is None,
    "unwrap": _unwrap_option,
    "map": _map_option,
}
OPTIONS: Library = {
    f"{space}.{name}": function for space in ("Maybe", "Option") for name, function in _OPTION_FUNCTIONS.items()
}
RESULTS: Library = {
    "Result.isOk": lambda _, value: type(_result(value, "Result.isOk")) is Ok,
    "Result.isErr": lambda _, value: type(_result(value, "Result.isErr")) is Err,
    "Result.unwrap": lambda _, value: _unwrap_result(value, Ok, "Result.unwrap"),
    "Result.unwrapErr": lambda _, value: _unwrap_result(value, Err, "Result.unwrapErr"),
    "Result.unwrapOr": _result_or,
    "Result.mapOk": lambda run, value, function: _map_result(run, value, function, Ok, "Result.mapOk"),
    "Result.mapErr": lambda run, value, function: _map_result(run, value, function, Err, "Result.mapErr"),
    "Result.tapError": _tap_error,
}
