"""Random small programs over a small set of inputs, all of which can be tried: the judge of the analysis."""

import random
from collections.abc import Iterator
from itertools import product
from typing import Any

HEAD = """
Module random.programs.
Define Colour as one of Red, Green or Blue.
Define Point has x as Int between 0 and 3, on as Bool.
Rule helper given p as Int, q as Int, produce Int:
  If p over q
    Return p minus q.
  Return q integer divided by (p plus 1).
@entry
Rule main given a as Int between -1 and 3, p as Point, c as Colour, m as maybe Int between 0 and 1, t as Text, produce:
"""
TEXTS = ("x", "y", "other")
"""Of texts only equality with these matters to the programs, so they stand for all."""


def contexts() -> Iterator[dict[str, Any]]:
    """Every input that any range admits and some that none does, texts up to renaming."""
    values = (range(-2, 5), range(-1, 5), (True, False), ("Red", "Green", "Blue"), (None, -1, 0, 1, 2), TEXTS)
    for a, x, on, c, m, t in product(*values):
        yield {"a": a, "p": {"x": x, "on": on}, "c": c, "m": m, "t": t}


class Writer:
    """Writes a random program."""

    def __init__(self, seed: int, *, total: bool = False) -> None:
        self.chance = random.Random(seed)
        self.names: list[str] = []
        self.total = total

    def pick(self, *options: str) -> str:
        return self.chance.choice(options)

    def integer(self, depth: int) -> str:
        if depth <= 0 or self.chance.random() < 0.3:
            return self.pick("a", "p.x", "0", "1", "2", "3", *self.names)
        left, right = self.integer(depth - 1), self.integer(depth - 1)
        kind = self.chance.randrange(9)
        if kind == 0:
            return f"helper({left}, {right})"
        if kind == 1:
            return f"(if {self.condition(depth - 1)} then {left} else {right})"
        if kind == 2:
            return f"Maybe.withDefault(m, {left})"
        if kind == 3:
            return f"List.sum([{left}, {right}, 1])"
        if kind == 4:
            return f"Math.max({left}, {right})"
        if kind == 5:
            return f"({left} {self.pick('integer divided by', 'modulo')} {right})"
        return f"({left} {self.pick('plus', 'minus', 'times')} {right})"

    def condition(self, depth: int) -> str:
        kind = self.chance.randrange(11)
        if depth > 0 and kind < 3:
            return f"({self.condition(depth - 1)} {self.pick('and', 'or')} {self.condition(depth - 1)})"
        if depth > 0 and kind == 3:
            return f"(not {self.condition(depth - 1)})"
        if kind == 4:
            return f"c is {self.pick('Red', 'Green', 'Blue')}"
        if kind == 5:
            return f't {self.pick("is", "is not")} "{self.pick("x", "y")}"'
        if kind == 6:
            return self.pick("p.on", "m is null", "m is 1", "m is 0", "a")
        if kind == 7:
            return f"List.any([a, p.x], (v) => v over {self.integer(depth - 1)})"
        if kind == 8:
            compare, bound = self.pick("over", "at most", "is"), self.pick("0.5", "1", "1.5")
            return f"({self.integer(depth - 1)} divided by 2) {compare} {bound}"
        compare = self.pick("over", "under", "at least", "at most", "is", "is not")
        return f"{self.integer(depth - 1)} {compare} {self.integer(depth - 1)}"

    def value(self) -> str:
        kind = self.chance.randrange(6)
        if kind == 0:
            return self.pick('"yes"', '"no"', "t", '"got " plus t', "c", "null")
        if kind == 1:
            return f"Point with x set to {self.integer(1)}, on set to {self.condition(1)}"
        if kind == 2:
            return self.condition(1)
        return self.integer(2)

    def block(self, indent: int, size: int) -> list[str]:
        blank = "  " * indent
        lines: list[str] = []
        known = list(self.names)
        for _ in range(size):
            kind = self.chance.randrange(6)
            if kind == 0 and indent < 3:
                name = f"v{self.chance.randrange(10**6)}"
                lines.append(f"{blank}Let {name} be {self.integer(2)}.")
                self.names.append(name)
            elif kind == 1 and self.names:
                lines.append(f"{blank}Set {self.chance.choice(self.names)} to {self.integer(2)}.")
            elif kind == 2 and indent < 3:
                lines.append(f"{blank}Match {self.pick('c', 'm', 'a', 'helper(a, p.x)')}:")
                patterns = self.chance.sample(["null", "0", "1", "Red", "Green", "other", "Blue"], 3)
                for pattern in patterns:
                    lines.append(f"{blank}  When {pattern},")
                    lines += self.block(indent + 2, 1)
            else:
                lines.append(f"{blank}If {self.condition(2)}")
                lines += (
                    self.block(indent + 1, 1)
                    if indent < 3 and self.chance.random() < 0.5
                    else [self.answer(indent + 1)]
                )
                if self.chance.random() < 0.3:
                    lines.append(f"{blank}Otherwise")
                    lines.append(self.answer(indent + 1))
        if indent > 1 and self.chance.random() < 0.7:
            lines.append(self.answer(indent))
        self.names = known
        return lines or [self.answer(indent)]

    def answer(self, indent: int) -> str:
        return f"{'  ' * indent}Return {self.value()}."

    def program(self) -> str:
        lines = self.block(1, self.chance.randrange(2, 5))
        if self.chance.random() < 0.7:
            lines.append(self.answer(1))
        return HEAD + "\n".join(lines) + "\n"


_CHANGES = {
    "over": "at least",
    "under": "at most",
    "at least": "over",
    "at most": "under",
    "plus": "minus",
    "minus": "plus",
    "times": "plus",
    "and": "or",
    "or": "and",
    "is not": "is",
    "Red": "Green",
    "Green": "Blue",
    "0": "1",
    "1": "2",
    "2": "3",
    "3": "0",
    "p.x": "a",
    "a": "p.x",
    '"yes"': '"no"',
    '"x"': '"y"',
    "between 0 and 3": "between 0 and 2",
}


def mutated(source: str, seed: int) -> str:
    """The program with one or two words changed, or two conditions swapped."""
    chance = random.Random(seed)
    body_at = source.index("produce:\n") if chance.random() < 0.9 else source.index("Define Point")
    head, body = source[:body_at], source[body_at:]
    for _ in range(chance.choice((1, 1, 2))):
        places = []
        for old in _CHANGES:
            at = body.find(old)
            while at >= 0:
                before, after = body[at - 1 : at], body[at + len(old) : at + len(old) + 1]
                if not (before.isalnum() or before == ".") and not (after.isalnum() or after == "."):
                    places.append((at, old))
                at = body.find(old, at + 1)
        if places:
            at, old = chance.choice(places)
            body = body[:at] + _CHANGES[old] + body[at + len(old) :]
    return head + body
