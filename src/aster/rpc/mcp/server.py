"""The official SDK's server around `Tool`: lists them, calls them, and asks a person where that is wanted.

Clients of protocol 2026-07-28 and later are asked by an input-required result, which they repeat the call with; earlier
ones by a request during the call. A confirmation counts for one call with these very arguments. A client that can't ask
its user is refused.
"""

import hashlib
import secrets
from typing import TYPE_CHECKING, Any

import mcp_types as types
import msgspec
from mcp.server.context import ServerRequestContext
from mcp.server.lowlevel.server import Server
from mcp.shared.exceptions import MCPError
from mcp_types.version import MODERN_PROTOCOL_VERSIONS

from aster.foundation.errors import AsterError
from aster.rpc.mcp.filters import ToolFilter
from aster.rpc.mcp.tools import CollectLimits, Tool, tools_of

if TYPE_CHECKING:
    from aster.rpc.stub import Caller

MAX_PENDING = 1024
CONFIRM = "confirm"

_FORM: dict[str, Any] = {
    "type": "object",
    "properties": {CONFIRM: {"type": "boolean", "title": "Do it", "default": False}},
    "required": [CONFIRM],
}


class ToolServer:
    """The tools of one server that is connected to."""

    def __init__(self, caller: "Caller", chosen: ToolFilter, limits: CollectLimits) -> None:
        self._caller = caller
        self._chosen = chosen
        self._limits = limits
        self._pending: dict[str, str] = {}
        self._tools: dict[str, Tool] = {}

    def sdk_server(self, version: str) -> "Server[Any]":
        """What the SDK runs over a transport."""
        return Server("aster", version=version, on_list_tools=self._list, on_call_tool=self._call)

    async def _list(self, context: ServerRequestContext[Any], params: Any) -> types.ListToolsResult:
        self._tools = await tools_of(self._caller, self._chosen)
        return types.ListToolsResult(tools=[_shown(tool) for tool in self._tools.values()])

    async def _call(
        self, context: ServerRequestContext[Any], params: types.CallToolRequestParams
    ) -> types.CallToolResult | types.InputRequiredResult:
        arguments = params.arguments or {}
        try:
            if params.name not in self._tools:
                self._tools = await tools_of(self._caller, self._chosen)
            tool = self._tools.get(params.name)
            if tool is None:
                raise MCPError(types.INVALID_PARAMS, f"there is no tool '{params.name:.128}'")
            if tool.needs_confirmation:
                asked = await self._confirmed(context, params, tool)
                if asked is not None:
                    return asked
            return _answer(await tool.call(arguments, self._limits))
        except AsterError as error:
            return _failure(f"{error.code}: {error}")

    async def _confirmed(
        self, context: ServerRequestContext[Any], params: types.CallToolRequestParams, tool: Tool
    ) -> types.CallToolResult | types.InputRequiredResult | None:
        """None when a person said yes."""
        arguments = msgspec.json.encode(params.arguments or {}, order="deterministic")
        question = types.ElicitRequest(
            params=types.ElicitRequestFormParams(
                message=f"Call {tool.name} with {arguments.decode():.2000}?", requested_schema=_FORM
            )
        )
        if context.protocol_version not in MODERN_PROTOCOL_VERSIONS:
            try:
                asked = await context.session.elicit_form(question.params.message, _FORM, context.request_id)
            except MCPError:
                return _failure(
                    f"PERMISSION_DENIED: {tool.name} needs a confirmation, and this client can't ask for it"
                )
            return None if _is_yes(asked) else _failure(f"PERMISSION_DENIED: {tool.name} was not confirmed")
        digest = hashlib.sha256(tool.name.encode() + b"\0" + arguments).hexdigest()
        if params.request_state is not None:
            known = self._pending.pop(params.request_state, None)
            answer = (params.input_responses or {}).get(CONFIRM)
            if known == digest and isinstance(answer, types.ElicitResult) and _is_yes(answer):
                return None
            return _failure(f"PERMISSION_DENIED: {tool.name} was not confirmed")
        if len(self._pending) >= MAX_PENDING:
            self._pending.pop(next(iter(self._pending)))
        state = secrets.token_hex(16)
        self._pending[state] = digest
        return types.InputRequiredResult(input_requests={CONFIRM: question}, request_state=state)


def _shown(tool: Tool) -> types.Tool:
    return types.Tool(
        name=tool.name,
        description=tool.description or None,
        input_schema=tool.input_schema,
        annotations=types.ToolAnnotations(idempotent_hint=tool.is_idempotent, open_world_hint=True),
    )


def _answer(value: dict[str, Any]) -> types.CallToolResult:
    text = msgspec.json.encode(value).decode()
    return types.CallToolResult(content=[types.TextContent(type="text", text=text)], structured_content=value)


def _failure(words: str) -> types.CallToolResult:
    return types.CallToolResult(content=[types.TextContent(type="text", text=words)], is_error=True)


def _is_yes(answer: types.ElicitResult) -> bool:
    return answer.action == "accept" and (answer.content or {}).get(CONFIRM) is True
