"""From tree to core: names, scopes and types (specification §7, §8).

Declared types are promises. A parameter keeps its promise if every call in the module passes a value that fits and
the boundary checks what comes from outside; a result keeps it if every `Return` fits. Where a promise would be
broken it is withdrawn and the module is checked again, so that what remains is certain. Findings come from the first
pass, where every declaration is taken at its word.
"""

from aster.policy.language.check_rules import RuleChecker
from aster.policy.language.core import CheckedModule, RuleInfo
from aster.policy.language.declarations import DeclaredProgram
from aster.policy.language.modules import Linked, alone
from aster.policy.language.source import SourceText
from aster.policy.language.tree import Module
from aster.policy.language.types import UNKNOWN, Type

_PATIENT_PASSES = 3
_PASSES = 8


class Promises:
    """Which declared types may be relied on, and what the results of rules are."""

    def __init__(self, program: DeclaredProgram) -> None:
        rules = program.rules
        self.trusted = [[True] * len(rule.parameters) for rule, _ in rules]
        self.returns: list[Type] = [UNKNOWN] * len(rules)
        self.frozen: set[int] = set()
        self.consulted: set[int] = set()
        for index, (rule, declarations) in enumerate(rules):
            declarations.enter_rule(rule)
            if rule.returns is not None and rule.body is not None:
                self.returns[index] = declarations.resolve(rule.returns)
        self._broken: set[tuple[int, int]] = set()
        self.tainted: set[tuple[int, int]] = set()
        """Parameters that get personal data from somewhere in the program, whatever their types say."""

        self._spread = False

    def result_of(self, rule: int) -> Type:
        self.consulted.add(rule)
        return self.returns[rule]

    def distrust(self, rule: int, parameter: int) -> None:
        self._broken.add((rule, parameter))

    def distrust_all(self, rule: int) -> None:
        self._broken.update((rule, parameter) for parameter in range(len(self.trusted[rule])))

    def taint(self, rule: int, parameter: int) -> None:
        self._spread |= (rule, parameter) not in self.tainted
        self.tainted.add((rule, parameter))

    def taint_all(self, rule: int) -> None:
        for parameter in range(len(self.trusted[rule])):
            self.taint(rule, parameter)

    def withdraw(self) -> bool:
        """Withdraw what was broken; whether anything was, or personal data came further."""
        changed, self._spread = self._spread, False
        for rule, parameter in self._broken:
            changed |= self.trusted[rule][parameter]
            self.trusted[rule][parameter] = False
        self._broken = set()
        return changed

    def learn(self, rule: int, result: Type, *, patient: bool) -> bool:
        """Take over what a rule was found to yield; whether a caller was told something else."""
        if result == self.returns[rule] or rule in self.frozen:
            return False
        if patient:
            self.returns[rule] = result
        else:
            self.frozen.add(rule)
            self.returns[rule] = UNKNOWN
        return rule in self.consulted


def check(tree: Module, source: SourceText, linked: Linked | None = None, *, trusting: bool = True) -> CheckedModule:
    """The core of a module and of those it uses; its own rules come first.

    ``trusting`` is false when the boundary will not check arguments against their types.
    """
    program = DeclaredProgram(linked or alone(tree), source)
    promises = Promises(program)
    count = len(program.rules)
    if not trusting:
        _rely_on_nothing(promises, count)
    rules: list[RuleInfo] = []
    for attempt in range(_PASSES):
        promises.consulted = set()
        rules = [RuleChecker(program, promises, index, report=attempt == 0).check() for index in range(count)]
        changed = promises.withdraw()
        for index, rule in enumerate(rules):
            changed |= promises.learn(index, rule.returns, patient=attempt < _PATIENT_PASSES)
        if not changed:
            break
        if attempt + 2 >= _PASSES:
            _rely_on_nothing(promises, count, has_secrets=program.has_secrets)
    return CheckedModule(
        tree.name, tuple(program.records.values()), tuple(program.enums.values()), tuple(rules), len(tree.rules)
    )


def _rely_on_nothing(promises: Promises, count: int, *, has_secrets: bool = False) -> None:
    """The last resort when promises go on breaking one another, and the rule when nothing checks arguments."""
    for rule in range(count):
        promises.distrust_all(rule)
        promises.frozen.add(rule)
        promises.returns[rule] = UNKNOWN
        if has_secrets:
            promises.taint_all(rule)
    promises.withdraw()
