"""The four call patterns: who sends one message, and who sends many."""

from enum import StrEnum


class Pattern(StrEnum):
    """A method's pattern, as declared on the wire."""

    UNARY = "unary"
    SERVER_STREAM = "server_stream"
    CLIENT_STREAM = "client_stream"
    BIDI_STREAM = "bidi_stream"

    @property
    def streams_input(self) -> bool:
        """The caller sends many messages."""
        return self in (Pattern.CLIENT_STREAM, Pattern.BIDI_STREAM)

    @property
    def streams_output(self) -> bool:
        """The handler sends many messages."""
        return self in (Pattern.SERVER_STREAM, Pattern.BIDI_STREAM)
