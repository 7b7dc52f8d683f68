"""Effects and capabilities: parsed and checked, never executed (specification §9).

Effects propagate through calls of rules, and through rules that are passed on as values, until nothing changes; what is
declared is compared with what was found. A manifest says which rules may have which capability.
"""

from collections.abc import Iterator
from typing import Any

import msgspec

from aster.policy.language import tree
from aster.policy.language.effects import CAPABILITIES, LEGACY_IO, CapabilityManifest, effect_of
from aster.policy.language.modules import Linked, LinkedModule
from aster.policy.language.source import SourceText


class _Found(msgspec.Struct):
    """What a rule does: by itself at first, with the rules it calls in the end."""

    effects: set[str]
    capabilities: set[str]
    calls: set[str]
    through: dict[str, str]
    """From an effect to the rule that brings it, where it is not the rule's own."""


def check_effects(linked: Linked, source: SourceText, manifest: CapabilityManifest | None = None) -> None:
    """Report what rules do without saying so, what they say without doing it, and what the manifest forbids."""
    found = {
        _whole(module, rule.name): _direct(rule, module) for module in linked.modules for rule in module.tree.rules
    }
    _propagate(found)
    for module in linked.modules:
        for rule in module.tree.rules:
            whole = _whole(module, rule.name)
            _compare(rule, found[whole], source)
            _check_effect_parameters(rule, source)
            if manifest is not None:
                home = module.name or module.tree.name
                _hold_to(manifest, rule, f"{home}.{rule.name}" if home else rule.name, found[whole], source)


def _whole(module: LinkedModule, name: str) -> str:
    return f"{module.name}.{name}" if module.name else name


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
    found = _Found(set(), set(), set(), {})
    own = _own_names(rule)
    for node in walk(rule.body or ()):
        name = called_name(node) or _value_name(node)
        if name is None or name.partition(".")[0] in own:
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


def _own_names(rule: tree.Rule) -> set[str]:
    """The variables of a rule, which are no rules whatever they are called."""
    found = {parameter.name for parameter in rule.parameters}
    for node in walk(rule.body or ()):
        if isinstance(node, tree.Let | tree.Start | tree.Parameter):
            found.add(node.name)
    return found


def _value_name(node: tree.Node) -> str | None:
    """A name that may stand for a rule passed on as a value."""
    if isinstance(node, tree.Name):
        return node.name
    if isinstance(node, tree.Field) and isinstance(node.base, tree.Name):
        return ".".join((node.base.name, *node.names))
    return None


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
            for effect in found[name].effects - effects:
                found[caller].through[effect] = name
            effects |= found[name].effects
            capabilities |= found[name].capabilities
            if len(effects) + len(capabilities) > before:
                pending.append(caller)


def _compare(rule: tree.Rule, found: _Found, source: SourceText) -> None:
    declared = set(rule.effects or ())
    start, end, name = rule.start, rule.name_end, rule.name
    for effect, enough, own, through in (("io", {"io"}, "E200", "E205"), ("cpu", {"io", "cpu"}, "E201", "E206")):
        if effect in found.effects and not declared & enough:
            other = found.through.get(effect)
            source.report(own if other is None else through, start, end, name=name, other=other)
            break
    if rule.effects is None:
        return
    if "io" in declared and "io" not in found.effects:
        source.report("E202", start, end, name=name)
    if "cpu" in declared and not found.effects:
        source.report("E203", start, end, name=name)
    if {"io", "cpu"} <= declared:
        source.report("E204", start, end, name=name)
    _compare_capabilities(rule, found, declared, source)


def _compare_capabilities(rule: tree.Rule, found: _Found, declared: set[str], source: SourceText) -> None:
    start, end, name = rule.start, rule.name_end, rule.name
    allowed = set(rule.capabilities) if rule.capabilities is not None else set(LEGACY_IO if "io" in declared else ())
    for capability in sorted(found.capabilities - allowed):
        if "io" in declared or CAPABILITIES[capability].effect == "cpu":
            source.report("E301", start, end, name=name, other=capability)
    for capability in rule.capabilities or ():
        if capability not in found.capabilities:
            source.report("E302", start, end, name=name, other=capability)
        if CAPABILITIES[capability].effect == "io" and "io" not in declared:
            source.report("E303", start, end, other=capability)
        elif CAPABILITIES[capability].effect == "cpu" and not declared & {"io", "cpu"}:
            source.report("E304", start, end, other=capability)


def _check_effect_parameters(rule: tree.Rule, source: SourceText) -> None:
    """An effect parameter must be declared, and a function that is passed in must be able to stand for it."""
    for name in rule.effects or ():
        if name not in {"io", "cpu", *rule.effect_parameters}:
            source.report("E210", rule.start, rule.name_end, name=name)
    if rule.effect_parameters and rule.body is not None:
        parameters = {parameter.name for parameter in rule.parameters}
        calls = [node for node in walk(rule.body) if isinstance(node, tree.Call)]
        passed = {part.name for call in calls for part in (call.callee, *call.arguments) if isinstance(part, tree.Name)}
        if not parameters & passed:
            for name in rule.effect_parameters:
                source.report("E211", rule.start, rule.name_end, name=rule.name, other=name)


def _hold_to(manifest: CapabilityManifest, rule: tree.Rule, whole: str, found: _Found, source: SourceText) -> None:
    for capability in sorted(found.capabilities | set(rule.capabilities or ())):
        if not manifest.allows(capability, whole):
            source.refuse("E300", rule.start, rule.name_end, name=whole, other=capability)
