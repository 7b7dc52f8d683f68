"""One rule's statements: scopes, flow, patterns (specification §5.1, §5.2, §8).

Scopes are lexical; `Set` changes the nearest binding. Types follow the flow: after an `If`, a variable has the join of
what its branches left in it.
"""

from collections.abc import Callable
from typing import TYPE_CHECKING, Any, cast

from aster.policy.language import core, tree
from aster.policy.language.check_expressions import ExpressionChecker
from aster.policy.language.core import RuleInfo, Stmt, Test
from aster.policy.language.declarations import DeclaredProgram
from aster.policy.language.repairs import Repair
from aster.policy.language.terms import Term
from aster.policy.language.types import NOTHING, NULL, UNKNOWN, WORKFLOW, Type, conflicts, join

if TYPE_CHECKING:
    from aster.policy.language.checker import Promises


class RuleChecker(ExpressionChecker):
    """Checks one rule and builds its core."""

    def __init__(self, program: DeclaredProgram, promises: "Promises", index: int, *, report: bool) -> None:
        self.index = index
        self.rule, declarations = program.rules[index]
        super().__init__(declarations, promises, report=report)
        declarations.enter_rule(self.rule)
        self.declared_returns: Type | None = None
        self.returned: list[Type] = []

    def check(self) -> RuleInfo:
        rule = self.rule
        parameters = tuple(self.declarations.parameter(parameter) for parameter in rule.parameters)
        trusted = tuple(self.promises.trusted[self.index])
        for place, (node, info, is_trusted) in enumerate(zip(rule.parameters, parameters, trusted, strict=True)):
            if node.name in self.scopes[-1]:
                self.report("E104", node.start, node.end, name=node.name)
            secret = info.secret or (self.index, place) in self.promises.tainted
            variable = self.define(node.name, info.type if is_trusted else UNKNOWN, secret, node.start, node.end)
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
            self.declarations.prefix + rule.name,
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

    def _let(self, node: tree.Let) -> tuple[Stmt, ...]:
        value = self.expression(node.value)
        if node.name in self.scopes[-1]:
            self.report("E104", node.start, node.name_end, name=node.name)
        elif self.find(node.name) is not None and len(self.scopes) > 2:
            lexicon = self.declarations.source.lexicon
            word = lexicon.keywords["SET"]
            begin = word.capitalize() if "SET" in lexicon.sentence_case else word
            written = f"{begin} {node.name} {lexicon.keywords['TO_WORD']} "
            repair = Repair(node.start, node.value.start, written)
            self.report("W103", node.start, node.name_end, repair=repair, name=node.name)
        variable = self.define(node.name, value.type, value.secret, node.start, node.name_end)
        return (core.Bind(node.start, node.end, variable.slot, node.name, value),)

    def _set(self, node: tree.Set) -> tuple[Stmt, ...]:
        value = self.expression(node.value)
        variable = self.find(node.name)
        if variable is None:
            self.report("E101", node.start, node.end, name=node.name)
            variable = self.define(node.name, value.type, value.secret, node.start, node.end)
        elif conflicts(value.type, self.flow[variable.slot]) and self.flow[variable.slot].kind != "Null":
            expected = self.flow[variable.slot]
            self.report("E002", node.start, node.end, name=node.name, expected=expected, actual=value.type)
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
            self.report_misfit("E003", value, self.declared_returns)
        self.returned.append(value.type)
        return (core.Return(node.start, node.end, value),)

    def _if(self, node: tree.If) -> tuple[Stmt, ...]:
        branches = []
        ways = []
        self.flow.fork()
        for condition_node, body in node.branches:
            condition = self._condition(condition_node)
            self.flow.fork()
            self.flow.assume(condition, True)
            block = self.block(body)
            changed = self.flow.back()
            if not always_returns(block):
                ways.append({**self.flow.changes(), **changed})
            branches.append((condition, block))
            self.flow.assume(condition, False)
        otherwise = self.block(node.otherwise) if node.otherwise is not None else ()
        changed = self.flow.back()
        if not always_returns(otherwise):
            ways.append(changed)
        self.flow.meet(ways)
        return (core.If(node.start, node.end, tuple(branches), otherwise),)

    def _condition(self, node: tree.Expression) -> core.Expr:
        condition = self.expression(node)
        if condition.type.kind not in {"Bool", "Unknown", "Nothing"}:
            self.report("W104", node.start, node.end, actual=condition.type)
        return condition

    # match

    def _match(self, node: tree.Match) -> tuple[Stmt, ...]:
        subject = self.expression(node.subject)
        ways = []
        arms = []
        results: list[tuple[tree.Arm, Type]] = []
        for arm in node.arms:
            self.flow.fork()
            self.open_scope()
            test = self._test(arm.pattern, subject.type, subject.secret)
            returned = len(self.returned)
            body = self.block(arm.body)
            results += [(arm, kind) for kind in self.returned[returned:]]
            self.close_scope()
            changed = self.flow.back()
            if not always_returns(body):
                ways.append(changed)
            arms.append(core.Arm(arm.start, arm.end, test, body))
        covers = covers_everything(tuple(arms), subject.type, self.declarations.program)
        self._report_coverage(node, subject.type, covers)
        if not covers:
            ways.append({})
        self.flow.meet(ways)
        if self.declared_returns is None:
            self._report_disagreement(results)
        checked: list[Stmt] = [core.Match(node.start, node.end, subject, tuple(arms))]
        if covers and all(always_returns(arm.body) for arm in arms):
            checked.append(_unreachable(node))
        return tuple(checked)

    def _report_disagreement(self, results: list[tuple[tree.Arm, Type]]) -> None:
        """Arms of a rule without a declared result should yield one type."""
        known: Type | None = None
        for arm, kind in results:
            if known is not None and conflicts(kind, known) and conflicts(known, kind):
                self.report("E009", arm.start, arm.end, expected=known, actual=kind)
                return
            known = kind if known is None or kind.kind not in {"Unknown", "Null"} else known

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
            missing = [name for name in self.declarations.program.enums[subject.name].variants if name not in seen]
            self.report("E018", node.start, node.end, missing=", ".join(missing) or Term("every variant"))
        elif subject.kind == "Maybe":
            nulls = any(isinstance(arm.pattern, tree.NullPattern) for arm in node.arms)
            self.report("E017", node.start, node.end, missing=Term("a value") if nulls else Term("null"))

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
                self.report("E010", start, end, actual=subject)
            return core.TestValue(start, end, pattern.value)
        if isinstance(pattern, tree.ConstructorPattern):
            return self._test_parts(pattern, subject, secret)
        return self._test_name(cast("tree.NamePattern", pattern), subject, secret)

    def _test_name(self, pattern: tree.NamePattern, subject: Type, secret: bool) -> Test:
        start, end, name = pattern.start, pattern.end, pattern.name
        declarations = self.declarations
        if pattern.enum is not None:
            return self._test_qualified(pattern, subject)
        if subject.kind == "Enum" and name in declarations.program.enums[subject.name].places:
            return core.TestVariant(start, end, declarations.program.enums[subject.name].index, name, True)
        if declarations.enums_with(name) or declarations.record(name) is not None or "A" <= name[0] <= "Z":
            return core.TestName(start, end, name)
        variable = self.define(name, _not_null(subject), secret, start, end)
        return core.TestBind(start, end, variable.slot, name, False)

    def _test_qualified(self, pattern: tree.NamePattern, subject: Type) -> Test:
        """`Band.Light`, and of a used module `Risk.Light`, `Risk.Band.Light`, `Risk.Applicant`."""
        declarations = self.declarations
        start, end, name, qualifier = pattern.start, pattern.end, pattern.name, pattern.enum or ""
        enum = declarations.enum(qualifier)
        if enum is None:
            enum = next(iter(declarations.enums_with(f"{qualifier}.{name}")), None)
        if enum is not None and name in enum.places:
            return core.TestVariant(start, end, enum.index, name, subject == Type("Enum", enum.name))
        if declarations.record(f"{qualifier}.{name}") is None:
            self.report("E101" if enum is None else "E107", start, end, name=qualifier, other=name)
        return core.TestName(start, end, name)

    def _test_parts(self, pattern: tree.ConstructorPattern, subject: Type, secret: bool) -> Test:
        record = self.declarations.record(pattern.name)
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
        return core.TestParts(pattern.start, pattern.end, pattern.name.rpartition(".")[2], fields, parts)

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
        self.report("W600", node.start, node.end, name=self.word("START"))
        variable = self.define(node.name, UNKNOWN, False, node.start, node.end)
        variable.used = True
        value = self.fail_with(node.start, node.end, "NOT_EXECUTABLE", name=self.word("START"))
        return (core.Bind(node.start, node.end, variable.slot, node.name, value),)

    def _wait(self, node: tree.Wait) -> tuple[Stmt, ...]:
        self.report("W600", node.start, node.end, name=self.word("WAIT_FOR"))
        value = self.fail_with(node.start, node.end, "NOT_EXECUTABLE", name=self.word("WAIT_FOR"))
        return (core.Discard(node.start, node.end, value),)

    def _workflow(self, node: tree.Workflow) -> tuple[Stmt, ...]:
        self.report("W600", node.start, node.end, name=self.word("WORKFLOW"))
        for step in node.steps:
            self._apart(step.body)
            for kind in self._apart(step.compensate or ())[1]:
                if kind.kind not in {"Result", "Unknown"}:
                    self.report("E022", step.start, step.end, name=step.name, actual=kind)
        value = self.fail_with(node.start, node.end, "NOT_EXECUTABLE", name=self.word("WORKFLOW"))
        self.returned.append(WORKFLOW)
        return (core.Return(node.start, node.end, value),)

    def function_body(self, body: "tree.Expression | tree.Block") -> tuple[Stmt, ...]:
        if isinstance(body, tree.Expression):
            value = self.expression(body)
            return (core.Return(body.start, body.end, value),)
        return self._apart(body)[0]

    def _apart(self, body: tree.Block) -> tuple[tuple[Stmt, ...], list[Type]]:
        """A block whose results are not those of the rule, and what they are."""
        outside, self.returned = self.returned, []
        declared, self.declared_returns = self.declared_returns, None
        checked, results = self.block(body), self.returned
        self.returned, self.declared_returns = outside, declared
        return checked, results


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


