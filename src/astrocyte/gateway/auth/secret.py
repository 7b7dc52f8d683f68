"""A configured secret: compared in constant time, shown nowhere."""

import hashlib
import hmac


class Secret:
    """The bytes of a secret. Its text never appears in a repr, a log or an error."""

    __slots__ = ("_value",)

    def __init__(self, text: str) -> None:
        # The environment hands bytes that are no UTF-8 over as surrogates; a header brings the same bytes.
        self._value = text.encode("utf-8", "surrogateescape")

    def matches(self, given: bytes) -> bool:
        """In a time that tells neither the secret's bytes nor its length."""
        return hmac.compare_digest(hashlib.sha256(self._value).digest(), hashlib.sha256(given).digest())

    def reveal(self) -> bytes:
        """The bytes themselves, for whoever computes with them."""
        return self._value

    def __len__(self) -> int:
        return len(self._value)

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Secret) and self.matches(other._value)

    def __hash__(self) -> int:
        return hash(Secret)

    def __repr__(self) -> str:
        return "Secret(****)"
