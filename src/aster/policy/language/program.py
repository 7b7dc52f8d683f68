"""A compiled policy: `compile_source` makes a `Program`, `Program.evaluate` a decision."""

import time
from collections.abc import Callable, Sequence
from functools import cached_property
from itertools import islice
from typing import Any

from aster.policy.language.aliases import AliasSet, lexicon_with
from aster.policy.language.budget import DEFAULT_SECONDS, DEFAULT_STEPS, plan
from aster.policy.language.check_effects import check_effects
from aster.policy.language.check_pii import check_pii
from aster.policy.language.check_workflows import check_workflows
from aster.policy.language.checker import check
from aster.policy.language.classes import Classes
from aster.policy.language.compiler import compile_module
from aster.policy.language.core import CheckedModule, RuleInfo
from aster.policy.language.diagnostics import Diagnostic
from aster.policy.language.effects import CapabilityManifest
from aster.policy.language.entry import Entry, Outcome
from aster.policy.language.errors import (
    EntryAmbiguous,
    PolicyEvaluationError,
    PolicySyntaxError,
    RuleNotFound,
)
from aster.policy.language.modules import ImportedModule, Linked, Resolver, alone, link
from aster.policy.language.parser import parse
from aster.policy.language.source import MAX_SOURCE, MAX_TOKENS, SourceText, read_source
from aster.policy.language.terms import Term
from aster.policy.language.tree import Module
from aster.policy.language.vocabulary import Vocabulary


def compile_source(
    source: str,
    locale: str = "en-US",
    *,
    strict: bool = False,
    lenient: bool = False,
    max_source: int = MAX_SOURCE,
    max_tokens: int = MAX_TOKENS,
    vocabulary: Vocabulary | None = None,
    aliases: AliasSet | None = None,
    manifest: CapabilityManifest | None = None,
    modules: Resolver | None = None,
) -> "Program":
    """Compile a policy. Raises `PolicySyntaxError` with every finding, or `UnsupportedLocale`.

    ``strict`` also refuses type errors, which otherwise are in ``program.diagnostics``; ``lenient`` passes arguments on
    without holding them against their declared types; ``vocabulary`` translates the words of a domain, ``aliases`` are
    a user's own words for keywords; ``manifest`` refuses capabilities that rules declare or use; ``modules`` finds what
    the source imports (see `ModuleFolder`), without it imports stay unknown. ``max_source`` (characters) and
    ``max_tokens`` (words, signs and line ends) bound the source, and each module it imports.
    """
    text = read_source(source, lexicon_with(locale, aliases, vocabulary), vocabulary, max_source, max_tokens)
    started = time.perf_counter_ns()
    tree = parse(text)
    parse_micros = (time.perf_counter_ns() - started) // 1000
    if text.has_errors:
        raise PolicySyntaxError(text.findings)
    try:
        linked = alone(tree) if modules is None or not tree.imports else link(tree, text, modules, max_source)
        if text.has_errors:
            raise PolicySyntaxError(text.findings)
        module = check(tree, text, linked, trusting=not lenient)
        if strict or manifest is not None:
            _examine(linked, text, manifest)
        if not text.is_fatal and not (strict and text.has_errors):
            program = Program(tree, linked, text, module, lenient=lenient)
            program.parse_micros = parse_micros
            return program
    except RecursionError:
        text.report("P015", 0, 0, limit=Term("the compiler's"))
    raise PolicySyntaxError(text.findings)


def _examine(linked: Linked, source: SourceText, manifest: CapabilityManifest | None = None) -> None:
    """The checks no evaluation depends on; made when somebody asks for findings."""
    check_effects(linked, source, manifest)
    check_workflows(linked, source)
    check_pii(linked, source)


