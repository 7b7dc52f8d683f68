"""Concurrency and workflows: parsed and checked, never executed (specification §9, §15)."""

from aster.policy.language import tree
from aster.policy.language.check_effects import called_name, walk
from aster.policy.language.effects import effect_of
from aster.policy.language.modules import Linked
from aster.policy.language.source import SourceText

MAX_ATTEMPTS = 10
LONGEST_TIMEOUT = 3_600
LONGEST_WAIT = 600


def check_workflows(linked: Linked, source: SourceText) -> None:
    """Report what is started and never waited for, and steps, retries and timeouts that can't work."""
    for module in linked.modules:
        for rule in module.tree.rules:
            _check_concurrency(rule, source)
            for node in walk(rule.body or ()):
                if isinstance(node, tree.Workflow):
                    _check_workflow(rule, node, source)


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
