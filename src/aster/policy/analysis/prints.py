"""What pieces of a program do, without where they stand: pieces of two versions with one print do the same."""

from hashlib import sha256
from typing import Any

import msgspec

from aster.policy.analysis.logic import World
from aster.policy.analysis.values import Closure, identity
from aster.policy.language import core
from aster.policy.language.budget import walk
from aster.policy.language.core import CheckedModule


class Prints:
    """The prints of one module's rules."""

    def __init__(self, world: World, module: CheckedModule) -> None:
        self.world = world
        self.module = module
        self._prints: dict[int, str] = {}

    def of_rule(self, rule: int) -> str:
        """What a rule does, without where it stands: rules of two versions with one print do the same."""
        found = self._prints.get(rule)
        if found is None:
            bodies = [self.module.rules[index] for index in sorted(reachable(self.module, rule))]
            told = [(each.name, len(each.parameters), self.of(each.body)) for each in bodies]
            found = self._prints[rule] = sha256(repr(sorted(told)).encode()).hexdigest()
        return found

    def of_closure(self, closure: Closure) -> Any:
        """What a function value does, and with which variables."""
        called = sorted({node.rule for node in walk((core.Discard(0, 0, closure.node),)) if isinstance(node, _CALLS)})
        prints = tuple(self.of_rule(rule) for rule in called)
        captured = closure.node.captured if isinstance(closure.node, core.Function) else ()
        slots = tuple((slot, identity(self.world, closure.slots[slot])) for slot in captured)
        return "function", repr(self.of(closure.node)), prints, slots

    def of(self, node: Any) -> Any:
        """A piece of a program without its places; rules, records and enums by name."""
        if isinstance(node, core.CallRule | core.RuleValue):
            arguments = tuple(self.of(part) for part in getattr(node, "arguments", ()))
            return type(node).__name__, self.module.rules[node.rule].name, arguments
        if isinstance(node, core.Make):
            record = self.module.records[node.record]
            names = tuple(field.name for field in record.fields)
            return "Make", record.name, names, tuple(self.of(part) for part in node.values)
        if isinstance(node, core.Variant):
            return "Variant", self.module.enums[node.enum].name, node.name
        if isinstance(node, msgspec.Struct):
            names = tuple(name for name in type(node).__struct_fields__ if name not in _PLACES)
            return type(node).__name__, tuple(self.of(getattr(node, name)) for name in names)
        if isinstance(node, tuple):
            return tuple(self.of(part) for part in node)
        return type(node).__name__, str(node)


_PLACES = frozenset({"start", "end", "secret", "type"})
_CALLS = (core.CallRule, core.RuleValue)


def reachable(module: CheckedModule, rule: int) -> set[int]:
    """A rule and every rule it may call."""
    found = {rule}
    pending = [rule]
    while pending:
        for node in walk(module.rules[pending.pop()].body):
            if isinstance(node, _CALLS) and node.rule not in found:
                found.add(node.rule)
                pending.append(node.rule)
    return found
