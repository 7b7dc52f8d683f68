"""Memory for Pydantic AI: a toolset over one bank."""

from typing import TYPE_CHECKING, Any

from aster.foundation.extras import load_extra
from astrocyte.adapters.tools import awaited_tools
from astrocyte.client import AsyncAstrocyteClient

if TYPE_CHECKING:
    from pydantic_ai.toolsets import FunctionToolset


def memory_toolset(client: AsyncAstrocyteClient, bank_id: str) -> "FunctionToolset[Any]":
    """For ``Agent(toolsets=[…])``: retain, recall, reflect, forget in one bank."""
    toolsets = load_extra("pydantic_ai.toolsets", extra="pydantic-ai")
    made: FunctionToolset[Any] = toolsets.FunctionToolset(awaited_tools(client, bank_id), id=f"memory:{bank_id}")
    return made
