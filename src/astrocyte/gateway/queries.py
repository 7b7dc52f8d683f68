"""What a GET says after the question mark, checked like any other input."""

from urllib.parse import parse_qsl

from aster.foundation.http.request import Request
from astrocyte.errors import InvalidInput

MOST_FIELDS = 20


class Query:
    """The fields of a query string. A field may be given once; a name that the route does not know is refused."""

    def __init__(self, request: Request) -> None:
        route = request.match.route
        known = route.query if route is not None else ()
        try:
            pairs = parse_qsl(request.query, keep_blank_values=True, max_num_fields=MOST_FIELDS, errors="strict")
        except ValueError:
            raise InvalidInput("the query string can't be read") from None
        self._values: dict[str, str] = {}
        for name, value in pairs:
            if name not in known:
                raise InvalidInput(
                    f"unknown query parameter '{name[:40]}'", hint=f"known: {', '.join(known) or 'none'}"
                )
            if name in self._values:
                raise InvalidInput(f"query parameter '{name}' is given twice")
            self._values[name] = value

    def text(self, name: str) -> str | None:
        return self._values.get(name) or None

    def needed(self, name: str) -> str:
        """Raises `InvalidInput` when it is missing."""
        value = self.text(name)
        if value is None:
            raise InvalidInput(f"query parameter '{name}' is required")
        return value

    def flag(self, name: str) -> bool:
        """``true`` or ``false``; false when it is missing."""
        value = self.text(name) or "false"
        if value not in ("true", "false"):
            raise InvalidInput(f"query parameter '{name}' must be true or false")
        return value == "true"

    def number(self, name: str, default: int) -> int:
        value = self.text(name)
        if value is None:
            return default
        if not (value.isascii() and value.isdigit() and len(value) <= 9):
            raise InvalidInput(f"query parameter '{name}' must be a whole number")
        return int(value)
