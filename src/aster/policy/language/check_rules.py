"""One rule's statements: scopes, flow, patterns (specification §5.1, §5.2, §8).

Scopes are lexical; `Set` changes the nearest binding. Types follow the flow: after an `If`, a variable has the join of
what its branches left in it.
"""

from collections.abc import Callable
from typing import TYPE_CHECKING, Any, cast

from aster.policy.language import core, tree
from aster.policy.language.check_expressions import ExpressionChecker
from aster.policy.language.core import RuleInfo, Stmt, Test
from aster.policy.language.declarations import Declarations
from aster.policy.language.types import NOTHING, NULL, UNKNOWN, WORKFLOW, Type, conflicts, join, show

if TYPE_CHECKING:
    from aster.policy.language.checker import Promises


class RuleChecker(ExpressionChecker):
    """Checks one rule and builds its core."""

    def __init__(self, declarations: Declarations, promises: "Promises", index: int, *, report: bool) -> None:
        super().__init__(declarations, promises, report=report)
        self.index = index
        self.rule = declarations.tree.rules[index]
        declarations.rule_types(self.rule)
        self.declared_returns: Type | None = None
        self.returned: list[Type] = []

    def check(self) -> RuleInfo:
        rule = self.rule
        parameters = tuple(self.declarations.parameter(parameter) for parameter in rule.parameters)
        trusted = tuple(self.promises.trusted[self.index])
        for node, info, is_trusted in zip(rule.parameters, parameters, trusted, strict=True):
            if node.name in self.scopes[-1]:
                self.report("E104", node.start, node.end, name=node.name)
            variable = self.define(node.name, info.type if is_trusted else UNKNOWN, info.secret, node.start, node.end)
            variable.used = True
        if rule.returns is not None:
            self.declared_returns = self.declarations.resolve(rule.returns)
        self._check_type_parameters()
        body = self.block(rule.body) if rule.body is not None else ()
        ends = rule.body is not None and not always_returns(body)
        if ends and not _allows_nothing(self.declared_returns):
            self.report("W102", rule.start, rule.name_end, name=rule.name)
        result = self._result(ends or rule.body is None)
        return RuleInfo(
            rule.name,
            self.index,
            rule.start,
            parameters,
            trusted,
            result,
            self.declared_returns,
            body,
            self.slots,
            rule.annotations,
            rule.effects or (),
        )

    def _check_type_parameters(self) -> None:
        for name in self.rule.type_parameters:
            used = any(_mentions(parameter.type, name) for parameter in self.rule.parameters)
            if not used and not _mentions(self.rule.returns, name):
                self.report("E005", self.rule.start, self.rule.name_end, name=name)

    def _result(self, may_end: bool) -> Type:
        found = NULL if may_end else NOTHING
        for kind in self.returned:
            found = join(found, kind)
        if found.kind == "Nothing" or (self.declared_returns is not None and found == self.declared_returns):
            return self.declared_returns or UNKNOWN
        return found

    # blocks and flow

    def block(self, statements: tree.Block) -> tuple[Stmt, ...]:
        self.open_scope()
        checked: list[Stmt] = []
        ended = False
        for statement in statements:
            if ended:
                self.report("W101", statement.start, statement.end)
                ended = False
            found = self.statement(statement)
            if found is not None:
                checked.extend(found)
                ended = always_returns(found)
        self.close_scope()
        return tuple(checked)

    def statement(self, statement: tree.Statement) -> tuple[Stmt, ...]:
        return _STATEMENTS[type(statement)](self, statement)

    def _branches(self, bodies: list[tree.Block]) -> list[tuple[Stmt, ...]]:
        """Check alternatives from the same state; afterwards variables have the join of what may have been left."""
        before = dict(self.flow)
        after: dict[int, Type] | None = None
        checked = []
        for body in bodies:
            self.flow = dict(before)
            statements = self.block(body)
            checked.append(statements)
            if not always_returns(statements):
                after = _join_flows(after, self.flow, before)
        self.flow = after if after is not None else before
        return checked

    def _let(self, node: tree.Let) -> tuple[Stmt, ...]:
        value = self.expression(node.value)
        if node.name in self.scopes[-1]:
            self.report("E104", node.start, node.name_end, name=node.name)
        elif self.find(node.name) is not None and len(self.scopes) > 2:
            self.report("W103", node.start, node.name_end, name=node.name)
        variable = self.define(node.name, value.type, value.secret, node.start, node.name_end)
        return (core.Bind(node.start, node.end, variable.slot, node.name, value),)

    def _set(self, node: tree.Set) -> tuple[Stmt, ...]:
        value = self.expression(node.value)
        variable = self.find(node.name)
        if variable is None:
            self.report("E101", node.start, node.end, name=node.name)
            variable = self.define(node.name, value.type, value.secret, node.start, node.end)
        elif conflicts(value.type, self.flow[variable.slot]) and self.flow[variable.slot].kind != "Null":
            expected = show(self.flow[variable.slot])
            self.report("E002", node.start, node.end, name=node.name, expected=expected, actual=show(value.type))
        self.flow[variable.slot] = value.type
        variable.secret |= value.secret
        return (core.Bind(node.start, node.end, variable.slot, node.name, value),)

    def _return(self, node: tree.Return) -> tuple[Stmt, ...]:
        value = self.expression(node.value)
        if self.declared_returns is not None:
            fitted = self.fitted(value, self.declared_returns)
            if fitted is not None:
                self.returned.append(self.declared_returns)
                return (core.Return(node.start, node.end, fitted),)
            if conflicts(value.type, self.declared_returns):
                expected = show(self.declared_returns)
                self.report("E003", node.value.start, node.end, expected=expected, actual=show(value.type))
        self.returned.append(value.type)
        return (core.Return(node.start, node.end, value),)

    def _if(self, node: tree.If) -> tuple[Stmt, ...]:
        conditions = [self._condition(condition) for condition, _ in node.branches]
        bodies: list[tree.Block] = [body for _, body in node.branches]
        bodies.append(node.otherwise if node.otherwise is not None else ())
        blocks = self._branches(bodies)
        branches = tuple(zip(conditions, blocks[:-1], strict=True))
        return (core.If(node.start, node.end, branches, blocks[-1]),)

    def _condition(self, node: tree.Expression) -> core.Expr:
        condition = self.expression(node)
        if condition.type.kind not in {"Bool", "Unknown", "Nothing"}:
            self.report("W104", node.start, node.end, actual=show(condition.type))
        return condition

    # match

    def _match(self, node: tree.Match) -> tuple[Stmt, ...]:
        subject = self.expression(node.subject)
        before = dict(self.flow)
        after: dict[int, Type] | None = None
        arms = []
        for arm in node.arms:
            self.flow = dict(before)
            self.open_scope()
            test = self._test(arm.pattern, subject.type, subject.secret)
            body = self.block(arm.body)
            self.close_scope()
            if not always_returns(body):
                after = _join_flows(after, self.flow, before)
            arms.append(core.Arm(arm.start, arm.end, test, body))
        covers = covers_everything(tuple(arms), subject.type, self.declarations)
        self._report_coverage(node, subject.type, covers)
        if not covers:
            after = _join_flows(after, before, before)
        self.flow = after if after is not None else before
        checked: list[Stmt] = [core.Match(node.start, node.end, subject, tuple(arms))]
        if covers and all(always_returns(arm.body) for arm in arms):
            checked.append(_unreachable(node))
        return tuple(checked)

    def _report_coverage(self, node: tree.Match, subject: Type, covers: bool) -> None:
        seen: set[str] = set()
        for arm in node.arms:
            name = arm.pattern.name if isinstance(arm.pattern, tree.NamePattern) else None
            if name is not None and name in seen:
                self.report("E016", arm.start, arm.end, name=name)
            seen.add(name or "")
        if covers:
            return
        if subject.kind == "Enum":
            missing = [name for name in self.declarations.enums[subject.name].variants if name not in seen]
            self.report("E018", node.start, node.end, missing=", ".join(missing) or "every variant")
        elif subject.kind == "Maybe":
            nulls = any(isinstance(arm.pattern, tree.NullPattern) for arm in node.arms)
            self.report("E017", node.start, node.end, missing="a value" if nulls else "null")

    def _test(self, pattern: tree.Pattern, subject: Type, secret: bool) -> Test:
        start, end = pattern.start, pattern.end
        if isinstance(pattern, tree.NullPattern):
            return core.TestNull(start, end)
        if isinstance(pattern, tree.AnyPattern):
            return core.TestAny(start, end)
        if isinstance(pattern, tree.ValuePattern):
            if (
                type(pattern.value) is int
                and conflicts(Type("Int"), subject)
                and subject.kind not in {"Float", "Decimal"}
            ):
                self.report("E010", start, end, actual=show(subject))
            return core.TestValue(start, end, pattern.value)
        if isinstance(pattern, tree.ConstructorPattern):
            return self._test_parts(pattern, subject, secret)
        return self._test_name(cast("tree.NamePattern", pattern), subject, secret)

    def _test_name(self, pattern: tree.NamePattern, subject: Type, secret: bool) -> Test:
        start, end, name = pattern.start, pattern.end, pattern.name
        declarations = self.declarations
        if pattern.enum is not None:
            enum = declarations.enums.get(pattern.enum)
            if enum is None or name not in enum.variants:
                self.report("E107" if enum else "E101", start, end, name=pattern.enum, other=name)
                return core.TestName(start, end, name)
            return core.TestVariant(start, end, enum.index, name, subject == Type("Enum", enum.name))
        if subject.kind == "Enum" and name in declarations.enums[subject.name].variants:
            return core.TestVariant(start, end, declarations.enums[subject.name].index, name, True)
        if name in declarations.variants or name in declarations.records or "A" <= name[0] <= "Z":
            return core.TestName(start, end, name)
        variable = self.define(name, _not_null(subject), secret, start, end)
        return core.TestBind(start, end, variable.slot, name, False)

    def _test_parts(self, pattern: tree.ConstructorPattern, subject: Type, secret: bool) -> Test:
        record = self.declarations.records.get(pattern.name)
        types: list[Type] = [UNKNOWN] * len(pattern.parts)
        if record is not None and subject == Type("Record", record.name):
            for index, found in enumerate(record.fields[: len(types)]):
                types[index] = found.type
        elif subject.kind == "Result" and pattern.name in {"Ok", "Err"} and types:
            types[0] = subject.args[pattern.name == "Err"]
            types[0] = UNKNOWN if types[0].kind == "Nothing" else types[0]
        fields = tuple(found.name for found in record.fields) if record is not None else ()
        if record is not None and len(pattern.parts) > len(fields):
            self.report("E105", pattern.start, pattern.end, name=pattern.name, expected=len(fields), actual=len(types))
        parts = tuple(self._part(part, kind, secret) for part, kind in zip(pattern.parts, types, strict=True))
        return core.TestParts(pattern.start, pattern.end, pattern.name, fields, parts)

    def _part(self, part: tree.Pattern, kind: Type, secret: bool) -> Test:
        """A part of a constructor: a lower-case name binds it, null or not."""
        if isinstance(part, tree.NamePattern) and part.enum is None:
            test = self._test_name(part, kind, secret)
            if isinstance(test, core.TestBind):
                self.flow[test.slot] = kind
                return core.TestBind(part.start, part.end, test.slot, test.name, True)
            return test
        return self._test(part, kind, secret)

    # the rest

    def _discard(self, node: tree.Discard) -> tuple[Stmt, ...]:
        return (core.Discard(node.start, node.end, self.expression(node.value)),)

    def _scope(self, node: tree.Scope) -> tuple[Stmt, ...]:
        return self.block(node.body)

    def _start(self, node: tree.Start) -> tuple[Stmt, ...]:
        self.expression(node.value)
        self.report("W600", node.start, node.end, name="'Start'")
        variable = self.define(node.name, UNKNOWN, False, node.start, node.end)
        variable.used = True
        value = self.fail_with(node.start, node.end, "NOT_EXECUTABLE", name="'Start'")
        return (core.Bind(node.start, node.end, variable.slot, node.name, value),)

    def _wait(self, node: tree.Wait) -> tuple[Stmt, ...]:
        self.report("W600", node.start, node.end, name="'Wait for'")
        value = self.fail_with(node.start, node.end, "NOT_EXECUTABLE", name="'Wait for'")
        return (core.Discard(node.start, node.end, value),)

    def _workflow(self, node: tree.Workflow) -> tuple[Stmt, ...]:
        self.report("W600", node.start, node.end, name="'workflow'")
        for step in node.steps:
            for body in (step.body, step.compensate or ()):
                returned, self.returned = self.returned, []
                declared, self.declared_returns = self.declared_returns, None
                self.block(body)
                self.returned, self.declared_returns = returned, declared
        value = self.fail_with(node.start, node.end, "NOT_EXECUTABLE", name="'workflow'")
        self.returned.append(WORKFLOW)
        return (core.Return(node.start, node.end, value),)

    def function_body(self, body: "tree.Expression | tree.Block") -> tuple[Stmt, ...]:
        if isinstance(body, tree.Expression):
            value = self.expression(body)
            return (core.Return(body.start, body.end, value),)
        returned, self.returned = self.returned, []
        declared, self.declared_returns = self.declared_returns, None
        checked = self.block(body)
        self.returned, self.declared_returns = returned, declared
        return checked


