"""Cursors: where a list goes on. Opaque to callers, checked when they come back."""

import base64
import binascii

from astrocyte.errors import InvalidCursor

PREFIX = b"after:"


def page_cursor(row: int) -> str:
    """A cursor that continues after a row."""
    return base64.urlsafe_b64encode(PREFIX + str(row).encode()).decode().rstrip("=")


def page_start(cursor: str | None) -> int:
    """The row after which to continue; 0 without a cursor. Raises `InvalidCursor`."""
    if cursor is None:
        return 0
    try:
        raw = base64.urlsafe_b64decode(cursor.encode() + b"=" * (-len(cursor) % 4))
        digits = raw.removeprefix(PREFIX)
        if raw == digits or not digits.isdigit() or len(digits) > 18:
            raise InvalidCursor("the cursor is not one of ours")
        return int(digits)
    except (binascii.Error, ValueError):
        raise InvalidCursor("the cursor is not one of ours") from None
