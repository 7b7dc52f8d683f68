"""Described methods as tools: a name, a JSON Schema of what they take, and a call whose answer is bounded."""

import asyncio
from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import msgspec

from aster.foundation.errors import ConfigError
from aster.rpc.builtin.asking import list_remote
from aster.rpc.contract.description import MethodDescription
from aster.rpc.mcp.filters import ToolFilter, Verdict
from aster.rpc.patterns import Pattern
from aster.rpc.proxy import DynamicService, Proxy, described
from aster.rpc.status import InvalidArgumentError

if TYPE_CHECKING:
    from aster.rpc.stub import Caller

Schema = dict[str, Any]

VALUE = "value"
"""The name of an argument that is no object by itself."""
ITEMS = "items"
"""The messages that a method takes many of, and the answers of one that gives many."""


@dataclass(frozen=True, slots=True)
class CollectLimits:
    """Where a stream's answers stop being collected: so many, so many bytes of JSON, so many seconds."""

    items: int = 100
    bytes: int = 256 * 1024
    seconds: float = 30.0

    def __post_init__(self) -> None:
        if min(self.items, self.bytes, self.seconds) <= 0:
            raise ConfigError("the limits of a tool's answer must be above 0")


@dataclass(frozen=True, slots=True)
class Tool:
    """One method that may be called as a tool."""

    name: str
    description: str
    input_schema: Schema
    is_idempotent: bool
    needs_confirmation: bool
    pattern: Pattern
    proxy: Proxy
    method: str
    takes_value: bool

    async def call(self, arguments: Mapping[str, Any], limits: CollectLimits) -> dict[str, Any]:
        """Call it; the answer is an object: the method's own, ``{"value": …}``, or ``{"items": […], "complete": …}``.

        Raises the `RpcError` of a call that failed.
        """
        request: Any = dict(arguments)
        if self.pattern.streams_input:
            request = arguments.get(ITEMS)
            if not isinstance(request, list):
                raise InvalidArgumentError(f"{self.name} takes a list '{ITEMS}'")
        elif self.takes_value:
            if VALUE not in arguments:
                raise InvalidArgumentError(f"{self.name} takes '{VALUE}'")
            request = arguments[VALUE]
        if self.pattern.streams_output:
            return await self._collect(request, limits)
        answer = _json_value(await self.proxy[self.method](request, timeout=limits.seconds))
        return answer if isinstance(answer, dict) else {VALUE: answer}

    async def _collect(self, request: Any, limits: CollectLimits) -> dict[str, Any]:
        """The stream's first answers. One that goes on is left, which cancels its handler."""
        found: list[Any] = []
        size = 0
        answers = aiter(self.proxy[self.method](request))
        complete = False
        try:
            async with asyncio.timeout(limits.seconds):
                async for answer in answers:
                    size += len(msgspec.json.encode(answer))
                    if len(found) >= limits.items or size > limits.bytes:
                        break
                    found.append(_json_value(answer))
                else:
                    complete = True
        except TimeoutError:
            pass
        finally:
            await answers.aclose()
        return {ITEMS: found, "complete": complete}


async def tools_of(caller: "Caller", chosen: ToolFilter) -> dict[str, Tool]:
    """The tools that the server's methods make for this caller, by name, without hidden ones."""
    connection = await caller.connection()
    found: dict[str, Tool] = {}
    newest = {each.name: each for each in (await list_remote(connection, caller.interceptors)).services}
    for each in newest.values():
        proxy = caller.proxy(each.name, each.version)
        service = await described(proxy)
        for method in service.description.methods:
            name = f"{each.name}.{method.name}"
            verdict = chosen.verdict(name)
            if verdict is not Verdict.HIDDEN:
                found[name] = _tool(name, service, method, proxy, needs_confirmation=verdict is Verdict.CONFIRMED)
    return dict(sorted(found.items()))


def _tool(
    name: str, service: DynamicService, method: MethodDescription, proxy: Proxy, *, needs_confirmation: bool
) -> Tool:
    pattern = Pattern(method.pattern)
    schema, takes_value = _input_schema(service.written(method.name), pattern)
    words = [method.description or service.description.description]
    words += [f"Deprecated: {method.deprecated}"] if method.deprecated else []
    words += ["Answers with the first items of a stream."] if pattern.streams_output else []
    description = " ".join(word for word in words if word)
    return Tool(
        name, description, schema, method.idempotent, needs_confirmation, pattern, proxy, method.name, takes_value
    )


def _input_schema(annotation: Any, pattern: Pattern) -> tuple[Schema, bool]:
    """An object's schema, and whether the message is wrapped in it."""
    (schema,), definitions = msgspec.json.schema_components([annotation])
    below = {"$defs": definitions} if definitions else {}
    if pattern.streams_input:
        items = {"type": "array", "items": schema, "description": "the messages to send, in order"}
        return {"type": "object", "properties": {ITEMS: items}, "required": [ITEMS], **below}, False
    if annotation is None:
        return {"type": "object", "properties": {}, "additionalProperties": False}, False
    root = definitions[schema["$ref"].rpartition("/")[2]] if "$ref" in schema else schema
    if root.get("type") == "object":
        used = msgspec.json.encode([root, *definitions.values()])
        kept = {name: each for name, each in definitions.items() if f'"#/$defs/{name}"'.encode() in used}
        return {**root, **({"$defs": kept} if kept else {})}, False
    return {"type": "object", "properties": {VALUE: schema}, "required": [VALUE], **below}, True


def _json_value(value: Any) -> Any:
    return msgspec.json.decode(msgspec.json.encode(value))
