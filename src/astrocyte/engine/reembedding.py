"""Banks taken to the embedding model in use, a batch at a time."""

import asyncio

from astrocyte.access.identity import AstrocyteContext
from astrocyte.banks import ReembedResult
from astrocyte.engine.core import Engine
from astrocyte.errors import BankNotFound, InvalidInput
from astrocyte.inputs import bank_name, checked_count
from astrocyte.models.word_vectors import WordProvider
from astrocyte.retain.preparation import prepare_fresh

BATCH = 256
"""Passages that are embedded, and kept, at once: less than a second of work to lose."""


class ReembeddingOperations(Engine):
    """What gives memories vectors after they were retained."""

    async def reembed(
        self,
        bank_id: str,
        *,
        limit: int | None = None,
        dry_run: bool = False,
        context: AstrocyteContext | None = None,
    ) -> ReembedResult:
        """Give a bank vectors of the model in use: all of them if it has another model's, else those that it lacks.

        Fresh vectors are made in batches, each durable, and take the place of the old ones in one transaction when
        none is missing. Until then every reader finds what it found before; a run that was ended, or killed, goes on
        where it stopped. ``limit`` bounds the passages of this call (``remaining`` tells whether to call again),
        ``dry_run`` only counts. Legal holds allow it: no memory changes. Raises `BankNotFound`, and `InvalidInput`
        when no model is in use.
        """
        bank = bank_name(bank_id)
        await self._authorize(context, "reembed", [bank])
        state = self._opened
        store, provider, space = state.store, state.provider, state.space
        if provider is None or space is None:
            raise InvalidInput("no embedding model is in use", hint="set embedding.provider to the one you want")
        left = None if limit is None else checked_count("limit", limit)
        with_words = isinstance(provider, WordProvider)
        before = await asyncio.to_thread(store.vectors, bank, space, with_words=with_words)
        if before is None:
            raise BankNotFound(f"there is no bank '{bank}'")
        done, remaining, is_finished = 0, before.missing, False
        event = {**self._event("reembed", bank, context), "before": before.model}
        while not dry_run and (left is None or left > 0):
            count = BATCH if left is None else min(BATCH, left)
            page = await asyncio.to_thread(store.unembedded, bank, space, count, with_words=with_words)
            if page:
                await store.keep_fresh(bank, space, await asyncio.to_thread(prepare_fresh, page, provider))
                done, remaining = done + len(page), max(0, remaining - len(page))
                left = None if left is None else left - len(page)
            elif await store.switch_vectors(bank, space, event, with_words=with_words) is not None:
                remaining, is_finished = 0, True
                break
        while is_finished and await store.pack(bank):
            pass
        return ReembedResult(
            bank_id=bank,
            model=space.model,
            previous_model=before.model,
            passages=before.passages,
            embedded=done,
            remaining=remaining,
            is_finished=is_finished or (before.missing == 0 and before.model == space.model),
            is_dry_run=dry_run,
        )
