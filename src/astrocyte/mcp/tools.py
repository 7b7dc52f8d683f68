"""The tools: one row each, with the route that does the work and the type of what it takes.

A tool is a request to the gateway, so identity, access, limits and the audit log are the gateway's own.
"""

from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Any

import msgspec

from astrocyte.errors import AstrocyteError
from astrocyte.requests import ForgetRequest, RecallRequest, ReflectRequest, RetainRequest

Headers = Mapping[str, str]
Ask = Callable[[str, str, bytes | None, Headers], Awaitable[tuple[int, bytes]]]
"""``(method, path, body, headers)`` to the gateway; gives status and body of its answer."""

DEFINITIONS = "$defs"
SUCCESS = 200


@dataclass(frozen=True, slots=True)
class MemoryTool:
    """``reads`` only; ``destroys`` what can't be brought back."""

    path: str
    takes: type[msgspec.Struct]
    summary: str
    reads: bool = False
    destroys: bool = False

    def schema(self) -> dict[str, Any]:
        """JSON Schema of the arguments, an object."""
        (shown,), shared = msgspec.json.schema_components([self.takes], ref_template=f"#/{DEFINITIONS}/{{name}}")
        own = dict(shared.pop(shown["$ref"].rpartition("/")[2]))
        own.pop("title", None)
        return {**own, DEFINITIONS: shared} if shared else own


TOOLS: Mapping[str, MemoryTool] = MappingProxyType(
    {
        "memory_retain": MemoryTool(
            "/v1/retain",
            RetainRequest,
            "Remember a fact, a decision, or what was said, to be recalled later.",
        ),
        "memory_recall": MemoryTool(
            "/v1/recall",
            RecallRequest,
            "Find what was remembered about something, best first. Give bank_id, or banks to look in several.",
            reads=True,
        ),
        "memory_reflect": MemoryTool(
            "/v1/reflect",
            ReflectRequest,
            "Answer a question from memory, with citations. Give bank_id, or banks to look in several.",
            reads=True,
        ),
        "memory_forget": MemoryTool(
            "/v1/forget",
            ForgetRequest,
            "Forget memories for good: by memory_ids, tags or before_date; scope 'all' empties the bank.",
            destroys=True,
        ),
    }
)


async def call_tool(tool: MemoryTool, arguments: Mapping[str, Any], ask: Ask, headers: Headers) -> tuple[bool, Any]:
    """Whether it succeeded, and the answer's JSON; a refusal has ``detail`` and ``code``."""
    body = msgspec.json.encode(arguments)
    try:
        status, answer = await ask("POST", tool.path, body, {**headers, "content-type": "application/json"})
        return status == SUCCESS, msgspec.json.decode(answer)
    except AstrocyteError as error:
        return False, {"detail": str(error), "code": error.code}
    except msgspec.DecodeError:
        return False, {"detail": f"the gateway answered {status}", "code": "GATEWAY_REFUSED"}
