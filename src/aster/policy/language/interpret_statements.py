"""Statements of the core as closures over slots; a recorder, if there is one, is told."""

from collections.abc import Callable
from typing import Any

from aster.policy.language import comparisons, core, operations
from aster.policy.language.core import Stmt
from aster.policy.language.interpret_expressions import GOES_ON, Execute, ExpressionInterpreter, Slots


class StatementInterpreter(ExpressionInterpreter):
    """Closures for statements."""

    def block(self, statements: tuple[Stmt, ...]) -> Execute:
        steps = tuple(_STATEMENTS[type(statement)](self, statement) for statement in statements)

        def execute(slots: Slots) -> Any:
            for step in steps:
                value = step(slots)
                if value is not GOES_ON:
                    return value
            return GOES_ON

        return execute

    def _bind(self, node: core.Bind) -> Execute:
        value = self.expression(node.value)
        slot = node.slot
        recorder = self.recorder

        def execute(slots: Slots) -> Any:
            if recorder is None:
                slots[slot] = value(slots)
                return GOES_ON
            mark = recorder.begin("let", node.start, node.end)
            slots[slot] = value(slots)
            recorder.end(mark, slots[slot], None, secret=node.value.secret)
            return GOES_ON

        return execute

    def _return(self, node: core.Return) -> Execute:
        value = self.expression(node.value)
        recorder = self.recorder
        if recorder is None:
            return value

        def execute(slots: Slots) -> Any:
            mark = recorder.begin("return", node.start, node.end)
            found = value(slots)
            recorder.end(mark, found, None, secret=node.value.secret)
            return found

        return execute

    def _discard(self, node: core.Discard) -> Execute:
        value = self.expression(node.value)

        def execute(slots: Slots) -> Any:
            value(slots)
            return GOES_ON

        return execute

    def _if(self, node: core.If) -> Execute:
        branches = [(test, self.condition(test), self.block(body)) for test, body in node.branches]
        otherwise = self.block(node.otherwise)
        recorder = self.recorder

        def execute(slots: Slots) -> Any:
            for _, evaluate, body in branches:
                if evaluate(slots):
                    return body(slots)
            return otherwise(slots)

        def trace(slots: Slots) -> Any:
            marks = []
            value: Any = GOES_ON
            for test, evaluate, body in branches:
                mark = recorder.begin("if", test.start, test.end, test)
                marks.append(mark)
                recorder.decided(mark, evaluate(slots))
                if mark.taken:
                    value = body(slots)
                    break
            else:
                value = otherwise(slots)
            for mark in reversed(marks):
                recorder.end(mark, None if value is GOES_ON else value, _way(mark.taken), secret=False)
            return value

        return execute if recorder is None else trace

    def _match(self, node: core.Match) -> Execute:
        subject = self.expression(node.subject)
        arms = [(arm, self.test(arm.pattern), self.block(arm.body)) for arm in node.arms]
        recorder = self.recorder

        def execute(slots: Slots) -> Any:
            value = subject(slots)
            for _, test, body in arms:
                if test(value, slots):
                    return body(slots)
            return GOES_ON

        def trace(slots: Slots) -> Any:
            mark = recorder.begin("match", node.start, node.end)
            value = subject(slots)
            recorder.operand(mark, node.subject, value)
            for arm, test, body in arms:
                if test(value, slots):
                    recorder.chose(mark, arm)
                    found = body(slots)
                    branch = recorder.words(arm.start, arm.end)
                    recorder.end(mark, None if found is GOES_ON else found, branch, secret=False)
                    return found
            recorder.decided(mark, False)
            recorder.end(mark, None, "none", secret=False)
            return GOES_ON

        return execute if recorder is None else trace

    def test(self, pattern: core.Test) -> Callable[[Any, Slots], bool]:
        if isinstance(pattern, core.TestAny):
            return lambda value, slots: True
        if isinstance(pattern, core.TestNull):
            return lambda value, slots: value is None
        if isinstance(pattern, core.TestBind):
            return self._test_bind(pattern)
        if isinstance(pattern, core.TestValue):
            wanted = pattern.value
            return lambda value, slots: comparisons.equal(value, wanted)
        if isinstance(pattern, core.TestParts):
            return self._test_parts(pattern)
        name: str = pattern.name  # type: ignore[attr-defined]  # what is left are names: TestVariant and TestName
        return lambda value, slots: operations.is_named(value, name)

    def _test_bind(self, pattern: core.TestBind) -> Callable[[Any, Slots], bool]:
        def bind(value: Any, slots: Slots) -> bool:
            if value is None and not pattern.nullable:
                return False
            slots[pattern.slot] = value
            return True

        return bind

    def _test_parts(self, pattern: core.TestParts) -> Callable[[Any, Slots], bool]:
        parts = [self.test(part) for part in pattern.parts]

        def test(value: Any, slots: Slots) -> bool:
            if not operations.has_parts(value, pattern.name, pattern.fields, len(parts)):
                return False
            return all(part(operations.part(value, pattern.fields, index), slots) for index, part in enumerate(parts))

        return test


def _way(taken: bool) -> str:
    return "then" if taken else "otherwise"


_STATEMENTS: dict[type, Callable[[StatementInterpreter, Any], Execute]] = {
    core.Bind: StatementInterpreter._bind,
    core.Return: StatementInterpreter._return,
    core.Discard: StatementInterpreter._discard,
    core.If: StatementInterpreter._if,
    core.Match: StatementInterpreter._match,
}
