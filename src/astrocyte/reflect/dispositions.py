"""How an answer is inclined: what counts as evidence, and what a language model is told about it."""

from collections.abc import Mapping
from types import MappingProxyType

import msgspec

from astrocyte.errors import InvalidInput
from astrocyte.memories import Dispositions
from astrocyte.reflect.extractive import THIN

LOWEST, HIGHEST = 1, 5
LOW, HIGH = 2, 4
"""Up to this one, and from this one on, an inclination is told; 3 is none."""

AS_USUAL = Dispositions()

STRICTNESS = MappingProxyType({1: 0.5, 2: 0.75, 3: 1.0, 4: 1.25, 5: 1.5})
"""By skepticism: how many times the usual score a memory needs to count as evidence."""

TOLD: Mapping[str, tuple[str, str]] = MappingProxyType(
    {
        "skepticism": (
            "Take the memories at their word.",
            "Doubt the memories: where they contradict each other or may be out of date, say so.",
        ),
        "literalism": (
            "You may conclude what plainly follows from memories; cite those that it follows from.",
            "Keep to what is written, word for word where you can; conclude nothing from it.",
        ),
        "empathy": (
            "Be matter-of-fact.",
            "Mind how the people concerned may feel, and word the answer kindly.",
        ),
    }
)
"""What a language model is told for a low and for a high number."""


def checked_dispositions(given: Dispositions) -> Dispositions:
    """Raise `InvalidInput` for a number outside 1 to 5, naming it."""
    for name, number in msgspec.structs.asdict(given).items():
        if not isinstance(number, int) or isinstance(number, bool) or not LOWEST <= number <= HIGHEST:
            raise InvalidInput(f"{name} must be from {LOWEST} to {HIGHEST}, got {str(number)[:40]}")
    return given


def least_score(given: Dispositions) -> float:
    """The score below which a memory is no evidence."""
    return THIN * STRICTNESS[given.skepticism]


def instructions(given: Dispositions) -> str:
    """Sentences for a language model; nothing for a 3."""
    found = []
    for name, (low, high) in TOLD.items():
        number = getattr(given, name)
        if number <= LOW:
            found.append(low)
        elif number >= HIGH:
            found.append(high)
    return "\n".join(found)
