"""What each word of a text means in it, small enough to be kept beside the text: 64 bytes a word.

A word's vector is the model's last layer at its place, projected on fixed random directions of 1 and -1, which keeps
the angles between vectors about as they were (Achlioptas, 2003), in 4 bits a number. Words that only say how something
is put, and punctuation, are left out: they are half of a text and match everything.
"""

import functools
import hashlib
import re
from collections.abc import Sequence
from typing import TYPE_CHECKING, Protocol, runtime_checkable

from astrocyte.models.provider import EmbeddingProvider
from astrocyte.text.terms import STOP_WORDS

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

WIDTH = 128
"""Numbers a word."""

BYTES = WIDTH // 2

LEVELS, STEP = 16, 0.335
"""Of a number, and how far apart in standard deviations: what loses the least of a normal variable (Max, 1960)."""

SEED = b"astrocyte word vectors"

ONE_THREAD = 2**18
"""Multiplications up to which OpenBLAS does a product in the caller's thread. For a larger one it wakes threads of its
own, for which a busy process waits longer than the product takes.
"""

_MARKS = re.compile(r"\W+")


@runtime_checkable
class WordProvider(EmbeddingProvider, Protocol):
    """An embedding model that also tells the vectors of a text's words, in the same pass."""

    def embed_words(self, texts: Sequence[str]) -> "tuple[NDArray[np.float32], list[bytes]]":
        """As `embed`, and for each text its packed words."""


def is_telling(token: str) -> bool:
    """Whether a token is a word, or a part of one, that tells something."""
    return token not in STOP_WORDS and _MARKS.fullmatch(token) is None


def pack_words(vectors: "NDArray[np.float32]") -> bytes:
    """``(words, dimension)`` as `BYTES` a word."""
    import numpy as np

    directions = _directions(vectors.shape[1])
    shadows = np.empty((len(vectors), WIDTH), np.float32)
    step = max(1, ONE_THREAD // directions.size)
    for start in range(0, len(vectors), step):
        np.matmul(vectors[start : start + step], directions, out=shadows[start : start + step])
    spread = np.maximum(np.sqrt((shadows**2).mean(axis=1, keepdims=True)), 1e-9)
    levels = np.clip(np.floor(shadows / (STEP * spread)) + LEVELS // 2, 0, LEVELS - 1).astype(np.uint8)
    halves: NDArray[np.uint8] = levels[:, :BYTES] << 4 | levels[:, BYTES:]
    return halves.tobytes()


def unpack_words(packed: bytes) -> "NDArray[np.float32]":
    """Unit vectors ``(words, WIDTH)``."""
    import numpy as np

    halves = np.frombuffer(packed, np.uint8).reshape(-1, BYTES)
    words = np.empty((len(halves), WIDTH), np.float32)
    np.copyto(words[:, :BYTES], halves >> 4)
    np.copyto(words[:, BYTES:], halves & 15)
    words -= np.float32((LEVELS - 1) / 2)  # to the middles of levels, so no word is 0
    words /= np.sqrt(np.vecdot(words, words))[:, None]
    return words


@functools.cache
def _directions(dimension: int) -> "NDArray[np.float32]":
    import numpy as np

    drawn = np.frombuffer(hashlib.shake_256(SEED).digest(dimension * WIDTH // 8), np.uint8)
    return (np.unpackbits(drawn).reshape(dimension, WIDTH) * np.float32(2) - 1).astype(np.float32)
