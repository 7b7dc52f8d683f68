"""What a peer shows at a door: its credential, and its machine's cloud token where the credential asks for one."""

import msgspec

from aster.trust.credential import CredentialRefused

MAX_TOKEN_BYTES = 16 * 1024
MAX_PRESENTED = 48 * 1024
"""A credential and a token at their longest, and room for the frame around them."""


class Presentation(msgspec.Struct, frozen=True, array_like=True, forbid_unknown_fields=True):
    """A credential's JSON, and an instance identity token; on the wire an array in MessagePack."""

    credential: bytes = b""
    instance_token: str | None = None

    def __repr__(self) -> str:
        return "Presentation(...)"


_encode = msgspec.msgpack.Encoder().encode
_decode = msgspec.msgpack.Decoder(Presentation).decode


def encode_presentation(presentation: Presentation) -> bytes:
    """The wire form."""
    return _encode(presentation)


def decode_presentation(raw: bytes) -> Presentation:
    """Read the wire form; `CredentialRefused` for anything that is none, or too long."""
    if len(raw) > MAX_PRESENTED:
        raise CredentialRefused(f"more than {MAX_PRESENTED} bytes were presented")
    try:
        presentation = _decode(raw)
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError):
        raise CredentialRefused("what was presented is not in the form of this handshake") from None
    if not presentation.credential:
        raise CredentialRefused("no credential was presented")
    if len((presentation.instance_token or "").encode("utf-8", "surrogatepass")) > MAX_TOKEN_BYTES:
        raise CredentialRefused(f"its instance identity token has more than {MAX_TOKEN_BYTES} bytes")
    return presentation
