"""A sparse file of 10 GiB, added, read and verified by a process that may use 256 MiB of memory.

python benchmarks/storage/large_file.py [GIB]
"""

import resource
import sys
import tempfile
import time
from pathlib import Path

from aster.storage.blobs.store import BlobStore

LIMIT = 256 << 20


def main(gib: int) -> None:
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        with (folder / "sparse").open("wb") as file:
            file.truncate(gib << 30)
            for number in range(gib):
                file.seek((number << 30) + 12_345)
                file.write(b"not only holes")
        resource.setrlimit(resource.RLIMIT_DATA, (LIMIT, LIMIT))
        store = BlobStore.at(folder / "store")
        started = time.perf_counter()
        ref = store.add_file(folder / "sparse", tag="large")
        print(f"added    {ref.size} bytes in {time.perf_counter() - started:6.1f} s  {ref.hash}")
        started = time.perf_counter()
        assert not list(store.verify())
        print(f"verified {ref.size} bytes in {time.perf_counter() - started:6.1f} s")
        print(f"largest resident size: {resource.getrusage(resource.RUSAGE_SELF).ru_maxrss >> 10} MiB")
        store.close()


if __name__ == "__main__":
    main(int(sys.argv[1]) if len(sys.argv) > 1 else 10)
