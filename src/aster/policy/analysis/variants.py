"""Programs that lack branches: what would be decided without them."""

import msgspec

from aster.policy.language import core
from aster.policy.language.program import Program


def with_body(program: Program, rule: int, body: tuple[core.Stmt, ...]) -> Program:
    """The program whose rule has another body."""
    rules = list(program.checked.rules)
    rules[rule] = msgspec.structs.replace(rules[rule], body=body)
    return program.with_rules(tuple(rules))


def without_branches(program: Program, rule: int, starts: frozenset[int]) -> Program:
    """The program whose rule lacks the branches of `If` whose conditions begin at the given offsets."""
    return with_body(program, rule, _without(program.checked.rules[rule].body, starts))


def _without(body: tuple[core.Stmt, ...], starts: frozenset[int]) -> tuple[core.Stmt, ...]:
    kept: list[core.Stmt] = []
    for statement in body:
        if isinstance(statement, core.Match):
            arms = tuple(msgspec.structs.replace(arm, body=_without(arm.body, starts)) for arm in statement.arms)
            kept.append(msgspec.structs.replace(statement, arms=arms))
        elif isinstance(statement, core.If):
            branches = tuple(
                (test, _without(inner, starts)) for test, inner in statement.branches if test.start not in starts
            )
            otherwise = _without(statement.otherwise, starts)
            if branches:
                kept.append(msgspec.structs.replace(statement, branches=branches, otherwise=otherwise))
            else:
                kept.extend(otherwise)
        else:
            kept.append(statement)
    return tuple(kept)
