"""The official SDK's server around the tools. Import it with the extra `mcp` installed."""

from typing import Any

import mcp_types as types
import msgspec
from mcp.server.context import ServerRequestContext
from mcp.server.lowlevel.server import Server
from mcp.shared.exceptions import MCPError

from astrocyte.mcp.tools import TOOLS, Ask, Headers, MemoryTool, call_tool

INSTRUCTIONS = (
    "Long-term memory. Recall before answering what may have been said before; retain what will be useful later, one"
    " fact at a time, with who said it and when. Memories live in banks: use the bank you were told to use."
)
IDENTIFYING = frozenset({"authorization", "x-api-key", "x-astrocyte-principal", "x-astrocyte-on-behalf-of"})
"""Headers that say who is calling: what a client sends with them over HTTP is passed on, and nothing else."""


class MemoryToolServer:
    """Lists the tools and passes calls on to a gateway."""

    def __init__(self, ask: Ask) -> None:
        self._ask = ask

    def sdk_server(self, version: str) -> "Server[Any]":
        """What the SDK runs over a transport."""
        return Server(
            "astrocyte",
            version=version,
            title="Astrocyte memory",
            instructions=INSTRUCTIONS,
            on_list_tools=self._list,
            on_call_tool=self._call,
        )

    async def _list(self, context: ServerRequestContext[Any], params: Any) -> types.ListToolsResult:
        return types.ListToolsResult(tools=[_shown(name, tool) for name, tool in TOOLS.items()])

    async def _call(
        self, context: ServerRequestContext[Any], params: types.CallToolRequestParams
    ) -> types.CallToolResult:
        tool = TOOLS.get(params.name)
        if tool is None:
            raise MCPError(types.INVALID_PARAMS, f"there is no tool '{params.name:.128}'")
        done, answer = await call_tool(tool, params.arguments or {}, self._ask, _identity(context))
        if done:
            text = msgspec.json.encode(answer).decode()
            return types.CallToolResult(content=[types.TextContent(type="text", text=text)], structured_content=answer)
        words = f"{answer.get('code')}: {answer.get('detail')}"
        return types.CallToolResult(content=[types.TextContent(type="text", text=words)], is_error=True)


def identifying(headers: Any) -> Headers:
    """Those of ``headers`` that say who is calling."""
    return {name: value for name, value in headers.items() if name.lower() in IDENTIFYING}


def _identity(context: ServerRequestContext[Any]) -> Headers:
    """Over HTTP the caller's own headers; on standard input there is no request, and the process's identity acts."""
    return identifying(context.request.headers) if context.request is not None else {}


def _shown(name: str, tool: MemoryTool) -> types.Tool:
    return types.Tool(
        name=name,
        description=tool.summary,
        input_schema=tool.schema(),
        annotations=types.ToolAnnotations(
            read_only_hint=tool.reads, destructive_hint=tool.destroys, idempotent_hint=tool.reads or tool.destroys
        ),
    )
