"""A decision told in sentences of the policy's own language, from its trace.

The sentences are templates of the locale's data file; expressions stand in them as the policy writes them.
"""

import json
from collections.abc import Iterator, Mapping
from typing import Any

import msgspec

from aster.policy.language.lexicon import Lexicon, load_lexicon

MAX_SHOWN = 120
_TELLING_FIRST = frozenset({"call", "match"})
_ASKED_BEFORE = frozenset({"call", "if-expr"})
_SENTENCES = {"call": "called", "let": "bound", "return": "returned"}


class Sentence(msgspec.Struct, frozen=True):
    """One sentence; ``depth`` says how deep it lies in the decision, ``line`` where the policy says so."""

    text: str
    depth: int = 0
    line: int | None = None


def explain(trace: Mapping[str, Any], locale: str) -> tuple[Sentence, ...]:
    """Tell a trace (see `trace`); values of personal data stay masked as they are in it."""
    teller = _Teller(load_lexicon(locale))
    return tuple(teller.decision(trace))


class _Teller:
    def __init__(self, lexicon: Lexicon) -> None:
        self.words = lexicon.telling
        self.conjunction = lexicon.keywords["AND"]
        self.values = {True: lexicon.keywords["TRUE"], False: lexicon.keywords["FALSE"], None: lexicon.keywords["NULL"]}

    def decision(self, trace: Mapping[str, Any]) -> Iterator[Sentence]:
        yield self.sentence("asked", 0, None, rule=trace["functionName"])
        for step in trace["steps"]:
            yield from self.step(step, 1)
        if trace["truncated"]:
            yield self.sentence("truncated", 0, None)
        yield self.sentence("decided", 0, None, rule=trace["functionName"], result=self.shown(trace["finalResult"]))

    def step(self, step: Mapping[str, Any], depth: int) -> Iterator[Sentence]:
        """What was called first comes first; what a branch did is told below it."""
        kind, children = step["kind"], step["children"]
        if kind not in _TELLING_FIRST:
            for child in children:
                if child["kind"] in _ASKED_BEFORE:
                    yield from self.step(child, depth)
            children = [child for child in children if child["kind"] not in _ASKED_BEFORE]
        is_condition = kind in {"if", "if-expr"}
        yield self.condition(step, depth) if is_condition else self.plain(step, depth)
        inside = depth if is_condition and step["branch"] == "otherwise" else depth + 1
        for child in children:
            yield from self.step(child, inside)

    def condition(self, step: Mapping[str, Any], depth: int) -> Sentence:
        reasons = self.operands(step)
        text = self.fill("holds" if step["condition"] else "fails", expression=step["expression"])
        if reasons:
            text = self.fill("because", fact=text, reasons=self.listed(reasons))
        if step["notEvaluated"]:
            text = self.fill("unasked", fact=text, names=self.listed(list(step["notEvaluated"])))
        return Sentence(self.fill("sentence", fact=text), depth, step["line"])

    def plain(self, step: Mapping[str, Any], depth: int) -> Sentence:
        kind = step["kind"]
        values = {"expression": step["expression"], "result": self.shown(step["result"])}
        if kind == "match":
            subject = next(iter(step["operands"]), step["expression"])
            key = "matched" if step["matched"] else "unmatched"
            value = self.shown(step["operands"].get(subject))
            return self.sentence(key, depth, step["line"], subject=subject, value=value, branch=step["branch"])
        if kind == "call" and step["operands"]:
            return self.sentence("called_with", depth, step["line"], given=self.listed(self.operands(step)), **values)
        return self.sentence(_SENTENCES[kind], depth, step["line"], **values)

    def operands(self, step: Mapping[str, Any]) -> list[str]:
        return [self.fill("operand", name=name, value=self.shown(value)) for name, value in step["operands"].items()]

    def sentence(self, key: str, depth: int, line: int | None, **values: Any) -> Sentence:
        return Sentence(self.fill(key, **values), depth, line)

    def fill(self, key: str, **values: Any) -> str:
        return self.words[key].format_map(values)

    def listed(self, parts: list[str]) -> str:
        if len(parts) < 2:
            return "".join(parts)
        return f"{self.words['comma'].join(parts[:-1])} {self.conjunction} {parts[-1]}"

    def shown(self, value: Any) -> str:
        """A value as a reader of the language would say it."""
        if value is None or type(value) is bool:
            return self.values[value]
        if isinstance(value, dict):
            if "_enum" in value:
                return str(value["variant"])
            if value.keys() == {"__type", "value"}:
                return f"{value['__type']}({self.shown(value['value'])})"
        text = value if type(value) is str and value == "***" else json.dumps(value, ensure_ascii=False)
        return text if len(text) <= MAX_SHOWN else text[: MAX_SHOWN - 1] + "…"
