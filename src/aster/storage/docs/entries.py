"""Entries: what one author said of one key, signed by the author and by the document's own key.

The author's signature says who wrote it; the signature with the document's key shows that the author was given the
right to write. Both cover the same bytes under different names: every field is written with its length before it.
Of two entries of a key the one with the larger `rank` stands, so replicas agree in whatever order entries come.
"""

from typing import Annotated

import msgspec
from blake3 import blake3

from aster.storage.blobs.chunks import HASH_BYTES, hash_of
from aster.storage.docs.clock import MAX_CLOCK
from aster.storage.errors import EntryRefused, NameInvalid
from aster.storage.limits import MAX_INLINE_BYTES, StorageLimits
from aster.trust.keys import KEY_BYTES, SIGNATURE_BYTES, SigningKey, is_signed_by

AUTHOR_DOMAIN = b"aster doc entry by its author v1"
WRITE_DOMAIN = b"aster doc entry with the document's key v1"
NO_HASH = bytes(HASH_BYTES)

Rank = tuple[int, bytes, bytes, bool, int]


class Entry(msgspec.Struct, frozen=True, array_like=True, forbid_unknown_fields=True):
    """``value`` is there for a small value; a larger one is the blob of that hash. A deleted key has neither."""

    key: bytes
    author: Annotated[bytes, msgspec.Meta(min_length=KEY_BYTES, max_length=KEY_BYTES)]
    clock: Annotated[int, msgspec.Meta(ge=0, le=MAX_CLOCK)]
    is_deleted: bool
    size: Annotated[int, msgspec.Meta(ge=0, le=MAX_CLOCK)]
    hash: Annotated[bytes, msgspec.Meta(min_length=HASH_BYTES, max_length=HASH_BYTES)]
    author_signature: Annotated[bytes, msgspec.Meta(min_length=SIGNATURE_BYTES, max_length=SIGNATURE_BYTES)]
    write_signature: Annotated[bytes, msgspec.Meta(min_length=SIGNATURE_BYTES, max_length=SIGNATURE_BYTES)]
    value: bytes | None = None

    @property
    def rank(self) -> Rank:
        """Later wins; at the same moment the larger author, then the larger hash. All that is signed of a key is in it,
        so entries that differ are never equal, and replicas agree on one of them."""
        return self.clock, self.author, self.hash, self.is_deleted, self.size

    def identity(self, namespace: bytes) -> bytes:
        """32 bytes that differ when anything that was signed differs."""
        return blake3(_signed_bytes(AUTHOR_DOMAIN, namespace, self)).digest()


def sign_entry(
    namespace: SigningKey, author: SigningKey, key: bytes, clock: int, value: bytes | None, *, inline: bool = True
) -> Entry:
    """An entry that sets ``key``; a value of None deletes it. ``inline`` puts the value into the entry."""
    bare = Entry(
        key,
        author.public,
        clock,
        value is None,
        len(value or b""),
        NO_HASH if value is None else hash_of(value),
        bytes(SIGNATURE_BYTES),
        bytes(SIGNATURE_BYTES),
        value if inline else None,
    )
    return msgspec.structs.replace(
        bare,
        author_signature=author.sign(_signed_bytes(AUTHOR_DOMAIN, namespace.public, bare)),
        write_signature=namespace.sign(_signed_bytes(WRITE_DOMAIN, namespace.public, bare)),
    )


def check_entry(namespace: bytes, entry: Entry, limits: StorageLimits) -> None:
    """`EntryRefused` unless the entry is whole, within the limits, and signed by its author and the document's key."""
    problem = _problem(entry, limits)
    if problem is None and not is_signed_by(
        namespace, _signed_bytes(WRITE_DOMAIN, namespace, entry), entry.write_signature
    ):
        problem = "it is not signed with the document's key"
    if problem is None and not is_signed_by(
        entry.author, _signed_bytes(AUTHOR_DOMAIN, namespace, entry), entry.author_signature
    ):
        problem = "it is not signed by its author"
    if problem is not None:
        raise EntryRefused(f"an entry of {entry.key[:40]!r} is refused: {problem}")


def key_bytes(key: str, limits: StorageLimits) -> bytes:
    """A key as it is stored and ordered: UTF-8."""
    try:
        encoded = key.encode()
    except UnicodeEncodeError:
        raise NameInvalid(f"{key[:80]!r} can't be a key: it is no Unicode text") from None
    if not 0 < len(encoded) <= limits.max_key_bytes:
        raise NameInvalid(f"{key[:80]!r} can't be a key", hint=f"1 to {limits.max_key_bytes} bytes of UTF-8")
    return encoded


def _problem(entry: Entry, limits: StorageLimits) -> str | None:
    try:
        entry.key.decode()
    except UnicodeDecodeError:
        return "its key is no UTF-8"
    if not 0 < len(entry.key) <= limits.max_key_bytes:
        return f"its key has {len(entry.key)} bytes, the limit is {limits.max_key_bytes}"
    if entry.size > limits.max_blob_bytes:
        return f"its value has {entry.size} bytes, the limit is {limits.max_blob_bytes}"
    if entry.is_deleted:
        return None if (entry.size, entry.hash, entry.value) == (0, NO_HASH, None) else "a deleted key has no value"
    if entry.value is None:
        return None  # a blob, whatever its size: how large a value goes into an entry is its writer's choice
    if entry.size > MAX_INLINE_BYTES:
        return "its value should be a blob"
    if len(entry.value) != entry.size or hash_of(entry.value) != entry.hash:
        return "its value is not what its hash says"
    return None


def _signed_bytes(domain: bytes, namespace: bytes, entry: Entry) -> bytes:
    fields = (
        domain,
        namespace,
        entry.author,
        entry.key,
        entry.clock.to_bytes(8, "big"),
        b"\x01" if entry.is_deleted else b"\x00",
        entry.size.to_bytes(8, "big"),
        entry.hash,
    )
    return b"".join(len(field).to_bytes(4, "big") + field for field in fields)
