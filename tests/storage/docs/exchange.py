"""Two replicas talking, message by message, without a network."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass

import msgspec

from aster.storage.blobs.store import BlobStore
from aster.storage.docs.clock import milliseconds_now
from aster.storage.docs.reconciling import Message
from aster.storage.docs.replica import DocReplica
from aster.storage.docs.store import DocStore
from aster.storage.limits import DEFAULT_STORAGE_LIMITS, StorageLimits

MAX_BYTES = 256 * 1024
_decode = msgspec.msgpack.Decoder(Message).decode


@dataclass
class Cost:
    rounds: int = 0
    bytes: int = 0


@contextmanager
def doc_store(
    limits: StorageLimits = DEFAULT_STORAGE_LIMITS, now: Callable[[], int] = milliseconds_now
) -> Iterator[DocStore]:
    blobs = BlobStore.in_memory(limits)
    try:
        yield DocStore(blobs, now)
    finally:
        blobs.close()


def exchange(near: DocReplica, far: DocReplica, max_bytes: int = MAX_BYTES) -> Cost:
    """Until there is nothing more to say; every message crosses as bytes."""
    cost, message = Cost(), near.opening()
    while message:
        cost.rounds += 1
        for replica in (far, near):
            wire = msgspec.msgpack.encode(message)
            cost.bytes += len(wire)
            message = replica.answer(_decode(wire), max_bytes)
            if not message:
                return cost
    return cost


def state(replica: DocReplica) -> dict[str, tuple[str, str]]:
    return {change.key: (change.author, change.hash) for change in replica.entries(deleted=True)}