def covers_everything(arms: tuple[core.Arm, ...], subject: Type, program: DeclaredProgram) -> bool:
    """Whether some arm matches every value of a type."""
    tests = [arm.pattern for arm in arms]
    if any(isinstance(test, core.TestAny) for test in tests):
        return True
    binds = any(isinstance(test, core.TestBind) for test in tests)
    nulls = any(isinstance(test, core.TestNull) for test in tests)
    if binds and (nulls or subject.kind not in {"Unknown", "Maybe", "Null", "Option"}):
        return True
    if subject.kind == "Maybe" and nulls:
        return covers_everything(arms, subject.args[0], program)
    names = {test.name for test in tests if isinstance(test, core.TestParts) and _plain(test)}
    if subject.kind == "Enum":
        seen = {test.name for test in tests if isinstance(test, core.TestVariant)}
        return seen >= set(program.enums[subject.name].variants)
    if subject.kind == "Bool":
        return {test.value for test in tests if isinstance(test, core.TestValue)} >= {True, False}
    if subject.kind == "Record":
        names |= {test.name for test in tests if isinstance(test, core.TestName)}
        return subject.name.rpartition(".")[2] in names
    if subject.kind == "Option":
        return nulls and "Some" in names
    return subject.kind == "Result" and names >= {"Ok", "Err"}


def _plain(test: core.TestParts) -> bool:
    return all(isinstance(part, core.TestAny | core.TestBind) for part in test.parts)


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