class Program:
    """A policy ready to decide. It keeps no state between evaluations and may be used from any thread."""

    def __init__(
        self, tree: Module, linked: Linked, source: SourceText, module: CheckedModule, *, lenient: bool
    ) -> None:
        self.parse_micros: int | None = None
        """How long its own text took to parse, when it was made of one."""
        self._tree = tree
        self._linked = linked
        self._source = source
        self._checked = module
        self._lenient = lenient
        self._plans = plan(module)
        self._classes = Classes(module)
        self._functions = compile_module(module, self._plans, source, self._classes)
        self._entries: dict[str | None, Entry] = {}

    @property
    def module(self) -> str | None:
        """The module's dotted name, None without a header."""
        return self._checked.name

    @property
    def checked(self) -> CheckedModule:
        """The checked tree, for tools that read programs instead of running them."""
        return self._checked

    def checked_rule(self, rule: str | None = None) -> RuleInfo:
        """The checked rule that `evaluate` would run. Raises `RuleNotFound` and `EntryAmbiguous`."""
        return self._select(rule)

    def position(self, offset: int) -> tuple[int, int]:
        """Line and column, 1-based, of an offset of the checked tree."""
        return self._source.position(offset)

    def module_at(self, offset: int) -> str | None:
        """The used module an offset of the checked tree lies in, None for the program's own text."""
        return self._source.module_at(offset)

    def with_rules(self, rules: tuple[RuleInfo, ...]) -> "Program":
        """The same program with other checked rules: what it would decide if they were different."""
        checked = self._checked
        module = CheckedModule(checked.name, checked.records, checked.enums, rules, checked.own)
        return Program(self._tree, self._linked, self._source, module, lenient=self._lenient)

    @property
    def locale(self) -> str:
        """The language it is written in."""
        return self._source.lexicon.id

    @property
    def imports(self) -> tuple[tuple[str, int | None], ...]:
        """The modules its own text uses, found or not: names, and the versions asked for."""
        return tuple((item.name, item.version) for item in self._tree.imports)

    @property
    def imported(self) -> tuple[ImportedModule, ...]:
        """The modules it was compiled with, their versions and hashes."""
        return self._linked.imported

    @property
    def _own_rules(self) -> tuple[RuleInfo, ...]:
        return self._checked.rules[: self._checked.own]

    @cached_property
    def _tracing_functions(self) -> dict[str, Any] | None:
        """The tracing build, None if the program is nested too deep for one (the interpreter then tells the trace)."""
        from aster.policy.language.tracer import TracingCompiler, tracing_plans

        plans = tracing_plans(self._plans)
        try:
            return compile_module(self._checked, plans, self._source, self._classes, TracingCompiler)
        except RecursionError:
            return None

    @cached_property
    def rules(self) -> tuple[str, ...]:
        """The names of all rules, in the order of the source."""
        return tuple(rule.name for rule in self._own_rules)

    @cached_property
    def diagnostics(self) -> tuple[Diagnostic, ...]:
        """Everything noted about the source, errors of types included (they do not keep it from running)."""
        _examine(self._linked, self._source)
        return self._source.findings

    @property
    def warnings(self) -> tuple[Diagnostic, ...]:
        return tuple(found for found in self.diagnostics if found.severity == "warning")

    def entry_rule(self, rule: str | None = None) -> str:
        """The rule that runs: the named one, else the `@entry` one, else the only one (specification §13)."""
        return self._entry(rule).rule.name

    def evaluate(
        self,
        rule: str | None = None,
        context: Any = None,
        args: Sequence[Any] | None = None,
        trace: bool = False,
        *,
        max_steps: int = DEFAULT_STEPS,
        max_seconds: float = DEFAULT_SECONDS,
        interpret: bool = False,
    ) -> Outcome:
        """Decide. ``context`` maps parameter names to JSON values; ``args`` are positional.

        Raises `PolicyEvaluationError` subclasses: `RuleNotFound`, `EntryAmbiguous`, `InputInvalid` (all violations),
        `BudgetExceeded` and `RuntimeFault`. ``interpret`` uses the reference interpreter.
        """
        entry = self._entries.get(rule) or self._entry(rule)
        cost = entry.swift_cost
        if cost is not None and cost <= max_steps and args is None and not trace and not interpret:
            return Outcome(entry.shortest(context), None, cost, entry.name)
        if interpret:
            return entry.interpret(context, args, trace, max_steps, max_seconds)
        if trace:
            return entry.trace(context, args, max_steps, max_seconds)
        return entry.run(context, args, max_steps, max_seconds)

    def function(self, rule: str | None = None) -> Callable[[dict[str, Any]], Any]:
        """The shortest way to many decisions: a function from a context to the value in JSON form."""
        return self._entry(rule).hasten()

    def schema(self, rule: str | None = None) -> dict[str, Any]:
        """What a rule takes and yields (specification §18)."""
        from aster.policy.language.schema import describe_rule

        return describe_rule(self._checked, self._entry(rule).rule)

    def parameters(self, rule: str | None = None) -> tuple[str, ...]:
        """The names of a rule's parameters; with one record alone, those of its fields are names as well."""
        entry = self._entry(rule)
        return (*entry.boundary.names, *entry.boundary.shorthand_names)

    def input_schema(self, rule: str | None = None) -> dict[str, Any]:
        """JSON Schema (2020-12) of the contexts a rule accepts."""
        from aster.policy.language.json_schema import input_schema

        return input_schema(self._checked, self._entry(rule).rule)

    def output_schema(self, rule: str | None = None) -> dict[str, Any]:
        """JSON Schema (2020-12) of the values a rule yields."""
        from aster.policy.language.json_schema import output_schema

        return output_schema(self._checked, self._entry(rule).rule)

    def core_ir(self) -> dict[str, Any]:
        """The module as Core IR (specification §14), JSON for other tools; without the modules it uses.

        Raises `CoreIRTooDeep`.
        """
        from aster.policy.language.core_ir import core_ir

        return core_ir(self._tree, self._source)

    def samples(self, rule: str | None = None, count: int = 1) -> list[dict[str, Any]]:
        """Contexts that fit a rule and that it decides, a typical one first; fewer than ``count`` if there are none."""
        from aster.policy.language.samples import ATTEMPTS, samples

        found: list[dict[str, Any]] = []
        for context in islice(samples(self._checked, self._entry(rule).rule), ATTEMPTS + count):
            if len(found) < count and context not in found and self._decides(rule, context):
                found.append(context)
        return found

    def _decides(self, rule: str | None, context: dict[str, Any]) -> bool:
        try:
            self.evaluate(rule, context)
        except PolicyEvaluationError:
            return False
        return True

    def _entry(self, rule: str | None) -> Entry:
        found = self._entries.get(rule)
        if found is None:
            found = Entry(self, self._select(rule))
            self._entries[rule] = found
        return found

    def _select(self, name: str | None) -> RuleInfo:
        rules = self._own_rules
        if name is not None:
            for rule in reversed(rules):
                if rule.name == name:
                    return rule
            known = ", ".join(self.rules[:20]) or "none"
            raise RuleNotFound(f"rule '{name[:80]}' is not in module {self.module or '(no name)'}; it has: {known}")
        marked = [rule for rule in rules if any(note.name == "entry" for note in rule.annotations)]
        if len(marked) == 1:
            return marked[0]
        if len(rules) == 1:
            return rules[0]
        if marked:
            names = tuple(rule.name for rule in marked)
            raise EntryAmbiguous("several rules are marked with @entry; name one", names)
        if not rules:
            raise RuleNotFound("the module has no rules")
        raise EntryAmbiguous("several rules could be meant; name one or mark one with @entry", self.rules)