def _unreachable(node: tree.Match) -> Stmt:
    """After a match that covers everything and whose arms all return; keeps flow analysis local to statements."""
    return core.Return(node.start, node.end, core.Const(node.start, node.end, NOTHING, False, None))


def always_returns(statements: tuple[Stmt, ...]) -> bool:
    """Whether a block can't be left at its end."""
    if not statements:
        return False
    last = statements[-1]
    if isinstance(last, core.Return):
        return True
    if isinstance(last, core.If):
        return always_returns(last.otherwise) and all(always_returns(body) for _, body in last.branches)
    return False


def covers_everything(arms: tuple[core.Arm, ...], subject: Type, declarations: Declarations) -> bool:
    """Whether some arm matches every value of a type."""
    tests = [arm.pattern for arm in arms]
    if any(isinstance(test, core.TestAny) for test in tests):
        return True
    binds = any(isinstance(test, core.TestBind) for test in tests)
    nulls = any(isinstance(test, core.TestNull) for test in tests)
    if binds and (nulls or subject.kind not in {"Unknown", "Maybe", "Null", "Option"}):
        return True
    if subject.kind == "Enum":
        seen = {test.name for test in tests if isinstance(test, core.TestVariant)}
        return seen >= set(declarations.enums[subject.name].variants)
    if subject.kind == "Bool":
        return {test.value for test in tests if isinstance(test, core.TestValue)} >= {True, False}
    if subject.kind == "Result":
        parts = {test.name for test in tests if isinstance(test, core.TestParts) and _plain(test)}
        return parts >= {"Ok", "Err"}
    return False


