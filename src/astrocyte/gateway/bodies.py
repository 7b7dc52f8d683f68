"""The body that only HTTP has; requests and results are the engine's own."""

import msgspec


class ErrorBody(msgspec.Struct, frozen=True):
    """Every answer that is not a success. ``code`` is stable, ``detail`` is for people."""

    detail: str
    code: str
