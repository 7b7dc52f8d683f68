"""Effects, capabilities, concurrency and workflows: parsed and checked, never executed (specification §9, §15).

Effects propagate through calls of rules until nothing changes; what is declared is compared with what was found.
"""

from collections.abc import Iterator
from typing import Any

import msgspec

from aster.policy.language import tree
from aster.policy.language.effects import CAPABILITIES, LEGACY_IO, effect_of
from aster.policy.language.modules import Linked, LinkedModule
from aster.policy.language.source import SourceText

MAX_ATTEMPTS = 10
LONGEST_TIMEOUT = 3_600
LONGEST_WAIT = 600


class _Found(msgspec.Struct):
    """What a rule does: by itself at first, with the rules it calls in the end."""

    effects: set[str]
    capabilities: set[str]
    calls: set[str]


def check_effects(linked: Linked, source: SourceText) -> None:
    """Report what rules do without saying so, and what they say without doing it."""
    found = {
        _whole(module, rule.name): _direct(rule, module) for module in linked.modules for rule in module.tree.rules
    }
    _propagate(found)
    for module in linked.modules:
        _check_module(module, found, source)


def _whole(module: LinkedModule, name: str) -> str:
    return f"{module.name}.{name}" if module.name else name


def _check_module(module: LinkedModule, found: "dict[str, _Found]", source: SourceText) -> None:
    for rule in module.tree.rules:
        _compare(rule, found[_whole(module, rule.name)], source)
        _check_concurrency(rule, source)
        for node in walk(rule.body or ()):
            if isinstance(node, tree.Workflow):
                _check_workflow(rule, node, source)


def walk(node: Any) -> Iterator[tree.Node]:
    """Every node below a node or a block, in the order of the text, without recursion."""
    pending = [node]
    while pending:
        current = pending.pop()
        if isinstance(current, tree.Node):
            yield current
            pending.extend(getattr(current, name) for name in reversed(current.__struct_fields__[2:]))
        elif isinstance(current, tuple):
            pending.extend(reversed(current))


def called_name(node: tree.Node) -> str | None:
    """The dotted name a call calls, None for the call of a value."""
    if not isinstance(node, tree.Call):
        return None
    if isinstance(node.callee, tree.Name):
        return node.callee.name
    if isinstance(node.callee, tree.Field) and isinstance(node.callee.base, tree.Name):
        return ".".join((node.callee.base.name, *node.callee.names))
    return None


def _direct(rule: tree.Rule, module: LinkedModule) -> _Found:
    aliases = {item.alias: item.name for item in module.tree.imports if item.alias is not None} | dict(module.uses)
    found = _Found(set(), set(), set())
    for node in walk(rule.body or ()):
        name = called_name(node)
        if name is None:
            continue
        head, dot, rest = name.partition(".")
        name = f"{aliases.get(head, head)}{dot}{rest}"
        effect, capability = effect_of(name)
        if effect is not None:
            found.effects.add(effect)
        if capability is not None:
            found.capabilities.add(capability)
        found.calls.add(name if dot else _whole(module, name))
    return found


def _propagate(found: dict[str, _Found]) -> None:
    callers: dict[str, list[str]] = {}
    for name, rule in found.items():
        for callee in rule.calls & found.keys():
            callers.setdefault(callee, []).append(name)
    pending = list(found)
    while pending:
        name = pending.pop()
        for caller in callers.get(name, ()):
            effects, capabilities = found[caller].effects, found[caller].capabilities
            before = len(effects) + len(capabilities)
            effects |= found[name].effects
            capabilities |= found[name].capabilities
            if len(effects) + len(capabilities) > before:
                pending.append(caller)


def _compare(rule: tree.Rule, found: _Found, source: SourceText) -> None:
    declared = set(rule.effects or ())
    start, end, name = rule.start, rule.name_end, rule.name
    if "io" in found.effects and "io" not in declared:
        source.report("E200", start, end, name=name)
    elif "cpu" in found.effects and not declared & {"io", "cpu"}:
        source.report("E201", start, end, name=name)
    if rule.effects is None:
        return
    if "io" in declared and "io" not in found.effects:
        source.report("E202", start, end, name=name)
    if "cpu" in declared and not found.effects:
        source.report("E203", start, end, name=name)
    allowed = set(rule.capabilities) if rule.capabilities is not None else set(LEGACY_IO if "io" in declared else ())
    for capability in sorted(found.capabilities - allowed):
        if "io" in declared or CAPABILITIES[capability].effect == "cpu":
            source.report("E301", start, end, name=name, other=capability)
    for capability in rule.capabilities or ():
        if capability not in found.capabilities:
            source.report("E302", start, end, name=name, other=capability)
        if CAPABILITIES[capability].effect == "io" and "io" not in declared:
            source.report("E303", start, end, other=capability)
        elif CAPABILITIES[capability].effect == "cpu" and not declared:
            source.report("E304", start, end, other=capability)


