"""Structured logs on the standard library's loggers ``aster.*`` and ``astrocyte.*``.

Importing a module of ours configures nothing: until `configure_logging` is called (by a server's start or the command
line) records go wherever the host application sends them. One record is one line: text for people, JSON for machines.
Fields that hold secrets are masked by name before a record leaves the process.

A record that is logged while a request is answered carries the request's fields, whichever logger wrote it: those of
`bind_request`, and those of the providers that `add_request_fields` was given. A host that keeps its own handlers gets
the same by adding a `RequestFields` filter to them.
"""

import json
import logging
import re
import sys
from collections.abc import Callable, Iterator, Mapping, MutableMapping
from contextlib import contextmanager
from datetime import UTC, datetime
from functools import cached_property
from typing import TYPE_CHECKING, Any, TextIO, cast

if TYPE_CHECKING:
    import structlog

ROOTS = ("aster", "astrocyte")

SECRET_FIELDS = frozenset(
    {
        "secret_key",
        "private_key",
        "signing_key",
        "secret",
        "signature",
        "credential",
        "credential_json",
        "token",
        "api_key",
        "password",
        "authorization",
    }
)
IDENTIFIER_FIELDS = frozenset({"root_pubkey", "endpoint_id", "node_id", "contract_id", "nonce", "peer"})

Event = MutableMapping[str, Any]
Provider = Callable[[], Mapping[str, Any]]

_providers: list[Provider] = []


class _Deferred:
    """A logger that is made when it is first used: importing structlog takes a quarter of the time ours takes."""

    def __init__(self, name: str) -> None:
        self._name = name

    @cached_property
    def _made(self) -> "structlog.stdlib.BoundLogger":
        import structlog

        logger: structlog.stdlib.BoundLogger = structlog.wrap_logger(
            logging.getLogger(self._name),
            wrapper_class=structlog.stdlib.BoundLogger,
            processors=[
                structlog.stdlib.filter_by_level,
                structlog.contextvars.merge_contextvars,
                _add_request,
                _to_record,
            ],
        )
        return logger

    def __getattr__(self, method: str) -> Any:
        return getattr(self._made, method)


def get_logger(name: str) -> "structlog.stdlib.BoundLogger":
    """A logger whose methods take an event in words and fields by keyword."""
    return cast("structlog.stdlib.BoundLogger", _Deferred(name))


def _add_request(logger: Any, method: str, event: Event) -> Event:
    for provider in _providers:
        for key, value in provider().items():
            event.setdefault(key, value)
    return event


def _to_record(logger: Any, method: str, event: Event) -> Event:
    """Fields become attributes of the standard record; one with the name of the record's own gets an underscore."""
    import structlog

    kwargs = dict(structlog.stdlib.render_to_log_kwargs(logger, method, event))
    kwargs["extra"] = {f"{key}_" if key in _STANDARD else key: value for key, value in kwargs["extra"].items()}
    return kwargs


def add_request_fields(provider: Provider) -> None:
    """Ask ``provider`` at every record for the fields of the request that is being answered; none outside of one.

    For rooms that know their request anyway: it costs a request nothing, where `bind_request` costs microseconds.
    """
    _providers.append(provider)


class RequestFields(logging.Filter):
    """Adds the fields of the request that is being answered to any record, unless the record has them."""

    def filter(self, record: logging.LogRecord) -> bool:
        import structlog

        fields = dict(structlog.contextvars.get_contextvars())
        for provider in _providers:
            fields = {**provider(), **fields}
        for key, value in fields.items():
            name = f"{key}_" if key in _STANDARD else key
            if not hasattr(record, name):
                setattr(record, name, value)
        return True


@contextmanager
def bind_request(**fields: Any) -> Iterator[None]:
    """Add ``request_id``, ``service``, ``method``, ``peer`` … to every record logged inside."""
    import structlog

    with structlog.contextvars.bound_contextvars(**fields):
        yield


