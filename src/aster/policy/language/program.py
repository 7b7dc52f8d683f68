"""A compiled policy: `compile_source` makes a `Program`, `Program.evaluate` a decision."""

import time
from collections.abc import Callable, Mapping, Sequence
from functools import cached_property
from types import TracebackType
from typing import Any, cast

import msgspec

from aster.policy.language.boundary import Boundary, Classes, Violations
from aster.policy.language.budget import DEFAULT_DEPTH, DEFAULT_SECONDS, DEFAULT_STEPS, plan
from aster.policy.language.check_effects import check_effects
from aster.policy.language.check_pii import check_pii
from aster.policy.language.checker import check
from aster.policy.language.compiler import FILE, compile_module
from aster.policy.language.core import CheckedModule, RuleInfo
from aster.policy.language.diagnostics import Diagnostic
from aster.policy.language.errors import (
    BudgetExceeded,
    EntryAmbiguous,
    InputInvalid,
    PolicyEvaluationError,
    PolicySyntaxError,
    RuleNotFound,
    RuntimeFault,
)
from aster.policy.language.lexicon import load_lexicon
from aster.policy.language.operations import BUDGET_CODES, FAULTS, Fault, current, encode
from aster.policy.language.parser import parse
from aster.policy.language.source import SourceText
from aster.policy.language.trace import Recorder
from aster.policy.language.tree import Module
from aster.policy.language.types import BOOL, INT, NULL, TEXT
from aster.policy.language.values import Run
from aster.policy.language.vocabulary import Vocabulary

MAX_SOURCE = 262_144
_PLAIN_RESULTS = frozenset({BOOL, INT, TEXT, NULL})
_NO_ARGUMENTS: dict[str, Any] = {}


class Outcome(msgspec.Struct, frozen=True, gc=False):
    """A decision: the value in JSON form (specification §10), the trace if it was asked for, the steps it cost."""

    value: Any
    trace: Any = None
    steps: int = 0
    rule: str = ""


def compile_source(
    source: str,
    locale: str = "en-US",
    *,
    strict: bool = False,
    lenient: bool = False,
    max_source: int = MAX_SOURCE,
    vocabulary: Vocabulary | None = None,
) -> "Program":
    """Compile a policy. Raises `PolicySyntaxError` with every finding, or `UnsupportedLocale`.

    ``strict`` also refuses type errors, which otherwise are in ``program.diagnostics``; ``lenient`` passes arguments on
    without holding them against their declared types; ``vocabulary`` translates the words of a domain.
    """
    lexicon = load_lexicon(locale)
    if len(source) > max_source:
        text = SourceText("", lexicon)
        text.report("L010", 0, 0, limit=max_source)
        raise PolicySyntaxError(text.findings)
    text = SourceText(source, lexicon, vocabulary)
    tree = parse(text)
    if text.has_errors:
        raise PolicySyntaxError(text.findings)
    try:
        module = check(tree, text, trusting=not lenient)
        if strict:
            _examine(tree, text)
        if not text.is_fatal and not (strict and text.has_errors):
            return Program(tree, text, module, lenient=lenient)
    except RecursionError:
        text.report("P015", 0, 0, limit="the compiler's")
    raise PolicySyntaxError(text.findings)


def _examine(tree: Module, source: SourceText) -> None:
    """The checks no evaluation depends on; made when somebody asks for findings."""
    check_effects(tree, source)
    check_pii(tree, source)


