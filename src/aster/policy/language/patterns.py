"""Regular expressions that can't blow up: Thompson's simulation, linear in text times pattern.

Syntax: literals, `.`, classes `[a-z]` and `[^…]`, `\\d \\w \\s` and their capitals, `^`, `$`, groups, `|`, and the
quantifiers `? * + {n} {n,} {n,m}`. A pattern matches if it is found anywhere in the text, as in ECMAScript's `test`.

Source: K. Thompson, "Regular Expression Search Algorithm", CACM 11(6), 1968.
"""

from collections import deque
from collections.abc import Callable
from functools import lru_cache

from aster.policy.language.faults import Fault

MAX_SIZE = 2_000
MAX_REPEAT = 200
MAX_DEPTH = 32

Predicate = Callable[[str], bool]
_CLASSES: dict[str, Predicate] = {
    "d": lambda char: "0" <= char <= "9",
    "w": lambda char: char.isascii() and (char.isalnum() or char == "_"),
    "s": str.isspace,
}
_ESCAPES = {"n": "\n", "t": "\t", "r": "\r"}
_USUAL = "aA0 -_.@bBxX19,:;/+#()[]éß中"
_SPLIT, _CHAR, _START, _END, _ACCEPT = range(5)


class Pattern:
    """A compiled pattern: a list of states (kind, predicate, next, other)."""

    def __init__(self, states: list[tuple[int, Predicate | None, int, int]], start: int) -> None:
        self._states = states
        self._start = start
        self.size = len(states)

    def matches(self, text: str) -> bool:
        """Whether the pattern is found in the text."""
        current: set[int] = set()
        for position in range(len(text) + 1):
            self._follow(current, self._start, position, len(text))
            if any(self._states[state][0] == _ACCEPT for state in current):
                return True
            if position == len(text):
                return False
            char = text[position]
            following: set[int] = set()
            for state in current:
                kind, predicate, after, _ = self._states[state]
                if kind == _CHAR and predicate is not None and predicate(char):
                    self._follow(following, after, position + 1, len(text))
            current = following
        return False

    def example(self) -> str | None:
        """A shortest text that matches, None if there is none of the usual characters."""
        seen = {(self._start, True, False)}
        pending = deque([(self._start, "", False)])
        while pending:
            state, text, ended = pending.popleft()
            kind, predicate, after, other = self._states[state]
            if kind == _ACCEPT:
                return text
            moves: list[tuple[int, str, bool]] = []
            if kind == _SPLIT:
                moves = [(after, text, ended), (other, text, ended)]
            elif kind == _CHAR and predicate is not None and not ended:
                char = next((char for char in _USUAL if predicate(char)), None)
                moves = [] if char is None else [(after, text + char, False)]
            elif kind == _END or (kind == _START and not text):
                moves = [(after, text, ended or kind == _END)]
            for move in moves:
                place = (move[0], not move[1], move[2])
                if place not in seen:
                    seen.add(place)
                    pending.append(move)
        return None

    def _follow(self, reached: set[int], state: int, position: int, length: int) -> None:
        pending = [state]
        while pending:
            at = pending.pop()
            if at in reached:
                continue
            kind, _, after, other = self._states[at]
            if kind == _SPLIT:
                reached.add(at)
                pending += [after, other]
            elif kind == _START:
                if position == 0:
                    pending.append(after)
            elif kind == _END:
                if position == length:
                    pending.append(after)
            else:
                reached.add(at)


