"""From core to Python: one function a rule, built as `ast` nodes that carry the policy's own lines and columns.

Nothing of the source's text becomes Python source. Every identifier is generated (`f2` a rule, `v0` a variable, `k1` a
constant), literals are constants, there are no builtins, and a last pass refuses any node or name outside of what this
module makes. A failing operation is found again by the position of the instruction that raised.
"""

import ast
from typing import Any

from aster.policy.language.budget import RulePlan
from aster.policy.language.compile_statements import StatementCompiler
from aster.policy.language.constants import Constants
from aster.policy.language.core import CheckedModule, RuleInfo
from aster.policy.language.emitter import Emitter
from aster.policy.language.source import SourceText
from aster.policy.language.whitelist import inspect_tree

FILE = "<policy>"
RULES_AT_ONCE = 4
"""Rules whose nodes live at one time: few enough for the processor's cache, and for the garbage collector."""


class RuleCompiler(StatementCompiler):
    """Compiles one rule."""

    def function(self, rule: RuleInfo) -> ast.stmt:
        plan = self.plans[rule.index]
        self.index = rule.index
        emit = self.emit
        emit.at(rule.start)
        names = [f"v{slot}" for slot in range(len(rule.parameters))]
        if plan.needs_run:
            names.insert(0, "run")
        body = self.body(rule.body)
        if plan.metered:
            emit.at(rule.start)
            enter = emit.node(ast.Expr, value=emit.call("o_enter", emit.load("run"), emit.constant(plan.cost)))
            leave = emit.node(ast.Expr, value=emit.call("o_leave", emit.load("run")))
            body = [enter, emit.node(ast.Try, body=body, handlers=[], orelse=[], finalbody=[leave])]
        return emit.define(f"f{rule.index}", names, body)


def compile_module(
    module: CheckedModule,
    plans: tuple[RulePlan, ...],
    source: SourceText,
    classes: Any,
    build: type[RuleCompiler] = RuleCompiler,
) -> dict[str, Any]:
    """The compiled functions of a module, by generated name (`f0` is the first rule)."""
    constants = Constants(module, classes)
    emit = Emitter(source)
    for first in range(0, len(module.rules), RULES_AT_ONCE):
        rules = module.rules[first : first + RULES_AT_ONCE]
        load_functions([build(emit, plans, constants).function(rule) for rule in rules], constants)
    return constants.names


def load_functions(body: list[ast.stmt], constants: Constants) -> None:
    """Compile functions into the globals they use, with the functions that were hoisted out of them."""
    tree = ast.Module(body=[*body, *constants.hoisted], type_ignores=[])
    constants.hoisted = []
    inspect_tree(tree)
    code = compile(tree, FILE, "exec", dont_inherit=True, optimize=2)
    exec(code, constants.names)  # noqa: S102 - the tree is made of whitelisted nodes and generated names only
