"""Calls: of rules, of the library, of function values (specification §7.2, §8)."""

from abc import ABC, abstractmethod
from collections.abc import Iterator

from aster.policy.language import core, tree
from aster.policy.language.core import Expr
from aster.policy.language.declarations import is_secret
from aster.policy.language.effects import effect_of
from aster.policy.language.library_types import SIGNATURES, Signature
from aster.policy.language.repairs import Repair
from aster.policy.language.scopes import Scopes
from aster.policy.language.types import (
    FLOAT,
    NOTHING,
    NULL,
    UNKNOWN,
    Type,
    conflicts,
)

_FOREIGN_NUMBERS = frozenset({"Int", "Long", "Float", "Decimal"})
_SECRET_CLEANERS = frozenset({"redact", "tokenize", "Text.redact"})


class CallChecker(Scopes, ABC):
    """Checks calls and their arguments."""

    @abstractmethod
    def expression(self, node: tree.Expression) -> Expr:
        """The next stage of this checker knows expressions."""

    def all(self, nodes: tuple[tree.Expression, ...]) -> tuple[Expr, ...]:
        return tuple(self.expression(node) for node in nodes)

    passes_secret: bool | None = None
    """Whether a function value that is checked gets personal data; None where it is not known who calls it."""

    def _arguments(self, nodes: tuple[tree.Expression, ...]) -> tuple[Expr, ...]:
        """Arguments, functions last: what they are given are the others."""
        outer, self.passes_secret = self.passes_secret, None
        found = {place: self.expression(node) for place, node in enumerate(nodes) if not isinstance(node, tree.Lambda)}
        given = any_secret(tuple(found.values()))
        for place, node in enumerate(nodes):
            if place not in found:
                self.passes_secret = given
                found[place] = self.expression(node)
        self.passes_secret = outer
        return tuple(found[place] for place in range(len(nodes)))

    def _call(self, node: tree.Call) -> Expr:
        arguments = self._arguments(node.arguments)
        callee = node.callee
        if isinstance(callee, tree.Name):
            return self._call_name(node, callee.name, arguments)
        if (
            isinstance(callee, tree.Field)
            and isinstance(callee.base, tree.Name)
            and self.find(callee.base.name) is None
        ):
            name = ".".join((callee.base.name, *callee.names))
            if name in SIGNATURES:
                return self._call_library(node, name, arguments)
            rule = self.declarations.rule(name)
            if rule is not None:
                return self._call_rule(node, rule, arguments)
            return self._unknown_call(node, name, arguments)
        function = self.expression(callee)
        return core.CallValue(node.start, node.end, UNKNOWN, any_secret(arguments), function, arguments)

    def _call_name(self, node: tree.Call, name: str, arguments: tuple[Expr, ...]) -> Expr:
        variable = self.find(name)
        secret = any_secret(arguments)
        if variable is not None and self.flow[variable.slot].kind in {"Function", "Unknown"}:
            callee = self.local(variable, node.callee.start, node.callee.end)
            return core.CallValue(node.start, node.end, UNKNOWN, secret, callee, arguments)
        rule = self.declarations.rule(name)
        if rule is not None:
            return self._call_rule(node, rule, arguments)
        if name in {"Ok", "Err", "Some"} and len(arguments) == 1:
            return self.wrap(node, name, arguments[0])
        if name in {"None", "none"} and not arguments:
            return core.Const(node.start, node.end, NULL, False, None)
        if name in SIGNATURES:
            return self._call_library(node, name, arguments)
        if self.declarations.record(name) is not None:
            self.report("P012", node.start, node.end, repair=self._by_name(node, name), name=name)
            return self.fail_with(node.start, node.end, "UNDEFINED_FUNCTION", arguments, name=name)
        return self._unknown_call(node, name, arguments)

    def _unknown_call(self, node: tree.Call, name: str, arguments: tuple[Expr, ...]) -> Expr:
        effect, _ = effect_of(name)
        if effect is None:
            self.report(
                "E212" if "." in name else "E101", node.start, node.end, repair=self._called(node, name), name=name
            )
        if "." in name:
            kinds = dict.fromkeys(argument.type for argument in arguments if argument.type.kind in _FOREIGN_NUMBERS)
            if len(kinds) > 1:
                expected, actual = list(kinds)[:2]
                self.report("E019", node.start, node.end, name=name, expected=expected, actual=actual)
        return self.fail_with(node.start, node.end, "UNDEFINED_FUNCTION", arguments, name=name)

    def _called(self, node: tree.Call, name: str) -> Repair | None:
        """The function of the library, or the rule, that was probably meant."""
        if "." not in name:
            return self.meant(name, node.start)
        space = name.partition(".")[0].lower()
        alike = (known for known in SIGNATURES if known.partition(".")[0].lower() == space)
        return self.declarations.source.suggest(name, alike, node.start)

    def _by_name(self, node: tree.Call, name: str) -> Repair | None:
        """A record constructed by position, as it has to be written."""
        record = self.declarations.record(name)
        if record is None or len(record.fields) != len(node.arguments):
            return None
        source = self.declarations.source
        words = source.lexicon.keywords
        pairs = zip(record.fields, node.arguments, strict=True)
        fields = (
            f"{field.name} {words['SET']} {words['TO_WORD']} {source.text[value.start : value.end]}"
            for field, value in pairs
        )
        return Repair(node.start, node.end, f"{name} {words['TYPE_WITH']} {', '.join(fields)}")

    def _call_rule(self, node: tree.Call, rule: int, arguments: tuple[Expr, ...]) -> Expr:
        called, home = self.declarations.program.rules[rule]
        wanted = home.parameter_types(called)
        if len(wanted) != len(arguments):
            name = self.declarations.program.name_of(rule)
            self.report("E105", node.start, node.end, name=name, expected=len(wanted), actual=len(arguments))
            values = {"name": name, "expected": str(len(wanted)), "actual": str(len(arguments))}
            return self.fail_with(node.start, node.end, "ARITY", arguments, **values)
        passed = []
        for index, (declared, argument) in enumerate(zip(wanted, arguments, strict=True)):
            fitted = self.fitted(argument, declared)
            if argument.secret:
                self.promises.taint(rule, index)
            if fitted is None:
                self.promises.distrust(rule, index)
                self.report_misfit("E001", argument, declared)
            passed.append(fitted or argument)
        if called.type_parameters:
            self._check_bindings(called, arguments)
        secret = any_secret(arguments) or is_secret(called.returns)
        return core.CallRule(node.start, node.end, self.promises.result_of(rule), secret, rule, tuple(passed))

    def report_misfit(self, code: str, value: Expr, declared: Type) -> None:
        """Report a value that can't be of a declared type, or may be null where the type does not allow it."""
        if conflicts(value.type, declared):
            self.report(code, value.start, value.end, expected=declared, actual=value.type)
        elif value.type.kind in {"Maybe", "Option"} and declared.kind not in {"Maybe", "Option", "Unknown"}:
            self.report("E021", value.start, value.end, expected=declared, actual=value.type)

    def _check_bindings(self, called: tree.Rule, arguments: tuple[Expr, ...]) -> None:
        """A type parameter stands for one type in a call."""
        bound: dict[str, Type] = {}
        for parameter, argument in zip(called.parameters, arguments, strict=True):
            for name, kind in _bindings(parameter.type, argument.type, frozenset(called.type_parameters)):
                known = bound.setdefault(name, kind)
                if conflicts(kind, known) and conflicts(known, kind):
                    self.report("E007", argument.start, argument.end, name=name, expected=known, actual=kind)

    def _call_library(self, node: tree.Call, name: str, arguments: tuple[Expr, ...]) -> Expr:
        signature = SIGNATURES[name]
        least, most = _arity(signature)
        if not least <= len(arguments) <= most:
            expected = str(least) if least == most else f"{least} to {most}"
            self.report("E105", node.start, node.end, name=name, expected=expected, actual=len(arguments))
            values = {"name": name, "expected": expected, "actual": str(len(arguments))}
            return self.fail_with(node.start, node.end, "ARITY", arguments, **values)
        secret = any_secret(arguments) and name not in _SECRET_CLEANERS
        if name.startswith("Decimal.") and any(argument.type == FLOAT for argument in arguments):
            self.report("E031", node.start, node.end)
        return core.CallLibrary(node.start, node.end, signature.returns, secret, name, arguments)

    def wrap(self, node: tree.Expression, kind: str, operand: Expr) -> Expr:
        types = {
            "Ok": Type("Result", "", (operand.type, NOTHING)),
            "Err": Type("Result", "", (NOTHING, operand.type)),
            "Some": Type("Option", "", (operand.type,)),
        }
        return core.Wrap(node.start, node.end, types[kind], operand.secret, kind, operand)


def any_secret(values: tuple[Expr, ...]) -> bool:
    return any(value.secret for value in values)


def _bindings(node: tree.TypeNode | None, kind: Type, names: frozenset[str]) -> Iterator[tuple[str, Type]]:
    """What the type parameters in a written type stand for, if a value of a type is passed."""
    if isinstance(node, tree.NamedType) and node.name in names:
        if kind.kind not in {"Unknown", "Nothing", "Null"}:
            yield node.name, kind
    elif isinstance(node, tree.PiiType):
        yield from _bindings(node.base, kind, names)
    elif isinstance(node, tree.WrappedType) and node.kind == kind.kind:
        for inner, argument in zip(node.arguments, kind.args, strict=False):
            yield from _bindings(inner, argument, names)


def _arity(signature: Signature) -> tuple[int, int]:
    count = len(signature.parameters)
    if signature.variadic:
        return 1, 255
    return count - signature.optional, count
