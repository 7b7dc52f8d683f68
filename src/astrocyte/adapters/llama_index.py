"""Memory for LlamaIndex: a block of `Memory` that keeps what is said and brings back what fits."""

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from aster.foundation.extras import load_extra
from astrocyte.adapters.tools import hit_line
from astrocyte.client import AsyncAstrocyteClient
from astrocyte.memories import NewMemory

if TYPE_CHECKING:
    from llama_index.core.base.llms.types import ChatMessage
    from llama_index.core.memory import BaseMemoryBlock

SPEAKERS = frozenset({"user", "assistant"})
MAX_RESULTS = 8


def memory_block(
    client: AsyncAstrocyteClient, bank_id: str, *, max_results: int = MAX_RESULTS, min_score: float = 0.0
) -> "BaseMemoryBlock[str]":
    """For ``Memory.from_defaults(memory_blocks=[…])``.

    Messages of user and assistant are retained with their speaker and session; the last message is what is recalled by.
    Raises what the client raises: a chat whose memory does not answer must be able to tell.
    """
    memory = load_extra("llama_index.core.memory", extra="llama-index")

    class AstrocyteBlock(memory.BaseMemoryBlock[str]):  # type: ignore[misc, name-defined]
        """The bank as a block."""

        name: str = f"memory:{bank_id}"

        async def _aget(self, messages: "Sequence[ChatMessage] | None" = None, **_: Any) -> str:
            asked = next((text for message in reversed(messages or ()) if (text := _text(message))), None)
            if asked is None:
                return ""
            found = await client.recall(asked, bank_id, max_results=max_results, min_score=min_score)
            return "\n".join(map(hit_line, found.hits))

        async def _aput(self, messages: "Sequence[ChatMessage]") -> None:
            said = [
                NewMemory(
                    content=text,
                    speaker=str(message.role.value),
                    session_id=message.additional_kwargs.get("session_id"),
                    content_type="dialogue",
                )
                for message in messages
                if message.role.value in SPEAKERS and (text := _text(message))
            ]
            if said:
                await client.retain_batch(bank_id, said)

    block: BaseMemoryBlock[str] = AstrocyteBlock()
    return block


def _text(message: "ChatMessage") -> str:
    return (message.content or "").strip()
