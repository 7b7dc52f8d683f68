"""Memory for the OpenAI Agents SDK: tools over one bank."""

from typing import TYPE_CHECKING

from aster.foundation.extras import load_extra
from astrocyte.adapters.tools import awaited_tools
from astrocyte.client import AsyncAstrocyteClient

if TYPE_CHECKING:
    from agents import Tool


def memory_tools(client: AsyncAstrocyteClient, bank_id: str) -> "list[Tool]":
    """Tools for ``Agent(tools=…)``: retain, recall, reflect, forget in one bank."""
    agents = load_extra("agents", extra="openai-agents")
    return [agents.function_tool(tool) for tool in awaited_tools(client, bank_id)]