def _check_concurrency(rule: tree.Rule, source: SourceText) -> None:
    nodes = [node for node in walk(rule.body or ()) if isinstance(node, tree.Start | tree.Wait)]
    all_started = {node.name for node in nodes if isinstance(node, tree.Start)}
    started: set[str] = set()
    waited: set[str] = set()
    for node in nodes:
        if isinstance(node, tree.Start):
            if node.name in started:
                source.report("E502", node.start, node.end, name=node.name)
            started.add(node.name)
            continue
        for name in node.names:
            code = "E501" if name not in all_started else "E504" if name not in started else "E503"
            if code != "E503" or name in waited:
                source.report(code, node.start, node.end, name=name)
            waited.add(name)
    for node in nodes:
        if isinstance(node, tree.Start) and node.name not in waited:
            source.report("E500", node.start, node.end, name=node.name)


def _check_workflow(rule: tree.Rule, workflow: tree.Workflow, source: SourceText) -> None:
    start, end = workflow.start, workflow.end
    if "io" not in (rule.effects or ()):
        source.report("E026", start, end)
    _check_steps(workflow, rule.capabilities, source)
    if workflow.attempts is not None:
        _check_retries(workflow.attempts, workflow.backoff, start, end, source)
    if workflow.timeout is not None:
        if workflow.timeout <= 0:
            source.report("E025", start, end)
        elif workflow.timeout <= 1 or workflow.timeout > LONGEST_TIMEOUT:
            source.report("W106", start, end, found=workflow.timeout)


def _check_retries(attempts: int, backoff: str | None, start: int, end: int, source: SourceText) -> None:
    if attempts <= 0:
        source.report("E024", start, end)
        return
    capped = min(attempts, 64)
    waiting = 2 ** (capped - 1) - 1 if backoff == "exponential" else capped * (capped - 1) // 2
    if attempts > MAX_ATTEMPTS or waiting > LONGEST_WAIT:
        source.report("W105", start, end, found=waiting)


def _check_steps(workflow: tree.Workflow, declared: tuple[str, ...] | None, source: SourceText) -> None:
    known = {step.name for step in workflow.steps}
    waits: dict[str, tuple[str, ...]] = {}
    previous: tuple[str, ...] = ()
    for step in workflow.steps:
        if step.name in waits:
            source.report("E104", step.start, step.end, name=step.name)
        for other in step.dependencies:
            if other not in known:
                source.report("E029", step.start, step.end, name=step.name, other=other)
        waits[step.name] = step.dependencies or previous
        previous = (step.name,)
        effects, used = _effects_in(step.body)
        if "io" in effects and step.compensate is None:
            source.report("E023", step.start, step.end, name=step.name)
        for capability in sorted(used - set(declared if declared is not None else used)):
            source.report("E027", step.start, step.end, name=step.name, other=capability)
        for capability in sorted(_effects_in(step.compensate or ())[1] - used):
            source.report("E028", step.start, step.end, name=step.name, other=capability)
    for step in workflow.steps:
        cycle = _reaches(step.name, step.dependencies, waits)
        if cycle is not None:
            source.report("E030", step.start, step.end, name=step.name, other=cycle)


def _effects_in(body: tree.Block) -> tuple[set[str], set[str]]:
    """The effects and capabilities that a block uses by itself."""
    found = [effect_of(called_name(node) or "") for node in walk(body)]
    return {effect for effect, _ in found if effect}, {capability for _, capability in found if capability}


def _reaches(name: str, first: tuple[str, ...], waits: dict[str, tuple[str, ...]]) -> str | None:
    """The dependency through which a step waits for itself."""
    for other in first:
        seen = {other}
        pending = [other]
        while pending:
            current = pending.pop()
            if current == name:
                return other
            for following in waits.get(current, ()):
                if following not in seen:
                    seen.add(following)
                    pending.append(following)
    return None