class Program:
    """A policy ready to decide. It keeps no state between evaluations and may be used from any thread."""

    def __init__(self, tree: Module, source: SourceText, module: CheckedModule, *, lenient: bool) -> None:
        self._tree = tree
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
    def locale(self) -> str:
        return self._source.lexicon.id

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
        return tuple(rule.name for rule in self._checked.rules)

    @cached_property
    def diagnostics(self) -> tuple[Diagnostic, ...]:
        """Everything noted about the source, errors of types included (they do not keep it from running)."""
        _examine(self._tree, self._source)
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
        if entry.swift is not None and args is None and not trace and not interpret and entry.plan.cost <= max_steps:
            try:
                return Outcome(entry.swift(context), None, entry.plan.cost, entry.name)
            except Exception:  # noqa: BLE001, S110 - the patient way below tells what it was
                pass
        if interpret:
            return entry.interpret(context, args, trace, max_steps, max_seconds)
        if trace:
            return entry.trace(context, args, max_steps, max_seconds)
        return entry.run(context, args, max_steps, max_seconds)

    def function(self, rule: str | None = None) -> Callable[[dict[str, Any]], Any]:
        """The shortest way to many decisions: a function from a context to the value in JSON form."""
        return self._entry(rule).shortest()

    def schema(self, rule: str | None = None) -> dict[str, Any]:
        """What a rule takes and yields (specification §18)."""
        from aster.policy.language.schema import describe_rule

        return describe_rule(self._checked, self._entry(rule).rule)

    def _entry(self, rule: str | None) -> "Entry":
        found = self._entries.get(rule)
        if found is None:
            found = Entry(self, self._select(rule))
            self._entries[rule] = found
        return found

    def _select(self, name: str | None) -> RuleInfo:
        rules = self._checked.rules
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


