"""Memories, hits and previews as lines of text."""

from collections.abc import Iterator
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from astrocyte.memories import ForgetPreview, HitTrace, MemoryHit, MemoryRecord

SHOWN = 100


def memory_line(one: "MemoryRecord") -> str:
    """When, id, what kind unless it is a plain fact, who, what."""
    from aster.cli.terminal import visible

    when = (one.occurred_at or one.retained_at).strftime("%Y-%m-%d")
    kind = "" if one.layer == "fact" else f"[{one.layer}] "
    put_away = "[archived] " if one.archived_at else ""
    who = f"{one.speaker}: " if one.speaker else ""
    return visible(f"{when}  {one.memory_id}  {kind}{put_away}{who}{' '.join(one.content.split())}")


def hit_line(hit: "MemoryHit") -> str:
    from aster.cli.terminal import visible

    when = hit.occurred_at.strftime("%Y-%m-%d") if hit.occurred_at else "          "
    who = f"{hit.speaker}: " if hit.speaker else ""
    return visible(f"{hit.score:.2f}  {when}  {hit.bank_id}/{hit.memory_id}  {who}{' '.join(hit.text.split())}")


def preview_lines(seen: "ForgetPreview") -> Iterator[str]:
    from aster.cli.terminal import visible

    for one in seen.memories:
        when = (one.occurred_at or one.retained_at).strftime("%Y-%m-%d")
        yield visible(f"{when}  {one.memory_id}  {' '.join(one.content.split())[:SHOWN]}")
    more = seen.total - len(seen.memories)
    yield f"{seen.total} would be forgotten" + (f", of which {more} are not shown" if more else "")
    if seen.holds:
        yield visible(f"a legal hold forbids it: {', '.join(seen.holds)}")


def leg_lines(hit: "HitTrace") -> Iterator[str]:
    """One line a leg: its rank among all memories, its own score, what it added to the sum."""
    yield f"      place {hit.rank} in the bank by a sum of {hit.total:.2f}, certainty {hit.certainty:.2f}"
    for leg in hit.legs:
        unit = {"keyword": "BM25", "semantic": "cosine", "rerank": "score"}.get(leg.leg)
        score = "" if unit is None else f"{unit} {leg.score:.3f}"
        added = "" if leg.added is None else f"{leg.added:+.2f}"
        yield f"      {leg.leg:<10} rank {leg.rank:<6} {score:<14} {added}".rstrip()
