"""Effects and capabilities: which names of calls have which (specification §9)."""

from collections.abc import Iterable, Mapping
from types import MappingProxyType
from typing import Any

import msgspec

from aster.policy.language.errors import ManifestInvalid


class Capability(msgspec.Struct, frozen=True):
    """A capability's effect class and the prefixes of the calls that need it."""

    effect: str
    prefixes: tuple[str, ...]


def _capability(effect: str, prefixes: str) -> Capability:
    return Capability(effect, tuple(f"{name}." for name in prefixes.split()))


CAPABILITIES: dict[str, Capability] = {
    "Http": _capability("io", "Http"),
    "Network": _capability("io", "Net Network Tcp Udp Socket Ws WebSocket Sse"),
    "Sql": _capability("io", "Db Sql"),
    "Time": _capability("io", "Time Clock"),
    "Files": _capability("io", "Files Fs"),
    "Secrets": _capability("io", "Secrets"),
    "Process": _capability("io", "Process Proc Exec Shell Env Os"),
    "AiModel": _capability("io", "Ai"),
    "Cpu": _capability("cpu", ""),
    "Payment": _capability("io", "Payment"),
    "Inventory": _capability("io", "Inventory"),
    "Crypto": _capability("cpu", "Crypto Hash Cipher Sign Kms Jwt"),
}
LEGACY_IO = frozenset({"Http", "Sql", "Time", "Files", "Secrets", "AiModel"})
_MORE_IO = ("IO.", "io.", "AuthRepo.", "ProfileSvc.", "FeedSvc.", "UUID.randomUUID")


class CapabilityManifest(msgspec.Struct, frozen=True):
    """Which rules may have which capability: patterns on `module.rule`, with `*` at their end, by capability.

    What ``deny`` matches is denied. With ``allow``, everything that it does not match is denied as well.
    """

    allow: Mapping[str, tuple[str, ...]] | None = None
    deny: Mapping[str, tuple[str, ...]] = MappingProxyType({})

    def allows(self, capability: str, rule: str) -> bool:
        if _matches(self.deny.get(capability, ()), rule):
            return False
        return self.allow is None or _matches(self.allow.get(capability, ()), rule)


def _matches(patterns: Iterable[str], rule: str) -> bool:
    return any(rule.startswith(found[:-1]) if found.endswith("*") else rule == found for found in patterns)


def read_manifest(document: Mapping[str, Any]) -> CapabilityManifest:
    """A manifest from its JSON form, `{allow: {Http: ["shop.*"]}, deny: {…}}`. Raises `ManifestInvalid`."""
    unknown = sorted(document.keys() - {"allow", "deny"})
    if unknown:
        raise ManifestInvalid(f"a manifest has allow and deny, not {unknown[0]!r}")
    allow = _patterns(document["allow"], "allow") if document.get("allow") is not None else None
    return CapabilityManifest(allow, _patterns(document.get("deny") or {}, "deny"))


def _patterns(found: Any, side: str) -> Mapping[str, tuple[str, ...]]:
    if not isinstance(found, Mapping):
        raise ManifestInvalid(f"{side}: expected patterns by capability")
    for capability, patterns in found.items():
        if capability not in CAPABILITIES:
            raise ManifestInvalid(f"{side}: {capability!r} is not a capability", hint=f"use {', '.join(CAPABILITIES)}")
        if not isinstance(patterns, list | tuple) or not all(isinstance(pattern, str) for pattern in patterns):
            raise ManifestInvalid(f"{side}: {capability} has a list of patterns")
        for pattern in patterns:
            if "*" in pattern[:-1] or not pattern:
                raise ManifestInvalid(f"{side}: {pattern!r} may have a `*` at its end only")
    return MappingProxyType({capability: tuple(patterns) for capability, patterns in found.items()})


def effect_of(call: str) -> tuple[str | None, str | None]:
    """The effect ("io", "cpu" or None) and the capability of a call by its dotted name."""
    for name, capability in CAPABILITIES.items():
        if call.startswith(capability.prefixes):
            return capability.effect, name
    return ("io", None) if call.startswith(_MORE_IO) else (None, None)
