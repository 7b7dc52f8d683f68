"""What an agent can do with one bank, as plain functions that every framework can take for tools.

They return text for a model. A refusal is text too, with its stable code: an agent can go on without memory.
"""

import functools
import inspect
from collections.abc import Awaitable, Callable
from typing import Any, TypeVar

from astrocyte.client import AstrocyteClient, AsyncAstrocyteClient, calls
from astrocyte.client.calls import Call
from astrocyte.errors import AstrocyteError
from astrocyte.memories import ForgetResult, MemoryHit, RecallResult, ReflectResult, RetainResult

Build = Callable[..., Call[Any]]
Show = Callable[[Any], str]
Tool = TypeVar("Tool", bound=Callable[..., Any])

NOTHING = "Nothing is remembered about that."


def hit_line(hit: MemoryHit) -> str:
    """One memory as a line: when, who, what, and its id."""
    when = f"{hit.occurred_at:%Y-%m-%d} " if hit.occurred_at else ""
    who = f"{hit.speaker}: " if hit.speaker else ""
    return f"- {when}{who}{' '.join(hit.text.split())} (memory_id {hit.memory_id})"


def hit_lines(found: RecallResult) -> str:
    return "\n".join(map(hit_line, found.hits)) or NOTHING


def awaited_tools(client: AsyncAstrocyteClient, bank_id: str) -> list[Callable[..., Awaitable[str]]]:
    """``memory_retain``, ``memory_recall``, ``memory_reflect``, ``memory_forget`` as coroutine functions."""

    def awaited(build: Build, show: Show) -> Callable[..., Awaitable[str]]:
        async def tool(*args: Any, **kwargs: Any) -> str:
            try:
                return show(await client.send(build(*args, **kwargs)))
            except AstrocyteError as error:
                return f"{error.code}: {error}"

        return _told_as(build, tool)

    return [awaited(build, show) for build, show in _bank_calls(bank_id)]


def blocking_tools(client: AstrocyteClient, bank_id: str) -> list[Callable[..., str]]:
    """The same as functions that block."""

    def blocking(build: Build, show: Show) -> Callable[..., str]:
        def tool(*args: Any, **kwargs: Any) -> str:
            try:
                return show(client.send(build(*args, **kwargs)))
            except AstrocyteError as error:
                return f"{error.code}: {error}"

        return _told_as(build, tool)

    return [blocking(build, show) for build, show in _bank_calls(bank_id)]


def _bank_calls(bank_id: str) -> list[tuple[Build, Show]]:
    def memory_retain(content: str, tags: list[str] | None = None) -> Call[RetainResult]:
        """Remember one fact, decision or statement, so that it can be recalled later.

        Args:
            content: The fact in a sentence that can be understood alone, with who and when.
            tags: Words to find it by.
        """
        return calls.retain(content, bank_id, tags=tags or ())

    def memory_recall(query: str, max_results: int = 10) -> Call[RecallResult]:
        """Find what was remembered about something, best first.

        Args:
            query: A question, or words.
            max_results: Memories, at most.
        """
        return calls.recall(query, bank_id, max_results=max_results)

    def memory_reflect(query: str) -> Call[ReflectResult]:
        """Answer a question from memory, with citations.

        Args:
            query: The question.
        """
        return calls.reflect(query, bank_id)

    def memory_forget(memory_ids: list[str]) -> Call[ForgetResult]:
        """Forget memories for good.

        Args:
            memory_ids: Their ids, as recall shows them.
        """
        return calls.forget(bank_id, memory_ids=memory_ids)

    return [
        (memory_retain, _stored),
        (memory_recall, hit_lines),
        (memory_reflect, _answer),
        (memory_forget, lambda gone: f"{gone.deleted_count} forgotten"),
    ]


def _stored(result: RetainResult) -> str:
    return f"remembered as {result.memory_id}" if result.stored else f"known already as {result.memory_id}"


def _answer(result: ReflectResult) -> str:
    return "\n".join([result.answer, *map(hit_line, result.sources)])


def _told_as(build: Build, tool: Tool) -> Tool:
    """``tool`` with the name, words and parameters of ``build``, and text as its result: what schemas are made of."""
    told: Any = functools.update_wrapper(tool, build)
    del told.__wrapped__
    told.__annotations__ = {**inspect.get_annotations(build), "return": str}
    told.__signature__ = inspect.signature(build).replace(return_annotation=str)
    return tool
