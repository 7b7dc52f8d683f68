"""What it costs to make two replicas the same, against how much they differ. No network: messages as bytes.

Every entry is signed by its author and with the document's key, and checked where it arrives. Times are this process's
CPU seconds, so that what else the machine does is left out.

python benchmarks/storage/synchronizing.py [KEYS]
"""

import sys
import time

import msgspec

from aster.storage.blobs.store import BlobStore
from aster.storage.docs.clock import COUNTER_BITS
from aster.storage.docs.entries import check_entry, sign_entry
from aster.storage.docs.replica import DocReplica
from aster.storage.docs.store import DocStore

MAX_BYTES = 1 << 20


def main(keys: int) -> None:
    blobs = [BlobStore.in_memory() for _ in range(2)]
    docs = [DocStore(each) for each in blobs]
    near = docs[0].create()
    far = docs[1].join(near.ticket((), write=True))
    key, author = docs[0].write_key(near.namespace), docs[0].author()
    clock = int(time.time() * 1000) << COUNTER_BITS
    started = time.process_time()
    entries = [sign_entry(key, author, b"key/%08d" % number, clock, b"value %d" % number) for number in range(keys)]
    signing = time.process_time() - started
    print(f"{keys} keys signed in {signing:.1f} s ({keys / signing:.0f} a second)")
    started = time.process_time()
    near.merge(entries)
    merging = time.process_time() - started
    print(f"checked and merged at one replica in {merging:.1f} s ({keys / merging:.0f} a second)")
    started = time.process_time()
    verified = min(keys, 2000)
    for entry in entries[:verified]:
        check_entry(near.namespace, entry, blobs[0].limits)
    checking = (time.process_time() - started) / verified * keys
    print(f"of which signatures and hashes are checked in {checking:.1f} s, by a sample of {verified}")
    print(f"the other fetches all: {_cost(far, near)}\n")
    whole = sum(len(msgspec.msgpack.encode(entry)) for entry in entries)
    print(f"{'keys that differ':>16}  cost (all entries: {whole} bytes)")
    for differing in (0, 1, 10, 100, 1000):
        if differing > keys:
            break
        for number in range(differing):
            replica = (near, far)[number % 2]
            replica.set(f"key/{number * (keys // max(1, differing)):08}", b"changed %d" % number)
        print(f"{differing:>16}  {_cost(near, far)}")
    for each in blobs:
        each.close()


def _cost(near: DocReplica, far: DocReplica) -> str:
    rounds = size = 0
    started = time.process_time()
    message = near.opening()
    while message:
        rounds += 1
        for replica in (far, near):
            size += len(msgspec.msgpack.encode(message))
            message = replica.answer(message, MAX_BYTES)
            if not message:
                break
    return f"{rounds:>3} round trips  {size:>10} bytes  {1000 * (time.process_time() - started):8.1f} ms CPU"


if __name__ == "__main__":
    main(int(sys.argv[1]) if len(sys.argv) > 1 else 100_000)
