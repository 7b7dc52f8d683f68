"""The declarative table of a service's routes: what is served is what is listed, so a route can't be unguarded.

Access checks, documentation and tests are generated from the same rows.
"""

import re
from collections.abc import Awaitable, Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import msgspec

from aster.foundation.http.errors import BadJson, MethodNotAllowed, NotFound, UnsupportedMediaType, ValidationFailed
from aster.foundation.http.request import Request

Handler = Callable[[Request, Any], Awaitable[Any]]

JSON = b"application/json"
_PARAMETER = re.compile(r"\{(\w+)\}")
_AT = re.compile(r"^(?P<message>.*?)(?: - at `\$(?P<path>[^`]*)`)?$", re.DOTALL)


@dataclass(frozen=True)
class Route:
    """One row: method, path (``/v1/banks/{bank_id}``), what it needs, what it takes, what it answers, who does it.

    ``access`` is the service's own word for what a caller must have: a role, a permission. ``answer`` documents the
    body of ``status``; ``errors`` the other statuses a caller should expect. With ``optional_body`` an empty body is
    None. ``also``: other statuses with the same answer. With ``notes_unknown`` the names of fields that the body's type
    does not have are left in ``request.state["unknown_fields"]``; bodies without any are decoded as fast as ever.
    """

    method: str
    path: str
    handler: Handler
    summary: str
    access: Any = None
    body: Any = None
    answer: Any = None
    status: int = 200
    errors: Sequence[int] = ()
    query: Sequence[str] = ()
    optional_body: bool = False
    also: Sequence[int] = ()
    notes_unknown: bool = False
    _decoder: msgspec.json.Decoder[Any] | None = field(init=False, repr=False, default=None)
    _strict: msgspec.json.Decoder[Any] | None = field(init=False, repr=False, default=None)

    def __post_init__(self) -> None:
        if self.body is not None:
            object.__setattr__(self, "_decoder", msgspec.json.Decoder(self.body))
        if self.notes_unknown:
            strict = msgspec.defstruct(
                self.body.__name__, [], bases=(self.body,), frozen=True, forbid_unknown_fields=True
            )
            object.__setattr__(self, "_strict", msgspec.json.Decoder(strict))

    def decode(self, request: Request, body: bytes) -> Any:
        """The typed body; raises `UnsupportedMediaType`, `BadJson` or `ValidationFailed`."""
        if self._decoder is None or (self.optional_body and not body):
            return None
        if request.header(b"content-type") != JSON:
            _check_content_type(request)
        if self._strict is not None:
            try:
                return self._strict.decode(body)
            except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
                pass  # the other decoder tells why, unless it is only for a field that is not known
        try:
            typed = self._decoder.decode(body)
            if self._strict is not None:
                request.state["unknown_fields"] = _unknown_fields(body, self.body)
            return typed
        except msgspec.ValidationError as error:
            raise _validation_failed(str(error)) from None
        except (msgspec.DecodeError, UnicodeDecodeError) as error:
            raise BadJson(f"the body is not valid JSON: {error}") from None
        except RecursionError:
            raise BadJson("the body is nested too deeply") from None


def _unknown_fields(body: bytes, kind: type[msgspec.Struct]) -> list[str]:
    known = {each.encode_name for each in msgspec.structs.fields(kind)}
    return [name for name in msgspec.json.decode(body, type=dict[str, msgspec.Raw]) if name not in known]


@dataclass(frozen=True, slots=True)
class Match:
    """The row a request fits, or the error to raise once every layer has let it pass."""

    route: Route | None = None
    params: Mapping[str, str] = field(default_factory=dict)
    error: NotFound | MethodNotAllowed | None = None


class RouteTable:
    """Finds a route: by dictionary for fixed paths, by pattern in order for the others."""

    def __init__(self, routes: Sequence[Route]) -> None:
        self.routes = tuple(routes)
        self._fixed: dict[str, dict[str, Route]] = {}
        self._patterns: list[tuple[re.Pattern[str], dict[str, Route]]] = []
        patterns: dict[str, dict[str, Route]] = {}
        for route in self.routes:
            table = patterns if _PARAMETER.search(route.path) else self._fixed
            methods = table.setdefault(route.path, {})
            if route.method in methods:
                raise ValueError(f"{route.method} {route.path} is listed twice")
            methods[route.method] = route
        self._found = {(each.method, each.path): Match(each) for each in self.routes if each.path in self._fixed}
        for path, methods in patterns.items():
            expression = "".join(
                f"(?P<{part}>[^/]+)" if index % 2 else re.escape(part)
                for index, part in enumerate(_PARAMETER.split(path))
            )
            self._patterns.append((re.compile(expression), methods))

    def match(self, method: str, path: str) -> Match:
        """``path`` is percent-decoded. HEAD is answered where GET is."""
        if (found := self._found.get((method, path))) is not None:
            return found
        wanted = "GET" if method == "HEAD" else method
        allowed: set[str] = set()
        for methods, params in self._candidates(path):
            if (route := methods.get(wanted)) is not None:
                return Match(route, params)
            allowed |= methods.keys()
        if allowed:
            return Match(error=MethodNotAllowed("Method Not Allowed", allowed=list(allowed)))
        return Match(error=NotFound("Not Found"))

    def _candidates(self, path: str) -> Iterator[tuple[dict[str, Route], dict[str, str]]]:
        if (methods := self._fixed.get(path)) is not None:
            yield methods, {}
        for pattern, methods in self._patterns:
            if found := pattern.fullmatch(path):
                yield methods, found.groupdict()


def _check_content_type(request: Request) -> None:
    content_type = (request.header(b"content-type") or b"").partition(b";")[0].strip().lower()
    if content_type and content_type != JSON and not content_type.endswith(b"+json"):
        raise UnsupportedMediaType("the body must be application/json")


def _validation_failed(text: str) -> ValidationFailed:
    found = _AT.match(text)
    message = found["message"] if found else text
    path = ((found["path"] if found else None) or "").lstrip(".")
    shown = f"{path}: {message}" if path else message
    return ValidationFailed(shown, problems=[{"path": path, "message": message}])
