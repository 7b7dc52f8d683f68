"""Collections: a blob that names other blobs, as a folder names files."""

from collections.abc import Iterable

import msgspec

from aster.storage.blobs.chunks import parse_hash
from aster.storage.blobs.model import BlobRef
from aster.storage.errors import NameInvalid

MAGIC = b"aster collection 1\n"
MAX_NAME = 1024


class Member(msgspec.Struct, frozen=True, array_like=True):
    """A blob under a name; names may hold ``/`` between parts, and no part is empty, ``.`` or ``..``."""

    name: str
    hash: str
    size: int


def collection_bytes(members: Iterable[Member]) -> bytes:
    """The canonical bytes of a collection: the same members in any order give the same hash."""
    ordered = sorted(members, key=lambda member: member.name)
    names = [member.name for member in ordered]
    for name in names:
        check_name(name)
    if len(set(names)) != len(names):
        raise NameInvalid("a collection has each name once")
    return MAGIC + msgspec.json.encode(ordered)


def parse_collection(data: bytes) -> list[Member]:
    """The members; `NameInvalid` for bytes that are no collection, or a name that could leave a folder."""
    if not data.startswith(MAGIC):
        raise NameInvalid("the blob is no collection")
    try:
        members = msgspec.json.decode(data[len(MAGIC) :], type=list[Member])
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        raise NameInvalid(f"the collection can't be read: {error}") from None
    for member in members:
        check_name(member.name)
        parse_hash(member.hash)
    return members


def member_of(name: str, ref: BlobRef) -> Member:
    return Member(name, ref.hash, ref.size)


def check_name(name: str) -> None:
    """`NameInvalid` for what can't name a file below a folder."""
    parts = name.split("/")
    if not 0 < len(name.encode(errors="replace")) <= MAX_NAME or "\x00" in name or "\\" in name:
        raise NameInvalid(f"'{name[:80]!r}' can't be a name in a collection")
    if any(part in ("", ".", "..") for part in parts):
        raise NameInvalid(f"'{name[:80]}' can't be a name in a collection", hint="parts of a path, without . and ..")
