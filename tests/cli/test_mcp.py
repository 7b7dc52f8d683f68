import sys
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any, cast

import mcp_types as types
import pytest
from mcp import Client, MCPError, StdioServerParameters
from tests.cli.serving import served


@pytest.fixture(scope="module")
def address() -> Iterator[str]:
    with served() as found:
        yield found


@asynccontextmanager
async def agent(
    address: str, folder: Path, *options: str, answer: bool | None = None, **client: Any
) -> AsyncIterator[Client]:
    """The SDK's own client, and `aster mcp` as its server over standard input and output."""

    async def ask(context: Any, params: Any) -> types.ElicitResult:
        asked.append(params.message)
        return types.ElicitResult(action="accept", content={"confirm": bool(answer)})

    asked.clear()
    server = StdioServerParameters(
        command=sys.executable, args=["-m", "aster", "mcp", address, *options], cwd=str(folder)
    )
    callback: dict[str, Any] = {} if answer is None else {"elicitation_callback": ask}
    async with Client(server, **callback, **client) as found:
        yield found


asked: list[str] = []


def text(result: types.CallToolResult) -> str:
    return cast("types.TextContent", result.content[0]).text


async def test_methods_are_tools_with_schemas_and_can_be_called(address: str, tmp_path: Path) -> None:
    async with agent(address, tmp_path, "--max-items", "2", "--timeout", "60") as client:
        tools = {tool.name: tool for tool in (await client.list_tools()).tools}
        assert sorted(tools) == [
            *("Cart.add", "Shop.buy", "Shop.count", "Shop.forever", "Shop.order", "Shop.ping", "Shop.price"),
        ]
        buy = tools["Shop.buy"]
        assert buy.description == "Buy one kind of thing."
        assert buy.input_schema["type"] == "object"
        assert buy.input_schema["required"] == ["name"]
        assert buy.input_schema["properties"]["name"] == {"type": "string", "description": "what it is called"}
        assert buy.input_schema["properties"]["kind"] == {"enum": ["large", "small"]}
        assert buy.input_schema["additionalProperties"] is False
        bought = await client.call_tool("Shop.buy", {"name": "pen", "count": 2})
        assert bought.structured_content["text"] == "2 small pen"
        counted = await client.call_tool("Shop.count", {"upto": 2})
        assert counted.structured_content == {"items": [0, 1], "complete": True}
        endless = await client.call_tool("Shop.forever", {})
        assert endless.structured_content == {"items": [0, 1], "complete": False}
        ordered = await client.call_tool("Shop.order", {"items": [{"name": "a"}, {"name": "b"}]})
        assert ordered.structured_content["text"] == "2 items"
        priced = await client.call_tool("Shop.price", {"items": [{"name": "a", "count": 3}]})
        assert priced.structured_content == {"items": [30], "complete": True}
        assert (await client.call_tool("Shop.ping", {})).structured_content == {"value": None}
        assert (await client.call_tool("Cart.add", {"name": "x"})).structured_content == {"value": ["x"]}
        refused = await client.call_tool("Shop.buy", {"nmae": "pen"})
        assert refused.is_error
        assert "INVALID_ARGUMENT" in text(refused)
        assert "nmae" in text(refused)
        missing = await client.call_tool("Shop.buy", {"name": "unicorn"})
        assert missing.is_error
        assert "NOT_FOUND: no unicorns left" in text(missing)


async def test_what_is_hidden_can_not_be_called_and_deny_wins(address: str, tmp_path: Path) -> None:
    async with agent(address, tmp_path, "--allow", "Shop.*", "--deny", "*.buy") as client:
        names = {tool.name for tool in (await client.list_tools()).tools}
        assert "Shop.ping" in names
        assert not names & {"Shop.buy", "Cart.add", "Vault.look"}
        for hidden in ("Shop.buy", "Cart.add", "Vault.look", "aster.Health.check"):
            with pytest.raises(MCPError, match="no tool"):
                await client.call_tool(hidden, {"name": "pen"})


@pytest.mark.parametrize("mode", ["legacy", "auto"])
@pytest.mark.parametrize("answer", [True, False, None])
async def test_a_person_is_asked_where_that_is_wanted(
    address: str, tmp_path: Path, mode: Any, answer: bool | None
) -> None:
    async with agent(address, tmp_path, "--confirm", "Shop.buy", answer=answer, mode=mode) as client:
        try:
            result = await client.call_tool("Shop.buy", {"name": "pen"})
        except MCPError:
            assert answer is None
        else:
            assert result.is_error is not bool(answer)
            assert ("1 small pen" in text(result)) is bool(answer)
        assert bool(asked) is (answer is not None)
        await client.call_tool("Shop.ping", {})
        if asked:
            assert asked == ['Call Shop.buy with {"name":"pen"}?']
