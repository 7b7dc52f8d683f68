"""Effects and capabilities: which names of calls have which (specification §9)."""

import msgspec


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


def effect_of(call: str) -> tuple[str | None, str | None]:
    """The effect ("io", "cpu" or None) and the capability of a call by its dotted name."""
    for name, capability in CAPABILITIES.items():
        if call.startswith(capability.prefixes):
            return capability.effect, name
    return ("io", None) if call.startswith(_MORE_IO) else (None, None)
