"""Each adapter in its real framework: what an agent retains it can recall, and a refusal is told, not thrown."""

import asyncio
import json
from typing import Any

import pytest
from tests.adapters.conftest import BANK, BOT

from astrocyte.client import AstrocyteClient, AsyncAstrocyteClient

FACT = "The deploy key is in the vault"
NAMES = ["memory_forget", "memory_recall", "memory_reflect", "memory_retain"]


async def test_langgraph_runs_the_tools_in_a_graph(client: AsyncAstrocyteClient) -> None:
    messages = pytest.importorskip("langchain_core.messages")
    graphs = pytest.importorskip("langgraph.graph")
    prebuilt = pytest.importorskip("langgraph.prebuilt")
    from astrocyte.adapters.langgraph import memory_tools

    tools = memory_tools(client, BANK)
    assert sorted(tool.name for tool in tools) == NAMES
    graph = graphs.StateGraph(graphs.MessagesState)
    graph.add_node("tools", prebuilt.ToolNode(tools))
    graph.add_edge(graphs.START, "tools")
    graph.add_edge("tools", graphs.END)
    agent = graph.compile()

    async def call(name: str, **arguments: Any) -> str:
        wanted = messages.AIMessage("", tool_calls=[{"name": name, "args": arguments, "id": "1"}])
        answer = await agent.ainvoke({"messages": [wanted]})
        return str(answer["messages"][-1].content)

    assert (await call("memory_retain", content=FACT, tags=["ops"])).startswith("remembered as ")
    assert FACT in await call("memory_recall", query="deploy key")
    assert FACT in await call("memory_reflect", query="Where is the deploy key?")
    (other, *_) = memory_tools(client, "user-alice")
    assert "ACCESS_DENIED" in await other.ainvoke({"content": FACT})


async def test_llama_index_keeps_what_is_said_and_brings_back_what_fits(client: AsyncAstrocyteClient) -> None:
    memories = pytest.importorskip("llama_index.core.memory")
    types = pytest.importorskip("llama_index.core.base.llms.types")
    from astrocyte.adapters.llama_index import memory_block

    block = memory_block(client, BANK)
    said = [
        types.ChatMessage(role="system", content="Be brief."),
        types.ChatMessage(role="user", content=FACT),
        types.ChatMessage(role="assistant", content="Noted."),
    ]
    await block.aput(said, session_id="s1")
    kept = (await client.list_memories(BANK)).memories
    assert [(one.speaker, one.session_id) for one in kept] == [("user", "s1"), ("assistant", "s1")]
    memory = memories.Memory.from_defaults(session_id="s2", memory_blocks=[block])
    await memory.aput(types.ChatMessage(role="user", content="Where is the deploy key?"))
    prompt = "\n".join(str(message.content) for message in await memory.aget())
    assert FACT in prompt


async def test_openai_agents_calls_the_tools(client: AsyncAstrocyteClient) -> None:
    agents = pytest.importorskip("agents")
    contexts = pytest.importorskip("agents.tool_context")
    from astrocyte.adapters.openai_agents import memory_tools

    tools = {tool.name: tool for tool in memory_tools(client, BANK)}
    assert sorted(tools) == NAMES
    assert tools["memory_retain"].params_json_schema["properties"]["content"]["description"].startswith("The fact")
    assert agents.Agent(name="bot", tools=list(tools.values())).tools

    async def call(name: str, **arguments: Any) -> str:
        given = json.dumps(arguments)
        context = contexts.ToolContext(context=None, tool_name=name, tool_call_id="1", tool_arguments=given)
        return str(await tools[name].on_invoke_tool(context, given))

    assert (await call("memory_retain", content=FACT, tags=None)).startswith("remembered as ")
    assert FACT in await call("memory_recall", query="deploy key", max_results=3)


async def test_pydantic_ai_gives_the_tools_to_a_model(client: AsyncAstrocyteClient) -> None:
    pytest.importorskip("pydantic_ai")
    from pydantic_ai import Agent, ModelResponse, TextPart, ToolCallPart
    from pydantic_ai.models.function import AgentInfo, FunctionModel

    from astrocyte.adapters.pydantic_ai import memory_toolset

    steps = iter(
        [
            ToolCallPart("memory_retain", {"content": FACT}),
            ToolCallPart("memory_recall", {"query": "deploy key"}),
        ]
    )
    seen: list[str] = []

    def model(messages: list[Any], info: AgentInfo) -> ModelResponse:
        assert sorted(tool.name for tool in info.function_tools) == NAMES
        seen.extend(str(part.content) for part in messages[-1].parts if part.part_kind == "tool-return")
        step = next(steps, None)
        return ModelResponse(parts=[step or TextPart(seen[-1])])

    agent = Agent(FunctionModel(model), toolsets=[memory_toolset(client, BANK)])
    answer = await agent.run("Remember it, then find it")
    assert seen[0].startswith("remembered as ")
    assert FACT in answer.output


@pytest.mark.filterwarnings("ignore::DeprecationWarning")
async def test_crewai_runs_the_tools(url: str) -> None:
    crewai = pytest.importorskip("crewai")
    from astrocyte.adapters.crewai import memory_tools

    def use() -> None:
        with AstrocyteClient(url, credentials=BOT) as client:
            tools = {tool.name: tool for tool in memory_tools(client, BANK)}
            assert sorted(tools) == NAMES
            agent = crewai.Agent(role="bot", goal="g", backstory="b", tools=list(tools.values()), llm="gpt-4o-mini")
            assert len(agent.tools) == len(NAMES)
            assert tools["memory_retain"].run(content=FACT).startswith("remembered as ")
            assert FACT in tools["memory_recall"].run(query="deploy key")

    await asyncio.to_thread(use)
