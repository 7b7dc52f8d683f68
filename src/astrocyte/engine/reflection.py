"""Answers from memory: written by a language model that is held to what it cites, or quoted."""

from collections.abc import Sequence
from datetime import datetime
from typing import Literal

from astrocyte.access.identity import AstrocyteContext
from astrocyte.engine.core import Engine
from astrocyte.engine.measures import measured
from astrocyte.errors import InvalidInput, LanguageModelUnavailable
from astrocyte.inputs import bank_names, checked_count
from astrocyte.memories import Dispositions, MemoryHit, ReflectResult
from astrocyte.models.language import LanguageModel
from astrocyte.recall.filters import TagMatch
from astrocyte.recall.plan import recall_plan
from astrocyte.recall.search import CHARACTERS_A_TOKEN
from astrocyte.reflect.agent import Search, answer_with_model
from astrocyte.reflect.dispositions import AS_USUAL, checked_dispositions, least_score
from astrocyte.reflect.extractive import EVIDENCE, extract

ReflectMethod = Literal["auto", "extractive", "language_model"]
REFLECT_METHODS: tuple[ReflectMethod, ...] = ("auto", "extractive", "language_model")

ANSWER_TOKENS = 700
"""Longest answer of a language model unless the caller says otherwise."""


class ReflectionOperations(Engine):
    """One method: reflect."""

    @measured("reflect")
    async def reflect(
        self,
        query: str,
        bank_id: str | None = None,
        *,
        banks: Sequence[str] | None = None,
        max_tokens: int | None = None,
        include_sources: bool = True,
        tags: Sequence[str] = (),
        tag_match: TagMatch = "any",
        as_of: datetime | None = None,
        dispositions: Dispositions | None = None,
        method: ReflectMethod = "auto",
        context: AstrocyteContext | None = None,
    ) -> ReflectResult:
        """Answer a question from memory, with citations; says that there is no answer rather than giving a thin one.

        With a language model configured (``[llm]``) it looks things up and writes the answer, every citation checked;
        without one, and for ``method="extractive"``, the best memories' own sentences are quoted. ``max_tokens`` bounds
        the answer (estimated when quoting), ``include_sources=False`` leaves the cited memories out of the result.
        ``dispositions`` say how strict to be with evidence and how to word the answer. Raises
        `LanguageModelUnavailable` when ``reflect.fall_back`` is off.
        """
        names = bank_names(bank_id, banks, self.settings.limits)
        await self._authorize(context, "reflect", names)
        if method not in REFLECT_METHODS:
            raise InvalidInput(f"method must be one of {', '.join(REFLECT_METHODS)}")
        if max_tokens is not None:
            checked_count("max_tokens", max_tokens)
        disposed = checked_dispositions(dispositions) if dispositions is not None else AS_USUAL
        model = None if method == "extractive" else self._opened.language_model
        if model is None and method == "language_model":
            raise InvalidInput("no language model is configured", hint="name one in [llm] model")

        async def search(words: str) -> list[MemoryHit]:
            plan = recall_plan(
                words, names, self.settings.limits, max_results=EVIDENCE, tags=tags, tag_match=tag_match, as_of=as_of
            )
            return (await self._search(plan)).hits

        failure: str | None = None
        if model is not None:
            try:
                return await self._written(query, search, model, disposed, max_tokens, include_sources=include_sources)
            except LanguageModelUnavailable as error:
                if not self.settings.reflect_falls_back:
                    raise
                failure = error.message
        characters = None if max_tokens is None else max_tokens * CHARACTERS_A_TOKEN
        quoted = extract(query, await search(query), least=least_score(disposed), max_characters=characters)
        return ReflectResult(
            answer=quoted.answer,
            confidence=quoted.confidence,
            sources=quoted.sources if include_sources else [],
            fallback_reason=failure,
        )

    async def _written(
        self,
        query: str,
        search: Search,
        model: LanguageModel,
        dispositions: Dispositions,
        max_tokens: int | None,
        *,
        include_sources: bool,
    ) -> ReflectResult:
        answer = await answer_with_model(
            query,
            search,
            model,
            self.settings.reflect_bounds,
            dispositions=dispositions,
            max_tokens=max_tokens or ANSWER_TOKENS,
        )
        return ReflectResult(
            answer=answer.text,
            confidence=answer.confidence,
            sources=answer.sources if include_sources else [],
            method="language_model",
            model=model.name,
        )
