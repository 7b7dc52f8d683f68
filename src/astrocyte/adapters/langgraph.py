"""Memory for LangGraph (and LangChain) agents: tools over one bank."""

from typing import TYPE_CHECKING

from aster.foundation.extras import load_extra
from astrocyte.adapters.tools import awaited_tools
from astrocyte.client import AsyncAstrocyteClient

if TYPE_CHECKING:
    from langchain_core.tools import BaseTool


def memory_tools(client: AsyncAstrocyteClient, bank_id: str) -> "list[BaseTool]":
    """Tools for a ``ToolNode`` or an agent: retain, recall, reflect, forget in one bank."""
    tools = load_extra("langchain_core.tools", extra="langgraph")
    return [
        tools.StructuredTool.from_function(coroutine=tool, parse_docstring=True)
        for tool in awaited_tools(client, bank_id)
    ]