class Entry:
    """One rule seen from outside: arguments in, JSON out, faults with their place."""

    def __init__(self, program: Program, rule: RuleInfo) -> None:
        self.program = program
        self.rule = rule
        self.name = rule.name
        self.plan = program._plans[rule.index]
        self.call: Callable[..., Any] = program._functions[f"f{rule.index}"]
        self.boundary = Boundary(rule, program._classes, lenient=program._lenient)
        self.plain_result = rule.returns in _PLAIN_RESULTS
        self.attributes = tuple(f"p{index}" for index in range(len(rule.parameters)))
        self.swift = self._swift_call()

    def _swift_call(self) -> Callable[[Any], Any] | None:
        """Arguments straight from a context into the function, for rules that need no budget at run time."""
        if self.boundary.swift is None or self.plan.needs_run or self.plan.cost > DEFAULT_STEPS:
            return None
        names = {"convert": msgspec.convert, "Arguments": self.boundary.swift, "call": self.call, "encode": encode}
        call = f"call({', '.join(f'a.{name}' for name in self.attributes)})"
        value = call if self.plain_result else f"encode({call})"
        text = f"def swift(context):\n a = convert(context, Arguments)\n return {value}"
        exec(text, names)  # noqa: S102 - made of numbered names only
        swift: Any = names["swift"]
        return cast("Callable[[Any], Any]", swift)

    def decide(self, context: dict[str, Any]) -> Any:
        """The value for a context."""
        return self.run(context, None, DEFAULT_STEPS, DEFAULT_SECONDS).value

    def shortest(self) -> Callable[[dict[str, Any]], Any]:
        """A function from a context to the value in JSON form."""
        swift, decide = self.swift, self.decide
        if swift is None:
            return decide

        def shortest(context: dict[str, Any]) -> Any:
            try:
                return swift(context)
            except Exception:  # noqa: BLE001 - the patient way tells what it was
                return decide(context)

        return shortest

    def arguments(self, context: Any, args: Sequence[Any] | None) -> list[Any]:
        """The converted arguments. Raises `InputInvalid`."""
        try:
            if args is not None:
                return self.boundary.positional(list(args))
            if context is None:
                context = _NO_ARGUMENTS
            if isinstance(context, Mapping):
                if self.boundary.swift is not None:
                    try:
                        found = msgspec.convert(context, self.boundary.swift)
                        return [getattr(found, name) for name in self.attributes]
                    except msgspec.ValidationError:
                        pass
                return self.boundary.named(dict(context))
            if isinstance(context, list | tuple):
                return self.boundary.positional(list(context))
            return self.boundary.positional([context])
        except Violations as violations:
            raise InputInvalid(violations.found, self.rule.name) from None

    def run(self, context: Any, args: Sequence[Any] | None, max_steps: int, max_seconds: float) -> Outcome:
        arguments = self.arguments(context, args)
        run = Run(max_steps, DEFAULT_DEPTH, time.monotonic() + max_seconds)
        given = (run, *arguments) if self.plan.needs_run else arguments
        return Outcome(self._call(self.call, given, run), None, run.steps, self.name)

    def _call(self, function: Callable[..., Any], arguments: Sequence[Any], run: Run) -> Any:
        """The value of a compiled function in JSON form, its faults with their place."""
        current.run = run
        try:
            self._pay(run)
            return encode(function(*arguments))
        except Fault as fault:
            raise self._error(fault, fault.__traceback__) from None
        except ZeroDivisionError as error:
            raise self._error(Fault("DIVISION_BY_ZERO"), error.__traceback__) from None
        except OverflowError as error:
            raise self._error(Fault("FLOAT_OVERFLOW"), error.__traceback__) from None
        except RecursionError:
            raise self._error(Fault("DEPTH_LIMIT", limit=DEFAULT_DEPTH), None) from None
        finally:
            current.run = None

    def interpret(
        self, context: Any, args: Sequence[Any] | None, trace: bool, max_steps: int, max_seconds: float
    ) -> Outcome:
        from aster.policy.language.interpreter import interpret

        arguments = self.arguments(context, args)
        run = Run(max_steps, DEFAULT_DEPTH, time.monotonic() + max_seconds)
        program = self.program
        recorder = None
        if trace:
            recorder = run.recorder = Recorder(program._checked, program._source)
        current.run = run
        try:
            self._pay(run)
            value = interpret(program._checked, program._plans, program._classes, self.rule, arguments, run)
            encoded = encode(value)
        except Fault as fault:
            raise self._located(fault, fault.at, fault.rule) from None
        except RecursionError:
            raise self._located(Fault("DEPTH_LIMIT", limit=DEFAULT_DEPTH), None, None) from None
        finally:
            current.run = None
        told = recorder.finish(encoded) if recorder is not None else None
        return Outcome(encoded, told, run.steps, self.rule.name)

    def trace(self, context: Any, args: Sequence[Any] | None, max_steps: int, max_seconds: float) -> Outcome:
        """Run the tracing build, which is made when it is first asked for."""
        functions = self.program._tracing_functions
        if functions is None:
            return self.interpret(context, args, True, max_steps, max_seconds)
        arguments = self.arguments(context, args)
        run = Run(max_steps, DEFAULT_DEPTH, time.monotonic() + max_seconds)
        recorder = run.recorder = Recorder(self.program._checked, self.program._source)
        value = self._call(functions[f"f{self.rule.index}"], (run, *arguments), run)
        return Outcome(value, recorder.finish(value), run.steps, self.name)

    def _pay(self, run: Run) -> None:
        if not self.plan.metered:
            run.steps += self.plan.cost
            if run.steps > run.limit:
                raise Fault("STEP_LIMIT", limit=run.limit)

    # faults

    def _error(self, fault: Fault, traceback: TracebackType | None) -> PolicyEvaluationError:
        line = column = rule = None
        while traceback is not None:
            code = traceback.tb_frame.f_code
            if code.co_filename == FILE:
                position = list(code.co_positions())[traceback.tb_lasti // 2]
                line, column = position[0], None if position[2] is None else position[2] + 1
                rule = self._rule_at(line, column)
            traceback = traceback.tb_next
        return self._fault_error(fault, rule, line, column)

    def _rule_at(self, line: int | None, column: int | None) -> str:
        """The rule whose text holds a position; rules do not overlap, so the last one that begins before it."""
        position = self.program._source.position
        found = self.rule.name
        for rule in self.program._checked.rules:
            if line is not None and position(rule.start) <= (line, column or 1):
                found = rule.name
        return found

    def _located(self, fault: Fault, at: int | None, rule: int | None) -> PolicyEvaluationError:
        if at is None:
            return self._fault_error(fault, None, None, None)
        line, column = self.program._source.position(at)
        return self._fault_error(fault, self._rule_at(line, column), line, column)

    def _fault_error(
        self, fault: Fault, rule: str | None, line: int | None, column: int | None
    ) -> PolicyEvaluationError:
        templates = self.program._source.lexicon.messages
        template = templates.get(fault.code, FAULTS[fault.code])
        family = BudgetExceeded if fault.code in BUDGET_CODES else RuntimeFault
        message = template.format_map(fault.values)
        return family(message, code=fault.code, rule=rule or self.rule.name, line=line, column=column)
