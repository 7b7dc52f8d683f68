"""What a client raises: the engine's own errors where the gateway tells their code, otherwise one of these two."""

from collections.abc import Iterator
from typing import Any

import msgspec

from astrocyte import errors
from astrocyte.errors import AstrocyteError


class GatewayUnreachable(AstrocyteError):
    """No answer: the address, the network, or the gateway's time. Whether the request was carried out is not known."""

    code = "GATEWAY_UNREACHABLE"


class GatewayRefused(AstrocyteError):
    """An answer that is not a success. ``details`` has ``status`` and the gateway's ``gateway_code``."""

    code = "GATEWAY_REFUSED"


def _kinds(kind: type[AstrocyteError]) -> Iterator[type[AstrocyteError]]:
    yield kind
    for below in kind.__subclasses__():
        yield from _kinds(below)


_BY_CODE = {kind.code: kind for kind in _kinds(errors.InvalidInput)} | {
    kind.code: kind
    for kind in (errors.MemoryNotFound, errors.BankNotFound, errors.ModelMismatch, errors.PersonalDataRefused)
}
"""Errors that are raised as in process; they are made of a message alone."""


def error_of(status: int, body: bytes) -> AstrocyteError:
    """The error that an answer means. Text of a proxy between us and the gateway is not repeated."""
    try:
        told: Any = msgspec.json.decode(body)
    except msgspec.DecodeError:
        told = None
    found = told if isinstance(told, dict) else {}
    code = str(found.get("code", ""))[:80]
    detail = str(found.get("detail", ""))[:1000] or f"the gateway answered {status}"
    if code == errors.AccessDenied.code:
        return _Denied(detail)
    if code in _BY_CODE:
        return _BY_CODE[code](detail)
    return GatewayRefused(detail, status=status, gateway_code=code)


class _Denied(errors.AccessDenied):
    """A refusal as the gateway worded it."""

    def __init__(self, detail: str) -> None:
        AstrocyteError.__init__(self, detail)
