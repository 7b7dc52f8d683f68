"""How a ranking of turns is judged: any@k, fraction@k and the reciprocal rank of the first, by half and by category."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field

from benchmarks.memory.locomo_transcript import CATEGORIES, Question

CUTS = (1, 5, 10, 20)


@dataclass(frozen=True)
class Asked:
    """A question and the number of its conversation. Weights were chosen on even numbers, odd ones are reported."""

    bank: int
    question: Question

    @property
    def is_reporting(self) -> bool:
        return self.bank % 2 == 1


@dataclass
class Score:
    """Sums over questions: ``any`` of the evidence among the first k, the ``share`` of it there."""

    questions: int = 0
    reciprocal: float = 0.0
    any: dict[int, float] = field(default_factory=lambda: dict.fromkeys(CUTS, 0.0))
    share: dict[int, float] = field(default_factory=lambda: dict.fromkeys(CUTS, 0.0))

    def add(self, evidence: frozenset[str], ranked: Sequence[str]) -> None:
        self.questions += 1
        for cut in CUTS:
            found = len(evidence & set(ranked[:cut]))
            self.any[cut] += bool(found)
            self.share[cut] += found / len(evidence)
        self.reciprocal += next((1 / place for place, turn in enumerate(ranked, 1) if turn in evidence), 0.0)

    def mean(self, total: float) -> float:
        return total / max(1, self.questions)

    def row(self) -> str:
        cells = [self.any[1], self.any[5], self.any[10], self.any[20], self.share[5], self.share[10], self.share[20]]
        return "  ".join(f"{self.mean(cell):.3f}" for cell in [*cells, self.reciprocal])


Rankings = Mapping[str, Sequence[Sequence[str]]]
"""For each system, for each question, turns, best first."""

HALVES: Mapping[str, Callable[[Asked], bool]] = {
    "tuning half": lambda one: not one.is_reporting,
    "reporting half": lambda one: one.is_reporting,
    "both": lambda one: True,
}

BARS: Sequence[tuple[str, float, Callable[[Score, Score], float]]] = (
    ("any@10 on the reporting half", 0.80, lambda score, hops: score.mean(score.any[10])),
    ("fraction@10 on the reporting half", 0.75, lambda score, hops: score.mean(score.share[10])),
    ("multi-hop fraction@10 on the reporting half", 0.50, lambda score, hops: hops.mean(hops.share[10])),
)


def scored(asked: Sequence[Asked], ranked: Sequence[Sequence[str]], chosen: Callable[[Asked], bool]) -> Score:
    score = Score()
    for one, turns in zip(asked, ranked, strict=True):
        if chosen(one):
            score.add(one.question.evidence, turns)
    return score


def print_tables(asked: Sequence[Asked], rankings: Rankings, halves: Sequence[str]) -> None:
    for half in halves:
        chosen = HALVES[half]
        print(f"\n{half:30} any@1  any@5  any@10 any@20 frac@5 frac@10 frac@20 MRR")
        for name, ranked in rankings.items():
            print(f"  {name:28} {scored(asked, ranked, chosen).row()}")
    for half in [half for half in halves if half != "both"]:
        chosen = HALVES[half]
        print(f"\n{'fraction@10, ' + half:30} " + "  ".join(f"{name:>11}" for name in CATEGORIES.values()))
        for name, ranked in rankings.items():
            cells = [_of_category(asked, ranked, chosen, category) for category in CATEGORIES]
            print(f"  {name:28} " + "  ".join(f"{cell:11.3f}" for cell in cells))


def print_bars(asked: Sequence[Asked], name: str, ranked: Sequence[Sequence[str]]) -> None:
    reporting = scored(asked, ranked, lambda one: one.is_reporting)
    hops = scored(asked, ranked, lambda one: one.is_reporting and one.question.category == 1)
    for what, bar, measured in BARS:
        value = measured(reporting, hops)
        print(f"  {'met    ' if value >= bar else 'NOT MET'} {name}: {what} {value:.3f} (bar {bar:.2f})")


def _of_category(
    asked: Sequence[Asked], ranked: Sequence[Sequence[str]], chosen: Callable[[Asked], bool], category: int
) -> float:
    score = scored(asked, ranked, lambda one: chosen(one) and one.question.category == category)
    return score.mean(score.share[10])
