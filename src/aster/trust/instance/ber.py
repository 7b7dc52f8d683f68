"""BER to DER: metadata services sign in BER (lengths left open, texts in pieces), and DER has one form for one value.

What is not well-formed, or could be read in two ways, is refused: long lengths that would fit a short form, high tag
numbers, open lengths of primitive values, more than `MAX_DEPTH` levels. Linear in the input. Source: ITU-T X.690, 8.1
and 8.7.
"""

from collections.abc import Iterator

MAX_DEPTH = 24
CONSTRUCTED = 0x20
OCTET_STRING = 0x04
END = 0x00
OPEN_LENGTH = 0x80


class NotBer(ValueError):
    """The bytes are not one BER value in a form that is accepted here."""


def der_from_ber(data: bytes) -> bytes:
    """The DER form of the one value in ``data``; raises `NotBer`."""
    der, end = _value(data, 0, len(data), 0)
    if end != len(data):
        raise NotBer("there is something after the value")
    return der


def _value(data: bytes, start: int, stop: int, depth: int) -> tuple[bytes, int]:
    """The DER form of the value at ``start``, and where it ends."""
    if depth > MAX_DEPTH:
        raise NotBer("it is nested too deeply")
    if stop - start < 2:
        raise NotBer("it is cut off")
    tag = data[start]
    if tag == END or tag & 0x1F == 0x1F:
        raise NotBer("a tag is not one that is used here")
    length, start = _length(data, start + 1, stop)
    if not tag & CONSTRUCTED:
        if length is None or length > stop - start:
            raise NotBer("it is cut off")
        return _encoded(tag, data[start : start + length]), start + length
    if length is not None and length > stop - start:
        raise NotBer("it is cut off")
    end = stop if length is None else start + length
    parts = []
    while True:
        if length is None and data[start : start + 2] == b"\x00\x00" and start + 2 <= end:
            start += 2
            break
        if length is not None and start == end:
            break
        part, start = _value(data, start, end, depth + 1)
        parts.append(part)
    if tag == OCTET_STRING | CONSTRUCTED:
        return _encoded(OCTET_STRING, b"".join(_octets(parts))), start
    return _encoded(tag, b"".join(parts)), start


def _length(data: bytes, place: int, stop: int) -> tuple[int | None, int]:
    """A length (None: open, until two zero bytes), and where the content starts."""
    first = data[place]
    if first < OPEN_LENGTH:
        return first, place + 1
    if first == OPEN_LENGTH:
        return None, place + 1
    digits = data[place + 1 : place + 1 + (first & 0x7F)]
    length = int.from_bytes(digits, "big")
    if len(digits) != first & 0x7F or len(digits) > 4 or place + 1 + len(digits) > stop:
        raise NotBer("a length is cut off or too long")
    if length < OPEN_LENGTH or digits[0] == 0:
        raise NotBer("a length is longer than it need be")
    return length, place + 1 + len(digits)


def _octets(parts: list[bytes]) -> Iterator[bytes]:
    """The contents of the pieces of an octet string, which are in DER already."""
    for part in parts:
        if part[0] != OCTET_STRING:
            raise NotBer("a piece of an octet string is something else")
        length, start = _length(part, 1, len(part))
        yield part[start : start + (length or 0)]


def _encoded(tag: int, content: bytes) -> bytes:
    size = len(content)
    if size < OPEN_LENGTH:
        return bytes((tag, size)) + content
    digits = size.to_bytes((size.bit_length() + 7) // 8, "big")
    return bytes((tag, OPEN_LENGTH | len(digits))) + digits + content
