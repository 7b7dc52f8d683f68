"""One rule seen from outside: arguments in, JSON out, faults with their place."""

import time
from bisect import bisect_right
from collections.abc import Callable, Mapping, Sequence
from types import TracebackType
from typing import TYPE_CHECKING, Any

import msgspec

from aster.policy.language.boundary import Boundary
from aster.policy.language.budget import DEFAULT_DEPTH, DEFAULT_SECONDS, DEFAULT_STEPS
from aster.policy.language.compiler import FILE
from aster.policy.language.conversions import Violations
from aster.policy.language.core import RuleInfo
from aster.policy.language.diagnostics import localized
from aster.policy.language.encoding import encode
from aster.policy.language.errors import (
    BudgetExceeded,
    InputInvalid,
    PolicyEvaluationError,
    RuntimeFault,
)
from aster.policy.language.faults import BUDGET_CODES, FAULTS, Fault
from aster.policy.language.metering import current
from aster.policy.language.trace import Recorder
from aster.policy.language.types import BOOL, INT, NULL, TEXT
from aster.policy.language.values import SAFE_INTEGER, Run

if TYPE_CHECKING:
    from aster.policy.language.program import Program

_SWIFT_FORMS = {
    **dict.fromkeys((BOOL, TEXT, NULL), "{call}"),
    INT: f"v if -{SAFE_INTEGER} <= (v := {{call}}) <= {SAFE_INTEGER} else str(v)",
}
"""JSON forms without `encode`, by the type of the result."""

_SWIFT = """
def swift(context):
    try:
        a = convert(context, Arguments)
        return {value}
    except Exception:
        return decide(context)
"""
"""A decision in as few calls as there can be; what goes wrong is left to the patient way, which tells it."""

WARM = 32
"""Decisions after which a rule gets a function of its own that is faster yet (see `direct`)."""

_NO_ARGUMENTS: dict[str, Any] = {}


class Outcome(msgspec.Struct, frozen=True, gc=False):
    """A decision: the value in JSON form (specification §10), the trace if it was asked for, the steps it cost."""

    value: Any
    trace: Any = None
    steps: int = 0
    rule: str = ""


class Entry:
    """One rule seen from outside: arguments in, JSON out, faults with their place."""

    def __init__(self, program: "Program", rule: RuleInfo) -> None:
        self.program = program
        self.rule = rule
        self.name = rule.name
        self.plan = program._plans[rule.index]
        self.call: Callable[..., Any] = program._functions[f"f{rule.index}"]
        self.boundary = Boundary(rule, program._classes, program._source.lexicon, lenient=program._lenient)
        self.attributes = tuple(f"p{index}" for index in range(len(rule.parameters)))
        self.swift_cost: int | None = None
        """Steps of a decision of a rule that needs no budget at run time, None for others."""
        self.shortest: Callable[[Any], Any] = self.decide
        self._decisions = 0
        if self.boundary.swift is not None and not self.plan.needs_run and self.plan.cost <= DEFAULT_STEPS:
            self.swift_cost = self.plan.cost
            self._swift = self._make_swift(self.boundary.swift)
            self.shortest = self._count

    def _make_swift(self, arguments: type[msgspec.Struct]) -> Callable[[Any], Any]:
        """Arguments straight from a context into the function."""
        names: dict[str, Any] = {
            "convert": msgspec.convert,
            "Arguments": arguments,
            "call": self.call,
            "encode": encode,
            "decide": self.decide,
        }
        call = f"call({', '.join(f'a.{name}' for name in self.attributes)})"
        form = _SWIFT_FORMS.get(self.rule.returns, "encode({call})")
        exec(_SWIFT.format(value=form.format(call=call)), names)  # noqa: S102 - made of numbered names only
        made: Callable[[Any], Any] = names["swift"]
        return made

    def _count(self, context: Any) -> Any:
        self._decisions += 1
        return self.hasten()(context) if self._decisions > WARM else self._swift(context)

    def hasten(self) -> Callable[[Any], Any]:
        """The fastest function from a context to the value in JSON form, made when it is worth it."""
        if self.shortest == self._count:
            from aster.policy.language.direct import direct

            program = self.program
            made = direct(
                program._checked,
                program._plans,
                program._source,
                program._classes,
                self.rule,
                program._functions,
                self._swift,
            )
            self.shortest = made or self._swift
        return self.shortest

    def decide(self, context: Any) -> Any:
        """The value for a context."""
        return self.run(context, None, DEFAULT_STEPS, DEFAULT_SECONDS).value

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
        self,
        context: Any,
        args: Sequence[Any] | None,
        trace: bool,
        max_steps: int,
        max_seconds: float,
        recorder: Recorder | None = None,
    ) -> Outcome:
        from aster.policy.language.interpreter import interpret

        arguments = self.arguments(context, args)
        run = Run(max_steps, DEFAULT_DEPTH, time.monotonic() + max_seconds)
        program = self.program
        if trace:
            recorder = run.recorder = recorder or Recorder(program._checked, program._source)
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

    def trace(
        self,
        context: Any,
        args: Sequence[Any] | None,
        max_steps: int,
        max_seconds: float,
        recorder: Recorder | None = None,
    ) -> Outcome:
        """Run the tracing build, which is made when it is first asked for."""
        functions = self.program._tracing_functions
        if functions is None:
            return self.interpret(context, args, True, max_steps, max_seconds, recorder)
        arguments = self.arguments(context, args)
        run = Run(max_steps, DEFAULT_DEPTH, time.monotonic() + max_seconds)
        recorder = run.recorder = recorder or Recorder(self.program._checked, self.program._source)
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
                rule = self._rule_of(code.co_name)
            traceback = traceback.tb_next
        return self._fault_error(fault, rule, line, column)

    def _rule_of(self, function: str) -> str:
        """The rule of a generated function: `f2`, or `l2_5` for a function value in it."""
        return self.program._checked.rules[int(function[1:].partition("_")[0])].name

    def _rule_at(self, offset: int) -> str:
        """The rule whose text holds an offset: rules do not overlap, and their starts rise."""
        rules = self.program._checked.rules
        return rules[max(0, bisect_right(rules, offset, key=lambda rule: rule.start) - 1)].name

    def _located(self, fault: Fault, at: int | None, rule: int | None) -> PolicyEvaluationError:
        if at is None:
            return self._fault_error(fault, None, None, None)
        line, column = self.program._source.position(at)
        return self._fault_error(fault, self._rule_at(at), line, column)

    def _fault_error(
        self, fault: Fault, rule: str | None, line: int | None, column: int | None
    ) -> PolicyEvaluationError:
        templates = self.program._source.lexicon.messages
        template = templates.get(fault.code, FAULTS[fault.code])
        family = BudgetExceeded if fault.code in BUDGET_CODES else RuntimeFault
        message = template.format_map(localized(fault.values, self.program._source.lexicon))
        return family(message, code=fault.code, rule=rule or self.rule.name, line=line, column=column)