class _Compiler:
    """Builds states backwards: every production takes the state that follows it and gives the one that begins it."""

    def __init__(self, pattern: str) -> None:
        self.pattern = pattern
        self.index = 0
        self.depth = 0
        self.states: list[tuple[int, Predicate | None, int, int]] = []

    def fault(self, reason: str) -> Fault:
        return Fault("PATTERN_INVALID", pattern=repr(self.pattern[:60]), reason=reason)

    def state(self, kind: int, predicate: Predicate | None = None, after: int = 0, other: int = 0) -> int:
        if len(self.states) >= MAX_SIZE:
            raise self.fault("it is too large")
        self.states.append((kind, predicate, after, other))
        return len(self.states) - 1

    def compile(self) -> Pattern:
        node = self.alternatives()
        if self.index < len(self.pattern):
            raise self.fault("a bracket is not opened")
        start = node(self.state(_ACCEPT))
        return Pattern(self.states, start)

    def peek(self) -> str:
        return self.pattern[self.index] if self.index < len(self.pattern) else ""

    def take(self) -> str:
        char = self.peek()
        if not char:
            raise self.fault("it ends too early")
        self.index += 1
        return char

    def alternatives(self) -> Callable[[int], int]:
        self.depth += 1
        if self.depth > MAX_DEPTH:
            raise self.fault("it is nested too deep")
        options = [self.sequence()]
        while self.peek() == "|":
            self.take()
            options.append(self.sequence())
        self.depth -= 1

        def build(after: int) -> int:
            start = options[-1](after)
            for option in reversed(options[:-1]):
                start = self.state(_SPLIT, None, option(after), start)
            return start

        return build

    def sequence(self) -> Callable[[int], int]:
        parts: list[Callable[[int], int]] = []
        while self.peek() not in {"", "|", ")"}:
            parts.append(self.quantified(self.atom()))

        def build(after: int) -> int:
            for part in reversed(parts):
                after = part(after)
            return after

        return build

    def quantified(self, atom: Callable[[int], int]) -> Callable[[int], int]:
        while self.peek() in {"?", "*", "+", "{"} and self.peek():
            least, most = self.bounds()
            if self.peek() == "?":
                self.take()
            atom = self.repeated(atom, least, most)
        return atom

    def repeated(self, atom: Callable[[int], int], least: int, most: int | None) -> Callable[[int], int]:
        def build(after: int) -> int:
            if most is None:
                loop = self.state(_SPLIT)
                self.states[loop] = (_SPLIT, None, atom(loop), after)
                after = loop
            else:
                end = after
                for _ in range(most - least):
                    after = self.state(_SPLIT, None, atom(after), end)
            for _ in range(least):
                after = atom(after)
            return after

        return build

    def bounds(self) -> tuple[int, int | None]:
        char = self.take()
        if char != "{":
            return {"?": (0, 1), "*": (0, None), "+": (1, None)}[char]
        closing = self.pattern.find("}", self.index)
        inside = self.pattern[self.index : closing] if closing >= 0 else ""
        low, comma, high = inside.partition(",")
        if not low.isdigit() or (high and not high.isdigit()) or len(inside) > 9:
            raise self.fault("a repetition is malformed")
        self.index = closing + 1
        least = int(low)
        most = int(high) if high else None if comma else least
        if least > MAX_REPEAT or (most is not None and (most > MAX_REPEAT or most < least)):
            raise self.fault("a repetition is out of range")
        return least, most

    def atom(self) -> Callable[[int], int]:
        char = self.take()
        if char == "(":
            if self.pattern.startswith("?:", self.index):
                self.index += 2
            elif self.peek() == "?":
                raise self.fault("look-around is not supported")
            inner = self.alternatives()
            if self.take() != ")":
                raise self.fault("a bracket is not closed")
            return inner
        if char == "^":
            return lambda after: self.state(_START, None, after)
        if char == "$":
            return lambda after: self.state(_END, None, after)
        if char in "*+?{":
            raise self.fault("there is nothing to repeat")
        predicate = self.predicate(char)
        return lambda after: self.state(_CHAR, predicate, after)

    def predicate(self, char: str) -> Predicate:
        if char == ".":
            return lambda found: found != "\n"
        if char == "[":
            return self.bracket()
        if char == "\\":
            return self.escape()
        return lambda found: found == char

    def escape(self) -> Predicate:
        char = self.take()
        known = _CLASSES.get(char.lower())
        if known is not None:
            inner = known
            return inner if char.islower() else lambda found: not inner(found)
        if char.isalnum() and char not in _ESCAPES:
            raise self.fault(f"\\{char} is not supported")
        literal = _ESCAPES.get(char, char)
        return lambda found: found == literal

    def bracket(self) -> Predicate:
        negated = self.peek() == "^"
        if negated:
            self.take()
        ranges: list[tuple[str, str]] = []
        classes: list[Predicate] = []
        while self.peek() != "]":
            char = self.take()
            if char == "\\" and self.peek().lower() in _CLASSES:
                classes.append(self.escape())
                continue
            low = self._literal(char)
            high = low
            if self.peek() == "-" and self.pattern[self.index + 1 : self.index + 2] not in {"]", ""}:
                self.take()
                high = self._literal(self.take())
            if high < low:
                raise self.fault("a range is reversed")
            ranges.append((low, high))
        self.take()

        def contains(found: str) -> bool:
            inside = any(low <= found <= high for low, high in ranges) or any(known(found) for known in classes)
            return inside is not negated

        return contains

    def _literal(self, char: str) -> str:
        if char != "\\":
            return char
        escaped = self.take()
        return _ESCAPES.get(escaped, escaped)


@lru_cache(maxsize=256)
def compile_pattern(pattern: str) -> Pattern:
    """Compile a pattern; raises a `PATTERN_INVALID` fault."""
    if len(pattern) > 1_000:
        raise Fault("PATTERN_INVALID", pattern=repr(pattern[:60]), reason="it is too long")
    return _Compiler(pattern).compile()
