"""Memory for CrewAI: tools over one bank. They block, as CrewAI's tools do."""

from typing import TYPE_CHECKING

from aster.foundation.extras import load_extra
from astrocyte.adapters.tools import blocking_tools
from astrocyte.client import AstrocyteClient

if TYPE_CHECKING:
    from crewai.tools import BaseTool


def memory_tools(client: AstrocyteClient, bank_id: str) -> "list[BaseTool]":
    """Tools for ``Agent(tools=…)``: retain, recall, reflect, forget in one bank."""
    tools = load_extra("crewai.tools", extra="crewai")
    return [tools.tool(tool.__name__)(tool) for tool in blocking_tools(client, bank_id)]