def configure_logging(
    *, format: str = "text", level: str = "info", mask: bool = True, stream: TextIO | None = None
) -> None:
    """Send our loggers' records to ``stream`` (default: standard error) as ``text`` or ``json`` from ``level`` up."""
    handler = logging.StreamHandler(stream or sys.stderr)
    handler.addFilter(RequestFields())
    handler.setFormatter(_Formatter(as_json=format == "json", mask=mask))
    for name in ROOTS:
        logger = logging.getLogger(name)
        for old in list(logger.handlers):
            logger.removeHandler(old)
        logger.addHandler(handler)
        logger.setLevel(level.upper())
        logger.propagate = False


def mask_fields(fields: Mapping[str, Any]) -> dict[str, Any]:
    """Secrets become ``***``, at any depth; long public identifiers keep their first 8 and last 4 characters."""
    return {key: _masked(key, value) for key, value in fields.items()}


def _masked(key: str, value: Any) -> Any:
    name = str(key).lower().replace("-", "_")  # a header is the same secret as a field: X-Api-Key, api_key
    if name.removeprefix("x_") in SECRET_FIELDS:
        return "***"
    if name in IDENTIFIER_FIELDS and isinstance(value, str) and len(value) > 12:
        return f"{value[:8]}...{value[-4:]}"
    if isinstance(value, Mapping):
        return mask_fields(value)
    if isinstance(value, list | tuple):
        return [_masked("", item) for item in value]
    return value


# Whatever ends a line for some reader, moves a terminal's cursor, or can't be encoded.
_CONTROL = re.compile(r"[\x00-\x1f\x7f-\x9f\u2028\u2029\ud800-\udfff]")
_STANDARD = frozenset(vars(logging.makeLogRecord({}))) | {"message", "asctime", "taskName"}


class _Formatter(logging.Formatter):
    def __init__(self, *, as_json: bool, mask: bool) -> None:
        super().__init__()
        self._as_json = as_json
        self._mask = mask

    def format(self, record: logging.LogRecord) -> str:
        fields = {key: value for key, value in vars(record).items() if key not in _STANDARD}
        if record.exc_info and record.exc_info[0] is not None:
            fields["error_type"] = record.exc_info[0].__name__
            fields["traceback"] = self.formatException(record.exc_info)
        if self._mask:
            fields = mask_fields(fields)
        moment = datetime.fromtimestamp(record.created, UTC)
        render = _render_json if self._as_json else _render_text
        return render(moment, record, fields)


def _render_json(moment: datetime, record: logging.LogRecord, fields: dict[str, Any]) -> str:
    import msgspec

    line = {
        "ts": moment.isoformat(timespec="milliseconds").replace("+00:00", "Z"),
        "level": record.levelname.lower(),
        "logger": record.name,
        "msg": record.getMessage(),
    }
    line |= {f"{key}_" if key in line else key: value for key, value in fields.items()}
    try:
        text = msgspec.json.encode(line, enc_hook=str).decode()
    except UnicodeEncodeError:  # half a surrogate pair: only the standard library's encoder can write it
        text = json.dumps(line, default=str)
    return _CONTROL.sub(lambda found: f"\\u{ord(found[0]):04x}", text)


def _render_text(moment: datetime, record: logging.LogRecord, fields: dict[str, Any]) -> str:
    trace = fields.pop("traceback", None)
    shown = " ".join(f"{key}={_one_line(value)}" for key, value in fields.items())
    time = moment.astimezone().strftime("%H:%M:%S.") + f"{moment.microsecond // 1000:03d}"
    line = f"{time} {record.levelname:<7} {record.name} — {_one_line(record.getMessage())}"
    return "\n".join(part for part in (f"{line} [{shown}]" if shown else line, trace) if part)


def _one_line(value: object) -> str:
    return _CONTROL.sub(lambda found: found[0].encode("unicode_escape").decode(), str(value))