def _plain(test: core.TestParts) -> bool:
    return all(isinstance(part, core.TestAny | core.TestBind) for part in test.parts)


def _join_flows(after: dict[int, Type] | None, flow: dict[int, Type], before: dict[int, Type]) -> dict[int, Type]:
    if after is None:
        return {slot: flow[slot] for slot in before}
    return {slot: join(kind, flow[slot]) for slot, kind in after.items()}


def _not_null(subject: Type) -> Type:
    return subject.args[0] if subject.kind == "Maybe" else UNKNOWN if subject.kind in {"Null", "Nothing"} else subject


def _allows_nothing(declared: Type | None) -> bool:
    return declared is not None and declared.kind in {"Maybe", "Option"}


def _mentions(node: tree.TypeNode | None, name: str) -> bool:
    if isinstance(node, tree.NamedType):
        return node.name == name or any(_mentions(argument, name) for argument in node.arguments)
    if isinstance(node, tree.WrappedType):
        return any(_mentions(argument, name) for argument in node.arguments)
    return isinstance(node, tree.PiiType) and _mentions(node.base, name)


_STATEMENTS: dict[type, Callable[[RuleChecker, Any], tuple[Stmt, ...]]] = {
    tree.Let: RuleChecker._let,
    tree.Set: RuleChecker._set,
    tree.Return: RuleChecker._return,
    tree.If: RuleChecker._if,
    tree.Match: RuleChecker._match,
    tree.Discard: RuleChecker._discard,
    tree.Scope: RuleChecker._scope,
    tree.Start: RuleChecker._start,
    tree.Wait: RuleChecker._wait,
    tree.Workflow: RuleChecker._workflow,
}
