"""Language models behind one small interface: OpenAI-compatible servers, any base URL, through the official SDK.

Nothing calls one unless ``[llm]`` names it. Keys come from an environment variable, are never in a file, an error or a
log of ours.
"""

import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

import msgspec

from aster.foundation.errors import ConfigError
from aster.foundation.extras import load_extra
from astrocyte.errors import LanguageModelUnavailable

Message = Mapping[str, Any]
"""One message of a chat, as the protocol writes it."""


@dataclass(frozen=True, slots=True)
class ToolCall:
    """A tool that the model wants to be called; ``arguments`` are whatever it wrote, an object or not."""

    call_id: str
    name: str
    arguments: Any


@dataclass(frozen=True, slots=True)
class Turn:
    """What a model answered: text, tools to call, and how many tokens both directions took."""

    text: str
    calls: tuple[ToolCall, ...]
    tokens: int
    message: Message


class LanguageModel(Protocol):
    """Raises `LanguageModelUnavailable` for everything that keeps it from answering."""

    @property
    def name(self) -> str: ...

    async def complete(
        self, messages: Sequence[Message], tools: Sequence[Mapping[str, Any]], *, max_tokens: int, must_call: bool
    ) -> Turn: ...

    async def close(self) -> None: ...


class LanguageModelSettings(msgspec.Struct, frozen=True):
    """``[llm]``; see the table of settings. Without ``model`` no language model is used."""

    model: str | None = None
    base_url: str | None = None
    api_key_env: str = "OPENAI_API_KEY"
    timeout_seconds: int = 30
    retries: int = 2


class OpenAiModel:
    """A chat model on a server that speaks the OpenAI protocol."""

    def __init__(self, settings: LanguageModelSettings, environ: Mapping[str, str] | None = None) -> None:
        """Raises `ConfigError` without a key where one is needed (no ``base_url``), `MissingExtra` without the SDK."""
        self._sdk = load_extra("openai", extra="llm")
        key = (os.environ if environ is None else environ).get(settings.api_key_env, "").strip()
        if not key and settings.base_url is None:
            raise ConfigError(
                f"[llm] needs a key in the environment variable {settings.api_key_env}",
                hint="set it, or [llm] base_url for a server that needs none",
            )
        if settings.model is None:
            raise ConfigError("[llm] model is not set")
        self.name = settings.model
        self._client = self._sdk.AsyncOpenAI(
            api_key=key or "none",
            base_url=settings.base_url,
            timeout=float(settings.timeout_seconds),
            max_retries=settings.retries,
        )

    async def complete(
        self, messages: Sequence[Message], tools: Sequence[Mapping[str, Any]], *, max_tokens: int, must_call: bool
    ) -> Turn:
        options: dict[str, Any] = {"tools": list(tools)} if tools else {}
        if tools and must_call:
            options["tool_choice"] = "required"
        try:
            answer = await self._client.chat.completions.create(
                model=self.name, messages=list(messages), max_tokens=max_tokens, temperature=0, **options
            )
        except self._sdk.OpenAIError as error:
            raise LanguageModelUnavailable(f"the language model did not answer: {_reason(self._sdk, error)}") from None
        if not answer.choices:
            raise LanguageModelUnavailable("the language model sent no answer")
        message = answer.choices[0].message
        calls = tuple(
            ToolCall(call.id, call.function.name, _decoded(call.function.arguments))
            for call in message.tool_calls or ()
            if call.type == "function"
        )
        tokens = answer.usage.total_tokens if answer.usage else 0
        return Turn(message.content or "", calls, tokens, message.model_dump(exclude_none=True))

    async def close(self) -> None:
        await self._client.close()


def _reason(sdk: Any, error: Exception) -> str:
    """Why, in our words: what a server says may quote what it was sent."""
    if isinstance(error, sdk.APITimeoutError):
        return "it took too long"
    if isinstance(error, sdk.RateLimitError):
        return "it refuses more requests for now (429)"
    if isinstance(error, sdk.APIStatusError):
        return f"status {error.status_code}"
    if isinstance(error, sdk.APIConnectionError):
        return "it can't be reached"
    return "its answer can't be read"


def _decoded(arguments: str | None) -> Any:
    try:
        return msgspec.json.decode(arguments or "{}")
    except msgspec.DecodeError:
        return None
