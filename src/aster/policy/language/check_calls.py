"""Calls: of rules, of the library, of function values (specification §7.2, §8)."""

from abc import ABC, abstractmethod

from aster.policy.language import core, tree
from aster.policy.language.core import Expr
from aster.policy.language.effects import effect_of
from aster.policy.language.library_types import SIGNATURES, Signature
from aster.policy.language.scopes import Scopes
from aster.policy.language.types import (
    FLOAT,
    NOTHING,
    NULL,
    UNKNOWN,
    Type,
    conflicts,
    show,
)

_SECRET_CLEANERS = frozenset({"redact", "tokenize", "Text.redact"})


class CallChecker(Scopes, ABC):
    """Checks calls and their arguments."""

    @abstractmethod
    def expression(self, node: tree.Expression) -> Expr:
        """The next stage of this checker knows expressions."""

    def all(self, nodes: tuple[tree.Expression, ...]) -> tuple[Expr, ...]:
        return tuple(self.expression(node) for node in nodes)

    def _call(self, node: tree.Call) -> Expr:
        arguments = self.all(node.arguments)
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
            return self._unknown_call(node, name, arguments)
        function = self.expression(callee)
        return core.CallValue(node.start, node.end, UNKNOWN, any_secret(arguments), function, arguments)

    def _call_name(self, node: tree.Call, name: str, arguments: tuple[Expr, ...]) -> Expr:
        variable = self.find(name)
        secret = any_secret(arguments)
        if variable is not None and self.flow.get(variable.slot, UNKNOWN).kind in {"Function", "Unknown"}:
            callee = self.local(variable, node.callee.start, node.callee.end)
            return core.CallValue(node.start, node.end, UNKNOWN, secret, callee, arguments)
        if name in self.declarations.rules:
            return self._call_rule(node, self.declarations.rules[name], arguments)
        if name in {"Ok", "Err", "Some"} and len(arguments) == 1:
            return self.wrap(node, name, arguments[0])
        if name in {"None", "none"} and not arguments:
            return core.Const(node.start, node.end, NULL, False, None)
        if name in SIGNATURES:
            return self._call_library(node, name, arguments)
        if name in self.declarations.records:
            self.report("P012", node.start, node.end, name=name)
        return self._unknown_call(node, name, arguments)

    def _unknown_call(self, node: tree.Call, name: str, arguments: tuple[Expr, ...]) -> Expr:
        effect, _ = effect_of(name)
        if effect is None:
            self.report("E212" if "." in name else "E101", node.start, node.end, name=name)
        return self.fail_with(node.start, node.end, "UNDEFINED_FUNCTION", arguments, name=name)

    def _call_rule(self, node: tree.Call, rule: int, arguments: tuple[Expr, ...]) -> Expr:
        wanted = self.declarations.tree.rules[rule].parameters
        if len(wanted) != len(arguments):
            name = self.declarations.tree.rules[rule].name
            self.report("E105", node.start, node.end, name=name, expected=len(wanted), actual=len(arguments))
            values = {"name": name, "expected": str(len(wanted)), "actual": str(len(arguments))}
            return self.fail_with(node.start, node.end, "ARITY", arguments, **values)
        passed = []
        for index, (parameter, argument) in enumerate(zip(wanted, arguments, strict=True)):
            declared = self._parameter_type(rule, parameter)
            fitted = self.fitted(argument, declared)
            if fitted is None:
                self.promises.distrust(rule, index)
                if conflicts(argument.type, declared):
                    self.report(
                        "E001", argument.start, argument.end, expected=show(declared), actual=show(argument.type)
                    )
            passed.append(fitted or argument)
        secret = any_secret(arguments)
        return core.CallRule(node.start, node.end, self.promises.result_of(rule), secret, rule, tuple(passed))

    def _parameter_type(self, rule: int, parameter: tree.Parameter) -> Type:
        if parameter.type is None:
            return UNKNOWN
        declarations = self.declarations
        mine, declarations.type_parameters = (
            declarations.type_parameters,
            frozenset(declarations.tree.rules[rule].type_parameters),
        )
        declared = declarations.resolve(parameter.type)
        declarations.type_parameters = mine
        return declared

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


def _arity(signature: Signature) -> tuple[int, int]:
    count = len(signature.parameters)
    if signature.variadic:
        return 1, 255
    return count - signature.optional, count
