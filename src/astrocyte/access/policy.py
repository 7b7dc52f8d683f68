"""A policy in plain language that may further restrict what grants allow. The only file here that knows `aster.policy`.

The rule (the only one, or the one marked ``@entry``) takes ``caller`` and ``request``, or one of them, and produces
Bool, or Text that begins with ``allow`` or with ``deny``; what follows ``deny:`` is the reason. It sees

* ``caller.principal`` (``agent:bot``, ``anonymous``), ``.kind`` (user, agent, service, anonymous), ``.id``,
  ``.tenant``, ``.onBehalfOf`` (both empty without), any other field as the claim of that name in the token;
* ``request.bank``, ``.operation`` (recall, retain, forget …), ``.permission`` (read, write, forget, admin).

Nothing but a clear yes allows: a claim that is missing or can't be read as the declared type, an answer of another
form, a fault while deciding, all are refusals.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from types import MappingProxyType
from typing import Any

from aster.foundation.errors import AsterError, ConfigError
from astrocyte.access.identity import ANONYMOUS, AstrocyteContext, canonical, parse_principal

ALLOW, DENY = "allow", "deny"
MAX_REASON = 200
MAX_FILE_BYTES = 262_144

CALLER_FACTS = ("principal", "kind", "id", "tenant", "onBehalfOf")
REQUEST_FACTS = ("bank", "operation", "permission")

_TRUTH: Mapping[str, bool] = MappingProxyType({"true": True, "false": False})
_READERS: Mapping[str, Any] = MappingProxyType(
    {"Text": str, "Int": int, "Float": float, "Decimal": str, "Bool": lambda text: _TRUTH[text.strip().lower()]}
)
"""How a claim, which is text, becomes a value of the declared type. Other types can't be claims."""


@dataclass(frozen=True, slots=True)
class Verdict:
    """What the policy says of one request; ``trace`` tells why, with personal data masked."""

    allowed: bool
    reason: str
    trace: Any = None


class AccessPolicy:
    """A compiled policy. Two are equal when their texts are."""

    def __init__(self, source: str, *, locale: str = "en-US", name: str = "policy", path: Path | None = None) -> None:
        """Raises `ConfigError` for a text that does not compile, or asks for what a request does not have."""
        from aster.policy import PolicySyntaxError, UnsupportedLocale, compile_source

        self.text = (locale, source)
        self.name = name
        self.path = path
        try:
            program = compile_source(source, locale, strict=True)
        except PolicySyntaxError as error:
            first = error.diagnostics[0]
            raise ConfigError(
                f"{name}, line {first.start_line}: {first.message}", hint=f"aster policy check {name}"
            ) from None
        except UnsupportedLocale as error:
            raise ConfigError(f"{name}: {error}") from None
        try:
            described = program.schema()
        except AsterError as error:
            raise ConfigError(f"{name}: {error}", hint="mark the rule that decides with @entry") from None
        self._program = program
        self._fields = {one["name"]: _fields(name, one) for one in described["parameters"]}
        self._check(described["returnType"])

    @classmethod
    def read(cls, path: Path, *, locale: str = "en-US") -> "AccessPolicy":
        """From a file of UTF-8 text; raises `ConfigError`."""
        try:
            if path.stat().st_size > MAX_FILE_BYTES:
                raise ConfigError(f"{path}: the policy is larger than {MAX_FILE_BYTES} bytes")
            return cls(path.read_text(encoding="utf-8-sig"), locale=locale, name=str(path), path=path)
        except (OSError, UnicodeDecodeError) as error:
            raise ConfigError(f"{path}: the policy can't be read: {error}") from error

    def __eq__(self, other: object) -> bool:
        return isinstance(other, AccessPolicy) and self.text == other.text

    def __hash__(self) -> int:
        return hash(self.text)

    def decide(
        self, identity: AstrocyteContext | None, operation: str, permission: str, bank: str, *, trace: bool
    ) -> Verdict:
        """The verdict on one bank. A refusal always has its trace; an allowance has it when it is asked for."""
        request = {"bank": bank, "operation": operation, "permission": permission}
        try:
            context: dict[str, Any] = {"request": request, "caller": self._caller(identity)}
        except (KeyError, ValueError) as error:
            return Verdict(False, f"the caller's claim {error} is missing or not of the policy's type")
        given = {name: context[name] for name in self._fields}
        try:
            outcome = self._program.evaluate(context=given, trace=trace)
            if not trace and not _is_yes(outcome.value):
                outcome = self._program.evaluate(context=given, trace=True)
        except AsterError as error:
            return Verdict(False, f"the policy could not decide: {error.code}")
        return Verdict(_is_yes(outcome.value), _reason(outcome.value), outcome.trace)

    def _caller(self, identity: AstrocyteContext | None) -> dict[str, Any]:
        facts = _facts(identity)
        claims = (identity.actor.claims if identity is not None and identity.actor is not None else None) or {}
        for name, reader in self._fields.get("caller", {}).items():
            if name in facts:
                continue
            try:
                facts[name] = reader(claims[name])
            except (KeyError, ValueError):
                raise ValueError(f"'{name}'") from None
        return facts

    def _check(self, returns: str) -> None:
        for name, fields in self._fields.items():
            unknown = [f"{name}.{field}" for field in fields if name == "request" and field not in REQUEST_FACTS]
            unknown += [name] if name not in {"caller", "request"} else []
            if unknown:
                raise ConfigError(
                    f"{self.name}: access control can't give the policy '{unknown[0]}'",
                    hint=f"caller has {', '.join(CALLER_FACTS)} and claims; request has {', '.join(REQUEST_FACTS)}",
                )
        if returns not in {"Bool", "Text"}:
            raise ConfigError(
                f"{self.name}: the rule produces {returns}", hint='let it produce Bool, or "allow"/"deny"'
            )


def _fields(name: str, parameter: Mapping[str, Any]) -> dict[str, Any]:
    fields = {}
    for field in parameter.get("fields") or ():
        reader = _READERS.get(field["type"])
        if reader is None:
            raise ConfigError(
                f"{name}: {parameter['name']}.{field['name']} is a {field['type']}, which no claim can be"
            )
        fields[field["name"]] = reader
    return fields


def _facts(identity: AstrocyteContext | None) -> dict[str, Any]:
    if identity is None:
        return {"principal": ANONYMOUS, "kind": ANONYMOUS, "id": "", "tenant": "", "onBehalfOf": ""}
    who = parse_principal(identity.principal)
    subject = identity.on_behalf_of
    return {
        "principal": canonical(who),
        "kind": who.type,
        "id": who.id,
        "tenant": identity.tenant_id or "",
        "onBehalfOf": canonical(subject) if subject is not None else "",
    }


def _is_yes(value: Any) -> bool:
    return value is True or (isinstance(value, str) and value.partition(":")[0].strip() == ALLOW)


def _reason(value: Any) -> str:
    if not isinstance(value, str):
        return f"the policy says {'yes' if value is True else 'no'}"
    verb, _, reason = value.partition(":")
    if verb.strip() not in {ALLOW, DENY}:
        return "the policy's answer is neither allow nor deny"
    return f"the policy says {verb.strip()}" + (f": {reason.strip()[:MAX_REASON]}" if reason.strip() else "")
